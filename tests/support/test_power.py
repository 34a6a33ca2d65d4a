"""Planning figures against tables, textbooks, and the estimators they plan for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.support.power import detectable_slope, expected_collisions, power, samples_needed

SIZES = [2e4, 8e4, 3.2e5, 1.28e6]


# --- samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n2", "samples"), [(1e4, 1414), (1e5, 4472), (1e6, 14_142), (1e7, 44_721)])
def test_ten_percent_take_a_hundred_collisions(n2: float, samples: int) -> None:
    found = samples_needed(n2, 0.1)
    assert abs(found - samples) <= 1
    assert expected_collisions(found, n2) == pytest.approx(100, rel=2e-3)


def relative_error(p: np.ndarray, samples: int, repeats: int) -> float:
    """Of the collision count, by simulation."""
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(p)
    found = []
    for _ in range(repeats):
        items = np.searchsorted(cumulative, rng.random(samples) * (1 - 1e-12)).clip(max=len(p) - 1)
        counts = np.unique(items, return_counts=True)[1]
        found.append((counts * (counts - 1)).sum() / 2)
    return float(np.std(found) / np.mean(found))


LAWS = {
    "even": np.full(10**4, 1e-4),
    "Zipf(1)": (z := 1 / np.arange(1.0, 10**4 + 1)) / z.sum(),
    "10 % atom": np.r_[0.1, np.full(10**5, 0.9e-5)],
}


@pytest.mark.parametrize("error", [0.1, 0.2])
@pytest.mark.parametrize("law", LAWS)
def test_the_samples_give_the_error_asked_for(law: str, error: float) -> None:
    p = LAWS[law]
    samples = samples_needed(1 / float(p @ p), error, p3=float((p**3).sum()))
    # The standard deviation of 1,500 repeats is known to 2 %.
    assert relative_error(p, samples, 1500) == pytest.approx(error, rel=0.07)


def test_an_atom_takes_many_times_as_many() -> None:
    p = LAWS["10 % atom"]
    n2 = 1 / float(p @ p)
    without, needed = samples_needed(n2, 0.1), samples_needed(n2, 0.1, p3=float((p**3).sum()))
    assert without < 150
    assert needed == pytest.approx(4 * 9 / 0.01, rel=0.02)


def test_the_samples_are_the_fewest() -> None:
    def error(s: int, n2: float, p3: float) -> float:
        return float(
            np.sqrt(4 * (s - 2) * (p3 * n2**2 - 1) / (s * (s - 1)) + (1 - 1 / n2) * 2 * n2 / (s * (s - 1)))
        )

    for n2, p3, wanted in ((100.0, 1e-4, 0.1), (100.0, 1e-3, 0.1), (5e4, 1e-9, 0.3), (37.0, 2e-3, 0.02)):
        s = samples_needed(n2, wanted, p3)
        assert error(s, n2, p3) <= wanted * (1 + 1e-9) < error(s - 1, n2, p3) * (1 + 1e-9)


def test_one_item_takes_two_samples() -> None:
    assert samples_needed(1.0, 0.1) == 2
    assert expected_collisions(2, 1.0) == 1.0
    assert expected_collisions(23, 253.0) == 1.0


def test_bad_samples() -> None:
    for arguments in ((0.5, 0.1), (np.nan, 0.1), (100.0, 0.0), (100.0, 0.1, 0.5e-4), (100.0, 0.1, 1.1e-3)):
        with pytest.raises(ValueError, match=r"at least 1|must be positive|must lie between"):
            samples_needed(*arguments)
    with pytest.raises(ValueError, match="at least two samples"):
        expected_collisions(1, 100.0)


# --- power --------------------------------------------------------------------------------------------------


def test_two_sizes_are_a_t_test() -> None:
    from statsmodels.stats.power import TTestIndPower

    for slope, seeds, alpha in ((0.3, 10, 0.05), (0.1, 20, 0.05), (0.5, 4, 0.01)):
        # So many samples that the collision count adds nothing.
        found = power(slope, [1e4, 1e5], seeds, 10**8, 1e4, 0.5, alpha, robust=False)
        effect = slope * np.log(10) / 0.5
        assert found == pytest.approx(TTestIndPower().power(effect, seeds, alpha), abs=1e-5)


def test_more_sizes_are_an_f_test_of_one_coefficient() -> None:
    from statsmodels.stats.power import FTestPowerF2

    x = np.log(SIZES) - np.log(SIZES).mean()
    found = power(0.12, SIZES, 6, 10**8, 1e4, 0.4, held=3, robust=False)
    # Cohen's f^2 per observation, and statsmodels' noncentrality f^2 (df_num + df_denom + 1).
    df = 24 - 2 - 3
    f2 = 6 * 0.12**2 * (x @ x) / 0.4**2 / (1 + df + 1)
    assert found == pytest.approx(
        FTestPowerF2().power(np.sqrt(f2) ** 2, df_num=1, df_denom=df, alpha=0.05), abs=1e-5
    )


def test_slope_zero_is_found_as_often_as_alpha_says() -> None:
    for alpha in (0.01, 0.05, 0.2):
        assert power(0.0, SIZES, 3, 1000, 1e5, 0.5, alpha, robust=False) == pytest.approx(alpha)


def study(
    rng: np.random.Generator, slope: float, seeds: int, samples: int, n2: float, sd: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """(log sizes, collisions, pairs) of one simulated study."""
    x = np.tile(np.log(SIZES) - np.log(SIZES).mean(), seeds)
    pairs = samples * (samples - 1) / 2
    return x, rng.poisson(pairs / n2 * np.exp(-slope * x + sd * rng.normal(size=len(x)))), pairs


STUDIES = [
    (0.15, 5, 4000, 1e4, 0.5),
    (0.25, 3, 4000, 1e5, 0.5),
    (0.1, 10, 2000, 1e4, 0.3),
    (0.3, 5, 1000, 2e4, 1.0),
    (0.3, 5, 1000, 1e5, 0.5),
]


@pytest.mark.parametrize(("slope", "seeds", "samples", "n2", "sd"), STUDIES)
def test_least_squares_finds_the_slope_as_often_as_predicted(
    slope: float, seeds: int, samples: int, n2: float, sd: float
) -> None:
    rng = np.random.default_rng(1)
    classical, robust, repeats = 0, 0, 2000
    for _ in range(repeats):
        x, collisions, pairs = study(rng, slope, seeds, samples, n2, sd)
        y = np.log(pairs / np.maximum(collisions, 0.5))
        leverage = 1 / len(x) + x**2 / (x @ x)
        found = x @ y / (x @ x)
        residual = y - y.mean() - found * x
        critical = stats.t.ppf(0.975, len(x) - 2)
        classical += abs(found) > critical * np.sqrt(residual @ residual / (len(x) - 2) / (x @ x))
        robust += abs(found) > critical * np.sqrt(
            (x * residual / (1 - leverage)) @ (x * residual / (1 - leverage))
        ) / (x @ x)
    # Three standard errors of the simulation are 0.034.
    for hits, is_robust in ((classical, False), (robust, True)):
        predicted = power(slope, SIZES, seeds, samples, n2, sd, robust=is_robust)
        assert hits / repeats == pytest.approx(predicted, abs=0.05)


@pytest.mark.parametrize(
    ("slope", "seeds", "samples", "n2", "sd"), [*STUDIES, (0.0, 5, 4000, 1e4, 0.5), (0.4, 2, 4000, 1e4, 0.5)]
)
def test_the_report_finds_the_slope_as_often_as_predicted(
    slope: float, seeds: int, samples: int, n2: float, sd: float
) -> None:
    from reports.statistics.counts import fit_counts

    rng = np.random.default_rng(2)
    found, repeats = 0, 300
    for _ in range(repeats):
        x, collisions, pairs = study(rng, slope, seeds, samples, n2, sd)
        design = np.column_stack([np.ones_like(x), x])
        fit = fit_counts(collisions.astype(float), design, np.full(len(x), np.log(pairs)))
        found += abs(fit.coefficients[1]) > stats.t.ppf(0.975, fit.df) * np.sqrt(fit.covariance[1, 1])
    # 0.04 for the approximation and two standard errors of the simulation.
    assert found / repeats == pytest.approx(power(slope, SIZES, seeds, samples, n2, sd), abs=0.1)


def test_seeds_as_clusters_are_found_as_often_as_predicted() -> None:
    from reports.statistics.counts import fit_counts
    from reports.statistics.sandwich import clustered

    rng = np.random.default_rng(4)
    found, repeats, slope = 0, 400, 0.2
    for _ in range(repeats):
        x, collisions, pairs = study(rng, slope, 5, 4000, 1e4, 0.5)
        design = np.column_stack([np.ones_like(x), x])
        fit = fit_counts(collisions.astype(float), design, np.full(len(x), np.log(pairs)))
        variance = clustered(fit, design, np.arange(len(x)) // len(SIZES)).variance(np.array([0.0, 1.0]))
        found += abs(fit.coefficients[1]) > stats.t.ppf(0.975, variance.df) * np.sqrt(variance.value)
    predicted = power(slope, SIZES, 5, 4000, 1e4, 0.5, clusters=5)
    assert found / repeats == pytest.approx(predicted, abs=0.08)
    assert 0.3 < predicted < power(slope, SIZES, 5, 4000, 1e4, 0.5) - 0.05


def test_held_axes_cost_what_the_report_pays() -> None:
    from reports.statistics.counts import fit_counts

    rng = np.random.default_rng(3)
    found, repeats = 0, 300
    for _ in range(repeats):
        x, collisions, pairs = study(rng, 0.2, 3, 4000, 1e4, 0.5)
        cells = np.repeat(np.eye(3), len(SIZES), axis=0)  # each of three values at every size
        design = np.column_stack([np.ones_like(x), x, cells[:, 1:]])
        fit = fit_counts(collisions.astype(float), design, np.full(len(x), np.log(pairs)))
        found += abs(fit.coefficients[1]) > stats.t.ppf(0.975, fit.df) * np.sqrt(fit.covariance[1, 1])
    predicted = power(0.2, SIZES, 3, 4000, 1e4, held=2)
    assert found / repeats == pytest.approx(predicted, abs=0.1)
    assert predicted < power(0.2, SIZES, 3, 4000, 1e4, held=2, robust=False) - 0.08


def test_more_of_anything_helps() -> None:
    base = power(0.15, SIZES, 5, 2000, 1e5)
    assert power(0.15, SIZES, 10, 2000, 1e5) > base
    assert power(0.15, SIZES, 5, 20_000, 1e5) > base
    assert power(0.15, SIZES, 5, 2000, 1e6) < base
    assert power(0.15, SIZES, 5, 2000, 1e5, between_seed_sd=1.0) < base
    assert power(0.15, SIZES, 5, 2000, 1e5, held=4) < base
    assert power(0.15, [*SIZES, 1e8], 5, 2000, 1e5) > base


def test_the_detectable_slope_is_found_four_times_of_five() -> None:
    for arguments in ((SIZES, 5, 4000, 1e4), (SIZES, 3, 1000, 1e5), ([1e4, 1e5], 8, 4000, 1e3)):
        slope = detectable_slope(*arguments)
        assert slope is not None
        assert power(slope, *arguments) == pytest.approx(0.8, abs=1e-6)
    half = detectable_slope(SIZES, 5, 4000, 1e4, probability=0.5)
    full = detectable_slope(SIZES, 5, 4000, 1e4)
    assert half is not None
    assert full is not None
    assert half < full


def test_no_slope_is_detectable_without_collisions() -> None:
    # 45 pairs and a support of a million: the steeper the slope, the noisier the largest sizes.
    assert detectable_slope([1e4, 2e4], 3, 10, 1e6) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [1e4, 1e4]}, "two different sizes"),
        ({"sizes": [0.0, 1e4]}, "two different sizes"),
        ({"seeds": 0}, "at least 1"),
        ({"held": -1}, "held lie in"),
        ({"held": 5}, "held lie in"),
        ({"seeds": 1}, "4 trials for 2 coefficients"),
        ({"sizes": [1e4, 1e5], "seeds": 3, "held": 2}, "6 trials for 4 coefficients"),
        ({"between_seed_sd": -0.1}, "between_seed_sd"),
        ({"alpha": 0.0}, "alpha"),
        ({"n2": 0.0}, "at least 1"),
        ({"samples": 1}, "at least two samples"),
    ],
)
def test_bad_designs(change: dict[str, object], message: str) -> None:
    design: dict[str, object] = {"sizes": SIZES, "seeds": 5, "samples": 4000, "n2": 1e4}
    with pytest.raises(ValueError, match=message):
        power(0.1, **(design | change))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="probability"):
        detectable_slope(SIZES, 5, 4000, 1e4, probability=0.04)
