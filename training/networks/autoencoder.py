"""`AutoencoderTiny`: latents an eighth as tall and wide as the picture (TAESD, <https://github.com/madebyollin/taesd>)."""

import torch
from torch import nn


def conv(inputs, outputs, **how):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **how)


class Block(nn.Module):
    """Three convolutions beside a skip."""

    def __init__(self, channels):
        super().__init__()
        steps = [conv(channels, channels), nn.ReLU(), conv(channels, channels), nn.ReLU(), conv(channels, channels)]
        self.conv = nn.Sequential(*steps)

    def forward(self, x):
        return torch.relu(self.conv(x) + x)


class Encoder(nn.Module):
    def __init__(self, channels, latent, counts):
        super().__init__()
        layers = []
        for stage, count in enumerate(counts):
            layers.append(conv(channels, channels, stride=2, bias=False) if stage else conv(3, channels))
            layers += [Block(channels) for _ in range(count)]
        self.layers = nn.Sequential(*layers, conv(channels, latent))

    def forward(self, image):
        """Pictures `[B, 3, H, W]` in -1..1 to latents that are not scaled yet."""
        return self.layers(image * 0.5 + 0.5)


class Decoder(nn.Module):
    def __init__(self, channels, latent, counts):
        super().__init__()
        layers = [conv(latent, channels), nn.ReLU()]
        for stage, count in enumerate(counts):
            layers += [Block(channels) for _ in range(count)]
            if stage + 1 < len(counts):
                layers += [nn.Upsample(scale_factor=2), conv(channels, channels, bias=False)]
        self.layers = nn.Sequential(*layers, conv(channels, 3))

    def forward(self, latents):
        """Latents that are no longer scaled to pictures, about in -1..1."""
        return self.layers(torch.tanh(latents / 3) * 3) * 2 - 1


class Autoencoder(nn.Module):
    """Encoder and decoder; `config` is diffusers' own."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        latent = config["latent_channels"]
        self.encoder = Encoder(config["encoder_block_out_channels"][0], latent, config["num_encoder_blocks"])
        self.decoder = Decoder(config["decoder_block_out_channels"][0], latent, config["num_decoder_blocks"])

    def encode(self, image):
        """As the U-Net is fed them."""
        return self.encoder(image) * self.config["scaling_factor"]

    def decode(self, latents):
        """What the U-Net makes, as a picture."""
        return self.decoder(latents / self.config["scaling_factor"])
