"""What the measuring scripts share: prompts, the folder they work in with the program that does the work, and tables."""

import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDES = ROOT / "models/guides"
NAMES = json.loads((GUIDES / "eyes.json").read_text())["names"]


def phrase(thing, colour=None):
    article = "an" if thing[0] in "aeiou" else "a"
    return f"{article} {thing} on a {colour} background" if colour else f"{article} {thing}"


def scene(at):
    """A thing and a colour: every thing once before the first comes again, each colour about as often."""
    things, colours = NAMES["thing"], NAMES["colour"]
    return things[at % len(things)], colours[(3 * at + 1) % len(colours)]


def number(at):
    """How `batch` counts the line `at` of a job file."""
    return f"{at + 1:06}"


def flags(parser):
    """What every measuring is told."""
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default="mini", help="mini, or a folder in the diffusers layout, trained on the same things")
    parser.add_argument("--program", default="target/debug/guidestar")


def sum_of(folder):
    """What tells a folder's files from others'."""
    summed = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".txt"):
            summed.update(path.read_bytes())
    return summed.hexdigest()


class Work:
    """What one model makes in a folder, and what the guides of today say of it."""

    def __init__(self, folder, program, model):
        self.folder, self.program = folder.resolve(), str(pathlib.Path(program).resolve())
        files = ROOT / "models/mini" if model == "mini" else pathlib.Path(model).resolve()
        self.model = {} if model == "mini" else {"model": str(files)}
        newest = max(path.stat().st_mtime for path in [*GUIDES.iterdir(), *files.rglob("*")])
        if not pathlib.Path(program).exists():
            sys.exit(f"there is no program {program}: build it, or name another with --program")
        if pathlib.Path(program).stat().st_mtime < newest:
            sys.exit(f"{program} was built before its models were last changed: build it again")
        folder.mkdir(parents=True, exist_ok=True)
        noted, own = folder / "model.txt", sum_of(files)
        if noted.exists() and noted.read_text() != own:
            sys.exit(f"{folder} has the pictures of another model: name another folder, or delete it")
        noted.write_text(own)
        self.judge = sum_of(GUIDES)[:8]

    def run(self, *words):
        """What the program said in the folder, the processor's seconds it took and its greatest memory in bytes."""
        command = [self.program, *map(str, words), "--device", "cpu", "--quiet"]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as process:
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        return said, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024

    def make(self, name, jobs):
        """Has the pictures of jobs made that are not in the folder `name` yet; the seconds and bytes that it took."""
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps({**job, **self.model}) + "\n" for job in jobs))
        print(f"{name}: {len(jobs)} pictures", file=sys.stderr)
        _, busy_secs, most_bytes = self.run("batch", path.name, "--out", name)
        return busy_secs, most_bytes

    def asked(self, *words):
        """What the program answers, an object from each line."""
        said, _, _ = self.run(*words, "--json")
        return [json.loads(line) for line in said.splitlines()]

    def judged(self, name):
        """Where the judgements of `name` are kept: of other guides there are others."""
        return self.folder / f"{name}.{self.judge}.json"


def read(path, otherwise):
    """What a file keeps, where there is one."""
    return json.loads(path.read_text()) if path.exists() else otherwise


def paste(rows, path):
    """Rows of files as one picture; whether that could be done, for which Pillow has to be there."""
    try:
        from PIL import Image
    except ImportError:
        return False
    rows = [[Image.open(file).convert("RGB") for file in row] for row in rows]
    wide, high = rows[0][0].size
    whole = Image.new("RGB", (wide * len(rows[0]), high * len(rows)))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            whole.paste(picture, (x * wide, y * high))
    whole.save(path, quality=85)
    return True


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else math.nan


def table(titles, rows):
    """A table in Markdown."""
    lines = ["|" + "".join(f" {cell}".rstrip() + " |" for cell in cells) for cells in (titles, *rows)]
    return "\n".join([lines[0], "|---" * len(titles) + "|", *lines[1:]]) + "\n"
