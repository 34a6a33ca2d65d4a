"""The contract of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

# What a discriminator judges: samples (b, ...) alone, or together with codes or conditions.
Inputs = tuple[Tensor, ...]
Critic = Callable[[Inputs], Tensor]


class Draw(NamedTuple):
    """Random numbers (b, *shape), float32: standard normal, or uniform in [0, 1). Their name is the role of
    their stream.
    """

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Penalty:
    """A term of the discriminator's loss that looks at its gradient with respect to its inputs.

    value: (critic, real, generated, draws) -> scalar. draws: shape of a sample -> the draws it needs.
    """

    value: Callable[[Critic, Inputs, Inputs, Mapping[str, Tensor]], Tensor]
    draws: Callable[[tuple[int, ...]], Mapping[str, Draw]] = lambda _: {}


@dataclass(frozen=True)
class Objective:
    """Losses to be minimised, of discriminator outputs (b,) on real and generated samples.

    discriminator: (real, generated) -> scalar. generator: (generated, real) -> scalar; real is None unless
    `relative`, where the generator's loss needs it too.
    measure: the measuring function phi(D(x)) whose mean over real minus mean over generated samples is the
    distinguishing gap (Arora et al. 2017, definition 2).
    penalties: added to the discriminator's loss.
    clip: the discriminator's parameters are clamped to [-clip, clip] after each of its steps.
    warm_up: (generator step from 1) -> discriminator steps before it, where the objective prescribes them.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor | None], Tensor]
    measure: Callable[[Tensor], Tensor]
    penalties: tuple[Penalty, ...] = ()
    clip: float | None = None
    relative: bool = False
    warm_up: Callable[[int], int | None] | None = None
