"""Training samples that a player holds, and draws from them by a latent coordinate."""

from __future__ import annotations

import torch
from torch import Tensor


def keep(samples: Tensor) -> Tensor:
    """(n, *sample_shape) float32 as a network sees them -> as a player's weights: images in [-1, 1] as uint8,
    which is what they were and a quarter of the size; points as they are.
    """
    if samples.ndim == 4:
        return samples.add(1).mul_(255 / 2).round_().to(torch.uint8)
    return samples


def seen(kept: Tensor) -> Tensor:
    """The inverse of `keep`, to the bit: uint8 images -> float32 in [-1, 1]."""
    if kept.dtype == torch.uint8:
        return kept.to(torch.float32).mul_(2 / 255).sub_(1)
    return kept


def chosen(latents: Tensor, count: int) -> Tensor:
    """(n,) standard normal -> (n,) int64 uniform on 0, …, count - 1: floor(Phi(z) count).

    In float64, where Phi of a float32 latent leaves no index of a large set out.
    """
    return uniform(latents).mul(count).long().clamp_max_(count - 1)


def uniform(latents: Tensor) -> Tensor:
    """Standard normal -> Phi(z), uniform in [0, 1], float64."""
    return torch.special.ndtr(latents.double())
