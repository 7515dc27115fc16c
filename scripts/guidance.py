#!/usr/bin/env python3
"""Measures what universal guidance does to mini's pictures, for each kind of guide that comes with it.

    scripts/guidance.py out/guidance [--model mini] [--pairs 40] [--reference 8] [--kinds shape,boxes] [--program target/debug/guidestar]

Draws targets, writes job files, has `guidestar batch` make the pictures and `guidestar rank` judge them, and leaves two tables in
the folder: guided against unguided by the guide and by who did not guide, and the preset fast against the preset reference. Started
again, it goes on where it was. Needs Python 3.9 and nothing else, and a Unix, which tells what a process took.

What it costs on one core of a processor of 2021: an unguided picture 3 seconds, a fast one 8, one of the reference two minutes. At
the defaults that is 40 unguided and 40 fast pictures and 8 of the reference for each of five kinds: two hours, most of it for the
reference. `--pairs 4 --reference 1` takes about a quarter of an hour.
"""

import argparse
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = json.loads((ROOT / "models/guides/eyes.json").read_text())["names"]
SIZE_PX = 128
SEED = 500
# A thing is recognised where the scorer gives its name more than all others together.
RECOGNISED = 0.5


def phrase(thing, colour=None):
    article = "an" if thing[0] in "aeiou" else "a"
    return f"{article} {thing} on a {colour} background" if colour else f"{article} {thing}"


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


class Shape:
    """A round thing in a given place."""

    name = "segmentation"

    def pair(self, at, dice, folder):
        thing, colour = NAMES["thing"][at % len(NAMES["thing"])], NAMES["colour"][(3 * at + 1) % len(NAMES["colour"])]
        left, top, right, bottom = place(dice)
        centre, radii = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)

        def inside(x, y):
            return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1

        path = folder / f"mask-{at}.png"
        write_png(path, lambda x, y: (255, 255, 255) if inside(x, y) else (0, 0, 0))
        target = {"kind": "segmentation", "picture": {"path": str(path)}, "reading": "mask"}
        return phrase(thing, colour), thing, target, ["--segmentation", str(path)]


class Places:
    """A thing in a given place, by name."""

    name = "detection"

    def pair(self, at, dice, folder):
        thing, colour = NAMES["thing"][at % len(NAMES["thing"])], NAMES["colour"][(3 * at + 1) % len(NAMES["colour"])]
        bounds = place(dice)
        target = {"kind": "detection", "boxes": [{"thing": thing, "bounds": bounds}]}
        return phrase(thing, colour), thing, target, ["--box", f"{thing} {','.join(map(str, bounds))}"]


class Style:
    """Stripes, checks and dots in two colours."""

    name = "style"

    def pair(self, at, dice, folder):
        thing = NAMES["thing"][at % len(NAMES["thing"])]
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
        target = {"kind": "style", "picture": {"path": str(path)}}
        return phrase(thing), thing, target, ["--style", str(path)]


class Name:
    """The thing itself, the colour behind it, and what it is dyed, by turns; none of the last two is in the prompt."""

    name = "classifier"

    def pair(self, at, dice, folder):
        thing, colour = NAMES["thing"][at % len(NAMES["thing"])], NAMES["colour"][(3 * at + 1) % len(NAMES["colour"])]
        dyes = NAMES["dye"][1:]
        prompt, name = [
            (phrase(thing, colour), f"thing={thing}"),
            (phrase(thing), f"colour={colour}"),
            (phrase(thing, colour), f"dye={dyes[at // 3 % len(dyes)]}"),
        ][at % 3]
        return prompt, thing, {"kind": "class", "name": name}, ["--class", name]


class Text:
    """Words that say more than the prompt."""

    name = "text"

    def pair(self, at, dice, folder):
        thing, colour = NAMES["thing"][at % len(NAMES["thing"])], NAMES["colour"][(3 * at + 1) % len(NAMES["colour"])]
        text = phrase(thing, colour)
        return phrase(thing), thing, {"kind": "text", "text": text}, ["--text", text]


KINDS = {"shape": Shape(), "boxes": Places(), "style": Style(), "name": Name(), "text": Text()}


def run(command, folder):
    """What a command said, the processor's seconds it took and its greatest memory in bytes."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return said, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def batch(program, folder, name, jobs):
    """Makes the pictures that are not there yet, and adds what they took to what others took."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    out, costs = folder / name, folder / f"{name}.costs.json"
    before = len(list(out.glob("*.png"))) if out.exists() else 0
    start = time.monotonic()
    command = [program, "batch", path.name, "--out", name, "--device", "cpu", "--quiet"]
    _, busy, memory = run(command, folder)
    made = len(list(out.glob("*.png"))) - before
    known = json.loads(costs.read_text()) if costs.exists() else {"pictures": 0, "busy_secs": 0, "wall_secs": 0, "bytes": 0}
    if made:
        known["pictures"] += made
        known["busy_secs"] += busy
        known["wall_secs"] += time.monotonic() - start
        known["bytes"] = max(known["bytes"], memory)
        costs.write_text(json.dumps(known))
    return known


