"""Builds the data pack: the pictures that everything is composed of, with their licences.

    python -m training.pack --out pack

Sources: npm `@lobehub/fluent-emoji-3d` (Microsoft's Fluent Emoji, MIT), Debian `endless-sky-data` (photographs; only
those that its copyright file puts in the public domain), Debian `unicode-cldr-core` (the emojis' names). Both
come through their ordinary clients, `npm pack` and `apt-get download`, and are cached beside the pack.
"""

import argparse
import fnmatch
import json
import re
import subprocess
import tarfile
from pathlib import Path

from PIL import Image

from . import world

FLUENT = "@lobehub/fluent-emoji-3d@1.1.0"
PHOTOS = "endless-sky-data"
NAMES = "unicode-cldr-core"
PHOTO_HEIGHT_PX = 288
FLUENT_LICENCE = Path(__file__).with_name("FLUENT-LICENCE.txt")


def fetch(cache):
    """Downloads what is not in the cache yet; returns the three unpacked folders."""
    cache.mkdir(parents=True, exist_ok=True)
    emoji = cache / "emoji"
    if not emoji.exists():
        name = subprocess.run(["npm", "pack", "--silent", FLUENT], cwd=cache, check=True, capture_output=True, text=True)
        with tarfile.open(cache / name.stdout.strip().splitlines()[-1]) as archive:
            archive.extractall(emoji, filter="data")
    folders = [emoji / "package"]
    for package in (PHOTOS, NAMES):
        folder = cache / package
        if not folder.exists():
            subprocess.run(["apt-get", "download", package], cwd=cache, check=True)
            file = next(cache.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
        folders.append(folder)
    return folders


def emoji_names(folder):
    """CLDR's English name of every emoji, to the emoji."""
    text = next(folder.rglob("annotations/en.xml")).read_text(encoding="utf-8")
    return {name: emoji for emoji, name in re.findall(r'<annotation cp="([^"]+)" type="tts">([^<]+)<', text)}


def emoji_file(folder, emoji):
    """The picture of an emoji; some file names carry the variation selector, some do not."""
    code = "-".join(f"{ord(char):04x}" for char in emoji)
    found = [folder / "assets" / f"{code}{end}.webp" for end in ("", "-fe0f")]
    return next((file for file in found if file.exists()), None)


def public_domain(folder):
    """The photographs that the package's copyright file puts in the public domain: the last paragraph that matches counts."""
    text = next(folder.rglob("doc/endless-sky-data/copyright")).read_text(encoding="utf-8")
    rules = []
    for paragraph in re.split(r"\n\s*\n", text):
        files = re.match(r"Files:(.*?)\n(?=\S)", paragraph, re.S)
        licence = re.search(r"^License: (\S+)", paragraph, re.M)
        if files and licence:
            owner = re.search(r"^Copyright: (.*)", paragraph, re.M)
            rules.append((files[1].split(), licence[1], owner[1] if owner else ""))
    photos = {}
    for file in sorted(next(folder.rglob("images/land")).glob("*.jpg")):
        name = f"images/land/{file.name}"
        fits = [rule for rule in rules if any(fnmatch.fnmatchcase(name, pattern) for pattern in rule[0])]
        if fits and fits[-1][1] == "public-domain":
            photos[file] = fits[-1][2]
    return photos


def scene_of(name):
    """The place that a photograph shows, if any that has a name here."""
    return next((scene for scene, (_, photos) in world.SCENES.items() if name in photos.split()), None)


def build(out, cache, everything):
    """Writes the pack's folder."""
    emoji, photos, names = fetch(cache)
    names = emoji_names(names)
    things = {thing: cldr or thing for thing, cldr in world.THINGS.items()}
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
    scenes = {scene: [] for scene in world.SCENES}
    owners = {}
    for file, owner in public_domain(photos).items():
        scene = scene_of(file.stem)
        if scene is None:
            continue
        (out / "scenes" / scene).mkdir(parents=True, exist_ok=True)
        place = f"scenes/{scene}/{file.name}"
        photo = Image.open(file).convert("RGB")
        size = (round(photo.width * PHOTO_HEIGHT_PX / photo.height), PHOTO_HEIGHT_PX)
        photo.resize(size, Image.LANCZOS).save(out / place, quality=90)
        scenes[scene].append(place)
        owners[place] = owner
    about = {"things": found, "scenes": scenes, "photographers": owners, "sources": [FLUENT, PHOTOS, NAMES]}
    (out / "pack.json").write_text(json.dumps(about, indent=1, ensure_ascii=False))
    (out / "FLUENT-LICENCE.txt").write_text(FLUENT_LICENCE.read_text())
    (out / "PHOTOS-COPYRIGHT.txt").write_text(next(photos.rglob("doc/endless-sky-data/copyright")).read_text())
    (out / "NAMES-COPYRIGHT.txt").write_text(next(names_licence(cache)).read_text())
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{len(found)} things, {len(owners)} photographs, {size / 1e6:.1f} MB in {out}")


def names_licence(cache):
    """CLDR's own licence, as its package has it."""
    return (cache / NAMES).rglob("doc/unicode-cldr-core/copyright")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="what was downloaded; default: OUT with -cache behind")
    parser.add_argument("--all", action="store_true", help="every emoji that has a name, not the world's own few")
    args = parser.parse_args()
    build(args.out, args.cache or args.out.with_name(args.out.name + "-cache"), args.all)
