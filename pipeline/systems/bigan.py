"""BiGAN (Donahue, Krähenbühl, Darrell 2017) and ALI (Dumoulin et al. 2017): an encoder beside the generator,
and a discriminator of pairs (x, z).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from pipeline import networks, options
from pipeline.networks.joint import JointDiscriminator
from pipeline.networks.parameters import apply
from pipeline.objectives import Draw
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig

# (what the encoder gives for each sample, the batch's draws or None for its best guess) -> codes
Code = Callable[[Tensor, Mapping[str, Tensor] | None], Tensor]


def bigan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """D tells (x, E(x)) from (G(z), z), z ~ N(0, I) (Donahue et al. 2017, equation 3)."""
    assert isinstance(trial.system, options.BiGan)
    encoder = networks.encoder(trial.system.encoder, sample_shape, trial.latent_dim)
    return _inference_game(trial, sample_shape, encoder, lambda encoded, _: encoded, {})


def ali(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """BiGAN whose codes are drawn: z = mu(x) + sigma(x) eps, eps ~ N(0, I) (Dumoulin et al. 2017, equations
    2-4). The encoder gives mu and log sigma.
    """
    assert isinstance(trial.system, options.Ali)
    encoder = networks.encoder(trial.system.encoder, sample_shape, 2 * trial.latent_dim)
    draws = {"encoder_noise": Draw("normal", (trial.latent_dim,))}
    return _inference_game(trial, sample_shape, encoder, gaussian_code, draws)


def gaussian_code(encoded: Tensor, draws: Mapping[str, Tensor] | None) -> Tensor:
    """(b, 2 d) mu and log sigma -> (b, d) draws from N(mu, sigma^2), or mu without draws."""
    mean, log_std = encoded.chunk(2, 1)
    return mean if draws is None else mean + log_std.exp() * draws["encoder_noise"]


def joint_discriminator(trial: TrialConfig, sample_shape: tuple[int, ...]) -> nn.Module:
    """The trial's discriminator, judging samples with codes: (b, *sample_shape), (b, latent_dim) -> (b,).

    Its dense layers have as many units as an mlp's, and 16 to each of a dcgan's channels: the 1,024 of the
    published BiGAN at width 64.
    """
    assert trial.discriminator is not None
    width = trial.discriminator.width * (16 if trial.discriminator.name == "dcgan" else 1)
    with torch.device("meta"):
        return JointDiscriminator(discriminator(trial, sample_shape), trial.latent_dim, width)


def _inference_game(
    trial: TrialConfig,
    sample_shape: tuple[int, ...],
    encoder: nn.Module,
    code: Code,
    encoder_draws: Mapping[str, Draw],
) -> System:
    g = networks.generator(trial.generator, sample_shape)
    d = joint_discriminator(trial, sample_shape)
    adversary = Adversary(trial, d, sample_shape)
    swapped = _swapped(adversary, trial)

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def encode(players: Players, x: Tensor, draws: Mapping[str, Tensor] | None) -> Tensor:
        return code(apply(encoder, players["encoder"], x), draws)

    def pairs(players: Players, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(x, E(x)) and (G(z), z)."""
        z = batch.latents
        return (batch.real, encode(players, batch.real, batch.draws)), (generate(players, z), z)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            real, generated = pairs(players, batch)
        return adversary.discriminator_loss(players, real, generated, batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        real, generated = pairs(players, batch)
        loss = adversary.generator_loss(players, real, generated, batch)
        if adversary.goal.relative:  # it compares both sides already
            return loss
        return loss + swapped.generator_loss(players, generated, real, batch)

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(players, *pairs(players, batch))

    def code_error(players: Players, batch: Batch) -> Tensor:
        """Mean |z - E(G(z))|: 0 where the encoder inverts the generator."""
        found = encode(players, generate(players, batch.latents), None)
        return (batch.latents - found).norm(dim=1).mean()

    def sample_error(players: Players, batch: Batch) -> Tensor:
        """Mean |x - G(E(x))|: 0 where the generator inverts the encoder."""
        found = generate(players, encode(players, batch.real, None))
        return (batch.real - found).flatten(1).norm(dim=1).mean()

    return System(
        networks={"discriminator": d, "generator": g, "encoder": encoder},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator", "encoder"), generator_loss),
        },
        turns=adversary.turns,
        generate=generate,
        latent_dim=trial.latent_dim,
        watch={"gap": gap, "code_error": code_error, "sample_error": sample_error},
        draws={**adversary.draws, **encoder_draws},
        after=adversary.after,
    )


def _swapped(adversary: Adversary, trial: TrialConfig) -> Adversary:
    """The adversary as the encoder sees it, whose pairs are to pass for generated ones.

    Its loss is the generator's with the discriminator's values reflected in the one at which it is undecided:
    softplus(l) beside the generator's softplus(-l), that is, labels swapped (Dumoulin et al. 2017, section
    2.2); E f(x, E(x)) beside -E f(G(z), z) for Wasserstein and hinge; E log D(x, E(x)) for minimax, which
    makes the sum -1 times the discriminator's loss, as equation 3 of Donahue et al. has it.
    """
    goal, twice = adversary.goal, 2 * undecided(trial.objective)
    swapped = copy.copy(adversary)
    swapped.goal = replace(goal, generator=lambda values, _: goal.generator(twice - values, None))
    return swapped


def undecided(objective: options.ObjectiveOptions | None) -> float:
    """The discriminator's value where real and generated pairs are equally likely, up to any constant."""
    return (objective.a + objective.b) / 2 if isinstance(objective, options.LeastSquares) else 0.0
