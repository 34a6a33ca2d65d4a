"""The shape of growth on planted truths: how often each statement is made, in simulated studies."""

import contextlib
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from pipeline.study import Study
from reports.statistics.bends import Bend, bend
from reports.statistics.counts import Undecided, fit_counts
from reports.statistics.growth import Growth, growth
from reports.statistics.slopes import Slope, covariates, estimate, regression
from tests.reports import simulate, synthetic
from tests.reports.simulate import Law
from tests.reports.test_coverage import allowance

STRAIGHT = [
    Law(0.0),
    Law(0.5),
    Law(1.0, seed_level=0.5, seed_slope=0.4),
    # 200 samples: half of the trials of the largest size have no collision.
    Law(0.5, level=8.0, samples=200),
    Law(0.5, unequal=0.35),
]


def study(widths: int = 7, seeds: int = 5, **changes: Any) -> Study:
    vary = {"discriminator.width": [2**k for k in range(1, widths + 1)], "seed": {"count": seeds}}
    return synthetic.study(vary=vary | changes, hypotheses=[synthetic.CAPACITY])


def bends(law: Law, studies: int) -> list[Bend]:
    one = study()
    rng, planned, found = np.random.default_rng(3), simulate.plan(one), []
    for _ in range(studies):
        trials = simulate.draw(planned, law, rng)
        problem = regression(one.hypotheses[0], trials, covariates(one.hypotheses[0], one))
        with contextlib.suppress(Undecided):
            found.append(bend(problem, fit_counts(*problem.counted), np.log(problem.sizes)))
    assert len(found) >= 0.97 * studies
    return [one for one in found if one is not None]


def grown(law: Law, one: Study | None = None, seed: int = 1) -> Growth:
    one = one or study()
    trials = simulate.frame(one, law, np.random.default_rng(seed))
    return growth(one.hypotheses[0], one, trials)


@pytest.mark.parametrize("law", STRAIGHT[1:4:2], ids=str)
def test_a_straight_line_is_rarely_called_bent(law: Law) -> None:
    assert np.mean([one.found for one in bends(law, 100)]) <= allowance(0.06, 100)


@pytest.mark.soak
@pytest.mark.parametrize("law", STRAIGHT, ids=str)
def test_a_straight_line_is_rarely_called_bent_at_length(law: Law) -> None:
    found = bends(law, 600)
    assert np.mean([one.found for one in found]) <= allowance(0.065, 600)
    assert np.mean([one.plateau for one in found]) <= allowance(0.05, 600)


@pytest.mark.parametrize("studies", [40, pytest.param(400, marks=pytest.mark.soak)])
def test_a_plateau_is_found_where_it_begins(studies: int) -> None:
    found = bends(Law(1.0, plateau=0.0, seed_level=0.5), studies)
    assert np.mean([one.plateau for one in found]) > 0.75
    middle = float(np.log(simulate.plan(study())["discriminator_params"]).mean())
    assert np.median([one.at for one in found]) == pytest.approx(middle, abs=0.7)
    assert np.median([one.before.value for one in found]) == pytest.approx(1.0, abs=0.1)
    assert np.median([one.after.value for one in found]) == pytest.approx(0.0, abs=0.1)


def test_two_sizes_have_no_bend() -> None:
    assert grown(Law(0.5), study(widths=2, seeds=6)).bend == "needs at least three sizes"


def test_growth_without_noise_is_read_off_by_every_test() -> None:
    one = grown(Law(0.5, sd=0.01, lost=0.0))
    n = 5 * 7 * 6 / 2  # every pair of sizes of every seed is in order
    assert one.jonckheere.statistic == n
    assert one.jonckheere.p == pytest.approx(2 / 5040**5, rel=1e-3)
    assert one.permutation.p == pytest.approx(1e-4)
    assert one.mixed.value == pytest.approx(0.5, abs=0.02)  # type: ignore[union-attr]
    assert np.diff(one.steps.isotonic) / np.diff(one.steps.sizes) == pytest.approx(0.5, abs=0.05)
    assert one.line.value == pytest.approx(
        np.interp(one.line.sizes, one.steps.sizes, one.steps.mean), abs=0.1
    )


