"""What every training shares: checkpoints that are resumed exactly, an average of the weights, and a clock."""

import math
import os
import time
from pathlib import Path

import torch


class Average:
    """An exponential average of a network's parameters and buffers; whole numbers are taken as they are."""

    def __init__(self, network, decay):
        self.decay, self.steps = decay, 0
        self.weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}

    def resume(self, weights, steps):
        """Goes on from what was kept, on the device where the network is."""
        for name, weight in weights.items():
            self.weights[name].copy_(weight)
        self.steps = steps

    @torch.no_grad()
    def update(self, network):
        """Takes the newest weights in; early ones are soon forgotten."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, weight in network.state_dict().items():
            if weight.is_floating_point():
                self.weights[name].lerp_(weight, 1 - decay)
            else:
                self.weights[name].copy_(weight)


def rate(step, steps, peak, warm=100):
    """Learning rate: up in `warm` steps, then down along a half cosine."""
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / max(1, steps - warm)))))


def save(path, state):
    """Writes a checkpoint whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    os.replace(draft, path)


def load(path):
    """A checkpoint, or nothing when there is none."""
    if not Path(path).exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=False)


def dice():
    """The state of torch's own generators, to resume with."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_dice(state):
    """Goes on from a state; one that another number of GPUs left behind counts for the CPU alone."""
    torch.set_rng_state(state["cpu"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])


def run(steps, start, minutes, step, keep, every=200, note=print):
    """Calls `step(index)`, which returns a loss, until all steps are done or the minutes are over; keeps now and then.

    Returns how many steps are done in all.
    """
    began, kept, shown, recent = time.monotonic(), start, start, []
    index = start
    while index < steps and time.monotonic() - began < 60 * minutes:
        recent.append(step(index))
        index += 1
        if index - shown >= 50:
            note(f"step {index} of {steps}, loss {sum(recent) / len(recent):.4f}, {time.monotonic() - began:.0f} s", flush=True)
            shown, recent = index, []
        if index - kept >= every:
            keep(index)
            kept = index
    if index > kept:
        keep(index)
    return index
