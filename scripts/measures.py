#!/usr/bin/env python3
"""Measures what steering does to mini's pictures: self-attention guidance, and edits that keep a layout.

    scripts/measures.py out/measures [--program target/debug/guidestar]

Writes job files, has `guidestar batch` do them and `guidestar measure` judge them, and leaves two tables and a plot in the
folder. Needs Python 3.9 and nothing else; it makes 270 pictures, 162 of them edits. Started again, it goes on where it was.
"""

import argparse
import json
import math
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = json.loads((ROOT / "models/guides/eyes.json").read_text())["names"]
SEED = 7
# Of an edit and of the inversion before it: fewer than usual, so that hundreds of edits take minutes.
EDIT_STEPS = 10

# Name of a folder, and what the jobs in it have.
SAG = {
    "cfg7.5": {"cfg_scale": 7.5},
    "cfg7.5-sag0.75": {"cfg_scale": 7.5, "sag": {"scale": 0.75}},
}

# The same for edits: plug-and-play at its defaults, and noise of two strengths.
EDITS = {
    "pnp": {"method": "pnp", "inversion_steps": EDIT_STEPS},
    "img2img-0.5": {"method": "img2img", "strength": 0.5},
    "img2img-0.7": {"method": "img2img", "strength": 0.7},
}


def phrase(thing, colour):
    article = "an" if thing[0] in "aeiou" else "a"
    return f"{article} {thing} on a {colour} background"


def scenes():
    """Every thing once, each colour about as often."""
    colours = NAMES["colour"]
    return [(thing, colours[(3 * at + 1) % len(colours)]) for at, thing in enumerate(NAMES["thing"])]


def write_jobs(path, jobs):
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def sag_jobs(folder):
    for name, settings in SAG.items():
        jobs = [dict(prompt=phrase(*scene), seed=SEED, **settings) for scene in scenes()]
        write_jobs(folder / f"{name}.jsonl", jobs)
        yield name


def edit_jobs(folder):
    """Each picture without guidance under another prompt: the next thing of the list on the same colour."""
    all_scenes = scenes()
    for name, settings in EDITS.items():
        jobs = []
        for at, (thing, colour) in enumerate(all_scenes):
            source = {"from": "picture", "path": f"cfg7.5/{at + 1:06}-{SEED}.png", "prompt": phrase(thing, colour)}
            other, _ = all_scenes[(at + 1) % len(all_scenes)]
            job = dict(prompt=phrase(other, colour), seed=1000 + at, steps=EDIT_STEPS, cfg_scale=7.5, edit=dict(source=source, **settings))
            jobs.append(job)
        write_jobs(folder / f"{name}.jsonl", jobs)
        yield name


