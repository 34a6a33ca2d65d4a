"""Tuning scores beside fresh ones, on searches whose settings are all equal, so that choosing is luck alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.stats.weightstats as weightstats
from scipy.integrate import quad
from scipy.stats import norm

from pipeline.search.findings import Suggestion, best_of, best_study
from pipeline.store.run import Run
from pipeline.study import Study
from reports.render import build
from reports.sections import tuning
from reports.tables.results import read
from tests.reports import synthetic
from tests.reports.search_runs import RATE

SUGGESTIONS, FRESH = 25, 4


def searched(widths: list[int], metric: str, seeds: int = 1) -> Study:
    """A study with a search of its own for every width."""
    base = synthetic.point_study()
    document = base.model_dump(mode="json", exclude_none=True)
    document["vary"] = {"discriminator.width": widths, "seed": {"count": 2}}
    space = {RATE: {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}}
    search: dict[str, Any] = {
        "space": space,
        "each": ["discriminator.width"],
        "objective": {"metric": metric},
    }
    return Study.parse(
        {**document, "hypotheses": [], "search": {**search, "seeds": seeds, "fresh_seeds": FRESH}}
    )


def best(study: Study, scores: np.ndarray) -> Study:
    """Of scores (groups, suggestions) the study at every group's best."""
    assert study.search is not None
    found = [
        [
            Suggestion(group, k, "complete", (float(value),), {RATE: 10 ** (-4 + 3 * k / len(row))}, True)
            for k, value in enumerate(row)
        ]
        for group, row in zip(study.groups(), scores, strict=True)
    ]
    return best_study(study, found, [one for own in found if (one := best_of(study.search, own))])


def carried_out(
    root: Path, study: Study, scores: np.ndarray, metric: str, without: tuple[int, ...] = ()
) -> Run:
    """A run of a best study whose trials have these scores, in its order; the seeds `without` failed."""
    run = Run(root / study.study)
    tables: dict[str, list[dict[str, Any]]] = {"trials": [], "quality": []}
    for trial, value in zip(study.trials(), scores, strict=True):
        done = trial.seed not in without
        row = {"trial_id": trial.id, "seed": trial.seed, "config": trial.model_dump_json(), "versions": "{}"}
        tables["trials"].append({**row, "status": "completed" if done else "failed"})
        own = {"trial_id": trial.id, "source": "generated", **synthetic.ruler("pixels"), "samples": 100}
        tables["quality"] += [{**own, metric: float(value)}] if done else []
    with run.writing():
        run.save_study(study)
        run.save([trial.id for trial in study.trials()], tables)
    return run


@pytest.mark.parametrize(("metric", "sign"), [("kid", -1), ("recall", 1)])
def test_where_all_settings_are_equal_the_tuning_score_is_the_luck_of_the_best(
    tmp_path: Path, metric: str, sign: int
) -> None:
    rng, groups = np.random.default_rng(0), 150
    study = searched(list(range(2, 2 + groups)), metric)
    chosen = best(study, rng.normal(0.5, 0.1, (groups, SUGGESTIONS)))
    fresh = rng.normal(0.5, 0.1, len(chosen.trials()))
    found = tuning.compared(read(carried_out(tmp_path, chosen, fresh, metric)))
    assert {(one.suggestions, len(one.scores)) for one in found} == {(SUGGESTIONS, FRESH)}
    # The expected maximum of so many normals.
    luck = quad(lambda z: z * SUGGESTIONS * norm.pdf(z) * norm.cdf(z) ** (SUGGESTIONS - 1), -8, 8)[0]
    tuned = np.array([sign * (one.tuned - 0.5) for one in found])
    assert tuned.mean() == pytest.approx(0.1 * luck, abs=4 * tuned.std() / np.sqrt(groups))
    means = np.array([one.mean - 0.5 for one in found])
    assert means.mean() == pytest.approx(0.0, abs=4 * 0.1 / np.sqrt(groups * FRESH))
    advantage = np.array([one.advantage for one in found])
    assert advantage == pytest.approx(tuned - sign * means)
    # The interval holds the truth about 95 times in a hundred, and the curse shows in most groups.
    held = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert 0.88 < held < 1.0
    assert np.mean([one.cursed for one in found]) > 0.5


