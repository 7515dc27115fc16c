"""Trains the guides: eyes and text tower together, or the scorer that judges pictures and never guides.

    python -m training.train_guides --pack pack --run runs/eyes --minutes 30
    python -m training.train_guides --pack pack --run runs/scorer --scorer --minutes 15
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn import functional as F

from . import loop, losses, world
from .compose import Choices, Composer
from .networks.guides import SIZE, Eyes, TextTower
from .networks.text import ClipText
from .words import Words

NAMES = {"thing": None, "colour": len(world.COLOURS), "scene": 1 + len(world.SCENES), "dye": 1 + len(world.DYES)}
EYES = {"widths": [24, 32, 64, 96], "lateral": 48, "embedding": 96, "places": True}
SCORER = {"widths": [20, 40, 56, 112], "lateral": 8, "embedding": 8, "places": False}
TEXT = {
    "hidden_act": "quick_gelu",
    "hidden_size": 96,
    "intermediate_size": 192,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
}
TEMPERATURE = 14.0
CHOICES = Choices(scenes=0.5, varied=1.0)


def roughen(images, dice):
    """Pictures as a guide meets them: guesses that are blurred, noisy, pale or too bright, not renderings."""
    count = len(images)
    rough = images
    if dice.random() < 0.6:
        size = dice.choice([12, 16, 24, 32])
        some = torch.rand(count, 1, 1, 1, device=images.device) < 0.6
        blurred = F.interpolate(F.interpolate(images, (size, size), mode="area"), images.shape[2:], mode="bilinear")
        rough = torch.where(some, blurred, rough)
    contrast = torch.empty(count, 1, 1, 1, device=images.device).uniform_(0.75, 1.2)
    light = torch.empty(count, 3, 1, 1, device=images.device).normal_(0, 0.03)
    rough = (rough - 0.5) * contrast + 0.5 + light
    if dice.random() < 0.5:
        coarse = torch.randn(count, 3, 16, 16, device=images.device)
        patches = F.interpolate(coarse, images.shape[2:], mode="bilinear")
        rough = rough + patches * torch.rand(count, 1, 1, 1, device=images.device) * 0.12
    noise = torch.rand(count, 1, 1, 1, device=images.device) ** 2 * 0.12
    return (rough + noise * torch.randn_like(images)).clamp(0, 1)


def tokens(words, captions):
    """Tokens of captions, as long as the longest, and where each ends."""
    rows = [words.encode(caption) for caption in captions]
    ends = [row.index(words.end) for row in rows]
    return torch.tensor(rows)[:, : max(ends) + 1], torch.tensor(ends)


def make(config, words, things):
    """Both networks, untrained."""
    config = config | {"names": NAMES | {"thing": things}}
    text = TEXT | {"vocab_size": len(words.vocabulary), "bos_token_id": words.start, "eos_token_id": words.end}
    return torch.nn.ModuleDict({"eyes": Eyes(config), "text": TextTower(ClipText(text), config["embedding"])})


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    loop.flags(parser, steps=3000, batch=64, rate=4e-3)
    parser.add_argument("--tokenizer", type=Path, default=Path("models/mini/tokenizer"))
    parser.add_argument("--scorer", action="store_true")
    args = loop.begin(parser, arguments)
    seed = 2 if args.scorer else 1
    torch.manual_seed(seed)
    words = Words(args.tokenizer)
    composer = Composer(args.pack, SIZE, seed, CHOICES, device=args.device)
    networks = make(SCORER if args.scorer else EYES, words, len(composer.names)).to(args.device)
    training = loop.Training(args, networks, 0.995, 0.02, 5.0, composer=composer)

    def loss():
        batch = composer.batch(args.batch)
        seen = networks["eyes"](roughen(batch.images, composer.random))
        lost = losses.names(seen, batch)
        if not args.scorer:
            lost = lost + 4 * losses.mask(seen, batch) + 0.5 * losses.boxes(seen, batch)
            ids, ends = tokens(words, batch.captions)
            texts = networks["text"](ids.to(args.device), ends.to(args.device))
            lost = lost + losses.pair(seen["embedding"], texts, TEMPERATURE, batch.captions)
        return lost

    print(json.dumps(training.run(loss, config=networks["eyes"].config)))


if __name__ == "__main__":
    main()
