"""Composes pictures of the toy world, many at once, on whichever device trains.

A picture is a thing (now and then two), dyed or in its own colours, with a soft shadow, on a shaded studio background or in a
painted place. What is known of it comes along: caption, names, mask and box. Everything is drawn from one
generator: the same seed composes the same pictures.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from . import scenery, world

# A thing fills this part of its canvas; the rest is room for its shadow.
FILLED = 0.7
NO_SCENE = -1
NO_COLOUR = -1
NO_THING = -1
# How many paintings of a place there are for training, and how many only for scores.
SEEN, UNSEEN = 100, 40
# A shadow on the ground is as wide as its thing, and so much less deep.
FLAT = 0.2


@dataclass
class Choices:
    """How often what is composed."""

    scenes: float = 0.4
    dyed: float = 0.15
    two: float = 0.15
    sided: float = 0.15
    sized: float = 0.3  # small or big, where there is only one thing
    turned: float = 12.0  # degrees, at most
    varied: float = 0.0  # how far places are recoloured and cut small: a guide is to know one however it is lit
    all_pairs: bool = True  # else things are never seen on the backgrounds that `evaluate` asks for


@dataclass
class Batch:
    """Pictures with what is known of them; `things`, `boxes` have two rows a picture, the second perhaps empty."""

    images: torch.Tensor  # [B, 3, S, S] in 0..1
    captions: list
    things: torch.Tensor  # [B, 2], NO_THING where there is none
    colours: torch.Tensor  # [B], NO_COLOUR in a place
    scenes: torch.Tensor  # [B], NO_SCENE on a plain background
    dyes: torch.Tensor  # [B], 0 for own colours, then the dyes' places
    masks: torch.Tensor  # [B, 1, S, S] in 0..1
    boxes: torch.Tensor  # [B, 2, 4]: left, top, right, bottom, in 0..1


def held_out(thing, colour, scene):
    """Whether a thing on a background is kept for evaluation: one in ten of all pairs."""
    background = colour if scene == NO_SCENE else 10 + scene
    return (7 * thing + 3 * background) % 10 == 0


def read_pack(folder):
    """What `pack` wrote of its pictures, and where they are."""
    return json.loads((folder / "pack.json").read_text()) | {"folder": folder}


def split(items, unseen):
    """Every fifth, which is only for what is `unseen` in training, or the others."""
    return [item for index, item in enumerate(items) if (index % 5 == 4) == unseen]


def read_things(pack, names, size):
    """Canvases `[N, 5, size, size]`: colours times alpha, alpha, and alpha blurred for the shadow."""
    inner = round(size * FILLED)
    canvases = []
    for name in names:
        thing = Image.open(pack["folder"] / pack["things"][name]).convert("RGBA")
        thing = np.asarray(thing.convert("RGBa").resize((inner, inner), Image.BOX), np.float32) / 255
        canvas = np.zeros((4, size, size), np.float32)
        at = (size - inner) // 2
        canvas[:, at : at + inner, at : at + inner] = thing.transpose(2, 0, 1)
        canvases.append(canvas)
    canvases = torch.from_numpy(np.stack(canvases))
    radius = max(size // 20, 1)
    window = torch.hann_window(2 * radius + 3)[1:-1]
    window = window / window.sum()
    soft = F.conv2d(canvases[:, 3:], window.view(1, 1, 1, -1), padding=(0, radius))
    return torch.cat([canvases, F.conv2d(soft, window.view(1, 1, -1, 1), padding=(radius, 0))], 1)


class Places:
    """Painted places `[3, h, 2 h]` in bytes, each painted when it is first asked for; `unseen` ones are never seen in training."""

    def __init__(self, size, unseen, device):
        self.height, self.device, self.painted = size * 9 // 8, device, {}
        self.numbers = range(SEEN, SEEN + UNSEEN) if unseen else range(SEEN)

    def one(self, scene, number):
        """A painting of a place; any number will do."""
        key = scene, self.numbers[number % len(self.numbers)]
        if key not in self.painted:
            painting = scenery.paint(list(world.SCENES)[scene], key[1], self.height)
            self.painted[key] = torch.from_numpy(painting).permute(2, 0, 1).contiguous().to(self.device)
        return self.painted[key]


def hue_turned(rgb, hue):
    """Colours of the same lightness in another hue: `rgb` `[B, 3, ...]`, `hue` `[B]` in 0..1."""
    light = (rgb * rgb.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    angle = 6 * hue.view(-1, 1, 1, 1) + rgb.new_tensor([0.0, 4.0, 2.0]).view(1, 3, 1, 1)
    pure = ((angle % 6 - 3).abs() - 1).clamp(0, 1)
    dark, bright = (2 * light).clamp(max=1), (2 * light - 1).clamp(min=0)
    return pure * dark * (1 - bright) + bright


class Seeded:
    """Draws everything from one generator: from the same seed, or the same state, the same comes again."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def state(self):
        """What makes the next batch the one that it would have been."""
        return self.random.getstate()

    def resume(self, state):
        """Goes on from a state."""
        self.random.setstate(state)


