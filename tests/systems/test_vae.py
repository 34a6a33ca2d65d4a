"""The variational autoencoder: its bound against exact evidence, and what it does to modes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence

from pipeline.networks.parameters import apply
from pipeline.systems.vae import kl_to_prior, log_likelihood
from tests.systems.games import game, reached, trial

MLP = {"generator": {"name": "mlp", "width": 16, "depth": 2, "latent_dim": 3}}
VAE = {"name": "vae", "encoder": {"name": "mlp", "width": 16, "depth": 1}}


def test_the_divergence_is_that_of_the_closed_form() -> None:
    # KL(N(1, 1) || N(0, 1)) = 1/2; KL(N(0, 4) || N(0, 1)) = (4 - 1 - log 4) / 2.
    found = kl_to_prior(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(4)]]))
    assert float(found) == pytest.approx(0.5 + (3 - math.log(4)) / 2)
    mu, log_variance = torch.tensor([[0.3, -2.0, 1.1]]), torch.tensor([[-1.0, 0.7, 0.0]])
    expected = kl_divergence(Normal(mu, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_prior(mu, log_variance), expected)


def test_the_likelihood_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x, means = rng.normal(0, 1, (2, 5, 1, 3, 3))
    found = log_likelihood(torch.tensor(x), torch.tensor(means), torch.tensor(math.log(0.7)))
    np.testing.assert_allclose(found, stats.norm(means, 0.7).logpdf(x).sum((1, 2, 3)))


def test_the_bound_is_the_evidence_for_the_exact_posterior_and_less_for_any_other() -> None:
    """Probabilistic PCA, x = W z + 0.5 e with orthogonal columns: log p(x) = log N(x; 0, W W^T + I / 4), and
    z | x has mean M^-1 W^T x and covariance M^-1 / 4, M = W^T W + I / 4 (Tipping & Bishop 1999).
    """
    rng = np.random.default_rng(0)
    w = np.linalg.qr(rng.normal(0, 1, (4, 2)))[0] * [2.0, 0.7]
    x = rng.normal(0, 1.5, (6, 4))
    evidence = stats.multivariate_normal(np.zeros(4), w @ w.T + np.eye(4) / 4).logpdf(x)
    m = np.diag(w.T @ w) + 0.25

    def bound(mu: np.ndarray, variance: np.ndarray) -> np.ndarray:
        log_variance = torch.tensor(np.log(variance)).expand(6, 2)
        total = -kl_to_prior(torch.tensor(mu), log_variance)
        # Gauss-Hermite with three nodes is exact for the squares in the likelihood.
        nodes, weights = np.polynomial.hermite_e.hermegauss(3)
        for (a, p), (b, q) in itertools.product(zip(nodes, weights / weights.sum(), strict=True), repeat=2):
            z = mu + np.sqrt(variance) * [a, b]
            means, sigma = torch.tensor(z @ w.T), torch.tensor(math.log(0.5))
            total = total + p * q * log_likelihood(torch.tensor(x), means, sigma)
        return total.numpy()

    np.testing.assert_allclose(bound(x @ w / m, 0.25 / m), evidence)
    assert (bound(x @ w / m + 0.1, 0.25 / m) < evidence).all()
    assert (bound(x @ w / m, 0.5 / m) < evidence).all()


@pytest.mark.parametrize(("beta", "progress"), [(1.0, 0.5), (4.0, 0.5), (4.0, 0.05)])
def test_the_loss_is_the_formula_under_the_likeliest_noise(beta: float, progress: float) -> None:
    system, players, batch = game(trial({**VAE, "beta": beta, "warm_up": 0.2}, **MLP), (2,))
    batch = batch._replace(progress=torch.tensor(progress))
    mu, v = apply(system.networks["encoder"], players["encoder"], batch.real).detach().double().chunk(2, 1)
    z = mu + (v / 2).exp() * batch.latents
    means = apply(system.networks["generator"], players["generator"], z.float()).detach()
    error = float((means - batch.real).square().mean())
    kl = float(kl_divergence(Normal(mu, (v / 2).exp()), Normal(0.0, 1.0)).sum(1).mean())
    # At the maximum over sigma the likelihood is -d/2 (log(2 pi error) + 1), here d = 2.
    likelihood = -(math.log(2 * math.pi * error) + 1)
    weight = beta * min(1.0, progress / 0.2)
    found = float(system.moves["autoencoder"].loss(players, batch).detach())
    assert found == pytest.approx(weight * kl - likelihood, rel=1e-5)
    assert float(system.watch["elbo"](players, batch).detach()) == pytest.approx(likelihood - kl, rel=1e-5)


def test_both_halves_learn() -> None:
    assert reached(*game(trial(VAE, **MLP), (2,)), "autoencoder") == {"encoder", "generator"}


def test_samples_are_means_without_noise() -> None:
    system, players, batch = game(trial(VAE, **MLP), (1, 8, 8))
    means = apply(system.networks["generator"], players["generator"], batch.latents)
    assert torch.equal(system.generate(players, batch.latents), means)
