"""Variants compared in pairs: intervals, the rule, planted differences, and data that cannot decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics.contrasts import contrasts
from reports.statistics.counts import Undecided
from reports.statistics.factors import factors
from reports.statistics.levels import design, fit_levels, moving_along
from reports.statistics.variants import Decision, rule_in_words
from reports.statistics.verdicts import Verdict, decide
from tests.reports import compared
from tests.reports.test_coverage import allowance


@pytest.mark.parametrize("seeds", [3, 8])
def test_two_variants_are_compared_as_by_students_test(seeds: int) -> None:
    """Counts this large leave least squares. Of few seeds Welch's interval is met where the variance of a
    variant is that of its trials, HC3; of many the paired one, where it is that of the seeds' differences.
    """
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=seeds), rng.normal(size=seeds)
    trials = pd.DataFrame({"pairs": 1e9, "seed": [*range(seeds)] * 2})
    trials["collisions"] = np.rint(1e9 * np.exp(-np.concatenate([x, y]) - 7))
    (pair,) = contrasts(
        fit_levels(pd.Series(["x"] * seeds + ["y"] * seeds), pd.DataFrame(index=trials.index), trials)
    )
    if seeds < 4:
        error, df = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / (seeds - 1)), 2 * seeds - 2
    else:
        error, df = (x - y).std(ddof=1) / np.sqrt(seeds), seeds - 1
    assert (pair.value, pair.df) == pytest.approx((x.mean() - y.mean(), df), abs=0.01)
    assert pair.high - pair.value == pytest.approx(error * stats.t.ppf(0.975, df), rel=0.01)
    assert pair.high90 - pair.value == pytest.approx(error * stats.t.ppf(0.95, df), rel=0.01)


def test_more_pairs_have_wider_intervals() -> None:
    """Bonferroni's are a little wider than Tukey's where one variance serves all."""
    one = compared.study(4, 3)
    trials = compared.draw(one, np.random.default_rng(0), lost=0.0)
    found = contrasts(fit_levels(trials["objective.name"], trials[["discriminator.width"]], trials))
    for pair in found:
        alone = (pair.high90 - pair.value) / stats.t.ppf(0.95, pair.df)
        wide = (pair.high - pair.value) / alone
        assert 1 < wide / (stats.studentized_range.ppf(0.95, 4, pair.df) / np.sqrt(2)) < 1.1
    assert len(found) == 6


def test_levels_are_means_at_the_middle_of_what_is_held() -> None:
    """With counts this large the model is least squares on log(pairs / C), by hand for an unbalanced design."""
    held = pd.DataFrame({"size": [1, 1, 2, 2, 1, 1, 2, 2, 2, 1]})
    variant = pd.Series(list("aaaabbbbba"))
    log_support = 2.0 + (variant == "b") * 0.7 + (held["size"] == 2) * 1.0
    log_support += np.random.default_rng(0).normal(0, 0.2, 10)
    trials = pd.DataFrame({"pairs": 1e9, "collisions": np.rint(1e9 * np.exp(-log_support)), "seed": 0})
    found = fit_levels(variant, held, trials)
    x = np.column_stack([variant == "a", variant == "b", (held["size"] == 2) - 0.5]).astype(float)
    expected = np.linalg.lstsq(x, np.log(trials["pairs"] / trials["collisions"]), rcond=None)[0]
    assert found.log_support == pytest.approx(expected[:2], abs=1e-3)
    assert (found.names, found.fit.df, found.trials) == (["a", "b"], 7, 10)


def test_what_moves_with_the_variants_is_not_held() -> None:
    variant = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    held = factors(pd.DataFrame({"lr": [1] * 4 + [2] * 4, "size": [1, 1, 2, 2] * 2, "one": [3] * 8}))
    assert moving_along(variant, held) == ["lr"]
    focus = np.eye(2)[variant]
    assert design(focus, {"size": held["size"], "one": held["one"]}).shape == (8, 3)
    with pytest.raises(Undecided, match="cannot be told apart from lr"):
        design(focus, {"lr": held["lr"]})
    with pytest.raises(Undecided, match="cannot be told apart from precision"):
        design(focus, {}, pd.DataFrame({"precision": variant / 2}))


def rates(studies: int, decisions: Decision, seeds: int = 5, variants: int = 4, **law: Any) -> float:
    """How often a decision is reached on simulated studies; `hypothesis` among the law's keywords."""
    one = compared.study(variants, seeds, **law.pop("hypothesis", {}))
    rng = np.random.default_rng(5)
    found = [decide(one.hypotheses[0], one, compared.draw(one, rng, **law)) for _ in range(studies)]
    return sum(verdict.decision == decisions for verdict in found) / studies


