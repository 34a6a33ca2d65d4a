"""One discriminator under the trial's objective and regularisers: what all adversarial games share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pipeline import networks
from pipeline.networks import spectral
from pipeline.networks.parameters import Tree, apply
from pipeline.objectives import Draw, Inputs, objective, of_regularizers
from pipeline.systems.system import Batch, Players
from pipeline.trial import TrialConfig


class Adversary:
    """Losses around a discriminator whose inputs are tuples: samples, or samples with codes or conditions.

    player: the name of its tree. network: takes the inputs as its arguments and gives (b,) values; put under
    spectral normalisation here where the trial asks for it. sample_shape: of the first input. Every loss is
    a pure function of players and batch.
    """

    def __init__(
        self,
        trial: TrialConfig,
        network: nn.Module,
        sample_shape: tuple[int, ...],
        player: str = "discriminator",
    ) -> None:
        self.goal = objective(trial.objective)
        self.regularizers = trial.regularizers
        self.penalties = (*self.goal.penalties, *of_regularizers(self.regularizers))
        self.network = network
        if self.regularizers.spectral_norm:
            spectral.spectrally_normalised(network)
        self._state = {name for name, _ in network.named_buffers()}
        self.player = player
        self.steps = trial.training.discriminator_steps
        self.draws: dict[str, Draw] = {}
        for penalty in self.penalties:
            self.draws |= penalty.draws(sample_shape)
        if self.regularizers.instance_noise:
            self.draws |= {f"noise_{kind}": Draw("normal", sample_shape) for kind in ("real", "generated")}
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

    def seen(self, real: Inputs, generated: Inputs, batch: Batch) -> tuple[Inputs, Inputs]:
        """Both as the discriminator sees them while training: under instance noise, which falls linearly to
        0 over training, where the trial asks for it.
        """
        if not self.regularizers.instance_noise:
            return real, generated
        std = self.regularizers.instance_noise * (1 - batch.progress)

        def blurred(inputs: Inputs, kind: str) -> Inputs:
            return (inputs[0] + std * batch.draws[f"noise_{kind}"], *inputs[1:])

        return blurred(real, "real"), blurred(generated, "generated")

    def discriminator_loss(self, players: Players, real: Inputs, generated: Inputs, batch: Batch) -> Tensor:
        """The objective's loss and penalties; `generated` carries no gradient, except for who looks through
        this loss.
        """
        real, generated = self.seen(real, generated, batch)
        loss = self.goal.discriminator(*self.compare(players, real, generated))
        for penalty in self.penalties:
            loss = loss + penalty.value(lambda x: self.values(players, x), real, generated, batch.draws)
        return loss

    def generator_loss(self, players: Players, real: Inputs, generated: Inputs, batch: Batch) -> Tensor:
        """The objective's loss of whoever made `generated` (and, for encoders, `real`)."""
        real, generated = self.seen(real, generated, batch)
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
        if self.goal.clip is None and not self.regularizers.spectral_norm:
            return {}
        return {self.player: self._after}

    def _after(self, tree: Tree) -> None:
        if self.goal.clip is not None:
            for name, tensor in tree.items():
                if name not in self._state:
                    tensor.copy_(tensor.clamp(-self.goal.clip, self.goal.clip))  # clamp_ cannot be batched
        if self.regularizers.spectral_norm:
            spectral.iterate(self.network, tree)


def discriminator(trial: TrialConfig, sample_shape: tuple[int, ...]) -> nn.Module:
    """The trial's discriminator network for such samples, fit for its objective and regularisers."""
    # Where each sample's value is differentiated on its own, samples must not meet in a batch norm.
    per_sample = bool(objective(trial.objective).penalties or of_regularizers(trial.regularizers))
    return networks.discriminator(
        trial.discriminator,
        sample_shape,
        per_sample=per_sample,
        spectral_norm=trial.regularizers.spectral_norm,
    )


def _join(real: Inputs, generated: Inputs) -> Inputs:
    return tuple(torch.cat(pair) for pair in zip(real, generated, strict=True))
