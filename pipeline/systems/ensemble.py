"""Independent GANs whose samples are pooled: the control that MIX+GAN is to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline import networks, options
from pipeline.networks.parameters import apply
from pipeline.objectives import Inputs
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.components import after_each, choose, component, draw_component, generate_all
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig

# (adversary, its players, real, generated, batch) -> ()
Measure = Callable[[Adversary, Players, Inputs, Inputs, Batch], Tensor]


def ensemble(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """k GANs, pair i with its own networks, real samples, latents and draws: the i-th part of each batch.

    Their losses are added, so each pair steps down its own alone. The last latent of a sample draws its
    generator, each with probability 1/k.
    """
    o = trial.system
    assert isinstance(o, options.Ensemble)
    k = o.components
    g = nn.ModuleList(networks.generator(trial.generator, sample_shape) for _ in range(k))
    d = nn.ModuleList(discriminator(trial, sample_shape) for _ in range(k))
    adversaries = [Adversary(trial, network, sample_shape) for network in d]

    def generate(players: Players, latents: Tensor) -> Tensor:
        index = draw_component(latents[:, -1], latents.new_full((k,), 1 / k))
        return choose(generate_all(g, players["generator"], latents[:, :-1]), index)

    def generate_parts(players: Players, batch: Batch) -> list[Tensor]:
        """Generator i's samples (b, *sample_shape) of the batch's i-th part."""
        z = batch.latents[:, :-1].chunk(k)
        return [apply(g[i], component(players["generator"], i), z[i]) for i in range(k)]

    def total(measure: Measure, players: Players, batch: Batch, generated: Sequence[Tensor]) -> Tensor:
        """The sum of a measure over pairs."""
        values = []
        for i, (adversary, part) in enumerate(zip(adversaries, parts(batch, k), strict=True)):
            judge = {"discriminator": component(players["discriminator"], i)}
            values.append(measure(adversary, judge, (part.real,), (generated[i],), part))
        return torch.stack(values).sum()

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            generated = generate_parts(players, batch)
        return total(Adversary.discriminator_loss, players, batch, generated)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        return total(Adversary.generator_loss, players, batch, generate_parts(players, batch))

    def gap(players: Players, batch: Batch) -> Tensor:
        def of_pair(a: Adversary, judge: Players, real: Inputs, generated: Inputs, _: Batch) -> Tensor:
            return a.gap(judge, real, generated)

        return total(of_pair, players, batch, generate_parts(players, batch)) / k

    return System(
        networks={"discriminator": d, "generator": g},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator",), generator_loss),
        },
        turns=adversaries[0].turns,
        generate=generate,
        latent_dim=trial.latent_dim + 1,
        watch={"gap": gap},
        draws=adversaries[0].draws,
        pack=k,
        after={"discriminator": after_each(adversaries)},
    )


def parts(batch: Batch, count: int) -> list[Batch]:
    """The batch in so many equal parts, in order."""
    pieces = zip(*(tensor.chunk(count) for tensor in (batch.real, batch.latents, batch.labels)), strict=True)
    drawn = {name: tensor.chunk(count) for name, tensor in batch.draws.items()}
    return [
        Batch(real, latents, labels, {name: chunks[i] for name, chunks in drawn.items()}, batch.progress)
        for i, (real, latents, labels) in enumerate(pieces)
    ]
