"""What every training shares: flags, checkpoints that are resumed exactly, an average of the weights, and a clock."""

import math
import os
import time
from pathlib import Path

import torch

# Steps from one line that is printed to the next, and from one checkpoint to the next.
NOTED, KEPT = 50, 200


def flags(parser, steps, batch, rate):
    """The flags that every training has, with these for defaults."""
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints; goes on where it stopped")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--stop", type=int, help="end after this step, as if the minutes were over")
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)


def begin(parser, arguments):
    """Reads the flags, and gives torch its threads."""
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    return args


class Training:
    """A network on its way down, step by step, from where the run's checkpoint stopped.

    `others` are what else makes the next step the one that it would have been: each has a `state` and can `resume` from it.
    """

    def __init__(self, args, network, decay, weight_decay, clip, trained=None, **others):
        self.args, self.network, self.clip, self.others = args, network, clip, others
        self.trained = list((trained or network).parameters())
        self.optimiser = torch.optim.AdamW(self.trained, args.rate, weight_decay=weight_decay)
        self.average = Average(network, decay)
        self.path, self.done = args.run / "checkpoint.pt", 0
        if state := load(self.path):
            self.done = state["step"]
            network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average.resume(state["average"], self.done)
            for name, other in others.items():
                other.resume(state[name])
            set_dice(state["random"])

    def run(self, loss, **about):
        """Steps down `loss()`, which draws its own batch, until all steps are made or the minutes over; `about` is kept too."""
        last = min(self.args.steps, self.args.stop or self.args.steps)
        began, kept, recent = time.monotonic(), self.done, []
        while self.done < last and time.monotonic() - began < 60 * self.args.minutes:
            recent.append(self.step(loss))
            self.done += 1
            if len(recent) == NOTED:
                mean, took = sum(recent) / len(recent), time.monotonic() - began
                print(f"step {self.done} of {last}, loss {mean:.4f}, {took:.0f} s", flush=True)
                recent = []
            if self.done - kept == KEPT:
                self.keep(about)
                kept = self.done
        if self.done > kept:
            self.keep(about)
        return {"steps": self.done, "of": self.args.steps}

    def step(self, loss):
        """One step; returns the loss that it was taken for."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.done, self.args.steps, self.args.rate)
        found = loss()
        self.optimiser.zero_grad()
        found.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.clip)
        self.optimiser.step()
        self.average.update(self.network)
        return float(found.detach())

    def keep(self, about):
        """Writes the checkpoint."""
        state = {
            "step": self.done,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.weights,
            "random": dice(),
        }
        save(self.path, state | {name: other.state() for name, other in self.others.items()} | about)


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
