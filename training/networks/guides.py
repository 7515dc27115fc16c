"""Networks that understand composed pictures: one pair of eyes with a head for each question.

Convolutions, a norm that `fold` melts into them for good, ReLU: what a guide needs to be quick to run and to differentiate.
"""

import torch
from torch import nn
from torch.nn import functional as F

# Pictures are looked at in this size, however large they are: details that are finer are not what a guide should pull at.
SIZE = 64


class ConvNorm(nn.Module):
    """A 3x3 convolution with its norm."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.conv(x))

    def folded(self):
        """Weight and bias of the one convolution that does the same."""
        scale = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        return self.conv.weight * scale[:, None, None, None], self.norm.bias - self.norm.running_mean * scale


class Trunk(nn.Module):
    """A picture to four feature maps, each half the size of the one before: 1/2, 1/4, 1/8 and 1/16."""

    def __init__(self, widths):
        super().__init__()
        inputs = [3, *widths[:-1]]
        self.down = nn.ModuleList(ConvNorm(i, o, stride=2) for i, o in zip(inputs, widths))
        self.refine = nn.ModuleList(ConvNorm(width, width) for width in widths[1:])

    def forward(self, image):
        """`[B, 3, 64, 64]` in 0..1."""
        x = image * 2 - 1
        stages = []
        for stage, down in enumerate(self.down):
            x = F.relu(down(x))
            if stage:
                x = F.relu(x + self.refine[stage - 1](x))
            stages.append(x)
        return stages


def pool(stages):
    """What is in the picture, wherever it is: mean and greatest of the last map."""
    last = stages[3]
    return torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1)


class Eyes(nn.Module):
    """Trunk and heads: names, mask, boxes, and an embedding to compare with a text's."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        widths, lateral = config["widths"], config["lateral"]
        self.trunk = Trunk(widths)
        pooled = 2 * widths[3]
        self.names = nn.ModuleDict({head: nn.Linear(pooled, count) for head, count in config["names"].items()})
        self.embed = nn.Linear(pooled, config["embedding"])
        self.lateral = nn.ModuleList(nn.Conv2d(width, lateral, 1) for width in widths[1:])
        self.smooth = ConvNorm(lateral, lateral)
        self.mask = nn.Conv2d(lateral, 4, 1)
        self.heat = nn.Conv2d(lateral, config["names"]["thing"], 1)
        self.box = nn.Conv2d(lateral, 4, 1)
        nn.init.constant_(self.heat.bias, -4.0)

    def places(self, stages):
        """Where what is: a map of 1/4 of the picture's size."""
        x = self.lateral[2](stages[3])
        for stage in (2, 1):
            x = F.interpolate(x, scale_factor=2) + self.lateral[stage - 1](stages[stage])
        return F.relu(self.smooth(F.relu(x)))

    def forward(self, image):
        """Everything that is seen, by name; masks `[B, 1, 32, 32]`, heat and boxes 16x16, all before their sigmoids."""
        if image.shape[2:] != (SIZE, SIZE):
            image = F.interpolate(image, (SIZE, SIZE), mode="bilinear", antialias=True)
        stages = self.trunk(image)
        pooled = pool(stages)
        # No single feature is to be what tells a place.
        sparse = F.dropout(pooled, 0.3, self.training)
        seen = {head: layer(sparse if head == "scene" else pooled) for head, layer in self.names.items()}
        seen["embedding"] = F.normalize(self.embed(pooled), dim=1)
        if self.config["places"]:
            places = self.places(stages)
            seen["mask"] = F.pixel_shuffle(self.mask(places), 2)
            seen["heat"], seen["box"] = self.heat(places), self.box(places)
        return seen


class Likeness(nn.Module):
    """A portrait to an embedding that portraits of the same person share. The program reads it as eyes that answer no question."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.trunk = Trunk(config["widths"])
        self.embed = nn.Linear(2 * config["widths"][3], config["embedding"])

    def forward(self, image):
        """`[B, 3, 64, 64]` in 0..1 to `[B, embedding]`, each 1 long."""
        return F.normalize(self.embed(pool(self.trunk(image))), dim=1)


class TextTower(nn.Module):
    """A text to the embedding that a picture of it has: the last token's state of a small CLIP text encoder."""

    def __init__(self, text, embedding):
        super().__init__()
        self.text = text
        self.project = nn.Linear(text.config["hidden_size"], embedding, bias=False)

    def forward(self, tokens, ends):
        """Tokens `[B, N]`, and where each text ends."""
        states = self.text(tokens)
        return F.normalize(self.project(states[torch.arange(len(tokens)), ends]), dim=1)


def folded(network):
    """All parameters, norms melted into the convolutions before them."""
    weights, done = {}, set()
    for name, module in network.named_modules():
        if isinstance(module, ConvNorm):
            weights[f"{name}.weight"], weights[f"{name}.bias"] = module.folded()
            done.add(name)
    for name, weight in network.state_dict().items():
        if not any(name.startswith(f"{conv}.") for conv in done):
            weights[name] = weight
    return weights
