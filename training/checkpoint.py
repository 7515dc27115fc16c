"""Folders in the diffusers layout: reading and writing the four parts of a model."""

import json
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


def read(folder, part):
    """A part of a model, with its weights in f32."""
    network, file = PARTS[part]
    folder = Path(folder) / part
    made = network(json.loads((folder / "config.json").read_text()))
    made.load_state_dict({name: weight.float() for name, weight in load_file(folder / file).items()})
    return made


def write(network, folder, part):
    """Writes a part, in f16."""
    folder = Path(folder) / part
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(network.config, indent=2) + "\n")
    weights = {name: weight.detach().to(torch.float16).contiguous() for name, weight in network.state_dict().items()}
    save_file(weights, folder / PARTS[part][1], {"format": "pt"})
