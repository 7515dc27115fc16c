"""Trains the text encoder and the U-Net together on latents of composed pictures.

    python -m training.train_denoiser --pack pack --model models/mini --run runs/denoiser --minutes 60
    python -m training.train_denoiser --pack pack --model runs/vae/model --run runs/256 --fresh --size 256 \\
        --batch 256 --rate 4e-4 --steps 40000 --bf16

`--model` is a folder in the diffusers layout; its autoencoder stays as it is. With `--fresh` the other two start from random
weights, else from the model's own.
"""

import argparse
import json
from pathlib import Path

import torch

from . import checkpoint, loop
from .compose import Choices, Composer
from .networks.text import ClipText
from .networks.unet import Unet
from .sample import ALPHAS_CUMPROD, noised
from .words import Words

EMPTY = 0.1
MIN_SNR = 5.0
UNET = {
    "_class_name": "UNet2DConditionModel",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [64, 96, 128, 160],
    "cross_attention_dim": 192,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "norm_eps": 1e-5,
    "norm_num_groups": 16,
    "out_channels": 4,
    "sample_size": 32,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "use_linear_projection": False,
}
TEXT = {
    "architectures": ["CLIPTextModel"],
    "hidden_act": "quick_gelu",
    "hidden_size": 192,
    "intermediate_size": 576,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
}


def networks(args, words):
    """Text encoder and U-Net."""
    if not args.fresh:
        return torch.nn.ModuleDict({part: checkpoint.read(args.model, part) for part in ("text_encoder", "unet")})
    text = TEXT | {"vocab_size": len(words.vocabulary), "bos_token_id": words.start, "eos_token_id": words.end}
    text["pad_token_id"] = words.end
    unet = UNET | {"sample_size": args.size // 8}
    if args.narrow:
        text |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
        unet |= {"block_out_channels": [16, 16, 16, 16], "cross_attention_dim": 32, "attention_head_dim": 2}
    return torch.nn.ModuleDict({"text_encoder": ClipText(text), "unet": Unet(unet)})


class Latents:
    """A stock of encoded pictures with their captions, made anew little by little: encoding is dearer than the U-Net.

    Its pictures follow from the seed and from how many were made before, so a resumed training goes on with the same.
    """

    def __init__(self, composer, autoencoder, device, stock):
        self.composer, self.autoencoder, self.device = composer, autoencoder, device
        self.rows, self.captions, self.stock, self.next = None, [None] * stock, stock, 0

    @torch.no_grad()
    def more(self, count):
        """Composes and encodes pictures in the place of the oldest ones."""
        batch = self.composer.batch(count)
        latents = self.autoencoder.encode(batch.images * 2 - 1)
        if self.rows is None:
            # As a checkpoint holds them, so that a resumed training sees the very same.
            self.rows = torch.empty(self.stock, *latents.shape[1:], dtype=torch.float16, device=self.device)
        for row, caption in enumerate(batch.captions):
            self.rows[self.next] = latents[row]
            self.captions[self.next] = caption
            self.next = (self.next + 1) % self.stock

    def fill(self, chunk=32):
        """The whole stock."""
        for _ in range(0, self.stock, chunk):
            self.more(chunk)

    def state(self):
        """To resume with."""
        return {"rows": self.rows.cpu(), "captions": self.captions, "next": self.next, "composer": self.composer.state()}

    def resume(self, state):
        """Goes on from a state."""
        self.rows = state["rows"].to(self.device)
        self.captions, self.next = state["captions"], state["next"]
        self.composer.resume(state["composer"])


def loss_of(parts, words, x0, captions, t, noise):
    """Error of the predicted noise, no step's counting for more than a signal-to-noise ratio of 5 would."""
    a = ALPHAS_CUMPROD.to(x0.device)[t]
    ids = torch.tensor([words.encode(caption) for caption in captions], device=x0.device)
    eps = parts["unet"](noised(x0, noise, t), t, parts["text_encoder"](ids))
    return ((eps.float() - noise) ** 2).mean((1, 2, 3)).mul(min_snr(a)).mean()


def min_snr(alphas_cumprod):
    """What a step's error counts (Hang et al. 2023, <https://arxiv.org/abs/2303.09556>): `min(snr, 5) / snr` for predicted noise."""
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return (MIN_SNR / snr).clamp(max=1).float()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    loop.flags(parser, steps=20000, batch=8, rate=3e-4)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("models/mini/tokenizer"))
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--narrow", action="store_true", help="with --fresh: as small as can be, to try the whole out")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--scenes", type=float, default=0.4, help="share of pictures with a place behind")
    parser.add_argument("--dyed", type=float, default=0.15, help="share of pictures with a thing in another colour")
    parser.add_argument("--two", type=float, default=0.0, help="share of pictures with two things")
    parser.add_argument("--posed", action="store_true", help="one thing in its own colours and usual size, in the middle, upright: what a short training can learn")
    parser.add_argument("--stock", type=int, default=4096, help="encoded pictures that are held")
    parser.add_argument("--renew", type=int, default=1, help="pictures of them that are made anew in a step")
    parser.add_argument("--offset", type=float, default=0.08, help="noise that a whole channel shares")
    parser.add_argument("--decay", type=float, default=0.999, help="of the average of the weights")
    parser.add_argument("--bits", type=int, choices=[8, 16], default=16, help="of the weights that are written at the end")
    parser.add_argument("--bf16", action="store_true")
    args = loop.begin(parser, arguments)
    torch.manual_seed(5)
    words = Words(args.tokenizer)
    parts = networks(args, words).to(args.device)
    if args.posed:
        choices = Choices(scenes=args.scenes, dyed=0, two=0, sided=0, sized=0, turned=5, all_pairs=False)
    else:
        choices = Choices(scenes=args.scenes, dyed=args.dyed, two=args.two, all_pairs=False)
    composer = Composer(args.pack, args.size, 5, choices, device=args.device)
    autoencoder = checkpoint.read(args.model, "vae").to(args.device).eval()
    latents = Latents(composer, autoencoder, args.device, args.stock)
    training = loop.Training(args, parts, args.decay, 0.01, 1.0, latents=latents)
    if not training.done:
        latents.fill()

    def loss():
        if args.renew:
            latents.more(args.renew)
        chosen = torch.randint(0, args.stock, (args.batch,))
        empty = (torch.rand(args.batch) < EMPTY).tolist()
        captions = ["" if none else latents.captions[at] for at, none in zip(chosen.tolist(), empty)]
        x0 = latents.rows[chosen.to(args.device)].float()
        noise = torch.randn(x0.shape) + args.offset * torch.randn(*x0.shape[:2], 1, 1)
        t = torch.randint(0, 1000, (args.batch,))
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.bf16):
            return loss_of(parts, words, x0, captions, t.to(args.device), noise.to(args.device))

    done = training.run(loss)
    parts.load_state_dict(training.average.weights)
    for part in ("unet", "text_encoder"):
        checkpoint.write(parts[part].cpu(), args.run / "model", part, args.bits)
    checkpoint.write(autoencoder.cpu(), args.run / "model", "vae", args.bits)
    checkpoint.copy_rest(args.run / "model", tokenizer=args.tokenizer)
    print(json.dumps(done))


if __name__ == "__main__":
    main()
