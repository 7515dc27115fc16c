"""Noise schedule and a plain DDIM sampler with classifier-free guidance."""

import torch

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS_CUMPROD = torch.cumprod(1 - BETAS, 0)


def noised(x0, noise, t):
    """Latents at timesteps `t`."""
    a = ALPHAS_CUMPROD.to(x0.device)[t].to(x0.dtype)[:, None, None, None]
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def x0_from_eps(x, eps, t):
    """What the latents would be without the noise that was predicted."""
    a = ALPHAS_CUMPROD.to(x.device)[t].to(x.dtype)[:, None, None, None]
    return (x - (1 - a).sqrt() * eps) / a.sqrt()


@torch.no_grad()
def draw(unet, context, uncond, size, seed, steps=25, scale=7.5):
    """Latents for each row of `context`; row `i` starts from noise of seed `seed + i`."""
    rows = len(context)
    noise = [torch.randn(4, size, size, generator=torch.Generator().manual_seed(seed + row)) for row in range(rows)]
    x = torch.stack(noise).to(context)
    both = torch.cat([uncond.expand_as(context), context])
    stride = 1000 // steps
    grid = [step * stride + 1 for step in reversed(range(steps))]
    for t in grid:
        at = torch.full((rows,), t)
        u, c = unet(torch.cat([x, x]), at.repeat(2).to(x.device), both).chunk(2)
        eps = u + scale * (c - u)
        x0 = x0_from_eps(x, eps, at)
        x = noised(x0, eps, at - stride) if t > stride else noised(x0, eps, torch.zeros(rows, dtype=torch.long))
    return x
