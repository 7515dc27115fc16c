#!/usr/bin/env python3
"""Measures what steering does to mini's pictures: self-attention guidance, and edits that keep a layout.

    scripts/measures.py out/measures [--program target/debug/guidestar]

Writes job files, has `guidestar batch` do them and `guidestar measure` judge them, and leaves two tables, a plot and two sheets
in the folder. Needs Python 3.9 and nothing else; half an hour of two cores. Started again, it goes on where it was.
"""

import argparse
import json
import math
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = json.loads((ROOT / "models/guides/eyes.json").read_text())["names"]
SEED = 7

# Name of a folder, and what the jobs in it have.
SAG = {
    "cfg7.5": {"cfg_scale": 7.5},
    "cfg7.5-sag0.75": {"cfg_scale": 7.5, "sag": {"scale": 0.75}},
    "cfg3": {"cfg_scale": 3.0},
    "cfg3-sag0.75": {"cfg_scale": 3.0, "sag": {"scale": 0.75}},
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


def batch(program, folder, name):
    command = [program, "batch", f"{name}.jsonl", "--out", name, "--device", "cpu", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="target/debug/guidestar")
    given = parser.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in sag_jobs(given.folder):
        batch(program, given.folder, name)


if __name__ == "__main__":
    main()
