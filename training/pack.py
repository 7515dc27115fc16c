"""Builds the data pack: the pictures that everything is composed of, with their licences.

    python -m training.pack --out pack

Sources: npm `@lobehub/fluent-emoji-3d` (Microsoft's Fluent Emoji, MIT) and Debian `unicode-cldr-core` (the emojis' names). Both
come through their ordinary clients, `npm pack` and `apt-get download`, and are cached beside the pack. Places are
painted by `scenery` while they are needed.
"""

import argparse
import json
import re
import subprocess
import tarfile
from pathlib import Path

from . import world

FLUENT = "@lobehub/fluent-emoji-3d@1.1.0"
NAMES = "unicode-cldr-core"
FLUENT_LICENCE = Path(__file__).with_name("FLUENT-LICENCE.txt")


def fetch(cache):
    """Downloads what is not in the cache yet; returns the two unpacked folders."""
    cache.mkdir(parents=True, exist_ok=True)
    emoji = cache / "emoji"
    if not emoji.exists():
        name = subprocess.run(["npm", "pack", "--silent", FLUENT], cwd=cache, check=True, capture_output=True, text=True)
        # Python 3.11 has the filter from 3.11.4 on only; npm has checked the archive's sum.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(cache / name.stdout.strip().splitlines()[-1]) as archive:
            archive.extractall(emoji, **safely)
    names = cache / NAMES
    if not names.exists():
        subprocess.run(["apt-get", "download", NAMES], cwd=cache, check=True)
        subprocess.run(["dpkg-deb", "-x", next(cache.glob(f"{NAMES}_*.deb")), names], check=True)
    return emoji / "package", names


def emoji_names(folder):
    """CLDR's English name of every emoji, to the emoji."""
    text = next(folder.rglob("annotations/en.xml")).read_text(encoding="utf-8")
    return {name: emoji for emoji, name in re.findall(r'<annotation cp="([^"]+)" type="tts">([^<]+)<', text)}


def emoji_file(folder, emoji):
    """The picture of an emoji; some file names carry the variation selector, some do not."""
    code = "-".join(f"{ord(char):04x}" for char in emoji)
    found = [folder / "assets" / f"{code}{end}.webp" for end in ("", "-fe0f")]
    return next((file for file in found if file.exists()), None)


def build(out, cache, everything):
    """Writes the pack's folder."""
    emoji, cldr = fetch(cache)
    names = emoji_names(cldr)
    things = {thing: name or thing for thing, name in world.THINGS.items()}
    if everything:
        taken = set(things.values())
        things |= {name: name for name in names if name not in taken and not name.startswith("flag")}
    (out / "things").mkdir(parents=True, exist_ok=True)
    found = {}
    for thing, name in things.items():
        file = emoji_file(emoji, names[name]) if name in names else None
        if file is None:
            if not everything:
                raise SystemExit(f"{FLUENT} has no picture of {name!r}")
            continue
        found[thing] = f"things/{file.name}"
        (out / found[thing]).write_bytes(file.read_bytes())
    about = {"things": found, "sources": [FLUENT, NAMES]}
    (out / "pack.json").write_text(json.dumps(about, indent=1, ensure_ascii=False))
    (out / "FLUENT-LICENCE.txt").write_text(FLUENT_LICENCE.read_text())
    (out / "NAMES-COPYRIGHT.txt").write_text(next(cldr.rglob("doc/unicode-cldr-core/copyright")).read_text())
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{len(found)} things, {size / 1e6:.1f} MB in {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="what was downloaded; default: OUT with -cache behind")
    parser.add_argument("--all", action="store_true", help="every emoji that has a name, not the world's own few")
    args = parser.parse_args()
    build(args.out, args.cache or args.out.with_name(args.out.name + "-cache"), args.all)
