#!/usr/bin/env python3
"""Measures what steering does to a model's pictures: self-attention guidance, and edits that keep a layout.

    scripts/measures.py out/measures [--pairs N] [--edits pnp,img2img-0.7] [--model FOLDER] [--program target/debug/guidestar]

Writes job files, has `guidestar batch` do them and `guidestar measure` judge them, prints the README's tables and leaves them in the folder,
with a plot and, where Pillow is there, a sheet of six edits. Needs Python 3.9 and nothing else, and a Unix. Started again, it goes on where it
was, also with more pairs; the folder is one model's.

With all 54 pairs it makes 648 pictures: about 40 minutes of a core of its own for a model as small as mini; the edits that
`--edits` names take two to five minutes each.
"""

import argparse
import json
import math
import sys

from plot import plot
from work import NAMES, Work, flags, mean, number, paste, phrase, read, scene, table

SEED = 7
PLAIN = "plain"

# Name of a folder, what it is called in the table, and what its jobs have.
SAG = {
    PLAIN: ("guidance 5", {}),
    "sag-0.75": ("and SAG 0.75", {"sag": {"scale": 0.75}}),
}


def lent(method, cfg_scale=5.0, steps=25):
    """An edit that takes something from its source, which is inverted in as many steps."""
    return {"steps": steps, "cfg_scale": cfg_scale, "edit": {"method": method, "inversion_steps": steps}}


def noised(strength, cfg_scale=5.0):
    return {"steps": 25, "cfg_scale": cfg_scale, "edit": {"method": "img2img", "strength": strength}}


# The same for edits; behind it the method's line in the plot, and the point on it. The first is what the others are compared with.
EDITS = {
    "pnp": ("Plug-and-Play, guidance 5", lent("pnp"), "Plug-and-Play", "5"),
    "pnp-cfg3": ("Plug-and-Play, guidance 3", lent("pnp", 3.0), "Plug-and-Play", "3"),
    "pnp-cfg7.5": ("Plug-and-Play, guidance 7.5", lent("pnp", 7.5), "Plug-and-Play", "7.5"),
    "img2img-0.5": ("img2img, strength 0.5, guidance 5", noised(0.5), "img2img at 5", "0.5"),
    "img2img-0.7": ("img2img, strength 0.7, guidance 5", noised(0.7), "img2img at 5", "0.7"),
    "img2img-0.85": ("img2img, strength 0.85, guidance 5", noised(0.85), "img2img at 5", "0.85"),
    "img2img-0.7-cfg3": ("img2img, strength 0.7, guidance 3", noised(0.7, 3.0), "img2img at 3", "0.7"),
    "img2img-0.85-cfg3": ("img2img, strength 0.85, guidance 3", noised(0.85, 3.0), "img2img at 3", "0.85"),
    "masactrl": ("MasaCtrl, guidance 5", lent("masactrl"), "MasaCtrl", "5"),
    "p2p": ("prompt-to-prompt, guidance 5", lent("prompt-to-prompt"), "prompt-to-prompt", "5"),
}

# Key of a measure, its heading, and its digits.
ALONE = [
    ("thing_confidence", "thing", 3),
    ("colour_confidence", "colour", 3),
    ("text_score", "image-text score", 1),
    ("sharpness", "sharpness", 0),
]
BESIDE = [("structure", "structure distance", 4), ("ssim", "SSIM", 3), ("text_score", "image-text score", 1), ("thing_confidence", "thing", 3)]


def sag_jobs(settings, pairs):
    return [dict(prompt=phrase(*scene(at)), seed=SEED, **settings) for at in range(pairs)]


def edit_jobs(settings, pairs):
    """Each plain picture under another prompt: the next thing of the list on the same colour."""
    jobs = []
    for at in range(pairs):
        thing, colour = scene(at)
        other, _ = scene(at + 1)
        source = {"from": "picture", "path": f"{PLAIN}/{number(at)}-{SEED}.png", "prompt": phrase(thing, colour)}
        edit = dict(settings["edit"], source=source)
        jobs.append(dict(settings, prompt=phrase(other, colour), seed=SEED, edit=edit))
    return jobs


