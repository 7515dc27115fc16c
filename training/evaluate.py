"""How well a model draws what it is asked for, judged by guides that never guided it.

    python -m training.evaluate --pack pack --model models/mini --eyes runs/eyes --scorer runs/scorer --out eval
    python -m training.evaluate ... --guidestar target/release/guidestar

The prompts are things on backgrounds that `train_denoiser` never shows together. Pictures are drawn by the sampler here, or by the
program itself. Prints the share of pictures whose thing, colour and scene the scorer names as asked, how well pictures and
texts agree, and the Frechet distance of the scorer's features to those of composed pictures; draws a sheet of 64.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from . import checkpoint, world
from .compose import NO_COLOUR, NO_SCENE, NO_THING, Choices, Composer, held_out, sheet
from .export_guides import averaged
from .networks.guides import pool
from .sample import draw
from .train_guides import tokens
from .words import Words

SEED = 7000


def prompts(names, count, scenes):
    """Held-out combinations, plain and in scenes by turns, in the phrasing that comes first in the world's list."""
    backgrounds = [(colour, NO_SCENE) for colour in range(len(world.COLOURS))]
    if scenes:
        backgrounds += [(NO_COLOUR, scene) for scene in range(len(world.SCENES))]
    pairs = [(thing, *there) for thing in range(len(names)) for there in backgrounds if held_out(thing, *there)]
    dice = random.Random(SEED)
    dice.shuffle(pairs)
    asked = []
    for thing, colour, scene in (pairs * (count // len(pairs) + 1))[:count]:
        words = world.article(names[thing])
        if scene == NO_SCENE:
            text = world.ON_COLOUR[0].format(thing=words, colour=list(world.COLOURS)[colour])
        else:
            text = world.IN_SCENE[0].format(thing=words, place=list(world.SCENES.values())[scene])
        asked.append((text, thing, colour, scene))
    return asked


@torch.no_grad()
def draw_here(args, words, texts):
    """Pictures by the sampler of training."""
    parts = {part: checkpoint.read(args.model, part).eval() for part in ("unet", "vae", "text_encoder")}
    size = parts["unet"].config["sample_size"]
    encode = lambda rows: parts["text_encoder"](torch.tensor([words.encode(row) for row in rows]))  # noqa: E731
    pictures = []
    for start in range(0, len(texts), args.batch):
        context = encode(texts[start : start + args.batch])
        latents = draw(parts["unet"], context, encode([""]), size, SEED + start, args.steps, args.cfg_scale)
        pictures.append(parts["vae"].decode(latents) * 0.5 + 0.5)
        print(f"{start + len(context)} of {len(texts)} drawn", flush=True)
    return torch.cat(pictures).clamp(0, 1)


def draw_there(args, texts):
    """Pictures by the program."""
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for index, text in enumerate(texts):
            out = Path(folder) / f"{index}.png"
            command = [args.guidestar, "generate", text, "--model", args.model, "--seed", str(SEED + index), "--out", out]
            command += ["--steps", str(args.steps), "--cfg-scale", str(args.cfg_scale), "--json"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            for line in done.stdout.splitlines():
                json.loads(line)
            pictures.append(np.asarray(Image.open(out).convert("RGB"), np.float32) / 255)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def frechet(a, b):
    """Distance of two clouds of features, as Gaussians (Heusel et al. 2017, <https://arxiv.org/abs/1706.08500>)."""
    a, b = a.double(), b.double()
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    first, second = torch.cov(a.T), torch.cov(b.T)
    # The trace of the root of a product of positive matrices is the sum of the roots of its eigenvalues.
    roots = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    return float(mean + first.trace() + second.trace() - 2 * roots)


def features(network, images):
    """What the scorer pools from pictures, in pieces."""
    shrunk = F.interpolate(images, (64, 64), mode="bilinear", antialias=True)
    return torch.cat([pool(network.trunk(piece)) for piece in shrunk.split(50)])


@torch.no_grad()
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("models/mini"))
    parser.add_argument("--eyes", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("models/mini/tokenizer"), help="the guides'; the model has its own")
    parser.add_argument("--guidestar", type=Path, help="the program, to draw with instead of the sampler here")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--plain-only", action="store_true", help="for a model that draws no places")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--cfg-scale", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    words = Words(args.model / "tokenizer")
    composer = Composer(args.pack, 128, SEED, Choices(dyed=0, two=0, sided=0), unseen=True)
    asked = prompts(composer.names, args.pictures, not args.plain_only)
    texts = [text for text, *_ in asked]
    pictures = draw_there(args, texts) if args.guidestar else draw_here(args, words, texts)
    args.out.mkdir(parents=True, exist_ok=True)
    sheet(pictures[:64], 8).save(args.out / "sheet.png")
    (args.out / "prompts.txt").write_text("\n".join(texts[:64]) + "\n")

    words = Words(args.tokenizer)
    scorer = averaged(args.scorer, words)[0]["eyes"]
    eyes = averaged(args.eyes, words)[0]
    seen = {head: [] for head in ("thing", "colour", "scene")}
    agreement = []
    for start in range(0, len(pictures), 50):
        piece = pictures[start : start + 50]
        found = scorer(piece)
        for head, rows in seen.items():
            rows += found[head].argmax(1).tolist()
        ids, ends = tokens(words, texts[start : start + 50])
        agreement += (eyes["eyes"](piece)["embedding"] * eyes["text"](ids, ends)).sum(1).tolist()
    plain = [at for at, row in enumerate(asked) if row[3] == NO_SCENE]
    scenic = [at for at, row in enumerate(asked) if row[3] != NO_SCENE]
    share = lambda rows: sum(rows) / len(rows) if rows else None  # noqa: E731
    plans = [composer.plan([thing, NO_THING], colour, scene) for _, thing, colour, scene in asked]
    composed = torch.cat([composer.compose(plans[at : at + 50]).images for at in range(0, len(plans), 50)])
    report = {
        "pictures": len(pictures),
        "steps": args.steps,
        "cfg_scale": args.cfg_scale,
        "thing right": share([seen["thing"][at] == row[1] for at, row in enumerate(asked)]),
        "colour right": share([seen["colour"][at] == asked[at][2] for at in plain]),
        "scene right": share([seen["scene"][at] == asked[at][3] + 1 for at in scenic]),
        "image-text cosine": share(agreement),
        "Frechet distance": frechet(features(scorer, pictures), features(scorer, composed)),
    }
    (args.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
