"""The weights of a mixture."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MixtureWeights(nn.Module):
    """() -> (k,) logarithms of weights that sum to 1; equal weights at first."""

    def __init__(self, components: int) -> None:
        super().__init__()
        self.log_weights = nn.Parameter(torch.empty(components))

    def forward(self) -> Tensor:
        return self.log_weights.log_softmax(0)
