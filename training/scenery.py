"""Paints places for things to stand in: as many pictures of a place as are wanted, all of them the project's own.

    python -m training.scenery --out scenery.png

A place is told by its layout and its colours, which a small network can learn; every picture of it has other ridges, clouds,
trees and light. The same seed paints the same picture, in any size.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image


def mixed(one, other, share):
    """A colour between two."""
    return np.asarray(one, np.float32) * (1 - share) + np.asarray(other, np.float32) * share


class Painting:
    """A picture on its way, painted from the back to the front. Lengths are parts of its height; the top is 0."""

    def __init__(self, seed, height, width):
        self.dice = np.random.default_rng(seed)
        self.height = height
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / height)[None]
        self.wide = width / height
        self.pixels = np.zeros((height, width, 3), np.float32)

    def any(self, low, high):
        """A number in between."""
        return float(self.dice.uniform(low, high))

    def colour(self, one, other, spread=6):
        """A colour between two, or nearly."""
        return mixed(one, other, self.any(0, 1)) + self.dice.normal(0, spread, 3).astype(np.float32)

    def line(self, bumps, octaves=3):
        """An uneven line along the width, about -1..1: `bumps` in a height's length, and finer ones on them."""
        total = np.zeros_like(self.x)
        for octave in range(octaves):
            count = max(int(bumps * self.wide * 2**octave), 1) + 2
            knots = self.dice.uniform(-1, 1, count).astype(np.float32)
            at = self.x / self.wide * (count - 2)
            low = at.astype(int)
            total += (knots[low] + (knots[low + 1] - knots[low]) * smooth(at - low)) / 2**octave
        return total

    def cloth(self, across, down, octaves=3):
        """An uneven surface, about -1..1, with so many bumps in a height's length."""
        total = np.zeros(self.pixels.shape[:2], np.float32)
        for octave in range(octaves):
            cells = (max(int(down * 2**octave), 1) + 1, max(int(across * self.wide * 2**octave), 1) + 1)
            coarse = Image.fromarray(self.dice.uniform(-1, 1, cells).astype(np.float32))
            total += np.asarray(coarse.resize(total.shape[::-1], Image.BICUBIC)) / 2**octave
        return total

    def below(self, line):
        """How much of each pixel is below a line."""
        return np.clip((self.y - line) * self.height + 0.5, 0, 1)

    def inside(self, distance):
        """How much of each pixel is where a distance, in heights, is negative."""
        return np.clip(0.5 - distance * self.height, 0, 1)

    def cover(self, share, colour):
        """Paints over a share of every pixel."""
        self.pixels += (np.asarray(colour, np.float32) - self.pixels) * np.asarray(share, np.float32)[..., None]

    def shine(self, light):
        """Makes brighter or darker."""
        self.pixels *= np.asarray(1 + light, np.float32)[..., None]

    def gradient(self, top, bottom, start=0.0, end=1.0):
        """Paints from one colour to another, downwards, over everything."""
        share = np.clip((self.y - start) / (end - start), 0, 1)
        self.pixels[:] = mixed(top, bottom, share[..., None])

    def disc(self, x, y, radius, colour, glow=0.0):
        """Paints a sun, a moon or a planet, with light around it."""
        distance = np.hypot(self.x - x, self.y - y)
        if glow:
            self.cover(glow * np.exp(-((distance / (3 * radius)) ** 2)), colour)
        self.cover(self.inside(distance - radius), colour)

    def star(self, x, y, radius, bright):
        """Paints a point of light, quickly: only the pixels around it are touched."""
        reach = max(3 * radius, 1.5 / self.height)
        rows, columns = (slice(*np.searchsorted(axis, (at - reach, at + reach))) for axis, at in ((self.y[:, 0], y), (self.x[0], x)))
        light = bright * np.exp(-((self.x[:, columns] - x) ** 2 + (self.y[rows] - y) ** 2) / radius**2)
        self.pixels[rows, columns] += (255 - self.pixels[rows, columns]) * light[..., None]

    def clouds(self, amount, low, colour=(255, 255, 255)):
        """Paints clouds down to a height."""
        puffs = self.cloth(2, 5, 4) + amount
        self.cover(np.clip(puffs * 1.6, 0, 1) * 0.85 * np.clip((low - self.y) * 6, 0, 1), colour)

    def tree(self, x, foot, height, colour, snow=0.0):
        """Paints a fir."""
        for tier in range(3):
            top, bottom = foot - height * (1 - 0.22 * tier), foot - height * (0.5 - 0.2 * tier)
            reach = height * (0.17 + 0.07 * tier) * np.clip((self.y - top) / (bottom - top), 0, 1)
            cone = self.inside(np.maximum(np.abs(self.x - x) - reach, self.y - bottom)) * self.below(top)
            self.cover(cone, mixed(colour, (0, 0, 0), 0.14 * (2 - tier)))
            if snow:
                self.cover(cone * np.clip(1 - (self.y - top) / (bottom - top), 0, 1) * snow, (246, 250, 255))

    def house(self, left, right, top, colour, lit):
        """Paints a tower with rows of windows, down to the bottom."""
        wall = self.inside(np.maximum(np.abs(self.x - (left + right) / 2) - (right - left) / 2, top - self.y))
        self.cover(wall, colour)
        step = self.any(0.045, 0.07)
        column, row = (self.x - left) / step, (self.y - top) / step
        pane = (np.abs(column % 1 - 0.5) < 0.26) & (np.abs(row % 1 - 0.5) < 0.3) & (column < int((right - left) / step)) & (row > 0.9)
        light = self.dice.random((int(1.2 / step) + 2, int((right - left) / step) + 2)) < lit
        rows, columns = np.clip(row.astype(int), 0, len(light) - 1), np.clip(column.astype(int), 0, light.shape[1] - 1)
        self.cover(wall * pane, mixed(colour, (20, 40, 70), 0.45))
        self.cover(wall * pane * light[rows, columns], (255, 226, 150))


