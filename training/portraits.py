"""Draws people for the guide that knows them again, and composes their portraits.

    python -m training.portraits --pack pack

Faces are drawn by DiceBear from two sets in the public domain (CC0): Open Peeps by Pablo Stanley, Lorelei by Lisa Wischofsky. Needs node;
npm's packages are kept beside the pack, as `pack` keeps its own.
"""

import argparse
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from . import world
from .compose import Places, Seeded, split
from .networks.guides import SIZE

PACKAGES = ["@dicebear/core@9.4.3", "@dicebear/lorelei@9.4.3", "@dicebear/open-peeps@9.4.3", "@resvg/resvg-js@2.6.2"]
PEOPLE, VIEWS, DRAWN_PX = 640, 5, 96
SCRIPT = Path(__file__).with_suffix(".mjs")


def build(pack, cache):
    """Writes `portraits/N.webp`, a person's views side by side."""
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "--prefix", cache, *PACKAGES], check=True)
    script = shutil.copy(SCRIPT, cache)
    drawn, out = cache / "portraits", pack / "portraits"
    subprocess.run(["node", script, drawn, str(PEOPLE), str(VIEWS), str(DRAWN_PX)], check=True)
    out.mkdir(exist_ok=True)
    for person in range(PEOPLE):
        views = Image.new("RGBA", (VIEWS * DRAWN_PX, DRAWN_PX))
        for view in range(VIEWS):
            views.paste(Image.open(drawn / f"{person}-{view}.png").convert("RGBA"), (view * DRAWN_PX, 0))
        views.save(out / f"{person}.webp", quality=90)
    licences = [(cache / "node_modules/@dicebear" / style / "LICENSE").read_text() for style in ("lorelei", "open-peeps")]
    (pack / "PORTRAITS-LICENCE.txt").write_text("\n".join(licences))
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{PEOPLE} people, {size / 1e6:.1f} MB in {out}")


class Portraits(Seeded):
    """Composes portraits of people; every fifth person is only for what is `unseen` in training."""

    def __init__(self, folder, seed=0, unseen=False, device="cpu"):
        super().__init__(seed)
        folder, self.device = Path(folder), device
        files = sorted((folder / "portraits").glob("*.webp"), key=lambda file: int(file.stem))
        if not files:
            raise SystemExit(f"{folder} holds no portraits: python -m training.portraits --pack {folder}")
        self.people = torch.stack([self.views(file) for file in split(files, unseen)]).to(device)
        self.places = Places(SIZE, unseen, device)

    @staticmethod
    def views(file):
        """A person `[views, 4, h, h]`: colours times alpha, and alpha, in bytes."""
        image = np.asarray(Image.open(file).convert("RGBA").convert("RGBa"))
        height = image.shape[0]
        return torch.from_numpy(image.reshape(height, -1, height, 4).transpose(1, 3, 0, 2).copy())

    def batch(self, people, views):
        """Pictures `[people * views, 3, 64, 64]`, a person's after one another."""
        dice = self.random
        chosen = dice.sample(range(len(self.people)), people)
        which = [(person, view) for person in chosen for view in dice.sample(range(self.people.shape[1]), views)]
        cut = torch.stack([self.people[person, view] for person, view in which]).float() / 255
        rows, count = [], len(which)
        for _ in range(count):
            wide = dice.uniform(0.62, 1.15)
            turn, mirror = np.radians(dice.uniform(-12, 12)), dice.choice([-1, 1])
            room = 0.06 + 0.5 * abs(1 - wide)
            cos, sin = np.cos(turn) / wide, np.sin(turn) / wide
            x, y = dice.uniform(-room, room), dice.uniform(-room, room)
            rows.append([[mirror * cos, mirror * sin, -mirror * (cos * x + sin * y)], [-sin, cos, sin * x - cos * y]])
        affine = torch.tensor(rows, dtype=torch.float32, device=self.device)
        grid = F.affine_grid(affine, (count, 1, 2 * SIZE, 2 * SIZE), align_corners=False)
        # Drawn twice as large, then shrunk: lines are thin.
        layer = F.avg_pool2d(F.grid_sample(cut, grid, align_corners=False), 2)
        behind = torch.stack([self.background() for _ in range(count)])
        return (behind * (1 - layer[:, 3:]) + layer[:, :3]).clamp(0, 1)

    def background(self):
        """A plain colour of any hue, or a part of a painted place."""
        dice = self.random
        if dice.random() < 0.5:
            colour = torch.tensor(dice.choice(list(world.COLOURS.values())), device=self.device) / 255
            colour = colour + torch.tensor([dice.gauss(0, 0.08) for _ in range(3)], device=self.device)
            return colour.clamp(0, 1).view(3, 1, 1).expand(3, SIZE, SIZE)
        place = self.places.one(dice.randrange(len(world.SCENES)), dice.randrange(1 << 16))
        top, left = dice.randrange(place.shape[1] - SIZE + 1), dice.randrange(place.shape[2] - SIZE + 1)
        return place[:, top : top + SIZE, left : left + SIZE].float() / 255


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="what was downloaded; default: PACK with -cache behind")
    args = parser.parse_args(arguments)
    build(args.pack, args.cache or args.pack.with_name(args.pack.name + "-cache"))


if __name__ == "__main__":
    main()
