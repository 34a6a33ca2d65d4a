"""Objectives on critic values."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline import options
from pipeline.objectives.objective import Critic, Draw, Inputs, Objective, Penalty


def critic_loss(real: Tensor, generated: Tensor) -> Tensor:
    """E f(G(z)) - E f(x): its negative estimates the distance up to the critic's Lipschitz constant."""
    return generated.mean() - real.mean()


def gradient_penalty(critic: Critic, real: Inputs, generated: Inputs, uniform: Tensor) -> Tensor:
    """E (|grad f(x^)|_2 - 1)^2 at x^ = u x + (1 - u) G(z), u (b,) uniform per sample (Gulrajani et al. 2017,
    equation 3).
    """
    between = tuple(_mix(uniform, x, y).requires_grad_() for x, y in zip(real, generated, strict=True))
    slopes = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (torch.cat([s.flatten(1) for s in slopes], 1).norm(dim=1) - 1).square().mean()


def _mix(uniform: Tensor, x: Tensor, y: Tensor) -> Tensor:
    u = uniform.reshape(-1, *[1] * (x.ndim - 1))
    return u * x + (1 - u) * y


def wgan_clip(o: options.WassersteinClip) -> Objective:
    """Weight clipping (Arjovsky, Chintala, Bottou 2017, algorithm 1)."""
    return Objective(critic_loss, lambda generated, _: -generated.mean(), lambda value: value, clip=o.clip)


def wgan_gp(o: options.WassersteinPenalty) -> Objective:
    """Gradient penalty (Gulrajani et al. 2017, algorithm 1)."""

    def value(critic: Critic, real: Inputs, generated: Inputs, draws: Mapping[str, Tensor]) -> Tensor:
        return o.penalty * gradient_penalty(critic, real, generated, draws["objective_uniform"])

    penalty = Penalty(value, lambda _: {"objective_uniform": Draw("uniform")})
    return Objective(
        critic_loss, lambda generated, _: -generated.mean(), lambda value: value, penalties=(penalty,)
    )
