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


def lsgan(o: options.LeastSquares) -> Objective:
    """1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2; the generator minimises 1/2 E (D(G(z)) - c)^2 (Mao et al.
    2017, equation 2). D is a value of its own, not a sigmoid.
    """
    return Objective(
        lambda real, generated: (real - o.b).square().mean() / 2 + (generated - o.a).square().mean() / 2,
        lambda generated, _: (generated - o.c).square().mean() / 2,
        lambda value: value,
    )


def relativistic_average(_: options.RelativisticAverage) -> Objective:
    """D~(x) = sigmoid(C(x) - E C(G(z))), D~(G(z)) = sigmoid(C(G(z)) - E C(x)); the discriminator minimises
    -E log D~(x) - E log(1 - D~(G(z))), the generator the same with the kinds exchanged (Jolicoeur-Martineau
    2019, RaSGAN). Only differences of C mean anything, so the gap is that of C.
    """

    def loss(more: Tensor, less: Tensor) -> Tensor:
        return discriminator_loss(more - less.mean(), less - more.mean())

    def generator_loss(generated: Tensor, real: Tensor | None) -> Tensor:
        assert real is not None
        return loss(generated, real)

    return Objective(loss, generator_loss, lambda value: value, relative=True)