def smooth(share):
    """From 0 to 1 without a corner at either end."""
    return share * share * (3 - 2 * share)


def day(p, horizon):
    """A sky by day, towards evening now and then."""
    if p.any(0, 1) < 0.25:
        p.gradient(p.colour((120, 150, 220), (150, 140, 210)), p.colour((255, 200, 150), (250, 180, 170)), 0, horizon)
    else:
        p.gradient(p.colour((80, 150, 230), (110, 180, 240)), p.colour((190, 225, 250), (215, 238, 250)), 0, horizon)


def mountains(p):
    """Blue ridges one behind the other, the farthest with snow on them, a meadow before them."""
    day(p, 0.6)
    p.clouds(p.any(-0.9, -0.4), 0.5)
    stone = p.colour((96, 118, 160), (116, 126, 150))
    for row in range(3):
        peaks = 0.33 + 0.11 * row - (0.19 - 0.05 * row) * p.line(2.2, 4)
        share = p.below(peaks)
        colour = mixed(mixed(stone, (196, 214, 236), 0.45), mixed(stone, (50, 84, 84), 0.55), row / 2)
        p.cover(share, colour)
        slope = np.gradient(peaks[0])[None] * p.height
        p.shine(share * np.clip(slope, -1, 1) * 0.14)
        if row < 2:
            reach = 0.07 + 0.03 * p.cloth(6, 6, 2)
            p.cover(share * np.clip((peaks + reach - p.y) * 14, 0, 1) * np.clip((0.42 - peaks) * 9, 0, 1), (250, 252, 255))
    p.cover(p.below(0.66 + 0.03 * p.line(1)), p.colour((98, 160, 84), (120, 170, 84)))
    p.shine(0.05 * p.cloth(5, 14, 3) * p.below(0.66))


def city(p):
    """Towers with lit windows along a street."""
    evening = p.any(0, 1)
    p.gradient(mixed((120, 176, 230), (70, 70, 130), evening), mixed((214, 230, 244), (250, 176, 140), evening), 0, 0.7)
    for row in range(2):
        left = p.any(-0.1, 0.0)
        while left < p.wide:
            right = left + p.any(0.13, 0.26)
            top = p.any(0.08, 0.4) + 0.1 * row
            far = mixed(p.colour((150, 150, 165), (190, 160, 150), 10), p.colour((96, 116, 150), (130, 120, 140), 10), p.any(0, 1))
            p.house(left, right, top, mixed(far, (40, 44, 84), 0.4 * evening) if row else mixed(far, (190, 205, 225), 0.4), 0.15 + 0.4 * evening)
            left = right + p.any(-0.01, 0.03)
    kerb = p.any(0.66, 0.72)
    p.cover(p.below(kerb), p.colour((170, 170, 172), (150, 150, 160)))
    p.cover(p.below(kerb + 0.05), p.colour((92, 94, 102), (112, 112, 118)))
    p.shine(0.03 * p.cloth(20, 20, 2) * p.below(kerb))


