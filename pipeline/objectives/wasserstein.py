"""Objectives on critic values."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from pipeline import options
from pipeline.objectives.objective import Critic, Draw, Inputs, Objective, Penalty
from pipeline.objectives.penalties import gradient_penalty


def critic_loss(real: Tensor, generated: Tensor) -> Tensor:
    """E f(G(z)) - E f(x): its negative estimates the distance up to the critic's Lipschitz constant."""
    return generated.mean() - real.mean()


def wgan_clip(o: options.WassersteinClip) -> Objective:
    """Weight clipping (Arjovsky, Chintala, Bottou 2017, algorithm 1)."""
    return Objective(
        critic_loss,
        lambda generated, _: -generated.mean(),
        lambda value: value,
        clip=o.clip,
        warm_up=warm_up if o.warm_up else None,
    )


def warm_up(step: int) -> int | None:
    """100 critic steps before the first 25 generator steps and before every 500th (the authors' `main.py`,
    which counts from 0).
    """
    return 100 if step <= 25 or (step - 1) % 500 == 0 else None


def wgan_gp(o: options.WassersteinPenalty) -> Objective:
    """Gradient penalty (Gulrajani et al. 2017, algorithm 1)."""

    def value(critic: Critic, real: Inputs, generated: Inputs, draws: Mapping[str, Tensor]) -> Tensor:
        return o.penalty * gradient_penalty(critic, real, generated, draws["objective_uniform"])

    penalty = Penalty(value, lambda _: {"objective_uniform": Draw("uniform")})
    return Objective(
        critic_loss, lambda generated, _: -generated.mean(), lambda value: value, penalties=(penalty,)
    )
