"""What the guides' heads are taught by."""

import torch
from torch.nn import functional as F

from .compose import NO_COLOUR, NO_SCENE, NO_THING


def names(seen, batch):
    """Cross entropy of every name that the picture has one of."""
    single = batch.things[:, 1] == NO_THING
    none = torch.full_like(batch.colours, -1)
    wanted = {
        "thing": torch.where(single, batch.things[:, 0], none),
        "colour": batch.colours,
        "scene": torch.where(batch.scenes == NO_SCENE, 0, batch.scenes + 1),
        "dye": torch.where(single, batch.dyes, none),
    }
    assert NO_COLOUR == -1
    losses = []
    for head, target in wanted.items():
        # In a small batch there may be nothing to name: its mean would be no number.
        asked = (target != -1).sum().clamp(min=1)
        losses.append(F.cross_entropy(seen[head], target, ignore_index=-1, reduction="sum") / asked)
    return torch.stack(losses).sum()


def mask(seen, batch):
    """Cross entropy and overlap of the foreground."""
    wanted = F.avg_pool2d(batch.masks, batch.masks.shape[-1] // seen["mask"].shape[-1])
    logits = seen["mask"]
    found = logits.sigmoid()
    overlap = 2 * (found * wanted).sum((1, 2, 3)) / ((found + wanted).sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, wanted) + 0.5 * (1 - overlap).mean()


def heat_wanted(batch, size, classes):
    """A bump at each thing's centre in its own map, as CenterNet has it; and where the centres are, one row each."""
    pictures, rows = (batch.things != NO_THING).nonzero(as_tuple=True)
    boxes = batch.boxes[pictures, rows] * size
    centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    cell = centre.long().clamp(0, size - 1)
    along = torch.arange(size, device=boxes.device)
    spread = (extent / 6).clamp(min=0.8)
    across = (-((along - cell[:, :1]) ** 2) / (2 * spread[:, :1] ** 2)).exp()
    down = (-((along - cell[:, 1:]) ** 2) / (2 * spread[:, 1:] ** 2)).exp()
    heat = torch.zeros(len(batch.things), classes, size, size, device=boxes.device)
    heat[pictures, batch.things[pictures, rows]] = down[:, :, None] * across[:, None, :]
    return heat, (pictures, cell, centre, extent / size)


def boxes(seen, batch):
    """Penalty-reduced focal loss of the heat maps, and distance of the boxes at the centres."""
    logits = seen["heat"]
    wanted, (pictures, cell, centre, extent) = heat_wanted(batch, logits.shape[-1], logits.shape[1])
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    hit = wanted == 1
    focal = torch.where(hit, (1 - p) ** 2 * p.log(), (1 - wanted) ** 4 * p**2 * (1 - p).log())
    found = seen["box"][pictures, :, cell[:, 1], cell[:, 0]].sigmoid()
    target = torch.cat([centre - cell, extent], 1)
    return -focal.sum() / hit.sum() + 4 * (found - target).abs().mean()


def pair(images, texts, temperature, captions):
    """Contrast of pictures and texts; texts that say the same are not held against each other."""
    scores = images @ texts.T * temperature
    same = torch.tensor([[a == b and i != j for j, b in enumerate(captions)] for i, a in enumerate(captions)])
    scores = scores.masked_fill(same.to(scores.device), -1e4)
    target = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
