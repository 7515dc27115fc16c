"""Folders in the diffusers layout: reading and writing the parts of a model, in 16 bits or in 8.

In 8 bits a matrix or kernel `w` is `round(w / scale)`, and `w.scale` beside it has one scale for each output channel: the program's
own way, which `guidestar models convert` writes too.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .networks.autoencoder import Autoencoder
from .networks.text import ClipText
from .networks.unet import Unet

PARTS = {
    "unet": (Unet, "diffusion_pytorch_model.safetensors"),
    "vae": (Autoencoder, "diffusion_pytorch_model.safetensors"),
    "text_encoder": (ClipText, "model.safetensors"),
}


# The model whose schedule and index a new one takes over.
LIKE = Path(__file__).parent.parent / "models/mini"
SCALE = ".scale"


def read(folder, part):
    """A part of a model, with its weights in f32."""
    network, file = PARTS[part]
    folder = Path(folder) / part
    made = network(json.loads((folder / "config.json").read_text()))
    made.load_state_dict(widened(load_file(folder / file)))
    return made


def write(network, folder, part, bits=16):
    """Writes a part."""
    folder = Path(folder) / part
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(network.config, indent=2) + "\n")
    save_file(narrowed(network.state_dict(), bits), folder / PARTS[part][1], {"format": "pt"})


def narrowed(weights, bits=16):
    """Weights as they are stored: in f16, or matrices and kernels in 8 bits with their scales."""
    stored = {}
    for name, weight in weights.items():
        weight = weight.detach().cpu().float()
        if bits == 8 and weight.ndim > 1:
            greatest = weight.flatten(1).abs().amax(1)
            scale = torch.where(greatest > 0, greatest / 127, torch.ones_like(greatest))
            rows = scale.view(-1, *[1] * (weight.ndim - 1))
            stored[name] = (weight / rows).round().clamp(-127, 127).to(torch.int8).contiguous()
            stored[name + SCALE] = scale
        else:
            stored[name] = weight.to(torch.float16).contiguous().clone()
    return stored


def widened(stored):
    """Weights in f32 of what was stored either way."""
    weights = {}
    for name, weight in stored.items():
        if name.endswith(SCALE) and stored[name.removesuffix(SCALE)].dtype == torch.int8:
            continue
        weights[name] = weight.float()
        if weight.dtype == torch.int8:
            weights[name] *= stored[name + SCALE].view(-1, *[1] * (weight.ndim - 1))
    return weights


def copy_rest(folder, tokenizer, like=LIKE):
    """Copies what a model needs besides what was trained: tokenizer, scheduler, index."""
    shutil.copytree(tokenizer, Path(folder) / "tokenizer", dirs_exist_ok=True)
    shutil.copytree(Path(like) / "scheduler", Path(folder) / "scheduler", dirs_exist_ok=True)
    shutil.copy(Path(like) / "model_index.json", folder)
