"""Runs with more trials than a page shows one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.store.run import Run
from reports import render
from reports.figures import cells, curves, drawings, tau
from reports.sections import listing
from reports.tables.results import Results, read
from tests.benchmarks import large_run
from tests.reports import synthetic

SETTING = ["discriminator_params", "variant", "train_samples"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(large_run.write(tmp_path_factory.mktemp("runs"), 2500))


def test_made_runs_have_what_real_ones_have(results: Results, tmp_path: Path) -> None:
    small = read(synthetic.write(tmp_path, synthetic.study(vary={}, hypotheses=[])))
    assert results.run.held() == small.run.held()
    assert not results.missing
    slope = np.polyfit(
        np.log(results.completed["discriminator_params"].astype(float)), np.log(results.completed["n2"]), 1
    )[0]
    assert slope == pytest.approx(0.5, abs=0.05)


def test_points_are_medians_over_seeds(results: Results) -> None:
    points, one = cells.points(results)
    assert one == "a setting's median"
    expected = results.completed.groupby(SETTING)["n2"].median().sort_index()
    assert len(points) == 100
    found = points.astype({"discriminator_params": "Int64"}).set_index(SETTING)["n2"].sort_index()
    pd.testing.assert_series_equal(found, expected)
    real = float(results.real["n2"].iloc[0])
    np.testing.assert_allclose(points["ratio_to_real"], points["n2"] / real)


def frame(n2: np.ndarray) -> pd.DataFrame:
    shared = dict.fromkeys(cells.SHARED, "same") | {"n2_real": 1.0, "precision": 0.5}
    return pd.DataFrame({"n2": n2, "n2_low": 1000.0}).assign(**shared)


def test_the_interval_of_a_median_holds_it() -> None:
    drawn = frame(np.random.default_rng(0).lognormal(size=400 * 20)).assign(setting=np.arange(8000) // 20)
    found = cells.medians(drawn, ["setting"])
    truth = float(stats.lognorm(1.0).median())
    held = ((found["n2_low"] <= truth) & (truth <= found["n2_high"])).mean()
    # By order statistics 6 and 15 of 20: P(6 <= Binomial(20, 1/2) <= 14) = 0.9586.
    assert held == pytest.approx(0.9586, abs=3 * np.sqrt(0.9586 * 0.0414 / 400))


@pytest.mark.parametrize(
    ("censored", "expected"),
    [(2, (4.0, 1.0, np.nan)), (4, (np.nan, 1.0, np.nan)), (7, (np.nan, 1000.0, np.nan))],
)
def test_no_collision_is_larger_than_any_number(censored: int, expected: tuple[float, ...]) -> None:
    n2 = np.arange(1.0, 8.0)
    n2[7 - censored :] = np.nan
    (row,) = cells.medians(frame(n2), []).to_dict("records")
    np.testing.assert_array_equal([row[name] for name in ("n2", "n2_low", "n2_high")], expected)


def test_drawn_trials_are_few_and_of_the_lowest_seeds(results: Results) -> None:
    lines = curves.drawn(results)
    assert (lines.groupby(["variant", "discriminator_params"]).size() == curves.MOST_LINES).all()
    assert lines["seed"].max() == 1  # of four settings of each size and variant
    histograms = tau.drawn(results)
    assert (histograms.groupby("discriminator_params").size() == tau.MOST_TRIALS).all()
    assert set(tau.histograms(results).loc[lambda rows: rows["source"] == "generated", "trial_id"]) == set(
        histograms["trial_id"]
    )


def test_long_lists_say_what_they_leave_out(results: Results) -> None:
    shown = listing.trials(results)
    assert len(shown.rows) == 500
    assert shown.note == "The first 500 of 2,500; the others are in tables/results.csv."
    assert listing.failures(results).note == ""


def test_the_report_does_not_depend_on_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for draw in ("draw_measured", "draw_concluded"):  # the figures' rows are compared, their strokes not
        monkeypatch.setattr(drawings, draw, lambda *_: {})
    vary = {"discriminator.width": [2, 4], "seed": {"count": 3}}
    study = synthetic.study(vary=vary, hypotheses=[synthetic.CAPACITY], measure={"samples": 300})
    scattered = synthetic.write(tmp_path / "scattered", study)
    merged = Run(tmp_path / "merged" / study.study)
    with merged.writing():
        merged.save_study(study)
        trials = sorted(scattered.done())
        (tables,) = scattered.rows(trials, ["trials", *sorted(scattered.held() - {"trials"})])
        merged.save(trials, {name: list(rows) for name, rows in tables.items()})
        controls = {name: scattered.table(name, where={"trial_id": scattered.beside()}) for name in tables}
        merged.save_measurement("controls", {name: records(rows) for name, rows in controls.items()})
    one, other = read(merged), read(scattered)
    assert render.render(one) == render.render(other)
    pd.testing.assert_frame_equal(tau.histograms(one), tau.histograms(other))
    for name in ("curves", "quality"):
        pd.testing.assert_frame_equal(one.rows(name), other.rows(name))


def records(rows: pd.DataFrame) -> list[dict[str, object]]:
    rows = rows.drop(columns=["study", "schema_version"]).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")
