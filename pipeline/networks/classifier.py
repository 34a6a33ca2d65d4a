"""A classifier whose last hidden layer others build on."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


class Classifier(nn.Module):
    """(b, *sample_shape) -> `features` (b, features), at least 0 -> `classify`: logits (b, classes).

    encoder: (b, *sample_shape) -> (b, features).
    """

    def __init__(self, encoder: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.init_std = encoder.init_std
        self.encoder = encoder
        self.head = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        return relu(self.encoder(x))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))
