"""`UNet2DConditionModel` as Stable Diffusion 1.x has it: three levels with cross-attention, one without."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .attention import GroupNorm, LayerNorm, attend


class Resnet(nn.Module):
    def __init__(self, inputs, outputs, time, groups):
        super().__init__()
        self.norm1, self.norm2 = GroupNorm(groups, inputs, 1e-5), GroupNorm(groups, outputs, 1e-5)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if self.conv_shortcut else x)


class Attention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = (nn.Linear(context, width, bias=False) for _ in range(2))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context):
        split = lambda y: y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)  # noqa: E731
        seen = attend(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)))
        return self.to_out[0](seen.transpose(1, 2).reshape(x.shape))


class Geglu(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x):
        h, gate = self.proj(x).chunk(2, -1)
        return h * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.ModuleList([Geglu(width, 4 * width), nn.Dropout(0), nn.Linear(4 * width, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class TransformerBlock(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = Attention(width, width, heads), Attention(width, context, heads)
        self.ff = FeedForward(width)

    def forward(self, x, context):
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, width, context, heads, groups):
        super().__init__()
        self.norm = GroupNorm(groups, width, 1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, context, heads)])

    def forward(self, x, context):
        batch, width, height, _ = x.shape
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        tokens = self.transformer_blocks[0](tokens, context)
        return x + self.proj_out(tokens.transpose(1, 2).reshape(batch, width, height, -1))


class Sampling(nn.Module):
    """Halves or doubles a feature map."""

    def __init__(self, channels, down):
        super().__init__()
        self.down = down
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, stride=2 if down else 1)

    def forward(self, x):
        return self.conv(x if self.down else F.interpolate(x, scale_factor=2))


class Level(nn.Module):
    """The resnets and attentions of one size, on the way down or up."""

    def __init__(self, inputs, outputs, attend, config, sampler):
        super().__init__()
        time, groups = 4 * config["block_out_channels"][0], config["norm_num_groups"]
        self.resnets = nn.ModuleList(Resnet(width, outputs, time, groups) for width in inputs)
        context, heads = config["cross_attention_dim"], config["attention_head_dim"]
        if attend:
            self.attentions = nn.ModuleList(Transformer(outputs, context, heads, groups) for _ in inputs)
        if sampler:
            setattr(self, f"{sampler}samplers", nn.ModuleList([Sampling(outputs, sampler == "down")]))

    def layer(self, index, x, time, context):
        x = self.resnets[index](x, time)
        return self.attentions[index](x, context) if hasattr(self, "attentions") else x


class Middle(nn.Module):
    def __init__(self, width, config):
        super().__init__()
        time, groups = 4 * config["block_out_channels"][0], config["norm_num_groups"]
        self.resnets = nn.ModuleList(Resnet(width, width, time, groups) for _ in range(2))
        heads = config["attention_head_dim"]
        self.attentions = nn.ModuleList([Transformer(width, config["cross_attention_dim"], heads, groups)])

    def forward(self, x, time, context):
        x = self.attentions[0](self.resnets[0](x, time), context)
        return self.resnets[1](x, time)


class TimestepEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.linear_1, self.linear_2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, 4 * width)

    def forward(self, t):
        half = self.width // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
        angles = t.float()[:, None] * rates
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return self.linear_2(F.silu(self.linear_1(waves.to(self.linear_1.weight.dtype))))


class Unet(nn.Module):
    """The U-Net; `config` is diffusers' own."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        widths, layers = config["block_out_channels"], config["layers_per_block"]
        groups, last = config["norm_num_groups"], len(widths) - 1
        self.time_embedding = TimestepEmbedding(widths[0])
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.down_blocks, skips = nn.ModuleList(), [widths[0]]
        for level, width in enumerate(widths):
            inputs = [widths[max(level - 1, 0)]] + [width] * (layers - 1)
            self.down_blocks.append(Level(inputs, width, level < last, config, "down" if level < last else None))
            skips += [width] * (layers + (level < last))
        self.mid_block = Middle(widths[-1], config)
        self.up_blocks, below = nn.ModuleList(), widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            inputs = [(below if layer == 0 else width) + skips.pop() for layer in range(layers + 1)]
            self.up_blocks.append(Level(inputs, width, level < last, config, "up" if level else None))
            below = width
        self.conv_norm_out = GroupNorm(groups, widths[0], 1e-5)
        self.conv_out = nn.Conv2d(widths[0], config["out_channels"], 3, padding=1)

    def forward(self, x, t, context):
        """The noise in latents `x` `[B, 4, h, w]` at timesteps `t` `[B]`."""
        time = self.time_embedding(t)
        x = self.conv_in(x)
        skips = [x]
        for level in self.down_blocks:
            for index in range(len(level.resnets)):
                x = level.layer(index, x, time, context)
                skips.append(x)
            if hasattr(level, "downsamplers"):
                x = level.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block(x, time, context)
        for level in self.up_blocks:
            for index in range(len(level.resnets)):
                x = level.layer(index, torch.cat([x, skips.pop()], 1), time, context)
            if hasattr(level, "upsamplers"):
                x = level.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
