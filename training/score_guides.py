"""How well the guides do on pictures that they were not trained on, in places that they have not seen.

    python -m training.score_guides --pack pack --eyes runs/eyes --scorer runs/scorer --identity runs/identity
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn import functional as F

from .compose import NO_SCENE, NO_THING, Choices, Composer
from .export_guides import averaged, likeness
from .portraits import Portraits
from .train_guides import roughen, tokens
from .words import Words

SEED = 900


def names(network, batches, rough=None):
    """The share of right names, head by head; `rough` spoils the pictures first."""
    right, asked = {}, {}
    for batch in batches:
        images = roughen(batch.images, rough) if rough else batch.images
        seen = network(images)
        single = batch.things[:, 1] == NO_THING
        wanted = {
            "thing": (batch.things[:, 0], single),
            "colour": (batch.colours, batch.scenes == NO_SCENE),
            "scene": (batch.scenes + 1, batch.scenes > -2),
            "dye": (batch.dyes, single),
        }
        for head, (target, some) in wanted.items():
            found = seen[head].argmax(1)
            right[head] = right.get(head, 0) + int((found == target)[some].sum())
            asked[head] = asked.get(head, 0) + int(some.sum())
    return {head: right[head] / asked[head] for head in right}


def overlap(network, batches):
    """Mean intersection over union of the foreground, at the picture's own size."""
    scores = []
    for batch in batches:
        mask = F.interpolate(network(batch.images)["mask"], batch.images.shape[2:], mode="bilinear") > 0
        wanted = batch.masks > 0.5
        both, either = (mask & wanted).sum((1, 2, 3)), (mask | wanted).sum((1, 2, 3))
        scores += (both / either.clamp(min=1)).tolist()
    return sum(scores) / len(scores)


def found_things(seen):
    """Every peak of the heat maps: picture, thing, score, box."""
    heat = seen["heat"].sigmoid()
    peak = (F.max_pool2d(heat, 3, 1, 1) == heat) & (heat > 0.02)
    pictures, things, down, across = peak.nonzero(as_tuple=True)
    box = seen["box"].sigmoid()[pictures, :, down, across]
    size = heat.shape[-1]
    x, y = (across + box[:, 0]) / size, (down + box[:, 1]) / size
    half = box[:, 2:] / 2
    bounds = torch.stack([x - half[:, 0], y - half[:, 1], x + half[:, 0], y + half[:, 1]], 1)
    return pictures, things, heat[pictures, things, down, across], bounds


def box_overlap(a, b):
    """Intersection over union of box `a` with each of `b`."""
    low, high = torch.maximum(a[:2], b[:, :2]), torch.minimum(a[2:], b[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    return both / ((a[2:] - a[:2]).prod() + (b[:, 2:] - b[:, :2]).prod(1) - both)


def mean_precision(network, batches):
    """mAP50: the average over things of the area under precision against recall."""
    hits, wanted = {}, {}
    for index, batch in enumerate(batches):
        pictures, things, scores, bounds = found_things(network(batch.images))
        taken = set()
        for thing in batch.things[batch.things != NO_THING].tolist():
            wanted[thing] = wanted.get(thing, 0) + 1
        for at in scores.argsort(descending=True).tolist():
            picture, thing = int(pictures[at]), int(things[at])
            overlaps = box_overlap(bounds[at], batch.boxes[picture])
            good = [
                row
                for row in range(2)
                if batch.things[picture, row] == thing and overlaps[row] >= 0.5 and (picture, row) not in taken
            ]
            taken.update((picture, row) for row in good[:1])
            hits.setdefault(thing, []).append((float(scores[at]), bool(good)))
    areas = []
    for thing, count in wanted.items():
        ranked = sorted(hits.get(thing, []), reverse=True)
        right, area, precisions = 0, 0.0, []
        for rank, (_, good) in enumerate(ranked, 1):
            right += good
            precisions.append((right / rank, good))
        best = 0.0
        for precision, good in reversed(precisions):
            best = max(best, precision)
            area += best * good / count
        areas.append(area)
    return sum(areas) / len(areas)


def retrieval(networks, batches, words):
    """How often a text's own picture among a hundred of different captions comes first, and a picture's own text."""
    pictures, texts, captions = [], [], set()
    for batch in batches:
        ids, ends = tokens(words, batch.captions)
        seen, said = networks["eyes"](batch.images)["embedding"], networks["text"](ids, ends)
        for row, caption in enumerate(batch.captions):
            if caption not in captions:
                captions.add(caption)
                pictures.append(seen[row])
                texts.append(said[row])
    right, count = [0, 0], len(pictures) // 100 * 100
    if not count:
        raise SystemExit(f"{len(pictures)} pictures of different captions are too few to choose from: more --pictures")
    for start in range(0, count, 100):
        scores = torch.stack(pictures[start : start + 100]) @ torch.stack(texts[start : start + 100]).T
        own = torch.arange(100)
        right[0] += int((scores.argmax(0) == own).sum())
        right[1] += int((scores.argmax(1) == own).sum())
    return {"picture of a text": right[0] / count, "text of a picture": right[1] / count}


def same_people(network, portraits, people, rough=None):
    """How often a person's other portrait is nearer than another person's; and how often it is the nearest of all `people`."""
    nearer, nearest, rounds = 0.0, 0.0, 8
    for _ in range(rounds):
        images = portraits.batch(people, 2)
        found = network(roughen(images, rough) if rough else images)
        scores = found[::2] @ found[1::2].T
        own = scores.diagonal()[:, None]
        others = ~torch.eye(people, dtype=torch.bool)
        nearer += float((scores < own)[others].float().mean()) / rounds
        nearest += float((scores.argmax(1) == torch.arange(people)).float().mean()) / rounds
    return {"nearer than another's": nearer, f"nearest of {people}": nearest}


@torch.no_grad()
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--eyes", type=Path)
    parser.add_argument("--scorer", type=Path)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=Path("models/mini/tokenizer"))
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    words = Words(args.tokenizer)
    if args.eyes or args.scorer:
        composer = Composer(args.pack, 128, SEED, Choices(), unseen=True)
        batches = [composer.batch(50) for _ in range(args.pictures // 50)]
    report = {}
    for name, run in (("eyes", args.eyes), ("scorer", args.scorer)):
        if not run:
            continue
        networks, report[f"{name} steps"] = averaged(run, words)
        eyes = networks["eyes"]
        report[f"{name} names"] = names(eyes, batches)
        torch.manual_seed(SEED)
        report[f"{name} names, spoilt pictures"] = names(eyes, batches, composer.random)
        if eyes.config["places"]:
            report["mask IoU"] = overlap(eyes, batches)
            report["mAP50"] = mean_precision(eyes, batches)
            report["retrieval of 100"] = retrieval(networks, batches, words)
    if args.identity:
        network, report["identity steps"] = likeness(args.identity)
        portraits = Portraits(args.pack, SEED, unseen=True)
        people = min(100, len(portraits.people))
        report["identity"] = same_people(network, portraits, people)
        torch.manual_seed(SEED)
        report["identity, spoilt portraits"] = same_people(network, portraits, people, portraits.random)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
