#!/usr/bin/env python3
"""Measures what universal guidance does to mini's pictures, for each kind of guide that comes with it.

    scripts/guidance.py out/guidance [--model mini] [--pairs 40] [--reference 8] [--kinds segmentation,style] [--program target/debug/guidestar]

Draws targets, writes job files, has `guidestar batch` make the pictures and `guidestar rank` judge them, and leaves two tables in
the folder: guided against unguided by the guide and by who did not guide, and the preset fast against the preset reference; with a
sheet of pictures where Pillow is there. Started again, it goes on where it was. Needs Python 3.9 and nothing else, and a Unix, which
tells what a process took.

What it costs on one core of a processor of 2021: an unguided picture 3 seconds, a fast one 8, one of the reference two minutes. At
the defaults that is 40 unguided and 40 fast pictures and 8 of the reference for each of five kinds: two hours, most of it for the
reference. `--pairs 4 --reference 1` takes about a quarter of an hour.
"""

import argparse
import json
import random
import struct
import sys
import zlib
from typing import NamedTuple

from work import NAMES, Work, flags, mean, number, paste, phrase, read, scene, table

SIZE_PX = 128
SEED = 500
# A thing is recognised where the scorer gives its name more than all others together.
RECOGNISED = 0.5
PRESETS = ("fast", "reference")


def write_png(path, colour_at):
    """A picture whose pixels are what `colour_at` says of shares across and down."""
    rows = bytearray()
    for y in range(SIZE_PX):
        rows.append(0)
        for x in range(SIZE_PX):
            rows += bytes(colour_at((x + 0.5) / SIZE_PX, (y + 0.5) / SIZE_PX))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE_PX, SIZE_PX, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def place(dice):
    """A box not far from the middle, where mini has its things: left, top, right, bottom."""
    wide = dice.uniform(0.4, 0.68)
    high = wide * dice.uniform(0.85, 1.15)
    across, down = dice.uniform(0.4, 0.6), dice.uniform(0.4, 0.6)
    return [round(edge, 3) for edge in (across - wide / 2, down - high / 2, across + wide / 2, down + high / 2)]


class Pair(NamedTuple):
    """A prompt of a thing, with a target as a job spells it and as the flags of `rank` do."""

    prompt: str
    thing: str
    target: dict
    spelled: list


def segmentation(at, dice, folder):
    """A round thing in a given place."""
    thing, colour = scene(at)
    left, top, right, bottom = place(dice)
    centre, radii = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)

    def inside(x, y):
        return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1

    path = folder / f"mask-{at}.png"
    write_png(path, lambda x, y: (255, 255, 255) if inside(x, y) else (0, 0, 0))
    target = {"kind": "segmentation", "picture": {"path": str(path)}, "reading": "mask"}
    return Pair(phrase(thing, colour), thing, target, ["--segmentation", path])


def detection(at, dice, _):
    """A thing in a given place, by name."""
    thing, colour = scene(at)
    bounds = place(dice)
    target = {"kind": "detection", "boxes": [{"thing": thing, "bounds": bounds}]}
    return Pair(phrase(thing, colour), thing, target, ["--box", f"{thing} {','.join(map(str, bounds))}"])


def style(at, dice, folder):
    """Stripes, checks and dots in two colours."""
    thing, _ = scene(at)
    inks = [tuple(dice.randrange(20, 236) for _ in range(3)) for _ in range(2)]
    count, which = dice.randrange(4, 9), at % 3

    def first(x, y):
        across, down = x * count % 1, y * count % 1
        if which == 0:
            return across < 0.5
        if which == 1:
            return (across < 0.5) == (down < 0.5)
        return (across - 0.5) ** 2 + (down - 0.5) ** 2 < 0.09

    path = folder / f"style-{at}.png"
    write_png(path, lambda x, y: inks[0] if first(x, y) else inks[1])
    return Pair(phrase(thing), thing, {"kind": "style", "picture": {"path": str(path)}}, ["--style", path])


def classifier(at, *_):
    """The place behind the thing, the colour behind it, and what it is dyed, by turns: what the prompt leaves open."""
    thing, colour = scene(at)
    places, dyes = NAMES["scene"][1:], NAMES["dye"][1:]
    prompt, name = [
        (phrase(thing), f"scene={places[at // 3 % len(places)]}"),
        (phrase(thing), f"colour={colour}"),
        (phrase(thing, colour), f"dye={dyes[at // 3 % len(dyes)]}"),
    ][at % 3]
    return Pair(prompt, thing, {"kind": "class", "name": name}, ["--class", name])


def text(at, *_):
    """Words that say more than the prompt."""
    thing, colour = scene(at)
    words = phrase(thing, colour)
    return Pair(phrase(thing), thing, {"kind": "text", "text": words}, ["--text", words])


KINDS = {kind.__name__: kind for kind in (segmentation, detection, style, classifier, text)}


def jobs(pairs, preset=None):
    made = []
    for at, pair in enumerate(pairs):
        guide = {"guide": {"preset": preset, "guides": [{"target": pair.target}]}} if preset else {}
        made.append({"prompt": pair.prompt, "seed": SEED + at, **guide})
    return made


def make(work, name, jobs):
    """Makes the pictures that are not there yet, and adds what they took to what others took."""
    out, costs = work.folder / name, work.folder / f"{name}.costs.json"
    before = len(list(out.glob("*.png")))
    busy_secs, most_bytes = work.make(name, jobs)
    made = len(list(out.glob("*.png"))) - before
    known = read(costs, {"pictures": 0, "busy_secs": 0, "bytes": 0})
    if made:
        known["pictures"] += made
        known["busy_secs"] += busy_secs
        known["bytes"] = max(known["bytes"], most_bytes)
        costs.write_text(json.dumps(known))
    return known


