"""The push-forward through an invertible network: its density, its samples, its weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline import datasets
from pipeline.datasets.pushforward import (
    activation,
    inverse_activation,
    log_density,
    network,
    pull,
    push,
    slope,
)
from pipeline.options import InvertiblePushforward


def options(dimensions: int = 3, layers: int = 3, **others: float) -> InvertiblePushforward:
    return InvertiblePushforward(
        name="invertible_pushforward",
        dimensions=dimensions,
        layers=layers,
        **others,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_density_integrates_to_one(layers: int, seed: int) -> None:
    line = np.arange(-40, 40, 0.1)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    density = np.exp(log_density(options(2, layers, network_seed=seed), grid))
    assert density.sum() * 0.01 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("d", "layers"), [(1, 2), (3, 3), (6, 5)])
def test_the_density_agrees_with_the_jacobian_of_the_network(d: int, layers: int) -> None:
    chosen = options(d, layers)
    net = network(chosen)
    for z in np.random.default_rng(0).normal(size=(20, d)):
        # The complex step derivative: exact to rounding.
        jacobian = push(net, z + 1e-30j * np.eye(d)).imag.T / 1e-30
        expected = stats.norm.logpdf(z).sum() - np.linalg.slogdet(jacobian)[1]
        assert log_density(chosen, push(net, z[None]))[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("condition", [1.0, 3.0])
def test_one_layer_is_a_gaussian(condition: float) -> None:
    chosen = options(4, 1, condition=condition)
    (weight,), (bias,) = network(chosen)
    x = datasets.load(chosen.model_copy(update={"size": 100}), None).train
    expected = stats.multivariate_normal(bias, weight @ weight.T).logpdf(x)
    np.testing.assert_allclose(log_density(chosen, x), expected, atol=1e-9)
    if condition == 1:
        np.testing.assert_allclose(weight @ weight.T, np.eye(4), atol=1e-12)


def test_samples_are_standard_normal_before_the_network() -> None:
    chosen = options(10, 3)
    data = datasets.load(chosen.model_copy(update={"size": 20_000}), None)
    for points in (data.train, data.held_out):
        z, _ = pull(network(chosen), points)
        assert stats.kstest(np.square(z).sum(1), stats.chi2(10).cdf).pvalue > 1e-3
        assert min(stats.kstest(column, "norm").pvalue for column in z.T) > 1e-3 / 10
        correlation = np.corrcoef(z.T) - np.eye(10)
        assert abs(correlation).max() < 5 / math.sqrt(len(z))
    # Not so without the inverse.
    assert stats.kstest((data.train - data.train.mean(0)).ravel() / data.train.std(), "norm").pvalue < 1e-3


def test_weights_are_as_well_conditioned_as_stated_and_belong_to_their_seed() -> None:
    chosen = options(20, 4, condition=1.5)
    values = np.linalg.svd(network(chosen).weights, compute_uv=False)
    assert values.shape == (4, 20)
    assert 1 / 1.5 <= values.min() < 0.75
    assert 1.35 < values.max() <= 1.5
    np.testing.assert_array_equal(network(chosen).weights, network(chosen).weights)
    other = network(chosen.model_copy(update={"network_seed": 1}))
    assert not np.isclose(network(chosen).weights, other.weights).any()


def test_the_activation_is_a_smooth_leaky_relu_with_its_inverse() -> None:
    t = np.concatenate([np.linspace(-30, 30, 10_001), [0, 1e-300, -1e-12, 1e6]])
    np.testing.assert_allclose(inverse_activation(activation(t)), t, rtol=1e-14, atol=1e-14)
    numerical = activation(t[:10_001] + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(slope(t[:10_001]), numerical, rtol=1e-12)
    assert slope(t).min() >= 0.6
    assert slope(t).max() == slope(np.zeros(1))[0] == 1


def test_a_larger_set_begins_with_the_smaller() -> None:
    small, large = (datasets.load(options(5, 3, size=n), None) for n in (64, 640))
    np.testing.assert_allclose(large.train[:64], small.train, rtol=1e-6)
    assert small.train.dtype == np.float32
    assert len(small.held_out) == 64
    assert not np.isclose(small.train, small.held_out).all(1).any()