class Composer(Seeded):
    """Composes batches of pictures `size` pixels wide."""

    def __init__(self, folder, size=128, seed=0, choices=None, unseen=False, device="cpu"):
        super().__init__(seed)
        self.pack = read_pack(Path(folder))
        self.names, self.scenes = list(self.pack["things"]), list(world.SCENES)
        self.size, self.device, self.choices = size, device, choices or Choices()
        self.large = read_things(self.pack, self.names, size).to(device)
        self.small = read_things(self.pack, self.names, size // 2).to(device)
        self.places = Places(size, unseen, device)

    def batch(self, count):
        """The next pictures."""
        return self.compose([self.draw() for _ in range(count)])

    def draw(self):
        """What is to be in one picture, in words and numbers."""
        while True:
            things, colour, scene = self.pair()
            if self.choices.all_pairs or not any(held_out(thing, colour, scene) for thing in things if thing != NO_THING):
                return self.plan(things, colour, scene)

    def pair(self):
        """Things and a background."""
        dice, choices = self.random, self.choices
        scene = dice.randrange(len(self.scenes)) if dice.random() < choices.scenes else NO_SCENE
        colour = NO_COLOUR if scene != NO_SCENE else dice.randrange(len(world.COLOURS))
        two = dice.random() < choices.two
        things = dice.sample(range(len(self.names)), 2) if two else [dice.randrange(len(self.names)), NO_THING]
        return things, colour, scene

    def plan(self, things, colour, scene):
        """The rest of what is to be known when things and background are."""
        dice, choices = self.random, self.choices
        two = things[1] != NO_THING
        dye = 1 + dice.randrange(len(world.DYES)) if not two and dice.random() < choices.dyed else 0
        side = dice.choice(["left", "right"]) if not two and dice.random() < choices.sided else ""
        size = dice.choice(["small", "big"]) if not two and dice.random() < choices.sized else ""
        if side and size == "big":
            size = ""
        wide = [dice.uniform(*((0.34, 0.48) if two else world.SIZES[size])) for _ in things]
        across = [0.27, 0.73] if two else [dice.uniform(*world.SIDES[side])] * 2
        grounded = scene != NO_SCENE and self.scenes[scene] not in scenery.AIRY
        # On the ground a thing stands, else it hangs about the middle.
        down = [dice.uniform(0.78, 0.88) - wide[row] / 2 if grounded else dice.uniform(0.44, 0.58) for row in (0, 1)]
        places = [(x + dice.uniform(-0.03, 0.03), y) for x, y in zip(across, down)]
        words = [self.names[thing] for thing in things if thing != NO_THING]
        if dye:
            name = list(world.DYES)[dye - 1]
            words = [f"{name} {words[0].removeprefix('red ')}"]
        if size:
            words = [f"{size} {words[0]}"]
        colour_name = list(world.COLOURS)[colour] if colour != NO_COLOUR else ""
        scene_name = self.scenes[scene] if scene != NO_SCENE else ""
        return {
            "things": things,
            "colour": colour,
            "scene": scene,
            "dye": dye,
            "wide": wide,
            "places": places,
            "turn": [np.radians(dice.uniform(-choices.turned, choices.turned)) for _ in things],
            "caption": world.describe(dice, words, colour_name, scene_name, side),
            "shade": [dice.uniform(-0.14, 0.14), dice.uniform(-0.06, 0.06), *(dice.gauss(0, 0.025) for _ in range(3))],
            "grounded": grounded,
            "shaded": 0.0 if scene != NO_SCENE and not grounded else 1.0,
            "painting": dice.randrange(1 << 16) if scene != NO_SCENE else 0,
            "crop": [dice.uniform(0.85 - 0.35 * choices.varied, 1), dice.random(), dice.uniform(0.7, 1), dice.choice([-1, 1])],
            "tint": [choices.varied * dice.gauss(0, spread) for spread in (0.25, 0.25, 0.12, 0.12, 0.12)],
            "shadow": [dice.uniform(0.25, 0.5), dice.uniform(0.02, 0.06), dice.uniform(-0.03, 0.03)],
        }

    def compose(self, plans):
        """Pictures of what was drawn."""
        column = lambda of: torch.tensor([of(plan) for plan in plans], device=self.device)  # noqa: E731
        pictures = self.backgrounds(plans, column)
        masks = torch.zeros_like(pictures[:, :1])
        boxes = torch.zeros(len(plans), 2, 4, device=self.device)
        for row in range(2):
            here = [at for at, plan in enumerate(plans) if plan["things"][row] != NO_THING]
            if not here:
                continue
            colours, alpha, shade = self.layer([plans[at] for at in here], row)
            pictures[here] = pictures[here] * (1 - shade) * (1 - alpha) + colours
            masks[here] = torch.maximum(masks[here], alpha)
            boxes[here, row] = boxes_around(alpha[:, 0])
        return Batch(
            images=pictures.clamp(0, 1),
            captions=[plan["caption"] for plan in plans],
            things=column(lambda plan: plan["things"]),
            colours=column(lambda plan: plan["colour"]),
            scenes=column(lambda plan: plan["scene"]),
            dyes=column(lambda plan: plan["dye"]),
            masks=masks,
            boxes=boxes,
        )

    def layer(self, plans, row):
        """The things of a row where they are to be: colours times alpha, alpha, and how dark the shadow is."""
        column = lambda of: torch.tensor([of(plan) for plan in plans], device=self.device)  # noqa: E731
        things, shadow = column(lambda plan: plan["things"][row]), column(lambda plan: plan["shadow"])
        wide = column(lambda plan: plan["wide"][row]) / FILLED
        place = column(lambda plan: plan["places"][row]) * 2 - 1
        turn = column(lambda plan: plan["turn"][row]).float()
        cos, sin = turn.cos() / wide, turn.sin() / wide
        rows = torch.stack([cos, sin, -sin, cos], -1).view(-1, 2, 2)

        def grid(rows, centre, size):
            affine = torch.cat([rows, -(rows @ centre[:, :, None])], 2)
            return F.affine_grid(affine, (len(plans), 1, size, size), align_corners=False)

        # A thing that is to be small is taken from a small canvas, so that no pixel of it is passed over.
        sharp = grid(rows, place, self.size)
        layer = torch.empty(len(plans), 4, self.size, self.size, device=self.device)
        is_small = wide * FILLED < 0.5
        for canvases, at in ((self.small, is_small), (self.large, ~is_small)):
            if at.any():
                layer[at] = F.grid_sample(canvases[things[at], :4], sharp[at], align_corners=False)
        rows, soft_place = self.shadows(plans, row, rows, place + 2 * shadow[:, [2, 1]])
        soft = grid(rows, soft_place, self.size // 2)
        dark = shadow[:, :1, None, None] * column(lambda plan: plan["shaded"])[:, None, None, None]
        shade = F.grid_sample(self.small[things, 4:], soft, align_corners=False) * dark
        shade = F.interpolate(shade, scale_factor=2, mode="bilinear", align_corners=False)
        colours, alpha = layer[:, :3], layer[:, 3:]
        dyes = column(lambda plan: plan["dye"])
        dyed = (dyes > 0).nonzero()[:, 0]
        if len(dyed):
            hues = torch.tensor([0.0, *world.DYES.values()], device=self.device)[dyes[dyed]]
            own = colours[dyed] / alpha[dyed].clamp(min=1e-3)
            colours[dyed] = hue_turned(own, hues) * alpha[dyed]
        return colours, alpha, shade

    def shadows(self, plans, row, rows, places):
        """How shadows lie: behind a thing in a studio, flat beneath it on a ground."""
        rows = rows.clone()
        for at, plan in enumerate(plans):
            if plan["grounded"]:
                wide = plan["wide"][row]
                rows[at] = torch.tensor([[FILLED / wide, 0], [0, FILLED / (FLAT * wide)]])
                places[at, 1] = 2 * (plan["places"][row][1] + 0.46 * wide) - 1
        return rows, places

    def backgrounds(self, plans, column):
        """A shaded plain colour, or a part of a painted place."""
        palette = torch.tensor(list(world.COLOURS.values()), device=self.device) / 255
        shade = column(lambda plan: plan["shade"])
        ramp = torch.linspace(-1, 1, self.size, device=self.device)
        plain = (palette[column(lambda plan: plan["colour"])] + shade[:, 2:])[:, :, None, None]
        light = 1 + shade[:, :1, None] * ramp[:, None] + shade[:, 1:2, None] * ramp
        pictures = (plain * light[:, None]).clamp(0, 1)
        for row, plan in enumerate(plans):
            if plan["scene"] != NO_SCENE:
                pictures[row] = self.painted(plan)
        return pictures

    def painted(self, plan):
        """A square part of a painted place, perhaps mirrored."""
        painting = self.places.one(plan["scene"], plan["painting"])
        part, x, y, mirrored = plan["crop"]
        side = int(painting.shape[1] * part)
        left, top = int(x * (painting.shape[2] - side)), int(y * (painting.shape[1] - side))
        crop = painting[None, :, top : top + side, left : left + side].float() / 255
        crop = F.interpolate(crop, (self.size, self.size), mode="bilinear", align_corners=False)[0]
        contrast, light, *colour = plan["tint"]
        gain = crop.new_tensor(colour).view(3, 1, 1).exp()
        crop = ((crop - 0.5) * np.exp(contrast) + 0.5 + 0.5 * light) * gain
        return crop.flip(-1) if mirrored < 0 else crop


def boxes_around(alpha):
    """The smallest boxes around what is more than half opaque: `[B, 4]`, all 0 where nothing is."""
    solid = alpha > 0.5
    size = alpha.shape[-1]
    edges = []
    for axis in (1, 2):
        line = solid.any(axis).int()
        first = line.argmax(1)
        last = size - line.flip(1).argmax(1)
        edges.append((first, last, line.any(1)))
    (left, right, some), (top, bottom, _) = edges
    boxes = torch.stack([left, top, right, bottom], 1) / size
    return boxes * some[:, None]


def sheet(images, columns):
    """A contact sheet of pictures in 0..1."""
    pictures = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    empty = np.full((-len(pictures) % columns, *pictures.shape[1:]), 255, np.uint8)
    pictures = np.concatenate([pictures, empty])
    rows = [np.concatenate(list(pictures[at : at + columns]), 1) for at in range(0, len(pictures), columns)]
    return Image.fromarray(np.concatenate(rows))
