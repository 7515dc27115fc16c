"""Trains the autoencoder on crops of composed pictures, or sharpens the decoder of one that others already rely on.

    python -m training.train_autoencoder --pack pack --run runs/vae --minutes 30
    python -m training.train_autoencoder --pack pack --run runs/decoder --start models/mini --decoder-only

What counts is the distance of colours, and of what the trunk of the guides' eyes makes of both pictures, so that edges stay edges.
"""

import argparse
import json
from pathlib import Path

import torch

from . import checkpoint, loop
from .compose import Choices, Composer
from .networks.autoencoder import Autoencoder

CHOICES = Choices(scenes=0.5, dyed=0.2, two=0.1, sided=0.2)
# Weights of the two differences between neighbouring pixels, and of the latents' distance from a standard normal's scale.
EDGES = 1.0
SPREAD = 1e-3


def config(channels):
    """AutoencoderTiny of a width."""
    widths = [channels] * 4
    return {
        "_class_name": "AutoencoderTiny",
        "act_fn": "relu",
        "block_out_channels": widths,
        "decoder_block_out_channels": widths,
        "encoder_block_out_channels": widths,
        "in_channels": 3,
        "latent_channels": 4,
        "latent_magnitude": 3,
        "latent_shift": 0.5,
        "num_decoder_blocks": [3, 3, 3, 1],
        "num_encoder_blocks": [1, 3, 3, 3],
        "out_channels": 3,
        "scaling_factor": 1.0,
        "upsample_fn": "nearest",
        "upsampling_scaling_factor": 2,
    }


class Crops:
    """Cuts the same random square out of every picture of a batch; one drawing is enough, things lie anywhere."""

    def __init__(self, side, seed):
        self.side, self.generator = side, torch.Generator().manual_seed(seed)

    def __call__(self, images):
        room = images.shape[-1] - self.side
        top, left = (int(torch.randint(0, room // 8 + 1, (), generator=self.generator)) * 8 for _ in range(2))
        return images[:, :, top : top + self.side, left : left + self.side]

    def state(self):
        """To resume with."""
        return self.generator.get_state()

    def resume(self, state):
        """Goes on from a state."""
        self.generator.set_state(state)


def difference(found, wanted):
    """Distance of colours and of what lies between neighbouring pixels."""
    loss = (found - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + EDGES * (found.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    return loss


@torch.no_grad()
def fidelity(network, composer, count=64):
    """Mean peak signal-to-noise ratio of pictures that went through."""
    images = composer.batch(count).images * 2 - 1
    again = network.decode(network.encode(images)).clamp(-1, 1)
    return float((-10 * ((again - images) ** 2 / 4).mean((1, 2, 3)).log10()).mean())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    loop.flags(parser, steps=20000, batch=16, rate=6e-4)
    parser.add_argument("--start", type=Path, help="a model to begin with instead of random weights")
    parser.add_argument("--decoder-only", action="store_true", help="leave the encoder, and so the latents, as they are")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--size", type=int, default=128, help="of the pictures that crops are taken from")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--bf16", action="store_true")
    args = loop.begin(parser, arguments)
    torch.manual_seed(3)
    composer = Composer(args.pack, args.size, 3, CHOICES, device=args.device)
    network = checkpoint.read(args.start, "vae") if args.start else Autoencoder(config(args.channels))
    network.to(args.device)
    trained = network.decoder if args.decoder_only else network
    crop = Crops(args.crop, 3)
    training = loop.Training(args, network, 0.999, 0, 1.0, trained, composer=composer, crops=crop)

    def loss():
        images = crop(composer.batch(args.batch).images) * 2 - 1
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.bf16):
            with torch.set_grad_enabled(not args.decoder_only):
                latents = network.encoder(images)
            # The U-Net's latents are never quite the encoder's.
            found = network.decoder(latents + 0.03 * torch.randn_like(latents))
        lost = difference(found.float(), images)
        if not args.decoder_only:
            lost = lost + SPREAD * (latents.float().square().mean() - 1).square()
        return lost

    done = training.run(loss)
    network.load_state_dict(training.average.weights)
    unseen = Composer(args.pack, args.size, 901, CHOICES, unseen=True, device=args.device)
    if not args.decoder_only:
        images = unseen.batch(64).images * 2 - 1
        with torch.no_grad():
            network.config["scaling_factor"] = float(1 / network.encoder(images).std())
    checkpoint.write(network.cpu(), args.run / "model", "vae")
    unseen = Composer(args.pack, args.size, 901, CHOICES, unseen=True)
    print(json.dumps(done | {"dB on unseen pictures": fidelity(network, unseen)}))


if __name__ == "__main__":
    main()
