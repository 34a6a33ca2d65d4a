"""Variational autoencoder (Kingma & Welling 2014) and beta-VAE (Higgins et al. 2017)."""

from __future__ import annotations

import math

from torch import Tensor

from pipeline import networks
from pipeline.networks.parameters import apply
from pipeline.options import Vae
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def vae(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """z ~ N(0, I), x | z ~ N(G(z), sigma^2 I), z | x ~ N(mu(x), diag exp(v(x))); (mu, v) is the encoder.

    sigma is common to all coordinates, and at each step the one under which the batch is likeliest, the root
    mean square of x - G(z) (Rybkin, Daniilidis, Levine 2021, equation 5): nothing to tune, for points and
    images. Samples are the means G(z), as in the papers; noise of sd sigma on every pixel would hide
    duplicates.
    """
    assert isinstance(trial.system, Vae)
    beta, warm_up, latent_dim = trial.system.beta, trial.system.warm_up, trial.latent_dim
    g = networks.generator(trial.generator, sample_shape)
    e = networks.encoder(trial.system.encoder, sample_shape, 2 * latent_dim)

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def terms(players: Players, batch: Batch) -> tuple[Tensor, Tensor]:
        """log p(x | z) and KL(q(z | x) || p(z)), (b,) each; z = mu + exp(v/2) e (K & W, equation 10)."""
        mu, log_variance = apply(e, players["encoder"], batch.real).chunk(2, 1)
        means = generate(players, mu + (log_variance / 2).exp() * batch.latents)
        log_sigma = (batch.real - means).square().mean().log() / 2
        return log_likelihood(batch.real, means, log_sigma), kl_to_prior(mu, log_variance)

    def loss(players: Players, batch: Batch) -> Tensor:
        """-E log p(x | z) + beta KL (Higgins et al. 2017, equation 4), in nats per sample.

        beta rises from 0 over the warm-up (Bowman et al. 2016; Sønderby et al. 2016), without which a decoder
        that ignores z may be where training ends: on the ring it always is.
        """
        likelihood, kl = terms(players, batch)
        return (beta * (batch.progress / warm_up).clamp_max(1) * kl - likelihood).mean()

    def elbo(players: Players, batch: Batch) -> Tensor:
        likelihood, kl = terms(players, batch)
        return (likelihood - kl).mean()

    return System(
        networks={"encoder": e, "generator": g},
        moves={"autoencoder": Move(("encoder", "generator"), loss)},
        turns=lambda step: ["autoencoder"],
        generate=generate,
        latent_dim=latent_dim,
        discriminators=(),
        watch={"elbo": elbo},
    )


def log_likelihood(x: Tensor, means: Tensor, log_sigma: Tensor) -> Tensor:
    """(b,): log N(x; means, sigma^2 I), summed over coordinates."""
    squares = ((x - means) / log_sigma.exp()).square().flatten(1)
    return -squares.sum(1) / 2 - squares.shape[1] * (log_sigma + math.log(2 * math.pi) / 2)


def kl_to_prior(mu: Tensor, log_variance: Tensor) -> Tensor:
    """(b,): KL(N(mu, diag exp(log_variance)) || N(0, I)) (Kingma & Welling 2014, appendix B)."""
    return (mu.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
