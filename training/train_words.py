"""Trains a tokenizer: CLIP's byte-pair encoding over the captions of the world, and the files that go with it.

    python -m training.train_words --pack pack --out models/next/tokenizer --merges 500

Every byte is a token by itself, so any text has tokens, if more of them than one that is said with the world's words.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from .compose import Choices, Composer
from .words import LENGTH, WORDS, byte_letters

CHOICES = Choices(scenes=0.5, dyed=0.3, two=0.3, sided=0.3)
START, END = "<|startoftext|>", "<|endoftext|>"


def merged(parts, pair):
    """The parts of a word with every such pair made one."""
    made = []
    for part in parts:
        if made and (made[-1], part) == pair:
            made[-1] += part
        else:
            made.append(part)
    return tuple(made)


def learn(captions, merges):
    """The pairs to merge, the most frequent first; of equals the one that sorts first."""
    letters = byte_letters()
    counts = Counter(word for caption in captions for word in WORDS.findall(caption.lower()))
    words = Counter()
    for word, count in counts.items():
        parts = [letters[byte] for byte in word.encode()]
        words[(*parts[:-1], parts[-1] + "</w>")] += count
    learnt = []
    while len(learnt) < merges:
        pairs = Counter()
        for parts, count in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learnt.append(best)
        again = Counter()
        for parts, count in words.items():
            again[merged(parts, best)] += count
        words = again
    return learnt


def token(content):
    """How transformers describes a special token."""
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def write(merges, out):
    """`vocab.json`, `merges.txt` and what transformers wants beside them."""
    letters = list(byte_letters().values())
    names = [*letters, *(letter + "</w>" for letter in letters), *dict.fromkeys(map("".join, merges))]
    names = [*dict.fromkeys(names), START, END]
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = {name: number for number, name in enumerate(names)}
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (out / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    described = {name: token(content) for name, content in special.items()}
    (out / "special_tokens_map.json").write_text(json.dumps(described, indent=2) + "\n")
    added = {str(vocabulary[name]): token(name) | {"special": True} for name in (START, END)}
    about = {"added_tokens_decoder": added, "model_max_length": LENGTH, "tokenizer_class": "CLIPTokenizer", "errors": "replace"}
    (out / "tokenizer_config.json").write_text(json.dumps(about | special, indent=2) + "\n")
    return len(vocabulary)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=20000)
    parser.add_argument("--merges", type=int, default=500)
    args = parser.parse_args(arguments)
    composer = Composer(args.pack, 16, 8, CHOICES)
    captions = [composer.draw()["caption"] for _ in range(args.captions)]
    merges = learn(captions, args.merges)
    size = write(merges, args.out)
    print(f"{size} tokens, {len(merges)} of them merged from others, in {args.out}")


if __name__ == "__main__":
    main()
