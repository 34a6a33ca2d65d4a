"""Networks on top of another network's features."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

HIDDEN = 128  # units (Chen et al. 2016, appendix C)


class RecognitionHead(nn.Module):
    """(b, feature_count) -> (b, outputs): what a discriminator's last hidden layer says about the code (Chen
    et al. 2016, section 6 and appendix C; without their batch norm, so that any objective may use it).
    """

    def __init__(self, trunk: Any, outputs: int) -> None:
        super().__init__()
        self.init_std = trunk.init_std
        self.layers = nn.Sequential(
            nn.Linear(trunk.feature_count, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)
