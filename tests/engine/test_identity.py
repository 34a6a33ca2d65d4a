"""The same configuration and seed give the same tables, whatever executes them and whatever else there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from pipeline import load_run, run
from pipeline.datasets import load
from tests.engine.tools import EMPTY, TINY, assert_same, numbers, study

OTHERS = ["vary.discriminator.width=[8, 4, 2]", "vary.seed=[1, 0]"]


@pytest.mark.usefixtures("local_ray")
def test_ray_and_inline_give_the_same_tables(reference: Path, runs: Path) -> None:
    assert_same(reference, run(study(TINY), runs, engine="ray", mirror=False).root)


def test_another_order_and_other_trials_change_no_trial(reference: Path, runs: Path) -> None:
    other = run(study(TINY, *OTHERS), runs, engine="inline", mirror=False)
    ids = {t.id for t in study(TINY).trials()}
    for name, frame in numbers(other.root).items():
        if name in EMPTY:
            continue
        expected = numbers(reference)[name]
        mine = frame[frame["trial_id"].isin(set(expected["trial_id"]))].reset_index(drop=True)
        assert ids <= set(mine["trial_id"])
        assert_frame_equal(mine, expected, check_exact=True, obj=name)


def test_a_trial_alone_has_the_numbers_it_has_among_others(reference: Path, runs: Path) -> None:
    alone = run(
        study(TINY, "vary.discriminator.width=[4]", "vary.seed=[1]"), runs, engine="inline", mirror=False
    )
    (trial,) = alone.study.trials()
    for name in ("curves", "collisions", "distances", "pairs", "quality", "samples"):
        expected = numbers(reference)[name]
        expected = expected[expected["trial_id"] == trial.id].reset_index(drop=True)
        mine = numbers(alone.root)[name]
        mine = mine[mine["trial_id"] == trial.id].reset_index(drop=True)
        assert len(mine)
        assert_frame_equal(mine, expected, check_exact=True, obj=name)


def test_limits_split_a_study_without_a_trace(reference: Path, runs: Path) -> None:
    for limit, done in ((1, 1), (2, 3), (None, 4)):
        found = run(study(TINY), runs, engine="inline", limit=limit, mirror=False)
        assert len(found.done()) == done
    assert_same(reference, found.root)


def test_seeds_and_capacities_differ(reference: Path) -> None:
    rows = load_run(reference).table("pairs")
    assert rows[rows["rank"] == 1].groupby("trial_id")["distance"].first().nunique() == len(
        set(rows["trial_id"])
    )


def test_controls_recover_the_support_they_were_given(runs: Path) -> None:
    one = ["vary.discriminator.width=[2]", "vary.seed=[0]", "measure.samples=1000"]
    found = run(study(TINY, *one, "controls.finite_support=[100]"), runs, engine="inline", mirror=False)
    rows = found.table("collisions")
    rows = rows[rows["tau_rule"] == "real_quantile(0.01)"]
    draws = rows[rows["source"] == "finite_support"]
    assert len(draws) == draws["collisions"].nunique() == 5
    assert ((draws["n2_low"] <= draws["n2_true"]) & (draws["n2_true"] <= draws["n2_high"])).sum() >= 4
    control = draws.iloc[0]
    assert control["support_size"] == 100
    data = load(found.study.base.dataset, None)
    items = data.train[data.subset(100, seed=0)].reshape(100, -1).astype(np.float64) / 255
    squares = ((items[:, None] - items[None]) ** 2).sum(2)
    assert control["n2_true"] == pytest.approx(100**2 / (np.sqrt(squares) <= control["tau"]).sum(), rel=1e-12)
    (real,) = rows[rows["source"] == "real"].to_dict("records")
    assert control["n2_real"] == real["n2"]
    assert control["ratio_to_real"] == control["n2"] / real["n2"]
