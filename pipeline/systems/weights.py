"""How the weights of a mixture are learned."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.networks.parameters import Tree

SMALLEST = 1e-6  # weight that a logarithm still sees (the released code of MIX+GAN)


def exponentiated_gradient(rate: float) -> Callable[[Tree, Tree], None]:
    """w_i <- w_i exp(-rate dF/dw_i) / sum (Arora et al. 2017, section 5; Kivinen & Warmuth 1997), in place on
    the logarithms of w.

    The tree holds theta (k,) with w = softmax(theta), whose gradient is w_i (dF/dw_i - sum_j w_j dF/dw_j):
    dF/dw_i times w_i, up to a number that renormalising takes out. A weight that has come to 0 in float32
    stays there.
    """

    def follow(tree: Tree, gradients: Tree) -> None:
        for name, theta in tree.items():
            slope = gradients[name] / theta.softmax(0).clamp_min(torch.finfo(theta.dtype).tiny)
            theta.copy_((theta - rate * slope).log_softmax(0))

    return follow


def negative_entropy(log_weights: Tensor) -> Tensor:
    """sum_i w_i log w_i in nats, of (k,) logarithms: -log k where all are equal."""
    return (log_weights.exp() * log_weights).sum()


def cross_entropy_to_uniform(log_weights: Tensor) -> Tensor:
    """-1/k sum_i log(w_i + 1e-6) in nats: log k where all are equal. The released code calls it entropy."""
    return -(log_weights.exp() + SMALLEST).log().mean()


def effective_number(log_weights: Tensor) -> Tensor:
    """exp(entropy): k where all weights are equal, 1 where one of them is all."""
    return (-negative_entropy(log_weights)).exp()
