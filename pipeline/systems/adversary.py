"""One discriminator under the trial's objective and regularisers: the half that all
adversarial games share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pipeline import networks
from pipeline.networks.parameters import Tree, apply
from pipeline.objectives import Draw, Inputs, objective
from pipeline.systems.system import Batch, Players
from pipeline.trial import TrialConfig


class Adversary:
    """Losses around a discriminator whose inputs are tuples: samples, or samples with codes or conditions.

    player: the name of its tree. network: takes the inputs as its arguments and gives (b,) values.
    sample_shape: of the first input. Every loss is a pure function of players and batch.
    """

    def __init__(
        self,
        trial: TrialConfig,
        network: nn.Module,
        sample_shape: tuple[int, ...],
        player: str = "discriminator",
    ) -> None:
        self.goal = objective(trial.objective)
        self.penalties = self.goal.penalties
        self.network = network
        self.player = player
        self.steps = trial.training.discriminator_steps
        self.draws: dict[str, Draw] = {}
        for penalty in self.penalties:
            self.draws |= penalty.draws(sample_shape)
        # Samples that do not meet in a layer may share a pass, which is faster; those that do must not.
        self._together = not any(getattr(module, "couples_samples", False) for module in network.modules())

    def values(self, players: Players, inputs: Inputs) -> Tensor:
        """Logits or critic values (b,)."""
        return apply(self.network, players[self.player], *inputs)

    def compare(self, players: Players, real: Inputs, generated: Inputs) -> tuple[Tensor, Tensor]:
        """Values of real and of generated inputs."""
        if self._together:
            values = self.values(players, _join(real, generated))
            return values[: len(real[0])], values[len(real[0]) :]
        return self.values(players, real), self.values(players, generated)

    def discriminator_loss(self, players: Players, real: Inputs, generated: Inputs, batch: Batch) -> Tensor:
        """The objective's loss and penalties; `generated` must carry no gradient."""
        loss = self.goal.discriminator(*self.compare(players, real, generated))
        for penalty in self.penalties:
            loss = loss + penalty.value(lambda x: self.values(players, x), real, generated, batch.draws)
        return loss

    def generator_loss(self, players: Players, real: Inputs, generated: Inputs, batch: Batch) -> Tensor:
        """The objective's loss of whoever made `generated` (and, for encoders, `real`)."""
        if self.goal.relative:
            values_real, values = self.compare(players, real, generated)
            return self.goal.generator(values, values_real)
        return self.goal.generator(self.values(players, generated), None)

    def gap(self, players: Players, real: Inputs, generated: Inputs) -> Tensor:
        """Mean measure on real minus mean on generated inputs (Arora et al. 2017, definition 2)."""
        measured = [self.goal.measure(self.values(players, inputs)).mean() for inputs in (real, generated)]
        return measured[0] - measured[1]

    def turns(self, step: int) -> list[str]:
        """As many discriminator moves as trial or objective prescribe, then the generator's."""
        prescribed = self.goal.warm_up(step) if self.goal.warm_up else None
        return [self.player] * (prescribed or self.steps) + ["generator"]

    @property
    def after(self) -> Mapping[str, Callable[[Tree], None]]:
        """What is done to the discriminator's tree after each of its steps."""
        clip = self.goal.clip
        if clip is None:
            return {}
        return {self.player: lambda tree: _clamp(tree, clip)}


def discriminator(trial: TrialConfig, sample_shape: tuple[int, ...]) -> nn.Module:
    """The trial's discriminator network for such samples, fit for its objective and regularisers."""
    # Where each sample's value is differentiated on its own, samples must not meet in a batch norm.
    per_sample = bool(objective(trial.objective).penalties)
    return networks.discriminator(trial.discriminator, sample_shape, per_sample=per_sample)


def _clamp(tree: Tree, bound: float) -> None:
    for parameter in tree.values():
        parameter.clamp_(-bound, bound)


def _join(real: Inputs, generated: Inputs) -> Inputs:
    return tuple(torch.cat(pair) for pair in zip(real, generated, strict=True))