def test_a_tuning_score_without_choice_is_seldom_cursed(tmp_path: Path) -> None:
    rng, groups = np.random.default_rng(1), 150
    chosen = best(
        searched(list(range(2, 2 + groups)), "kid", seeds=50), rng.normal(0.5, 0.1 / 50**0.5, (groups, 1))
    )
    fresh = rng.normal(0.5, 0.1, len(chosen.trials()))
    found = tuning.compared(read(carried_out(tmp_path, chosen, fresh, "kid")))
    # One side of a 95 % interval, widened a little by the noise of the tuning score.
    assert np.mean([one.cursed for one in found]) < 0.08
    assert scipy.stats.binomtest(sum(one.advantage > 0 for one in found), groups).pvalue > 1e-3


def test_the_interval_is_statsmodels() -> None:
    scores = [0.1, 0.4, 0.35, 0.8]
    found = tuning.mean_interval(scores)
    assert found == pytest.approx((np.mean(scores), *weightstats.DescrStatsW(scores).tconfint_mean(0.05)))
    assert tuning.mean_interval([0.3])[0] == 0.3
    assert np.isnan(tuning.mean_interval([0.3])[1:]).all()
    assert np.isnan(tuning.mean_interval([])).all()


def row(folder: Path, group: str) -> str:
    return next(
        line for line in (folder / "report.md").read_text().splitlines() if line.startswith(f"| {group} |")
    )


def test_the_report_marks_the_curse_and_says_what_is_missing(tmp_path: Path) -> None:
    chosen = best(searched([16, 64], "kid"), np.array([[0.1, 0.9], [0.5, 0.9]]))
    fresh = np.array([0.4, 0.5, 0.45, 0.55, 0.4, 0.5, 0.45, 0.55])
    folder = build(carried_out(tmp_path, chosen, fresh, "kid", without=(4,)).root)
    assert (folder / "figures/tuning.png").is_file()
    text = (folder / "report.md").read_text()
    assert "Of 2 tuning scores 1 was better than the fresh mean by more than its 95 % interval" in text
    assert "| 3 of 4 |" in row(folder, "discriminator.width 16")
    assert "winner's curse" in row(folder, "discriminator.width 16")
    assert "within the interval" in row(folder, "discriminator.width 64")
    written = pd.read_csv(folder / "tables/tuning.csv")
    assert list(written["cursed"]) == [True, False]
    assert written["mean"].iloc[0] == pytest.approx(np.mean([0.4, 0.5, 0.45]))
    assert '<section id="tuning">' in (folder / "index.html").read_text()


def test_a_study_that_was_changed_since_is_not_compared(tmp_path: Path) -> None:
    chosen = best(searched([16], "kid"), np.array([[0.1, 0.9]]))
    document = chosen.model_dump(mode="json", exclude_none=True)
    document["base"]["training"]["steps"] = 7
    longer = Study.parse(document)
    folder = build(carried_out(tmp_path / "a", longer, np.full(FRESH, 0.5), "kid").root)
    assert "not compared: the study was changed since" in row(folder, "discriminator.width 16")
    document = chosen.model_dump(mode="json", exclude_none=True)
    document["measure"]["samples"] = 77
    folder = build(carried_out(tmp_path / "b", Study.parse(document), np.full(FRESH, 0.5), "kid").root)
    assert "not compared" in row(folder, "discriminator.width 16")


def test_fresh_seeds_that_are_not_there_yet(tmp_path: Path) -> None:
    chosen = best(searched([16], "recall"), np.array([[0.1, 0.9]]))
    run = Run(tmp_path / chosen.study)
    with run.writing():
        run.save_study(chosen)
    folder = build(run.root)
    assert "too few fresh scores" in row(folder, "discriminator.width 16")
    assert not (folder / "figures/tuning.png").exists()
    assert "There are not two fresh scores of any setting yet" in (folder / "report.md").read_text()
