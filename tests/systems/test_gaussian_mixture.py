"""Mixtures of Gaussians against scikit-learn, closed forms and the ring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from pipeline.systems import make_system
from pipeline.systems.mixtures import FullCovariances, PrincipalComponents, fit
from pipeline.systems.mixtures.em import Mixture, log_likelihood, step
from pipeline.systems.mixtures.seeding import Seeds
from pipeline.training import sample
from tests.systems.games import trial
from tests.systems.unfitted import begun, ring_of


def overlapping(rows: int, dimensions: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1.5, (3, dimensions))
    return (centres[rng.integers(3, size=rows)] + rng.normal(0, 1, (rows, dimensions))).astype(np.float32)


def at(means: np.ndarray, x: np.ndarray, variance: float) -> Seeds:
    nearest = np.square(x[:, None] - means).sum(2).argmin(1)
    return Seeds(torch.tensor(means).double(), torch.tensor(x).double(), torch.tensor(nearest), variance)


def test_one_step_is_scikit_learns() -> None:
    x = overlapping(3000)
    means = x[:3].astype(np.float64)
    first = FullCovariances(1e-6).first(at(means, x, 2.0), np.random.default_rng(0))
    found, _ = step(FullCovariances(1e-6), first, torch.tensor(x))
    other = GaussianMixture(
        3,
        reg_covar=1e-6,
        max_iter=1,
        weights_init=np.full(3, 1 / 3),
        means_init=means,
        precisions_init=np.tile(np.eye(3) / 2, (3, 1, 1)),
    )
    with pytest.warns(Warning, match="converge"):
        other.fit(x.astype(np.float64))
    np.testing.assert_allclose(found.weights, other.weights_, rtol=1e-9)
    np.testing.assert_allclose(found.means, other.means_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.factors @ found.factors.mT, other.covariances_, rtol=1e-7, atol=1e-9)
    expected = other.score_samples(x.astype(np.float64))
    np.testing.assert_allclose(log_likelihood(FullCovariances(1e-6), found, torch.tensor(x)), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_as_likely_as_scikit_learns(seed: int) -> None:
    x = overlapping(1500, seed=seed)
    family = FullCovariances(1e-6)
    mixture = fit(family, torch.tensor(x), 3, np.random.default_rng(seed))
    other = GaussianMixture(3, n_init=5, tol=1e-5, max_iter=500, random_state=seed).fit(x.astype(np.float64))
    found = float(log_likelihood(family, mixture, torch.tensor(x)).mean())
    assert found == pytest.approx(other.score(x.astype(np.float64)), abs=0.01)


def low_rank(k: int, d: int, rank: int) -> Mixture:
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.dirichlet(np.ones(k)))
    means, factors = (torch.tensor(rng.normal(0, 1, shape)) for shape in ((k, d), (k, d, rank)))
    return Mixture(weights, means, factors, torch.tensor(rng.uniform(0.3, 0.6, k)))


def test_densities_of_low_rank_are_those_of_the_whole_covariance() -> None:
    mixture, x = low_rank(3, 6, 2), np.random.default_rng(1).normal(0, 1, (5, 6))
    found = PrincipalComponents(2, 1e-6).log_densities(mixture, torch.tensor(x))
    for j in range(3):
        w = mixture.factors[j].numpy()
        covariance = w @ w.T + float(mixture.noise[j]) ** 2 * np.eye(6)
        expected = stats.multivariate_normal(mixture.means[j], covariance).logpdf(x)
        np.testing.assert_allclose(found[:, j], expected)


def test_one_component_finds_probabilistic_pca() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 2)) @ rng.normal(0, 1, (2, 20)) + 0.3 * rng.standard_normal((2000, 20))
    x = x.astype(np.float32)
    family = PrincipalComponents(2, 1e-9)
    mixture = fit(family, torch.tensor(x), 1, rng)
    # scikit-learn's score is that of Tipping & Bishop's maximum, with n - 1 in the covariance.
    expected = PCA(2).fit(x.astype(np.float64)).score(x.astype(np.float64))
    assert float(log_likelihood(family, mixture, torch.tensor(x)).mean()) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("family", [FullCovariances(1e-6), PrincipalComponents(2, 1e-6)])
def test_no_step_lowers_the_likelihood(family: FullCovariances | PrincipalComponents) -> None:
    x = torch.tensor(overlapping(2500, 5))
    mixture = family.first(at(x[:4].numpy(), x.numpy(), 1.0), np.random.default_rng(0))
    likelihoods = []
    for _ in range(15):
        mixture, likelihood = step(family, mixture, x)
        likelihoods.append(likelihood)
    # The floor on the variances is not part of the likelihood.
    assert (np.diff(likelihoods) > -1e-6).all()
    assert likelihoods[-1] > likelihoods[0] + 0.1


def test_samples_have_the_moments_of_the_mixture() -> None:
    mixture = low_rank(3, 25, 2)
    config = trial({"name": "gaussian_mixture", "components": 3, "factors": 2})
    system = make_system(config, (25,))
    players = {"generator": {name: tensor.float() for name, tensor in mixture._asdict().items()}}
    drawn = sample(system, players, 50_000, config.id)
    weights, means, factors, noise = (tensor.numpy() for tensor in mixture)
    mean = weights @ means
    second = sum(
        w * (np.outer(m, m) + f @ f.T + s * s * np.eye(25))
        for w, m, f, s in zip(weights, means, factors, noise, strict=True)
    )
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.04)
    np.testing.assert_allclose(np.cov(drawn.T), second - np.outer(mean, mean), atol=0.12)


def test_images_start_deterministically_and_stay_in_range() -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8)).astype(np.uint8)
    config = trial({"name": "gaussian_mixture", "components": 5, "factors": 3}, train_samples=200)
    (system, one), (_, two) = (begun(config, images) for _ in range(2))
    assert all(torch.equal(one["generator"][name], two["generator"][name]) for name in one["generator"])
    drawn = sample(system, one, 100, config.id)
    assert drawn.shape == (100, 1, 8, 8)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_what_cannot_be_fitted_is_said() -> None:
    with pytest.raises(ValueError, match=r"components: 100: .*allowed: 1 to 10"):
        make_system(trial("gaussian_mixture", train_samples=10), (2,))
    with pytest.raises(ValueError, match=r"factors: 70: .*allowed: 1 to 64"):
        make_system(trial({"name": "gaussian_mixture", "components": 2, "factors": 70}), (1, 8, 8))
    with pytest.raises(ValueError, match="train_samples"):
        fit(FullCovariances(1e-6), torch.zeros(5, 2), 2, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_the_ring(seed: int) -> None:
    system = {"name": "gaussian_mixture", "components": 8}
    found = ring_of(trial(system, train_samples=10_000, seed=seed))
    assert found.modes == 8
    # The ring is such a mixture: 98.889 % within 3 sd; four standard errors are 0.8 %.
    assert found.high_quality == pytest.approx(0.98889, abs=0.0084)
