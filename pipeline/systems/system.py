"""The contract of a system: the loop, the checkpoints and the measurement never know which one they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from pipeline.networks.parameters import Tree
from pipeline.objectives.objective import Draw

Players = dict[str, Tree]


class Batch(NamedTuple):
    """What one update sees.

    real: (b, *sample_shape). latents: (b, latent_dim), standard normal. labels: (b,) int64 classes of the
    real samples, -1 where the data set has none. draws: name -> (b, *shape), the system's `draws`. progress:
    () float32, the share of training that is over, in [0, 1).
    """

    real: Tensor
    latents: Tensor
    labels: Tensor
    draws: Mapping[str, Tensor]
    progress: Tensor


Loss = Callable[[Players, Batch], Tensor]


class Move(NamedTuple):
    """One update: these players step down the gradient of this loss with respect to their own trees."""

    players: tuple[str, ...]
    loss: Loss


@dataclass(frozen=True)
class System:
    """A game over parameter trees; everything in it is a pure function of trees and tensors.

    networks: player -> structure, without parameters of its own.
    moves: name -> update; its loss is recorded as `<name>_loss`.
    turns: step (from 1) -> the moves of that step, in order; a step ends when the generators have moved.
    generate: (players, latents (n, latent_dim)[, inputs]) -> samples (n, *sample_shape); row i depends on
      row i alone, except through batch norms in training.
    generators, discriminators: the players that `generate` uses (averaged where the trial asks for it), and
      those that judge; what is counted as generator and discriminator parameters.
    watch: name -> measure of a batch, recorded at every tick on training and on held-out samples.
    draws: random numbers that losses need beside the latents.
    pack: rows of a batch for each of `batch_size`.
    after: player -> what is done in place to its tree after each of its steps (clipping, power iterations).
    rules: player -> how its tree follows its gradients (like the tree), in place, where the optimizer is not
      meant.
    start: (players, all training samples (n, *sample_shape), rng) -> the players to begin with.
    inputs: real samples (n, *sample_shape) -> what a conditional system is given of each, else None.
    needs_labels: every training sample must have a label 0..needs_labels-1; 0: labels are not looked at.
    """

    networks: Mapping[str, nn.Module]
    moves: Mapping[str, Move]
    turns: Callable[[int], Sequence[str]]
    generate: Callable[..., Tensor]
    latent_dim: int
    generators: tuple[str, ...] = ("generator",)
    discriminators: tuple[str, ...] = ("discriminator",)
    watch: Mapping[str, Loss] = field(default_factory=dict)
    draws: Mapping[str, Draw] = field(default_factory=dict)
    pack: int = 1
    after: Mapping[str, Callable[[Tree], None]] = field(default_factory=dict)
    rules: Mapping[str, Callable[[Tree, Tree], None]] = field(default_factory=dict)
    start: Callable[[Players, Tensor, np.random.Generator], Players] | None = None
    inputs: Callable[[Tensor], Tensor] | None = None
    needs_labels: int = 0
