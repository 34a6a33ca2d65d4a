"""The theorems against exact probabilities, the numbers they give, and the law that refutes a careless reading."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.support.arz import collision_probability, support_bound


def exactly(samples: int, support: int, mass: float = 1.0) -> float:
    """P(collision) when `mass` lies evenly on `support` items, and what else is drawn never repeats."""
    none = np.concatenate([[1.0], np.cumprod(1 - np.arange(samples) / support)])
    return float(1 - stats.binom.pmf(np.arange(samples + 1), samples, mass) @ none)


def test_the_exact_check_of_the_exponent() -> None:
    # Half of the mass on 10^4 items, 100 samples: the exponent goes with rho^2 (with rho it would be 0.2212).
    assert exactly(100, 10**4, 0.5) == pytest.approx(0.1163, abs=5e-5)
    assert collision_probability(100, 10**4, 0.5) == pytest.approx(0.1164, abs=5e-5)


def test_birthdays() -> None:
    assert exactly(23, 365) == pytest.approx(0.5073, abs=5e-5)
    assert collision_probability(23, 365) == pytest.approx(0.5, abs=1e-5)
    assert collision_probability(1, 365) == 0


@pytest.mark.parametrize(("support", "error"), [(365, 0.011), (10**4, 0.002)])
@pytest.mark.parametrize("mass", [1.0, 0.7])
def test_how_approximate_the_probability_is(support: int, error: float, mass: float) -> None:
    for samples in np.geomspace(2, 4 * support**0.5, 30).astype(int):
        assert abs(collision_probability(samples, support, mass) - exactly(samples, support, mass)) < error


@pytest.mark.parametrize(("samples", "bound"), [(400, 115.5e3), (1000, 721.7e3)])
def test_the_bound_where_half_of_the_batches_collide(samples: int, bound: float) -> None:
    found = support_bound(samples, 0.5)
    assert found == pytest.approx(bound, rel=5e-4)
    # It agrees with the calibrated reading, not with the square of the batch size.
    assert found == pytest.approx(samples**2 / (2 * np.log(2)), rel=2e-3)


@pytest.mark.parametrize("support", [10**3, 10**4, 10**6])
@pytest.mark.parametrize("samples_per_root", [0.3, 1.18, 2.0])
def test_an_even_support_is_bounded_closely(support: int, samples_per_root: float) -> None:
    samples = int(samples_per_root * support**0.5)
    found = support_bound(samples, exactly(samples, support))
    assert found is not None
    assert support <= found <= support * (1 + 2 / samples + 0.001)


def test_an_atom_refutes_the_bound_that_forgets_it() -> None:
    # A 10 % atom over 10^6 items collides like 275 items at M = 30: rho = 1 is wrong there, rho = 0.9 silent.
    collides = 0.9**30 + 30 * 0.1 * 0.9**29
    probability = 1 - collides * np.prod(1 - np.arange(29) / 10**6)
    assert probability == pytest.approx(0.816, abs=5e-4)
    careless = support_bound(30, probability)
    assert careless is not None
    assert careless < 300
    assert support_bound(30, probability, mass=0.9) is None


def test_mass_outside_the_subset_explains_collisions_first() -> None:
    # The bound loosens as less mass is claimed, and is void at 1 - sqrt(L / M^2) with L ~ 2 ln 2.
    bounds = [support_bound(400, 0.5, rho) for rho in (1.0, 0.999, 0.998, 0.9971)]
    assert bounds == sorted(bounds)  # type: ignore[type-var]
    assert support_bound(400, 0.5, 0.99705) is None


def test_no_collision_bounds_nothing() -> None:
    assert support_bound(400, 0.0) is None


def test_a_lower_probability_gives_a_higher_bound() -> None:
    bounds = [support_bound(400, gamma) for gamma in (0.01, 0.1, 0.5, 0.9, 0.999)]
    assert bounds == sorted(bounds, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "arguments", [(0, 0.5), (400, 1.0), (400, -0.1), (400, 0.5, 0.0), (400, 0.5, 1.1), (400, np.nan)]
)
def test_bad_input_to_the_bound(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"must lie in|at least one"):
        support_bound(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [(0.0, 5.0), (10.0, 0.0), (10.0, np.nan), (10.0, 5.0, 2.0)])
def test_bad_input_to_the_probability(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"positive|must lie in|at least one"):
        collision_probability(*arguments)