def test_isotonic_means_are_pooled_where_growth_turns() -> None:
    """Against a fall from the middle on: each pooled step is the mean of what it pools."""
    steps = grown(Law(0.0, sd=1.0)).steps
    assert (np.diff(steps.isotonic) >= -1e-12).all()
    one = study(seeds=4)
    falls = one.hypotheses[0].model_copy(update={"expect": "decreasing"})
    trials = simulate.frame(one, Law(-0.5, sd=0.3), np.random.default_rng(0))
    assert (np.diff(growth(falls, one, trials).steps.isotonic) <= 1e-12).all()


def test_width_and_depth_have_their_own_slopes() -> None:
    """N2 follows width as 1 and depth not at all: at equal width nothing grows."""
    one = study(widths=5, seeds=4, **{"discriminator.depth": [1, 2, 3]})
    planned = simulate.plan(one)
    width = planned["discriminator_params"]
    trials = simulate.draw(planned, Law(1.0, sd=0.3, lost=0.0), np.random.default_rng(0))
    trials["discriminator_params"] = width * planned["discriminator.depth"].astype(float)
    parts = growth(one.hypotheses[0], one, trials).parts
    assert isinstance(parts["width"], Slope)
    assert isinstance(parts["depth"], Slope)
    assert parts["width"].low < 1.0 < parts["width"].high
    assert parts["width"].near_linear
    assert parts["depth"].low < 0.0 < parts["depth"].high


def test_trials_and_seeds_that_are_lost_leave_a_table() -> None:
    one = study(seeds=5)
    trials = simulate.frame(one, Law(0.5, lost=0.5), np.random.default_rng(6))
    assert growth(one.hypotheses[0], one, trials).slope.trials == len(trials)
    alone = growth(one.hypotheses[0], one, trials.assign(seed=0))
    assert alone.mixed == "needs two seeds"


def test_power_is_that_of_a_t_test() -> None:
    """A slope with 6 seeds is a t test on 5 degrees of freedom."""
    t = stats.t.ppf(0.975, 5)
    slope = Slope(0.3, 0.3 - 0.1 * t, 0.3 + 0.1 * t, 0.0, 0.6, 0.5, 5, 30, 6, 0, 0, True)
    assert slope.error == pytest.approx(0.1)
    known = TTestPower().power(slope.detectable / (0.1 * np.sqrt(6)), 6, 0.05, alternative="two-sided")
    assert known == pytest.approx(0.8, abs=1e-3)


@pytest.mark.soak
def test_the_detectable_slope_is_found_as_often_as_said() -> None:
    one = study()
    rng, planned = np.random.default_rng(8), simulate.plan(one)

    def slopes(slope: float) -> list[Slope]:
        law = Law(slope, sd=0.6, seed_slope=0.1)
        return [estimate(one.hypotheses[0], one, simulate.draw(planned, law, rng)) for _ in range(400)]

    detectable = float(np.sqrt(np.mean([found.detectable**2 for found in slopes(0.0)])))
    assert np.mean([found.low > 0 for found in slopes(detectable)]) == pytest.approx(0.8, abs=0.06)


@pytest.mark.soak
def test_a_margin_that_could_be_shown_is_shown_as_often_as_said() -> None:
    one = study()
    rng, planned = np.random.default_rng(9), simulate.plan(one)
    found = [estimate(one.hypotheses[0], one, simulate.draw(planned, Law(0.0), rng)) for _ in range(800)]
    margin = float(np.sqrt(np.mean([slope.showable**2 for slope in found])))
    shown = np.mean([-margin < slope.low90 and slope.high90 < margin for slope in found])
    assert shown == pytest.approx(0.8, abs=0.06)
