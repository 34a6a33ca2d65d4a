"""Agreement and false alarms: against scikit-learn, statsmodels, published examples and the jackknife."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater
from statsmodels.stats.proportion import proportion_confint

from pipeline.judgments.agreement import false_alarm, fleiss_kappa, kappa

LABELS = np.array(["duplicate", "different", "unsure"])


def raters(rng: np.random.Generator, items: int, count: int, noise: float) -> np.ndarray:
    """(items, count) labels: a common truth, replaced by chance with probability `noise`."""
    truth = rng.choice(3, items, p=[0.3, 0.6, 0.1])
    chance = rng.choice(3, (items, count), p=[0.4, 0.4, 0.2])
    found: np.ndarray = LABELS[np.where(rng.random((items, count)) < noise, chance, truth[:, None])]
    return found


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.6, 1.0])
def test_two_raters_agree_as_other_libraries_say(noise: float) -> None:
    a, b = raters(np.random.default_rng(0), 150, 2, noise).T
    found = kappa(a, b)
    assert found.kappa == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    table = np.array([[np.sum((a == x) & (b == y)) for y in LABELS] for x in LABELS])
    theirs = inter_rater.cohens_kappa(table)
    assert found.standard_error == pytest.approx(theirs.std_kappa, abs=1e-8)
    assert found.agreement == pytest.approx((a == b).mean())
    assert found.items == 150


def test_two_raters_of_a_textbook() -> None:
    # Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, table 18.1: 100 subjects.
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    a, b = (np.repeat(which, table.ravel()) for which in np.indices((3, 3)).reshape(2, -1))
    found = kappa(a, b)
    assert round(found.kappa, 2) == 0.68


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_several_raters_agree_as_statsmodels_and_the_jackknife_say(noise: float) -> None:
    labels = raters(np.random.default_rng(1), 120, 4, noise)
    counts, _ = inter_rater.aggregate_raters(labels)
    found = fleiss_kappa(labels)
    assert found.kappa == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-12)
    without = [inter_rater.fleiss_kappa(np.delete(counts, k, axis=0)) for k in range(120)]
    jackknife = np.sqrt(119 * np.var(without))
    assert found.standard_error == pytest.approx(jackknife, rel=0.05)


def test_several_raters_of_a_published_example() -> None:
    # Fleiss 1971, Measuring nominal scale agreement among many raters; the worked table of 10 subjects by 14
    # raters in 5 categories that encyclopaedias print: 0.210.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    labels = np.array([np.repeat(np.arange(5), row) for row in counts])
    assert round(fleiss_kappa(labels).kappa, 3) == 0.210


def test_perfect_opposite_and_constant_raters() -> None:
    same = LABELS[np.arange(30) % 3]
    assert kappa(same, same)[:3] == (1.0, 0.0, 1.0)
    assert fleiss_kappa(np.stack([same, same, same], axis=1))[:3] == pytest.approx((1.0, 0.0, 1.0))
    two = LABELS[np.arange(30) % 2]
    assert kappa(two, two[::-1]).kappa == pytest.approx(-1.0)
    constant = np.repeat(LABELS[0], 10)
    for found in (kappa(constant, constant), fleiss_kappa(np.stack([constant, constant], axis=1))):
        assert np.isnan(found.kappa)
        assert np.isnan(found.standard_error)
        assert found.agreement == 1.0


def test_the_standard_error_is_the_spread_of_kappa() -> None:
    rng = np.random.default_rng(2)
    found = [raters(rng, 100, 3, 0.4) for _ in range(400)]
    for values in ([kappa(x[:, 0], x[:, 1]) for x in found], [fleiss_kappa(x) for x in found]):
        spread = np.std([v.kappa for v in values])
        assert np.mean([v.standard_error for v in values]) == pytest.approx(spread, rel=0.12)


def test_agreement_needs_items_and_raters() -> None:
    with pytest.raises(ValueError, match="two labels of each"):
        kappa(LABELS, LABELS[:2])
    with pytest.raises(ValueError, match="two labels of each"):
        kappa(LABELS[:0], LABELS[:0])
    for shape in ((1, 3), (3, 1)):
        with pytest.raises(ValueError, match="at least two items and two raters"):
            fleiss_kappa(np.zeros(shape))


@pytest.mark.parametrize(("alarms", "chance"), [(34, 0.50), (10, 0.18), (50, 0.64)])
def test_false_alarms_make_duplicates_of_twenty_pairs(alarms: int, chance: float) -> None:
    found = false_alarm(alarms, 1000)
    assert found.rate == alarms / 1000
    assert round(found.any_rate, 2) == chance
    low, high = proportion_confint(alarms, 1000, alpha=0.05, method="beta")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.any_low, found.any_high) == pytest.approx((1 - (1 - low) ** 20, 1 - (1 - high) ** 20))


def test_false_alarms_at_the_ends() -> None:
    none, all_ = false_alarm(0, 30), false_alarm(30, 30)
    assert (none.rate, none.low, none.any_rate) == (0.0, 0.0, 0.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert (all_.rate, all_.high, all_.any_rate) == (1.0, 1.0, 1.0)
    assert false_alarm(1, 4, inspected=1).any_rate == pytest.approx(0.25)
    for duplicates, judged in ((0, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="cannot be false alarms"):
            false_alarm(duplicates, judged)
