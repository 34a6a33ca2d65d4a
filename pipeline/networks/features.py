"""The last hidden layer of a discriminator or classifier."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from pipeline.networks.parameters import Tree, bind


def features(network: nn.Module, tree: Tree, x: Tensor) -> Tensor:
    """(b, *sample_shape) -> (b, `network.feature_count`), under the parameters of `tree`."""
    return cast("Any", bind(network, tree)).features(x)
