"""From tables to one tidy frame: whose rows count, and what is beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.sections import listing
from reports.tables.results import Results, read
from tests.reports import synthetic

PROTOCOL = "real_quantile(0.001)"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run with strangers and other protocols: the study was changed since it ran."""
    root = tmp_path_factory.mktemp("runs")
    large = synthetic.study(vary={"discriminator.width": [2, 4, 8], "seed": {"count": 2}}, hypotheses=[])
    run = synthetic.write(root, large, precision=lambda t: {2: 0.1, 4: None}.get(t.discriminator.width, 0.8))
    rng = np.random.default_rng(0)
    trial = large.trials()[0]
    again = {"trial_id": trial.id, "source": "generated", "data_fingerprint": synthetic.FINGERPRINT}
    rows = [
        again | {"embedding": "pixels"} | synthetic.collision_row(large, 50.0, 500, rng),
        again
        | {"embedding": "pixels"}
        | synthetic.collision_row(large, 50.0, 4000, rng)
        | {"tau_rule": "fixed(2.0)"},
    ]
    with run.writing():
        run.save_measurement("again", {"collisions": rows})
    smaller = synthetic.study(vary={"discriminator.width": [2, 4], "seed": {"count": 3}}, hypotheses=[])
    run.save_study(smaller)
    return read(run)


def test_only_the_studys_trials_count(results: Results) -> None:
    assert (len(results.trials), results.planned, results.strangers) == (4, 6, 2)
    assert len(results.missing) == 2
    assert list(results.trials["discriminator.width"]) == [2, 2, 4, 4]
    assert set(results.stored["trial_id"]) == set(results.trials["trial_id"])


def test_other_protocols_change_no_result(results: Results) -> None:
    assert results.trials["trial_id"].is_unique
    assert (results.trials["samples"] == 4000).all()
    assert list(results.others["tau_rule"]) == ["fixed(2.0)", PROTOCOL]
    assert list(results.others["samples"]) == [4000, 500]
    assert len(listing.others(results).rows) == 2


def test_real_images_are_joined_whatever_their_number(results: Results) -> None:
    assert list(results.real["samples"]) == [597]
    ratio = results.trials["n2"] / float(results.real["n2"].iloc[0])
    pd.testing.assert_series_equal(results.trials["ratio_to_real"], ratio, check_names=False)


def test_gate_is_a_share_of_the_real_images_own_precision(results: Results) -> None:
    assert results.trials["gate"].to_list() == pytest.approx([0.45] * 4)
    assert results.trials["passes_gate"].to_list() == [False, False, pd.NA, pd.NA]


def test_controls_say_whether_the_interval_holds_the_truth(results: Results) -> None:
    table = listing.controls(results)
    # At the study's own tau first, then on the seven other rungs.
    assert [row[0] for row in table.rows[:2]] == ["uniform on 100 images", "uniform on 1,000 images"]
    assert [row[2] for row in table.rows[:3]] == ["0.001 (own)", "0.001 (own)", "1e-05"]
    assert len(table.rows) == 16
    assert {row[table.heads.index("interval holds truth")] for row in table.rows} <= {"yes", "no"}


def test_a_trial_measured_under_another_protocol_only_is_unmeasured(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, synthetic.study(vary={}, hypotheses=[]))
    run.save_study(synthetic.study(vary={}, hypotheses=[], measure={"samples": 900}))
    found = read(run)
    assert (len(found.trials), len(found.completed), found.unmeasured) == (1, 0, 1)
