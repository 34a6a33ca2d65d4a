"""Which rows stand under the study's rulers, and which are other protocols."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.study import Study
from reports.tables.protocols import Protocol, primary, protocols, rungs, select
from reports.tables.results import Results, read
from tests.reports import synthetic

NAMES = ["pixels", "classifier"]


def study(**measure: object) -> Study:
    vary = {"discriminator.width": [2, 4], "seed": {"count": 2}}
    return synthetic.study(vary=vary, hypotheses=[], measure={"samples": 300} | measure)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(synthetic.write(tmp_path_factory.mktemp("runs"), study(embeddings=NAMES)))


def test_the_studys_own_rule_stands_first_and_once() -> None:
    own = study(tau_ladder=[1e-4, 1e-3], tau={"rule": "real_quantile", "quantile": 1e-3})
    assert rungs(own) == {"real_quantile(0.001)": "0.001", "real_quantile(0.0001)": "0.0001"}
    fixed = study(tau_ladder=[1e-4], tau={"rule": "fixed", "value": 2.0})
    assert list(rungs(fixed)) == ["fixed(2.0)", "real_quantile(0.0001)"]
    assert primary(fixed) == Protocol("pixels", "fixed(2.0)")
    assert len(protocols(study(embeddings=NAMES))) == 16


def test_other_embeddings_and_rungs_are_no_other_protocols(results: Results) -> None:
    assert results.others.empty
    assert set(results.collisions["embedding"]) == set(NAMES)
    assert results.collisions["tau_rule"].nunique() == 8
    assert results.trials["trial_id"].is_unique


def test_a_ruler_of_its_own_gives_numbers_of_its_own(results: Results) -> None:
    rule = primary(results.study).tau_rule
    stored = results.run.table("collisions").set_index(["embedding", "tau_rule", "trial_id"])["collisions"]
    for embedding in NAMES:
        for _, trial in results.completed_under(Protocol(embedding, rule)).iterrows():
            assert trial["collisions"] == stored[embedding, rule, trial["trial_id"]]
    assert results.completed_under(primary(results.study)).equals(results.completed)


def test_rows_of_a_ruler_that_the_study_dropped_are_others(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, study(embeddings=NAMES))
    run.save_study(study(tau_ladder=[]))
    found = read(run)
    # All but one of eight rungs of pixels and eight of classifier, for generators, real images and controls.
    assert len(found.others) == 15 * 3
    assert found.others["rows"].sum() == 15 * (4 + 1 + 2)
    assert set(found.collisions["tau_rule"]) == {"real_quantile(0.001)"}


def test_of_two_versions_of_a_subject_one_counts() -> None:
    row = {"trial_id": "a", "source": "train", "support_size": pd.NA, "parameter": float("nan")}
    row |= {"data_fingerprint": "f", "embedding": "pixels", "tau_rule": "real_quantile(0.001)"}
    rows = [row | {"samples": 200, "embedding_id": "x"}, row | {"samples": 300, "embedding_id": "x"}]
    rows += [row | {"samples": 300, "embedding_id": "y"}, row | {"samples": 200, "source": "zipf"}]
    table = pd.DataFrame(rows).astype({"support_size": "Int64"})
    kept = select(study(), table)
    assert list(kept.index) == [2]
