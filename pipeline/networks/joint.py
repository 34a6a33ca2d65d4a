"""Discriminators of pairs of a sample and its code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class JointDiscriminator(nn.Module):
    """(b, *sample_shape), (b, code_dim) -> (b,): a discriminator's hidden layers for the sample, joined with
    the code and followed by two dense layers of `width` units (Dumoulin et al. 2017, appendix A).
    """

    def __init__(self, trunk: Any, code_dim: int, width: int) -> None:
        super().__init__()
        self.init_std = trunk.init_std
        # Its place is taken by the dense layers, and what is in no loss must not be among the parameters.
        trunk.layers[-1] = nn.Identity()
        self.trunk: Any = trunk
        self.joint = nn.Sequential(
            nn.Linear(trunk.feature_count + code_dim, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.joint(torch.cat([self.trunk.features(x), code], 1)).flatten()
