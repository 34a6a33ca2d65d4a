"""The contract of a system: the loop, the checkpoints and the measurement never know which one they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from pipeline.networks.parameters import Tree

Players = dict[str, Tree]


class Batch(NamedTuple):
    """What one update sees: real (b, *sample_shape), latents (b, latent_dim), uniform (b,) in [0, 1)."""

    real: Tensor
    latents: Tensor
    uniform: Tensor


@dataclass(frozen=True)
class System:
    """A game over parameter trees.

    networks: player -> structure, without parameters of its own.
    losses: player -> scalar loss; its gradient is taken with respect to that player's tree only.
    generate: latents -> samples. score: samples -> measuring function of the discriminator (b,).
    clips: player -> bound to which its parameters are clamped after its steps.
    """

    networks: Mapping[str, nn.Module]
    losses: Mapping[str, Callable[[Players, Batch], Tensor]]
    generate: Callable[[Players, Tensor], Tensor]
    score: Callable[[Players, Tensor], Tensor]
    latent_dim: int
    clips: Mapping[str, float] = field(default_factory=dict)