def judged(work, files, spelled):
    """For each file by each guide: the guide's own score, and that of who did not guide."""
    rows = work.asked("rank", *files, *spelled)
    return {row["path"]: {score["guide"]: score for score in row["scores"]} for row in rows if "scores" in row}


def judge(work, name, pairs):
    """A row for each pair with what was made of it; what was judged is kept beside the pictures."""
    kept = work.judged(name)
    rows = read(kept, {})
    for at, pair in enumerate(pairs):
        made = {preset: f"{name}-{preset}/{number(at)}-{SEED + at}.png" for preset in ("unguided", *PRESETS)}
        known = rows.setdefault(str(at), {})
        missing = {preset: file for preset, file in made.items() if preset not in known and (work.folder / file).exists()}
        if not missing:
            continue
        own = judged(work, missing.values(), pair.spelled)
        things = judged(work, missing.values(), ["--class", f"thing={pair.thing}"])
        for preset, file in missing.items():
            (score,) = own[file].values()
            known[preset] = {
                "guide": score["guides_own"],
                "held_out": score["score"] if score["held_out"] else None,
                "thing": things[file]["class"]["score"],
            }
        kept.write_text(json.dumps(rows))
    return [rows[str(at)] for at in range(len(pairs))]


def share(truths):
    truths = list(truths)
    return f"{sum(truths)} of {len(truths)}"


def followed(rows, preset):
    """One line: what a preset did to the pairs that it was used on."""
    pairs = [(row["unguided"], row[preset]) for row in rows if preset in row and "unguided" in row]
    cells = [preset, str(len(pairs))]
    for key in ("guide", "held_out"):
        both = [(a[key], b[key]) for a, b in pairs if a[key] is not None and b[key] is not None]
        if not both:
            cells += ["-", "-"]
            continue
        cells.append(f"{mean(a for a, _ in both):.3f} to {mean(b for _, b in both):.3f}")
        cells.append(share(b > a for a, b in both))
    seen = [sum(one["thing"] > RECOGNISED for one in side) for side in zip(*pairs)] if pairs else [0, 0]
    cells.append(f"{seen[0]} to {seen[1]}")
    return cells


def compared(rows, costs):
    """One line: how far fast gets of the way that the reference goes, on the pairs that both were used on."""
    both = [row for row in rows if {"unguided", "fast", "reference"} <= row.keys()]
    gains = {preset: mean(row[preset]["guide"] - row["unguided"]["guide"] for row in both) for preset in PRESETS}
    cells = [str(len(both)), *(f"{gain:+.3f}" for gain in gains.values())]
    cells.append(f"{gains['fast'] / gains['reference']:.0%}" if both and gains["reference"] else "-")
    for key, form in (("busy_secs", "{:.1f} s"), ("bytes", "{:.0f} MB")):
        for preset in PRESETS:
            cost = costs[preset]
            each = cost["bytes"] / 1e6 if key == "bytes" else cost[key] / max(cost["pictures"], 1)
            cells.append(form.format(each) if cost["pictures"] else "-")
    return cells


def sheet(folder, kinds, pairs):
    """Two pairs of each kind: unguided above, guided below."""
    chosen = [(kind, at) for kind in kinds for at in range(min(2, pairs))]
    rows = [[folder / f"{kind}-{preset}/{number(at)}-{SEED + at}.png" for kind, at in chosen] for preset in ("unguided", "fast")]
    if not paste(rows, folder / "guided.jpg"):
        return "no sheet of pictures: Pillow is not there"
    return f"guided.jpg: above unguided, below guided by {', '.join(kinds)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags(parser)
    parser.add_argument("--pairs", type=int, default=40, help="of prompt and target, for each kind")
    parser.add_argument("--reference", type=int, default=8, help="how many of them the reference preset draws too")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which guides")
    given = parser.parse_args()
    chosen = given.kinds.split(",")
    if given.pairs < 1 or not KINDS.keys() >= set(chosen):
        parser.error(f"there are the kinds {', '.join(KINDS)}, and at least 1 pair")
    work = Work(given.folder, given.program, given.model)
    targets = work.folder / "targets"
    targets.mkdir(exist_ok=True)

    against_unguided, against_reference = [], []
    for name in chosen:
        dice = random.Random(name)
        pairs = [KINDS[name](at, dice, targets) for at in range(given.pairs)]
        make(work, f"{name}-unguided", jobs(pairs))
        drawn = {"fast": pairs, "reference": pairs[: given.reference]}
        costs = {preset: make(work, f"{name}-{preset}", jobs(some, preset)) for preset, some in drawn.items()}
        rows = judge(work, name, pairs)
        against_unguided += [[name, *followed(rows, preset)] for preset in PRESETS]
        against_reference.append([name, *compared(rows, costs)])
    said = table(["guide", "preset", "pairs", "guide's score", "better", "by who did not guide", "better", "thing recognised"], against_unguided)
    said += "\n" + table(
        ["guide", "pairs", "fast gains", "reference gains", "share", "fast takes", "reference takes", "fast, memory", "reference, memory"],
        against_reference,
    )
    (work.folder / "tables.md").write_text(said)
    print(said)
    print(sheet(work.folder, chosen, given.pairs), file=sys.stderr)


if __name__ == "__main__":
    main()
