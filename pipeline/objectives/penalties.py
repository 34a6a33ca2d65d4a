"""Terms of the discriminator's loss that restrain its gradient with respect to all that it sees."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline import options
from pipeline.objectives.objective import Critic, Draw, Inputs, Penalty


def slopes(critic: Critic, at: Inputs) -> Tensor:
    """(b, all coordinates) gradients of each row's value with respect to its inputs, differentiable."""
    # By a function transform, which also works where many critics are trained as one.
    gradients = torch.func.grad(lambda x: critic(x).sum())(at)
    return torch.cat([gradient.flatten(1) for gradient in gradients], 1)


def gradient_penalty(critic: Critic, real: Inputs, generated: Inputs, uniform: Tensor) -> Tensor:
    """E (|grad f(x^)|_2 - 1)^2 at x^ = u x + (1 - u) G(z), u (b,) uniform per sample (Gulrajani et al. 2017,
    equation 3).
    """
    between = tuple(_mix(uniform, x, y) for x, y in zip(real, generated, strict=True))
    return (slopes(critic, between).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Critic, real: Inputs) -> Tensor:
    """1/2 E |grad D(x)|^2 at real samples, D the logit (Mescheder, Geiger, Nowozin 2018, equation 9)."""
    return slopes(critic, tuple(x.detach() for x in real)).square().sum(1).mean() / 2


def dragan_penalty(critic: Critic, real: Inputs, noise: Tensor, uniform: Tensor) -> Tensor:
    """E (|grad D(x + u delta)|_2 - 1)^2 around real samples, D the logit, delta = 0.5 std(X) noise, std over
    all numbers of the batch; noise like the first input and u (b,) uniform (Kodali et al. 2017).

    As in the authors' code. Their algorithm 1 has Gaussian delta and no u; this one moves every coordinate
    upwards. The first input alone is moved.
    """
    first, *others = (x.detach() for x in real)
    moved = first + _mix(uniform, 0.5 * first.std(correction=0) * noise, torch.zeros_like(first))
    return (slopes(critic, (moved, *others)).norm(dim=1) - 1).square().mean()


def _mix(uniform: Tensor, x: Tensor, y: Tensor) -> Tensor:
    u = uniform.reshape(-1, *[1] * (x.ndim - 1))
    return u * x + (1 - u) * y


def of_regularizers(o: options.Regularizers) -> tuple[Penalty, ...]:
    """The penalties that these regularisers add to any objective."""

    def r1(critic: Critic, real: Inputs, _: Inputs, __: Mapping[str, Tensor]) -> Tensor:
        return o.r1 * r1_penalty(critic, real)

    def dragan(critic: Critic, real: Inputs, _: Inputs, draws: Mapping[str, Tensor]) -> Tensor:
        return o.dragan * dragan_penalty(critic, real, draws["dragan_noise"], draws["dragan_uniform"])

    def dragan_draws(sample_shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"dragan_noise": Draw("uniform", sample_shape), "dragan_uniform": Draw("uniform")}

    return (Penalty(r1),) * (o.r1 > 0) + (Penalty(dragan, dragan_draws),) * (o.dragan > 0)
