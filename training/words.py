"""CLIP's byte-pair encoding, over the vocabulary of a model of ours."""

import json
import re
from functools import lru_cache
from pathlib import Path

LENGTH = 77
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


def byte_letters():
    """A printable letter for every byte, as GPT-2 chose them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(rest)}


class Words:
    """A tokenizer, from a folder with `vocab.json` and `merges.txt`."""

    def __init__(self, folder):
        folder = Path(folder)
        self.vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        self.ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self.letters = byte_letters()
        self.start = self.vocabulary["<|startoftext|>"]
        self.end = self.vocabulary["<|endoftext|>"]
        self.word = lru_cache(None)(self.word)

    def word(self, word):
        """The tokens of one word."""
        parts = [self.letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:]))
            rank, at = min((self.ranks.get(pair, 1 << 30), at) for at, pair in enumerate(pairs))
            if rank == 1 << 30:
                break
            pair, merged, index = pairs[at], [], 0
            while index < len(parts):
                if tuple(parts[index : index + 2]) == pair:
                    merged.append("".join(pair))
                    index += 2
                else:
                    merged.append(parts[index])
                    index += 1
            parts = merged
        return [self.vocabulary[part] for part in parts]

    def encode(self, text, length=LENGTH):
        """Start, the text's tokens, then ends up to the length."""
        tokens = [token for word in WORDS.findall(text.lower()) for token in self.word(word)]
        tokens = [self.start, *tokens[: length - 2]]
        return tokens + [self.end] * (length - len(tokens))
