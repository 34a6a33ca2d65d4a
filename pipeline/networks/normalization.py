"""Batch norm without hidden state, and the names that options use."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """Ioffe & Szegedy 2015 over dimension 1 of (b, c, ...).

    Training uses the batch's own moments and remembers nothing, so a step is a pure function of the
    parameters. Evaluation uses `mean` and `var`, which sampling re-estimates from the finished generator (see
    `training/sampling.py`): averages kept during training describe a generator that no longer exists.
    """

    couples_samples = True
    mean: Tensor
    var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("mean", torch.empty(channels))
        self.register_buffer("var", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias)


def normalization(name: str, channels: int) -> nn.Module:
    """`batch`, `layer` (over all of a sample's channels and places) or `none`."""
    if name == "batch":
        return BatchNorm(channels)
    return nn.GroupNorm(1, channels) if name == "layer" else nn.Identity()
