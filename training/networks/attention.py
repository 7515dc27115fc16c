"""Scaled dot-product attention and norms, also for torch 1.13, which has no fused attention and no norm of mixed types."""

import torch
from torch import nn
from torch.nn import functional as F


def attend(q, k, v, causal=False):
    """`[B, heads, N, D]`, `[B, heads, M, D]` twice, to `[B, heads, N, D]`."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return scores.softmax(-1) @ v


class GroupNorm(nn.GroupNorm):
    """In its own parameters' numbers whatever is around it: in f32, as autocast has it on a GPU."""

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype))


class LayerNorm(nn.LayerNorm):
    """In its own parameters' numbers whatever is around it."""

    def forward(self, x):
        return super().forward(x.to(self.weight.dtype))