def judged(program, folder, files, flags):
    """For each file by each guide: the guide's own score, and that of who did not guide."""
    command = [program, "rank", *files, *flags, "--device", "cpu", "--json", "--quiet"]
    said, _, _ = run(command, folder)
    rows = [json.loads(line) for line in said.splitlines()]
    return {row["path"]: {score["guide"]: score for score in row["scores"]} for row in rows if "scores" in row}


def judge(program, folder, kind, pairs, presets):
    """A row for each pair and preset; what was judged is kept beside the pictures."""
    kept = folder / f"{kind.name}.judged.json"
    rows = json.loads(kept.read_text()) if kept.exists() else {}
    for at, (_, thing, _, flags) in enumerate(pairs):
        made = {preset: f"{kind.name}-{preset}/{at + 1:06}-{SEED + at}.png" for preset in presets}
        made = {preset: file for preset, file in made.items() if (folder / file).exists()}
        known = rows.setdefault(str(at), {})
        missing = {preset: file for preset, file in made.items() if preset not in known}
        if not missing:
            continue
        own = judged(program, folder, missing.values(), flags)
        things = judged(program, folder, missing.values(), ["--class", f"thing={thing}"])
        for preset, file in missing.items():
            (score,) = own[file].values()
            known[preset] = {
                "guide": score["guides_own"],
                "held_out": score["score"] if score["held_out"] else None,
                "thing": things[file]["class"]["score"],
            }
        kept.write_text(json.dumps(rows))
    return rows


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else math.nan


def share(truths):
    truths = list(truths)
    return f"{sum(truths)} of {len(truths)}"


def followed(rows, preset):
    """One line: what a preset did to the pairs that it was used on."""
    pairs = [(row["unguided"], row[preset]) for row in rows.values() if preset in row and "unguided" in row]
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
    both = [row for row in rows.values() if {"unguided", "fast", "reference"} <= row.keys()]
    gains = {preset: mean(row[preset]["guide"] - row["unguided"]["guide"] for row in both) for preset in ("fast", "reference")}
    cells = [str(len(both)), *(f"{gain:+.3f}" for gain in gains.values())]
    cells.append(f"{gains['fast'] / gains['reference']:.0%}" if both and gains["reference"] else "-")
    for key, form in (("busy_secs", "{:.1f} s"), ("bytes", "{:.0f} MB")):
        for preset in ("fast", "reference"):
            cost = costs[preset]
            each = cost["bytes"] / 1e6 if key == "bytes" else cost[key] / max(cost["pictures"], 1)
            cells.append(form.format(each) if cost["pictures"] else "-")
    return cells


def lines(titles, rows):
    table = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in table)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=40, help="of prompt and target, for each kind")
    parser.add_argument("--reference", type=int, default=8, help="how many of them the reference preset draws too")
    parser.add_argument("--kinds", default="shape,boxes,style,name,text", help="which: " + ", ".join(KINDS))
    parser.add_argument("--model", default="mini", help="another that was trained on the same things")
    parser.add_argument("--program", default="target/debug/guidestar")
    given = parser.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    model = given.model if given.model == "mini" else str(pathlib.Path(given.model).resolve())
    folder = given.folder.resolve()
    targets = folder / "targets"
    targets.mkdir(parents=True, exist_ok=True)

    table, against = [], []
    for kind in [KINDS[key] for key in given.kinds.split(",")]:
        dice = random.Random(kind.name)
        pairs = [kind.pair(at, dice, targets) for at in range(given.pairs)]

        def jobs(preset=None, count=given.pairs):
            for at, (prompt, _, target, _) in enumerate(pairs[:count]):
                guide = {"guide": {"preset": preset, "guides": [{"target": target}]}} if preset else {}
                yield {"prompt": prompt, "seed": SEED + at, "model": model, **guide}

        batch(program, folder, f"{kind.name}-unguided", jobs())
        costs = {
            "fast": batch(program, folder, f"{kind.name}-fast", jobs("fast")),
            "reference": batch(program, folder, f"{kind.name}-reference", jobs("reference", given.reference)),
        }
        rows = judge(program, folder, kind, pairs, ["unguided", "fast", "reference"])
        rows = {at: row for at, row in rows.items() if int(at) < given.pairs}
        table += [[kind.name, *followed(rows, preset)] for preset in ("fast", "reference")]
        against.append([kind.name, *compared(rows, costs)])
    text = lines(
        ["guide", "preset", "pairs", "guide's score", "better", "by who did not guide", "better", "thing recognised"], table
    )
    text += "\n" + lines(
        ["guide", "pairs", "fast gains", "reference gains", "share", "fast takes", "reference takes", "fast, memory", "reference, memory"],
        against,
    )
    (folder / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
