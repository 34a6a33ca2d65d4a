"""Measured against known N2: which intervals hold the truth, counted by hand."""

from pathlib import Path

import pytest

from reports.figures.ruler import coverage_in_words, known, recovery
from reports.tables.results import Results, read
from tests.reports import synthetic

OWN = "real_quantile(0.001)"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = synthetic.study(
        vary={}, hypotheses=[], measure={"samples": 300, "embeddings": ["pixels", "classifier"]}
    )
    run = synthetic.write(tmp_path_factory.mktemp("runs"), study)
    rows = []
    # Planted: two misses at the study's own tau under pixels, one on the ladder, none under classifier.
    for k, (embedding, rule, low, high) in enumerate(
        [
            ("pixels", OWN, 90.0, 110.0),
            ("pixels", OWN, 101.0, 110.0),
            ("pixels", OWN, 50.0, 99.0),
            ("pixels", "real_quantile(0.01)", 101.0, None),
            ("pixels", "real_quantile(0.01)", 99.0, None),
            ("classifier", OWN, 100.0, 100.0),
        ]
    ):
        source = {"trial_id": f"planted-{k}", "source": "atom", "support_size": 7, "parameter": 0.1 * (k + 1)}
        row = {"tau_rule": rule, "tau": 1.5, "samples": 300, "pairs": 44850, "collisions": 448, "n2": 100.0}
        rows.append(
            synthetic.ruler(embedding) | source | row | {"n2_low": low, "n2_high": high, "n2_true": 100.0}
        )
    with run.writing():
        run.save_measurement("planted", {"collisions": rows})
    return read(run)


def test_intervals_that_hold_the_truth_are_counted(results: Results) -> None:
    planted = known(results)
    planted = planted[planted["source"] == "atom"]
    assert list(planted.sort_values("trial_id")["covered"]) == [True, False, False, False, True, True]
    uniform = known(results)
    uniform = uniform[uniform["source"] == "finite_support"]
    own = uniform[uniform["own"]].groupby("embedding")["covered"].sum()
    every = uniform.groupby("embedding")["covered"].sum()
    words = coverage_in_words(results)
    assert (
        f"under pixels {own['pixels'] + 1} of 5 at the study's own τ and {every['pixels'] + 2} of 21" in words
    )
    assert f"under classifier {own['classifier'] + 1} of 3 " in words


def test_training_images_have_no_truth_to_hold(tmp_path: Path) -> None:
    study = synthetic.study(vary={}, hypotheses=[], controls={"train": True})
    found = read(synthetic.write(tmp_path, study))
    assert known(found).empty
    assert recovery(found) is None
    assert coverage_in_words(found) == ""
