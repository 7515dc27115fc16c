"""Trains the guide that knows drawn people again, whatever face they make, wherever they are.

    python -m training.train_identity --pack pack --run runs/identity --minutes 30
"""

import argparse
import json

import torch
from torch.nn import functional as F

from . import loop
from .networks.guides import Likeness
from .portraits import Portraits
from .train_guides import roughen

NETWORK = {"widths": [24, 32, 64, 96], "embedding": 64}
# Portraits of each person in a batch.
VIEWS = 4
TEMPERATURE = 16.0
SEED = 6


def same_person(embeddings, views):
    """Cross entropy of every other portrait of a person among all others of the batch (Khosla et al. 2020, <https://arxiv.org/abs/2004.11362>)."""
    count = len(embeddings)
    itself = torch.eye(count, dtype=torch.bool, device=embeddings.device)
    who = torch.arange(count, device=embeddings.device) // views
    same = (who[:, None] == who) & ~itself
    scores = (embeddings @ embeddings.T * TEMPERATURE).masked_fill(itself, float("-inf"))
    return -F.log_softmax(scores, 1)[same].mean()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    loop.flags(parser, steps=1500, batch=96, rate=3e-3)
    args = loop.begin(parser, arguments)
    torch.manual_seed(SEED)
    portraits = Portraits(args.pack, SEED, device=args.device)
    network = Likeness(NETWORK).to(args.device)
    training = loop.Training(args, network, 0.995, 0.02, 5.0, portraits=portraits)

    def loss():
        images = portraits.batch(args.batch // VIEWS, VIEWS)
        return same_person(network(roughen(images, portraits.random)), VIEWS)

    print(json.dumps(training.run(loss, config=network.config)))


if __name__ == "__main__":
    main()
