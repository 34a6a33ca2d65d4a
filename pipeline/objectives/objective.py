"""The contract of an objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """Losses to be minimised, of discriminator outputs (b,) on real and generated samples.

    measure: the measuring function phi(D(x)) whose mean over real minus mean over generated samples is the
    distinguishing gap (Arora et al. 2017, definition 2).
    penalty: added to the discriminator's loss: f(critic, real, generated, uniform (b,) in [0, 1)) -> scalar.
    clip: the discriminator's parameters are clamped to [-clip, clip] after each of its steps.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    measure: Callable[[Tensor], Tensor]
    penalty: Callable[[Critic, Tensor, Tensor, Tensor], Tensor] | None = None
    clip: float | None = None
