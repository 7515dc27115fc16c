"""`CLIPTextModel`: tokens to what the U-Net attends to."""

import torch
from torch import nn

from .attention import LayerNorm, attend


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        batch, count, width = x.shape
        split = lambda y: y.view(batch, count, self.heads, -1).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        seen = attend(q, k, v, causal=True)
        return self.out_proj(seen.transpose(1, 2).reshape(batch, count, width))


class Mlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.self_attn = Attention(width, config["num_attention_heads"])
        self.layer_norm1, self.layer_norm2 = LayerNorm(width), LayerNorm(width)
        self.mlp = Mlp(width, config["intermediate_size"])

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.token_embedding = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.position_embedding = nn.Embedding(config["max_position_embeddings"], config["hidden_size"])
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, tokens):
        return self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.final_layer_norm = LayerNorm(config["hidden_size"])

    def forward(self, tokens):
        x = self.embeddings(tokens)
        for layer in self.encoder.layers:
            x = layer(x)
        return self.final_layer_norm(x)


class ClipText(nn.Module):
    """CLIP's text encoder; `config` is transformers' own."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.text_model = Transformer(config)

    def forward(self, tokens):
        """Tokens `[B, N]` to `[B, N, hidden_size]`."""
        return self.text_model(tokens)
