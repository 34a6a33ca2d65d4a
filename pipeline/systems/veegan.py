"""VEEGAN (Srivastava et al. 2017): a reconstructor maps samples back to latents, where collapse shows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pipeline import networks, options
from pipeline.networks.parameters import apply
from pipeline.objectives import Draw
from pipeline.systems.adversary import Adversary
from pipeline.systems.bigan import joint_discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def veegan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """D tells (x, z') from (G(z), z) by the logistic loss, z ~ N(0, I) and z' ~ N(F(x), I); its logit
    estimates the logarithm of the ratio of their densities (Srivastava et al. 2017, equation 5, algorithm 1).

    G minimises -E D(G(z), z) + E |z - F(G(z))|^2 / 2, the Kullback-Leibler divergence between the pairs plus
    the reconstruction error, and F the reconstruction error alone. The paper's D has the opposite sign. That
    the reconstructor is Gaussian of unit variance, and its error minus its log likelihood, is the authors'
    code for the ring.
    """
    o = trial.system
    assert isinstance(o, options.VeeGan)
    trial = trial.model_copy(update={"objective": options.NonSaturating(name="nonsaturating")})
    f = networks.encoder(o.encoder, sample_shape, trial.latent_dim)
    g = networks.generator(trial.generator, sample_shape)
    d = joint_discriminator(trial, sample_shape)
    adversary = Adversary(trial, d, sample_shape)
    adversary.goal = replace(adversary.goal, generator=lambda values, _: -values.mean())

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def reconstruct(players: Players, x: Tensor) -> Tensor:
        return apply(f, players["reconstructor"], x)

    def encoded(players: Players, batch: Batch) -> tuple[Tensor, Tensor]:
        """(x, z'): real samples with their codes."""
        return batch.real, reconstruct(players, batch.real) + batch.draws["reconstructor_noise"]

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            real = encoded(players, batch)
            generated = generate(players, batch.latents), batch.latents
        return adversary.discriminator_loss(players, real, generated, batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        # One loss for both: the reconstructor has no part in the pair that is judged, and this objective
        # looks at no other.
        x = generate(players, batch.latents)
        pair = x, batch.latents
        adversarial = adversary.generator_loss(players, pair, pair, batch)
        return adversarial + reconstruction(batch.latents, reconstruct(players, x))

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(
            players, encoded(players, batch), (generate(players, batch.latents), batch.latents)
        )

    def reconstruction_error(players: Players, batch: Batch) -> Tensor:
        z = batch.latents
        return reconstruction(z, reconstruct(players, generate(players, z)))

    return System(
        networks={"discriminator": d, "generator": g, "reconstructor": f},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator", "reconstructor"), generator_loss),
        },
        turns=adversary.turns,
        generate=generate,
        latent_dim=trial.latent_dim,
        watch={"gap": gap, "reconstruction": reconstruction_error},
        draws={**adversary.draws, "reconstructor_noise": Draw("normal", (trial.latent_dim,))},
        after=adversary.after,
    )


def reconstruction(z: Tensor, found: Tensor) -> Tensor:
    """Mean of |z - F(G(z))|^2 / 2 over rows of (b, latent_dim): minus the log likelihood of N(F(G(z)), I) up
    to a constant; latent_dim / 2 where F says nothing (F = 0).
    """
    return (z - found).square().sum(1).mean() / 2
