"""Objectives on critic values."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline import options
from pipeline.objectives.objective import Critic, Objective


def critic_loss(real: Tensor, generated: Tensor) -> Tensor:
    """E f(G(z)) - E f(x): its negative estimates the distance up to the critic's Lipschitz constant."""
    return generated.mean() - real.mean()


def gradient_penalty(critic: Critic, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
    """E (|grad f(x^)|_2 - 1)^2 at x^ = u x + (1 - u) G(z), u uniform per sample (Gulrajani et al. 2017,
    equation 3).
    """
    u = uniform.reshape(-1, *[1] * (real.ndim - 1))
    between = (u * real + (1 - u) * generated).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def wgan_clip(o: options.WassersteinClip) -> Objective:
    """Weight clipping (Arjovsky, Chintala, Bottou 2017, algorithm 1)."""
    return Objective(critic_loss, lambda generated: -generated.mean(), lambda value: value, clip=o.clip)


def wgan_gp(o: options.WassersteinPenalty) -> Objective:
    """Gradient penalty (Gulrajani et al. 2017, algorithm 1)."""

    def penalty(critic: Critic, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        return o.penalty * gradient_penalty(critic, real, generated, uniform)

    return Objective(critic_loss, lambda generated: -generated.mean(), lambda value: value, penalty=penalty)