def measured(work, name, pairs, against=None):
    """A row for each picture, by its number. What was measured is kept beside the pictures."""
    kept = work.judged(name)
    rows = read(kept, {})
    if len(rows) < pairs:
        said = work.asked("measure", name, *(["--against", against] if against else []))
        rows = {row["picture"].split("-")[0]: row for row in said if "picture" in row}
        kept.write_text(json.dumps(rows))
    wanted = {number(at) for at in range(pairs)}
    return {at: row for at, row in rows.items() if at in wanted}


def spread(numbers):
    """The standard error of the mean."""
    if len(numbers) < 2:
        return 0.0
    middle = mean(numbers)
    return math.sqrt(sum((x - middle) ** 2 for x in numbers) / (len(numbers) - 1) / len(numbers))


def compared(titles, rows_by_name, keys):
    """Means, and for each the mean difference from the first row, picture by picture, with its standard error."""
    lines = []
    base = next(iter(rows_by_name))
    for name, rows in rows_by_name.items():
        cells = [titles[name][0]]
        for key, _, digits in keys:
            own = {at: row[key] for at, row in rows.items() if row.get(key) is not None}
            cell = f"{mean(own.values()):.{digits}f}" if own else "-"
            others = rows_by_name[base]
            moved = [own[at] - others[at][key] for at in own if others.get(at, {}).get(key) is not None]
            if name != base and len(moved) > 1:
                cell += f" ({mean(moved):+.{digits}f} ± {spread(moved):.{digits}f})"
            cells.append(cell)
        lines.append(cells)
    return table(["", *(title for _, title, _ in keys)], lines)


def points(rows_by_name):
    series = {}
    for name, rows in rows_by_name.items():
        _, _, line, label = EDITS[name]
        xs, ys = zip(*((row["structure"], row["text_score"]) for row in rows.values()))
        series.setdefault(line, []).append((label, mean(xs), mean(ys), spread(xs), spread(ys)))
    return {line: sorted(points, key=lambda point: float(point[0])) for line, points in series.items()}


def sheet(folder, names, pairs):
    """Six pairs: the sources, and below them what each of the edits made of them."""
    chosen = [at * pairs // 6 for at in range(min(6, pairs))]
    rows = [[folder / name / f"{number(at)}-{SEED}.png" for at in chosen] for name in [PLAIN, *names]]
    if not paste(rows, folder / "edits.jpg"):
        return "no sheet of edits: Pillow is not there"
    return f"edits.jpg: above the sources, below {', '.join(EDITS[name][0] for name in names)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags(parser)
    parser.add_argument("--pairs", type=int, default=len(NAMES["thing"]), help="only the first N prompts and pairs")
    parser.add_argument("--edits", default=",".join(EDITS), help="which edits, the first for comparison")
    given = parser.parse_args()
    chosen = [name for name in given.edits.split(",") if name]
    unknown = [name for name in chosen if name not in EDITS]
    if unknown or given.pairs < 1:
        parser.error(f"there are the edits {', '.join(EDITS)}, and at least 1 pair")
    pairs = min(given.pairs, len(NAMES["thing"]))
    work = Work(given.folder, given.program, given.model)

    plain = {}
    for name, (_, settings) in SAG.items():
        work.make(name, sag_jobs(settings, pairs))
        plain[name] = measured(work, name, pairs)
    said = f"{pairs} prompts:\n\n" + compared(SAG, plain, ALONE)
    print(said)
    edits = {}
    for name in chosen:
        work.make(name, edit_jobs(EDITS[name][1], pairs))
        edits[name] = measured(work, name, pairs, PLAIN)
    if edits:
        of_edits = f"{pairs} pairs:\n\n" + compared(EDITS, edits, BESIDE)
        print(of_edits)
        said += "\n" + of_edits
        title = "structure distance x 1000 (less is nearer to the source)"
        (given.folder / "edits.svg").write_text(plot(points(edits), title, "image-text score", 1000.0))
        shown = [name for name in ("pnp", "img2img-0.7", "masactrl") if name in edits]
        print(sheet(given.folder, shown, pairs), file=sys.stderr)
    (given.folder / "tables.md").write_text(said)


if __name__ == "__main__":
    main()
