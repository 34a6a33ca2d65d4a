"""Minibatch discrimination (Salimans et al. 2016, section 3.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class MinibatchLayer(nn.Module):
    """(b, features) -> (b, features + kernels): beside each sample's features, how close the others of its
    batch are to it.

    M_i = T f(x_i), (kernels, kernel_dim); o(x_i)_k = sum over j != i of exp(-|M_ik - M_jk|_1). The sum grows
    with the batch. The biases that the authors' code adds to o are left to the layer that follows.
    """

    couples_samples = True

    def __init__(self, features: int, kernels: int, kernel_dim: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.tensor = nn.Linear(features, kernels * kernel_dim, bias=False)

    def forward(self, f: Tensor) -> Tensor:
        m = self.tensor(f).unflatten(1, (self.kernels, -1)).transpose(0, 1)
        closeness = torch.exp(-torch.cdist(m, m, p=1)).sum(2).T - 1  # exp(0) is a sample's own share
        return torch.cat([f, closeness], 1)


def with_minibatch_layer(network: Any, kernels: int, kernel_dim: int) -> nn.Module:
    """The discriminator itself, with such a layer before its last one, and `features` up to there."""
    *hidden, _ = network.layers
    with torch.device("meta"):
        layer = MinibatchLayer(network.feature_count, kernels, kernel_dim)
        network.feature_count += kernels
        network.layers = nn.Sequential(*hidden, layer, nn.Linear(network.feature_count, 1))
    return network
