"""The decision rules on known slopes, the quality gate, and designs that cannot decide."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.study import Hypothesis, Study
from reports.statistics.counts import Undecided
from reports.statistics.factors import factors
from reports.statistics.slopes import Slope, covariates, design_matrix, estimate
from reports.statistics.verdicts import decide, rule
from tests.reports import simulate, synthetic


def hypothesis(expect: str, margin: float | None = None) -> Hypothesis:
    return Hypothesis.model_validate(
        synthetic.CAPACITY | {"expect": expect} | ({"margin": margin} if margin else {})
    )


def slope(low: float, high: float) -> Slope:
    middle, half = (low + high) / 2, (high - low) / 2 * 0.84
    return Slope((low + high) / 2, low, high, middle - half, middle + half, 0.5, 20, 24, 2, 0, 0)


@pytest.mark.parametrize(
    ("expect", "margin", "low", "high", "decision"),
    [
        ("increasing", None, 0.1, 0.5, "supported"),
        ("increasing", None, -0.1, 0.5, "inconclusive"),
        ("increasing", None, -0.5, -0.1, "refuted"),
        ("increasing", None, -0.5, 0.0, "refuted"),
        ("decreasing", None, -0.5, -0.1, "supported"),
        ("decreasing", None, -0.5, 0.1, "inconclusive"),
        ("decreasing", None, 0.0, 0.5, "refuted"),
        ("flat", 0.25, -0.2, 0.2, "supported"),
        # Only the 95 % interval reaches beyond the margin: two one-sided tests at 5 % are enough.
        ("flat", 0.25, -0.27, 0.27, "supported"),
        ("flat", 0.25, -0.4, 0.4, "inconclusive"),
        ("flat", 0.25, 0.2, 0.5, "inconclusive"),
        ("flat", 0.25, 0.3, 0.5, "refuted"),
        ("flat", 0.25, -0.5, -0.3, "refuted"),
    ],
)
def test_rule(expect: str, margin: float | None, low: float, high: float, decision: str) -> None:
    assert rule(hypothesis(expect, margin), slope(low, high))[0] == decision


def test_equivalence_interval_is_two_one_sided_tests() -> None:
    study = simulate.small_study()
    trials = simulate.frame(study, simulate.Law(0.1), np.random.default_rng(0))
    found = estimate(study.hypotheses[0], study, trials)
    assert found.low < found.low90 < found.value < found.high90 < found.high
    from scipy import stats

    error = (found.high - found.value) / stats.t.ppf(0.975, found.df)
    # p of the one-sided test at the bound of the 90 % interval is 5 %.
    assert stats.t.sf((found.high90 - found.value) / error, found.df) == pytest.approx(0.05)


def test_covariates_leave_out_seed_and_the_predictors_own_axes() -> None:
    study = synthetic.study()
    assert covariates(study.hypotheses[0], study) == ["objective.name", "train_samples"]
    assert covariates(study.hypotheses[1], study) == ["discriminator.width", "objective.name"]


def test_what_a_search_chose_for_each_capacity_is_no_covariate() -> None:
    """The slope over capacities that were each tuned is that of the same trials without the tuned key."""
    study = simulate.small_study()
    key = "training.generator_lr"
    widths = sorted({trial.discriminator.width for trial in study.trials() if trial.discriminator})
    chosen = [
        {
            "group": {"discriminator.width": w},
            "settings": {key: 1e-4 * w},
            "trial": "x",
            "value": 1,
            "suggestions": 2,
        }
        for w in widths
    ]
    rates = {w: 1e-4 * w for w in widths}
    trials = simulate.frame(study, simulate.Law(1.0), np.random.default_rng(0))
    trials[key] = trials["discriminator.width"].map(rates)
    document = study.model_dump(mode="json", exclude_none=True)
    document["vary"] = {
        **{k: v for k, v in document["vary"].items() if k != "discriminator.width"},
        "rows": [{"discriminator.width": w, key: rates[w]} for w in widths],
    }
    with pytest.raises(Undecided, match="cannot be told apart"):
        estimate(study.hypotheses[0], Study.parse(document), trials)
    of = {
        "search": "s",
        "metric": "kid",
        "direction": "minimize",
        "protocol": "p",
        "seeds": 1,
        "chosen": chosen,
    }
    tuned = Study.parse({**document, "tuned": of})
    assert key in tuned.axes()
    assert key not in covariates(study.hypotheses[0], tuned)
    untuned = estimate(study.hypotheses[0], study, trials)
    assert estimate(study.hypotheses[0], tuned, trials) == untuned
    assert untuned.low > 0


def test_axes_that_move_together_count_once() -> None:
    held = pd.DataFrame({"a": [1, 1, 2, 2, 3, 3], "b": ["x", "x", "y", "y", "z", "z"]})
    x = np.array([0.0, 1.0] * 3)
    assert design_matrix(x, factors(held), "size").shape == (6, 4)


def test_a_predictor_that_moves_with_another_axis_is_undecided() -> None:
    held = pd.DataFrame({"generator.width": [8, 8, 16, 16]})
    with pytest.raises(Undecided, match=r"cannot be told apart from generator\.width"):
        design_matrix(np.array([0.0, 0.0, 1.0, 1.0]), factors(held), "log_discriminator_params")


def decided(change: Any = None) -> Any:
    law = simulate.Law(1.0, sd=0.2, lost=0.0)
    study = simulate.small_study()
    trials = simulate.frame(study, law, np.random.default_rng(4))
    return decide(study.hypotheses[0], study, change(trials) if change else trials)


def test_a_planted_slope_is_found() -> None:
    verdict = decided()
    assert verdict.decision == "supported"
    assert verdict.slope.value == pytest.approx(1.0, abs=0.2)
    assert (verdict.slope.trials, verdict.slope.seeds, verdict.slope.censored) == (16, 2, 0)


def test_support_must_hold_among_trials_past_the_gate() -> None:
    def small_ones_fail(trials: pd.DataFrame) -> pd.DataFrame:
        return trials.assign(passes_gate=trials["discriminator.width"] > 4)

    def noise_is_large(trials: pd.DataFrame) -> pd.DataFrame:
        # The rise comes from trials below the gate alone; the others are level.
        noise = trials["discriminator.width"] == 16
        level = trials["pairs"] / 500 * np.exp(0.2 * np.random.default_rng(0).standard_normal(len(trials)))
        counts = np.where(noise, 3, level).round().astype(int)
        return trials.assign(collisions=counts, passes_gate=~noise)

    few = decided(small_ones_fail)
    assert few.gated is not None
    assert few.gated_trials == 8
    verdict = decided(noise_is_large)
    assert verdict.slope.low > 0
    assert verdict.decision == "inconclusive"
    assert "quality gate" in verdict.reason


@pytest.mark.parametrize("value", [False, pd.NA])
def test_no_trial_past_the_gate_is_inconclusive(value: Any) -> None:
    verdict = decided(lambda t: t.assign(passes_gate=pd.array([value] * len(t), dtype="boolean")))
    assert (verdict.decision, verdict.gated, verdict.gated_trials) == ("inconclusive", None, 0)
    assert "quality gate" in verdict.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.head(0), "no trial"),
        (lambda t: t.head(1), "one value only"),
        (lambda t: t.head(5), "too few"),
        (lambda t: t.assign(collisions=0), "no pair collided"),
        (lambda t: t.assign(discriminator_params=100), "one value only"),
    ],
)
def test_degenerate_designs_say_why(change: Any, reason: str) -> None:
    verdict = decided(change)
    assert (verdict.decision, verdict.slope) == ("inconclusive", None)
    assert reason in verdict.reason


def test_a_setting_under_which_nothing_collides_says_nothing_about_the_slope() -> None:
    study = simulate.small_study()
    trials = simulate.frame(study, simulate.Law(0.5, lost=0.0, sd=0.3), np.random.default_rng(2))
    critic = trials["objective.name"] == "wgan_gp"
    silenced = estimate(
        study.hypotheses[0], study, trials.assign(collisions=trials["collisions"].where(~critic, 0))
    )
    alone = estimate(study.hypotheses[0], study, trials[~critic])
    assert (silenced.trials, silenced.silent, silenced.df) == (8, 8, 6)
    assert (silenced.low, silenced.high) == (alone.low, alone.high)


def test_one_objective_left_needs_no_covariate() -> None:
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8, 16], "seed": {"count": 3}}, hypotheses=[synthetic.CAPACITY]
    )
    trials = simulate.frame(study, simulate.Law(0.5, sd=0.3), np.random.default_rng(1))
    assert estimate(study.hypotheses[0], study, trials).df == len(trials) - 2