def sea(p):
    """Water to the horizon, and a beach."""
    horizon = p.any(0.38, 0.46)
    day(p, horizon)
    p.clouds(p.any(-0.8, -0.2), horizon)
    deep, shallow = p.colour((24, 96, 170), (30, 120, 180)), p.colour((70, 190, 205), (100, 205, 200))
    share = p.below(horizon)
    p.cover(share, mixed(deep, shallow, np.clip((p.y - horizon) / 0.28, 0, 1)[..., None]))
    p.cover(share * np.clip(p.cloth(4, 34, 2) - 0.55, 0, 1) * 0.6, (255, 255, 255))
    shore = p.any(0.66, 0.72) + 0.03 * p.line(1.2, 2)
    p.cover(p.below(shore - 0.025), (246, 252, 252))
    p.cover(p.below(shore), p.colour((206, 176, 126), (216, 186, 136)))
    p.cover(p.below(shore + 0.05 + 0.01 * p.line(2, 2)), p.colour((240, 216, 166), (246, 226, 184)))
    p.shine(0.02 * p.cloth(24, 24, 2) * p.below(shore))


def canyon(p):
    """Table mountains of red rock in layers, and a red ground."""
    p.gradient(p.colour((70, 150, 224), (110, 170, 226)), p.colour((246, 220, 190), (226, 226, 230)), 0, 0.55)
    rock = p.colour((188, 84, 48), (204, 104, 62))
    for row in range(2):
        steps = np.clip(1.8 * p.line(1.4 + row, 2), -1, 1)
        top = 0.34 + 0.14 * row - 0.17 * steps + 0.01 * p.line(12, 2)
        share = p.below(top)
        p.cover(share, mixed(rock, (236, 176, 150), 0.4 * (1 - row)))
        layers = np.sin((p.y + 0.012 * p.line(3, 2)) * p.any(60, 90)) + np.sin(p.y * p.any(20, 34))
        p.shine(share * 0.075 * layers)
        p.shine(share * 0.1 * p.line(14, 2))
    ground = 0.64 + 0.02 * p.line(2, 2)
    p.cover(p.below(ground), p.colour((206, 120, 72), (220, 136, 88)))
    p.shine(0.06 * p.cloth(5, 22, 3) * p.below(ground))


def fields(p):
    """Green hills with rows of crops, yellow ones among them."""
    day(p, 0.5)
    p.clouds(p.any(-0.6, 0.0), 0.45)
    for row in range(4):
        top = 0.42 + 0.1 * row - 0.05 * p.line(0.9, 1)
        share = p.below(top)
        green = p.colour((88, 168, 64), (150, 196, 80)) if p.any(0, 1) < 0.7 or row == 3 else p.colour((236, 206, 84), (226, 190, 70))
        p.cover(share, mixed(green, (196, 220, 210), 0.3 - 0.1 * row))
        p.shine(share * 0.06 * np.sin((p.x * p.any(-1, 1) + (p.y - top) * 2) * p.any(50, 90)))
        for _ in range(int(p.any(0, 3)) if row in (1, 2) else 0):
            x, size = p.any(0, p.wide), p.any(0.03, 0.05)
            y = float(np.interp(x, p.x[0], top[0])) - size * 0.5
            p.disc(x, y, size, p.colour((50, 110, 50), (70, 130, 50)))


def snow(p):
    """White ground under a pale sky, white firs, flakes."""
    p.gradient(p.colour((150, 180, 214), (176, 196, 222)), p.colour((226, 234, 244), (236, 238, 246)), 0, 0.6)
    back = 0.5 - 0.06 * p.line(1, 2)
    p.cover(p.below(back), (222, 232, 244))
    for _ in range(int(p.any(9, 15))):
        x = p.any(0, p.wide)
        p.tree(x, 0.6 + p.any(-0.02, 0.04), p.any(0.2, 0.42), p.colour((46, 84, 84), (70, 104, 110)), p.any(0.75, 1))
    front = 0.6 - 0.025 * p.line(1.2, 2)
    share = p.below(front)
    p.cover(share, mixed((240, 245, 252), (222, 232, 248), np.clip((p.y - 0.6) * 2, 0, 1)[..., None]))
    p.shine(share * 0.02 * p.cloth(3, 8, 2))
    for _ in range(int(p.any(20, 60))):
        p.disc(p.any(0, p.wide), p.any(0, 0.9), p.any(0.004, 0.009), (255, 255, 255))


def desert(p):
    """Dunes with a lit and a dark side, and a hot sky."""
    p.gradient(p.colour((96, 176, 230), (130, 190, 226)), p.colour((250, 232, 196), (246, 222, 180)), 0, 0.5)
    if p.any(0, 1) < 0.6:
        p.disc(p.any(0.2, p.wide - 0.2), p.any(0.12, 0.24), 0.06, (255, 246, 206), 0.6)
    sand = p.colour((236, 190, 112), (244, 204, 130))
    for row in range(4):
        top = 0.44 + 0.1 * row - 0.07 * p.line(0.8 + 0.2 * row, 1)
        share = p.below(top)
        p.cover(share, mixed(sand, (250, 230, 190), 0.45 - 0.15 * row))
        slope = np.gradient(top[0])[None] * p.height
        p.shine(-share * np.clip(slope * 0.8, 0, 0.22) * np.exp(-np.clip(p.y - top, 0, 1) * 7))
        p.shine(share * 0.014 * np.sin((p.y - 0.5 * top) * p.any(110, 150) + 3 * p.line(2, 1)))