def batch(program, folder, name):
    command = [program, "batch", f"{name}.jsonl", "--out", name, "--device", "cpu", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def measured(program, folder, name, against=None):
    """A row for each picture, by its name. What was measured is kept beside the pictures."""
    kept = folder / f"{name}.measures.json"
    pictures = sorted(path.name for path in (folder / name).glob("*.png"))
    if kept.exists():
        rows = json.loads(kept.read_text())
        if len(rows) == len(pictures):
            return rows
    command = [program, "measure", name, "--device", "cpu", "--json", "--quiet"]
    if against:
        command += ["--against", against]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    rows = {row["picture"].split("-")[0]: row for row in rows if "picture" in row}
    kept.write_text(json.dumps(rows))
    return rows


def mean(numbers):
    return sum(numbers) / len(numbers)


def spread(numbers):
    """The standard error of the mean."""
    middle = mean(numbers)
    return math.sqrt(sum((x - middle) ** 2 for x in numbers) / (len(numbers) - 1) / len(numbers))


def table(rows_by_name, keys, base):
    """Means, and for each the mean difference from the base, picture by picture, with its standard error."""
    lines = ["| | pictures | " + " | ".join(title for _, title, _ in keys) + " |", "|---" * (len(keys) + 2) + "|"]
    for name, rows in rows_by_name.items():
        cells = []
        for key, _, digits in keys:
            own = {at: row[key] for at, row in rows.items() if row.get(key) is not None}
            text = f"{mean(list(own.values())):.{digits}f}" if own else "-"
            pairs = rows_by_name[base]
            moved = [own[at] - pairs[at][key] for at in own if pairs.get(at, {}).get(key) is not None]
            if name != base and len(moved) > 1:
                text += f" ({mean(moved):+.{digits}f} ± {spread(moved):.{digits}f})"
            cells.append(text)
        lines.append(f"| {name} | {len(rows)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(points):
    """Structure distance against image-text score, as SVG; left and up is better."""
    wide, high, left, top = 640, 400, 70, 20
    xs = [x for series in points.values() for _, x, _, _, _ in series]
    ys = [y for series in points.values() for _, _, y, _, _ in series]

    def axis(numbers, start, end):
        low, top_number = min(numbers), max(numbers)
        room = 0.2 * (top_number - low) or 1.0
        low, top_number = low - room, top_number + room
        return lambda number: start + (number - low) / (top_number - low) * (end - start), low, top_number

    across, x_low, x_high = axis(xs, left, wide - 20)
    down, y_low, y_high = axis(ys, high - 50, top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="13">',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
        f'<path d="M{left} {top}V{high - 50}H{wide - 20}" fill="none" stroke="#888"/>',
    ]
    for at in range(5):
        x, y = x_low + at / 4 * (x_high - x_low), y_low + at / 4 * (y_high - y_low)
        parts.append(f'<text x="{across(x):.1f}" y="{high - 32}" text-anchor="middle" fill="#555">{1000 * x:.1f}</text>')
        parts.append(f'<text x="{left - 8}" y="{down(y) + 4:.1f}" text-anchor="end" fill="#555">{y:.0f}</text>')
    parts.append(f'<text x="{(left + wide) / 2}" y="{high - 10}" text-anchor="middle">structure distance x 1000 (less is nearer to the source)</text>')
    middle = (top + high - 50) / 2
    parts.append(f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">image-text score</text>')
    for (name, series), colour in zip(points.items(), ("#b3261e", "#1d4ed8", "#555")):
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for _, x, y, _, _ in series)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-opacity="0.4"/>')
        for label, x, y, dx, dy in series:
            px, py = across(x), down(y)
            rx, ry = abs(across(x + dx) - px), abs(down(y + dy) - py)
            parts.append(f'<path d="M{px - rx:.1f} {py:.1f}h{2 * rx:.1f}M{px:.1f} {py - ry:.1f}v{2 * ry:.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="5" fill="{colour}"/>')
            parts.append(f'<text x="{px + 9:.1f}" y="{py - 8:.1f}" fill="{colour}">{label}</text>')
    return "\n".join(parts) + "\n</svg>\n"


ALONE = [
    ("thing_confidence", "thing", 3),
    ("colour_confidence", "colour", 3),
    ("text_score", "image-text score", 1),
    ("sharpness", "sharpness", 0),
]
BESIDE = [("structure", "structure distance", 4), ("ssim", "SSIM", 3), ("text_score", "image-text score", 1), ("thing_confidence", "thing", 3)]


def point(label, rows):
    both = [(row["structure"], row["text_score"]) for row in rows.values()]
    xs, ys = zip(*both)
    return label, mean(xs), mean(ys), spread(xs), spread(ys)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="target/debug/guidestar")
    given = parser.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    folder = given.folder
    folder.mkdir(parents=True, exist_ok=True)

    for name in [*sag_jobs(folder), *edit_jobs(folder)]:
        batch(program, folder, name)
    alone = {name: measured(program, folder, name) for name in SAG}
    text = table(alone, ALONE, "cfg7.5")
    # An edit and its source have the line's number in common, but not the seed that ends their names.
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    for at in range(len(scenes())):
        source = folder / f"cfg7.5/{at + 1:06}-{SEED}.png"
        copy = sources / f"{at + 1:06}-{1000 + at}.png"
        if not copy.exists():
            copy.write_bytes(source.read_bytes())
    edits = {name: measured(program, folder, name, "sources") for name in EDITS}
    text += "\n" + table(edits, BESIDE, "pnp")
    (folder / "tables.md").write_text(text)
    print(text)
    points = {
        "pnp": [point("PnP 0.8/0.5", edits["pnp"])],
        "img2img": [point(name, edits[name]) for name in EDITS if name.startswith("img2img")],
    }
    (folder / "edits.svg").write_text(plot(points))


if __name__ == "__main__":
    main()
