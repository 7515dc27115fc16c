"""Cuts a checkpoint into files that travel one by one, and joins them again.

    python -m training.pieces cut runs/256/checkpoint.pt --into out
    python -m training.pieces join out --into runs/256/checkpoint.pt
"""

import argparse
import hashlib
from pathlib import Path

PIECE_BYTES = 15_000_000


def cut(file, folder):
    """Numbered pieces, and the whole's SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    data = file.read_bytes()
    for index, start in enumerate(range(0, len(data), PIECE_BYTES)):
        (folder / f"piece-{index:04}").write_bytes(data[start : start + PIECE_BYTES])
    (folder / "sha256").write_text(hashlib.sha256(data).hexdigest())


def join(folder, file):
    """The file that was cut, when all of it is there."""
    data = b"".join(piece.read_bytes() for piece in sorted(folder.glob("piece-*")))
    if hashlib.sha256(data).hexdigest() != (folder / "sha256").read_text():
        raise SystemExit(f"{folder} does not hold all pieces of one file")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["cut", "join"])
    parser.add_argument("what", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    args = parser.parse_args()
    {"cut": cut, "join": join}[args.act](args.what, args.into)