def sky(p):
    """Clouds all around."""
    p.gradient(p.colour((50, 124, 222), (80, 150, 232)), p.colour((170, 214, 250), (196, 226, 250)))
    for _ in range(int(p.any(6, 10))):
        x, y, size = p.any(0, p.wide), p.any(0.05, 1.0), p.any(0.07, 0.13)
        for puff in range(6):
            at = x + size * (puff - 2.5) * 0.7
            p.disc(at, y - size * 0.5 * np.sin((puff + 0.5) / 6 * np.pi), size * p.any(0.5, 0.8), mixed((255, 255, 255), (214, 230, 248), p.any(0, 0.5)))
    p.clouds(p.any(-0.7, -0.3), 1.2)


def forest(p):
    """Trunks one behind the other under a roof of leaves, light between them."""
    p.gradient(p.colour((120, 170, 90), (150, 196, 110)), p.colour((196, 220, 150), (176, 206, 130)), 0, 0.6)
    for row in range(3):
        bark = mixed(p.colour((120, 140, 100), (130, 140, 96)), p.colour((74, 52, 38), (92, 66, 46)), row / 2)
        for _ in range(int(p.any(6, 10)) - row):
            x, thick = p.any(0, p.wide), (0.012 + 0.014 * row) * p.any(0.8, 1.3)
            trunk = p.inside(np.maximum(np.abs(p.x - x - 0.01 * np.sin(6 * p.y + x)) - thick * (0.8 + 0.4 * p.y), p.y - 0.62 - 0.04 * row))
            p.cover(trunk, bark)
            p.shine(trunk * np.clip((p.x - x) / thick, -1, 1) * -0.15)
        leaves = p.cloth(7, 7, 3) + (0.34 - 0.05 * row - p.y) * 5
        p.cover(np.clip(leaves * 2.5, 0, 1), mixed(p.colour((110, 170, 80), (130, 180, 80)), p.colour((30, 84, 40), (44, 100, 46)), row / 2))
    ground = 0.64 + 0.025 * p.line(3, 3)
    p.cover(p.below(ground), p.colour((86, 120, 54), (100, 110, 60)))
    p.shine(0.1 * p.cloth(9, 22, 3) * p.below(ground))


def space(p):
    """Stars, a cloud of gas, a planet now and then."""
    p.gradient((10, 12, 34), (24, 16, 52))
    gas = np.clip(p.cloth(1.2, 1.2, 4) * 0.7, 0, 1)
    p.cover(gas * 0.7, p.colour((110, 50, 160), (40, 80, 180), 14))
    p.cover(np.clip(p.cloth(1.5, 1.5, 4) - 0.5, 0, 1) * 0.6, p.colour((220, 90, 160), (60, 170, 200), 14))
    for _ in range(int(p.any(90, 150) * p.wide)):
        bright = p.any(0.3, 1) ** 2
        p.star(p.any(0, p.wide), p.any(0, 1), p.any(0.003, 0.007), bright)
    if p.any(0, 1) < 0.6:
        x, y, size = p.any(0, p.wide), p.any(0.1, 0.9), p.any(0.08, 0.2)
        colour = p.colour((220, 150, 100), (110, 160, 220), 20)
        p.disc(x, y, size, colour)
        dark = p.inside(np.hypot(p.x - x, p.y - y) - size) * np.clip((p.x - x + 0.5 * (p.y - y)) / size + 0.2, 0, 0.85)
        p.cover(dark, (10, 12, 34))


PLACES = {place.__name__: place for place in (mountains, city, sea, canyon, fields, snow, desert, sky, forest, space)}
# Where a thing hangs in the air, and throws no shadow on a ground.
AIRY = ("sky", "space")


def paint(place, number, height, width=None):
    """The picture of a place that has this number, `[height, width, 3]` in bytes; twice as wide as high if nothing is said."""
    painting = Painting([list(PLACES).index(place), number], height, width or 2 * height)
    PLACES[place](painting)
    return np.clip(painting.pixels + 0.5, 0, 255).astype(np.uint8)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--height", type=int, default=144)
    parser.add_argument("--each", type=int, default=4)
    args = parser.parse_args(arguments)
    rows = [np.concatenate([paint(place, number, args.height) for number in range(args.each)], 1) for place in PLACES]
    Image.fromarray(np.concatenate(rows)).save(args.out)


if __name__ == "__main__":
    main()
