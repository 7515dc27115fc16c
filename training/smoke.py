"""A few steps of every training, on pictures that are drawn here, in seconds: losses fall, trainings resume, files are written.

    python -m training.smoke --out target/training-smoke

Ends with "N passed, N failed".
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from . import loop, world

TOKENIZER = Path(__file__).parent.parent / "models/mini/tokenizer"


def draw_pack(folder):
    """A pack of coloured shapes and striped photographs."""
    (folder / "things").mkdir(parents=True)
    things, scenes = {}, {}
    for index, name in enumerate(list(world.THINGS)[:6]):
        image = Image.new("RGBA", (64, 64))
        shape = [ImageDraw.Draw(image).ellipse, ImageDraw.Draw(image).rectangle][index % 2]
        shape((4, 4, 60 - 4 * index, 60), fill=(40 * index, 255 - 40 * index, 128, 255))
        things[name] = f"things/{index}.webp"
        image.save(folder / things[name], lossless=True)
    for index, scene in enumerate(world.SCENES):
        (folder / "scenes" / scene).mkdir(parents=True)
        scenes[scene] = []
        for photo in range(5):
            image = Image.linear_gradient("L").resize((64, 32)).rotate(30 * photo)
            place = f"scenes/{scene}/{photo}.jpg"
            Image.merge("RGB", [image.point(lambda x, k=k: (x * (index + k)) % 256) for k in (1, 2, 3)]).save(folder / place)
            scenes[scene].append(place)
    (folder / "pack.json").write_text(json.dumps({"things": things, "scenes": scenes}))


def train(module, *flags):
    """Runs a training and returns the losses it says."""
    command = [sys.executable, "-m", f"training.{module}", *map(str, flags), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{module} ended with {done.returncode}:\n{done.stderr}")
    return [float(line.split("loss ")[1].split(",")[0]) for line in done.stdout.splitlines() if "loss " in line]


def falling(losses):
    assert len(losses) >= 2 and losses[-1] < losses[0], f"losses do not fall: {losses}"


def guides(out, pack):
    """The guides' losses fall, and they are written as the program reads them."""
    flags = ["--pack", pack, "--tokenizer", TOKENIZER]
    falling(train("train_guides", *flags, "--run", out / "eyes", "--steps", 100, "--batch", 8))
    command = [sys.executable, "-m", "training.export_guides", *map(str, flags), "--eyes", out / "eyes", "--out", out / "guides"]
    subprocess.run(command, check=True, capture_output=True)
    assert (out / "guides/eyes.safetensors").exists()


def resumed(out, pack):
    """A training that was cut in two ends with the weights of one that was not."""
    flags = ["--pack", pack, "--tokenizer", TOKENIZER, "--batch", 4, "--steps", 6]
    train("train_guides", *flags, "--run", out / "whole")
    train("train_guides", *flags, "--run", out / "halves", "--stop", 3)
    train("train_guides", *flags, "--run", out / "halves")
    whole, halves = (loop.load(out / name / "checkpoint.pt")["networks"] for name in ("whole", "halves"))
    for name, weight in whole.items():
        assert torch.equal(weight, halves[name]), f"{name} differs after resuming"


def autoencoder(out, pack):
    """The autoencoder's loss falls."""
    flags = ["--pack", pack, "--run", out / "vae", "--channels", 8, "--size", 64, "--crop", 32]
    falling(train("train_autoencoder", *flags, "--steps", 100, "--batch", 4, "--rate", 3e-3))


def denoiser(out, pack):
    """The U-Net's loss falls on top of that autoencoder."""
    flags = ["--pack", pack, "--model", out / "vae/model", "--run", out / "denoiser", "--tokenizer", TOKENIZER]
    flags += ["--fresh", "--size", 64, "--stock", 32, "--steps", 100, "--batch", 4, "--rate", 1e-3, "--narrow"]
    falling(train("train_denoiser", *flags))
    assert (out / "denoiser/model/unet/config.json").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    pack = args.out / "pack"
    draw_pack(pack)
    failed = 0
    tests = [guides, resumed, autoencoder, denoiser]
    for test in tests:
        try:
            test(args.out, pack)
            print(f"ok: {test.__doc__}", flush=True)
        except (AssertionError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"FAILED: {test.__doc__}\n{error}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