EQUAL = {"expect": "equal", "margin": 1.0}
# Equal variants: iid, sparse, seeds that differ, wild trials, few seeds.
NULLS: list[dict[str, Any]] = [
    {},
    {"level": 8.5, "samples": 200},
    {"seed_sd": 1.0},
    {"sd": 1.0},
    {"interaction": 0.7},
    {"seeds": 3, "variants": 2},
    {"seeds": 2},
]


def test_equal_variants_are_rarely_called_different() -> None:
    """Any pair among all trials, before the quality gate and matching make it rarer still."""
    one, rng = compared.study(), np.random.default_rng(3)
    false = 0
    for _ in range(100):
        trials = compared.draw(one, rng)
        found = contrasts(fit_levels(trials["objective.name"], trials[["discriminator.width"]], trials))
        false += any(pair.low > 0 or pair.high < 0 for pair in found)
    assert false / 100 <= allowance(0.05, 100)


@pytest.mark.soak
@pytest.mark.parametrize("law", NULLS, ids=str)
def test_equal_variants_at_length(law: dict[str, Any]) -> None:
    assert rates(400, "supported", **law) <= allowance(0.05, 400)
    at_the_margin = law | {"hypothesis": EQUAL, "effects": {"wgan_gp": 1.0}}  # one of any two
    assert rates(400, "supported", **at_the_margin) <= allowance(0.05, 400)


@pytest.mark.parametrize(
    ("decision", "law"),
    [
        ("supported", {"effects": {"hinge": 1.5}}),
        ("supported", {"hypothesis": EQUAL, "sd": 0.2}),
        ("refuted", {"hypothesis": EQUAL, "effects": {"hinge": 2.5}}),
        ("refuted", {"hypothesis": {"margin": 1.0}, "sd": 0.2}),
    ],
)
def test_planted_truths_are_found(decision: Decision, law: dict[str, Any]) -> None:
    assert rates(10, decision, **law) >= 0.8


def test_a_difference_that_quality_explains_is_none() -> None:
    one, rng = compared.study(seeds=8), np.random.default_rng(1)
    law = {"quality": {"hinge": 3.0}, "by_quality": 0.6, "sd": 0.3}
    found = [decide(one.hypotheses[0], one, compared.draw(one, rng, **law)) for _ in range(12)]
    apart = [v for v in found if v.comparison.plain.furthest.distance > 1]
    assert len(apart) >= 10
    supported = [v for v in apart if v.decision == "supported"]
    assert len(supported) / len(apart) <= allowance(0.05, len(apart))
    assert all("not at matched quality" in v.reason for v in apart if v.decision != "supported")


@pytest.mark.soak
def test_a_difference_that_quality_explains_at_length() -> None:
    assert rates(300, "supported", seeds=8, quality={"hinge": 3.0}, by_quality=0.6) <= allowance(0.05, 300)


def decided(change: Any, **hypothesis: Any) -> Verdict:
    one = compared.study(3, **hypothesis)
    trials = compared.draw(one, np.random.default_rng(2), effects={"hinge": 2.0}, lost=0.0)
    return decide(one.hypotheses[0], one, change(trials))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.head(0), "no trial"),
        (lambda t: t[t["objective.name"] == "hinge"], "only hinge can be measured"),
        (lambda t: t[t["seed"] == 0], "fewer than two trials"),
        (lambda t: t[t["seed"] == 0].drop_duplicates("objective.name"), "fewer than two trials"),
        (lambda t: t.assign(collisions=0), "no pair collided"),
        (lambda t: t.assign(precision=None, kid=None, kid_standard_error=None), "no quality was measured"),
        (lambda t: t.assign(passes_gate=False), "quality gate: there is no trial"),
    ],
)
def test_data_that_cannot_decide_say_why(change: Any, reason: str) -> None:
    verdict = decided(change)
    assert (verdict.decision, verdict.slope) == ("inconclusive", None)
    if "fewer than two" not in reason:
        assert reason in verdict.reason


def test_a_variant_that_never_collides_is_left_out_and_equality_not_claimed() -> None:
    def silence(trials: pd.DataFrame) -> pd.DataFrame:
        quiet = trials["objective.name"] == "hinge"
        return trials.assign(collisions=trials["collisions"].where(~quiet, 0))

    verdict = decided(silence, expect="equal", margin=3.0)
    assert verdict.decision == "inconclusive"
    assert verdict.reason == "no pair collided under hinge"
    assert verdict.comparison.plain.levels.names == ["nonsaturating", "wgan_gp"]


def test_the_rule_is_stated() -> None:
    different, equal = (compared.study(**h).hypotheses[0] for h in ({"margin": 0.5}, EQUAL))
    assert "refuted if every pair's 90 % interval lies inside ±0.5" in rule_in_words(different)
    assert rule_in_words(equal).startswith("supported if every pair's 90 % interval lies inside ±1")
    assert "never refuted" in rule_in_words(compared.study().hypotheses[0])
