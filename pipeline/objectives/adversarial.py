"""Objectives on logits l, D = sigmoid(l): log D = -softplus(-l), log(1 - D) = -softplus(l)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from pipeline import options
from pipeline.objectives.objective import Objective


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """-V(D, G) = -E log D(x) - E log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1); 2 log 2 where D =
    1/2.
    """
    return softplus(-real).mean() + softplus(generated).mean()


def minimax(_: options.Minimax) -> Objective:
    """The generator minimises E log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1)."""
    return Objective(discriminator_loss, lambda generated, _: -softplus(generated).mean(), torch.sigmoid)


def nonsaturating(_: options.NonSaturating) -> Objective:
    """The generator minimises -E log D(G(z)) (Goodfellow et al. 2014, section 3)."""
    return Objective(discriminator_loss, lambda generated, _: softplus(-generated).mean(), torch.sigmoid)


def hinge(_: options.Hinge) -> Objective:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))); the generator minimises -E D(G(z)) (Miyato et al. 2018,
    16-17).
    """
    return Objective(
        lambda real, generated: relu(1 - real).mean() + relu(1 + generated).mean(),
        lambda generated, _: -generated.mean(),
        lambda value: value,
    )
