"""What the report says of the shape of growth, in the page and as a table."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.sections import capacity
from reports.statistics.growth import growth
from reports.statistics.slopes import Slope
from reports.statistics.verdicts import decide
from reports.words import power, seeds
from tests.reports import simulate, synthetic
from tests.reports.simulate import Law


def slope(low: float, high: float, **changes: object) -> Slope:
    middle = (low + high) / 2
    return Slope(middle, low, high, low, high, 0.5, 20, 24, 2, 0, 0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "claimed", "words"),
    [
        (0.2, 1.1, True, "near-linear: the 95 % interval of the slope contains 1"),
        (0.2, 0.9, False, "lies above 0 and wholly below 1"),
        (1.1, 1.9, False, "lies above 0 and wholly above 1"),
        (-0.2, 1.1, False, "does not lie above 0"),
        (-0.9, -0.1, False, "does not lie above 0"),
        (0.0, 1.0, False, "does not lie above 0"),
    ],
)
def test_near_linear_contains_1_and_excludes_0(low: float, high: float, claimed: bool, words: str) -> None:
    found = slope(low, high)
    assert found.near_linear is claimed
    assert words in capacity.near_linear(found)
    assert capacity.near_linear(found).startswith("near-linear") is claimed


def test_few_seeds_are_said_to_be_taken_as_independent() -> None:
    assert "With 2 seeds, fewer than 4, trials are taken as independent" in seeds(slope(0, 1))
    assert "clusters" in seeds(slope(0, 1, by_seed=True))


def test_power_is_said_of_growth_and_of_flatness() -> None:
    study = synthetic.study()
    trials = simulate.frame(study, Law(0.5), np.random.default_rng(0))
    grows, flat = (decide(one, study, trials) for one in study.hypotheses)
    assert f"a slope of {grows.slope.detectable:.2f} or more would be found in 80 %" in power(grows)
    assert f"{flat.slope.showable:.2f} or more; the stated one is 0.25" in power(flat)


def test_a_plateau_and_what_is_not_known_in_words() -> None:
    study = simulate.seeded_study()
    trials = simulate.frame(study, Law(2.0, plateau=0.0, sd=0.3), np.random.default_rng(0))
    rows = {line.test: line for line in capacity.lines(growth(study.hypotheses[0], study, trials))}
    assert rows["broken stick"].says.startswith("a plateau from 2,320 parameters on: slope 2.1")
    assert rows["Jonckheere–Terpstra"].says == "N₂ grows"
    assert rows["permutation within seeds"].says == "N₂ grows (p from 9,999 random arrangements)"
    # A slope of 1.04 over a plateau is no line of slope 1.
    assert rows["slope of log N₂"].says.endswith("excludes 0, but a straight line is rejected")
    one_seed = growth(study.hypotheses[0], study, trials.assign(seed=0))
    assert capacity.lines(one_seed)[-1].says == "needs two seeds"
    assert capacity.listing(one_seed).rows[-1][1:3] == ["–", "–"]


def test_page_and_csv_say_the_same(page: Path) -> None:
    table = pd.read_csv(io.BytesIO((page / "tables/capacity.csv").read_bytes()))
    verdicts = pd.read_csv(page / "tables/hypotheses.csv").set_index("hypothesis")
    assert set(table["hypothesis"]) == {"capacity"}  # the other one is about training samples
    first = table.iloc[0]
    assert first["value"] == pytest.approx(verdicts.loc["capacity", "slope"])
    assert first["says"] in (page / "index.html").read_text()
    assert "figures/capacity-0.png" in (page / "report.md").read_text()
    assert not verdicts.loc["capacity", "by_seed"]
