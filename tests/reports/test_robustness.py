"""Verdicts under other rulers: the planted slope at every rung, and sentences that say where a verdict holds."""

from pathlib import Path

import pandas as pd
import pytest

from reports import csv_tables
from reports.statistics.robustness import Cell, Robustness, in_words, robustness, table
from reports.statistics.verdicts import Decision, Verdict, decide
from reports.tables.protocols import Protocol
from reports.tables.results import Results, read
from tests.reports import synthetic
from tests.reports.test_statistics import hypothesis

SLOPES = {"pixels": 0.8, "classifier": -0.6, "selfsup": 0.8}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8, 16], "seed": {"count": 4}},
        measure={"samples": 4000, "embeddings": list(SLOPES)},
        hypotheses=[synthetic.CAPACITY],
    )
    run = synthetic.write(tmp_path_factory.mktemp("runs"), study, slopes=SLOPES, sd=0.15, level=6.0)
    return read(run)


@pytest.fixture(scope="module")
def found(results: Results) -> Robustness:
    study = results.study
    return robustness(decide(study.hypotheses[0], study, results.completed), results)


def test_the_planted_slope_is_found_at_every_rung(found: Robustness) -> None:
    assert len(found.cells) == 24
    for cell in found.cells:
        assert cell.verdict.slope is not None
        truth = SLOPES[cell.protocol.embedding]
        assert cell.verdict.slope.value == pytest.approx(truth, abs=0.15)
        assert cell.verdict.slope.low < truth < cell.verdict.slope.high
        assert cell.verdict.decision == ("supported" if truth > 0 else "refuted")


def test_rungs_stand_in_the_order_of_tau(found: Robustness) -> None:
    for embedding in found.embeddings():
        taus = [cell.tau for cell in found.under(embedding)]
        assert taus == sorted(taus)
        assert [cell.own for cell in found.under(embedding)].index(True) == 4


def test_the_studys_own_cell_is_the_verdict_itself(found: Robustness) -> None:
    own = next(cell for cell in found.cells if cell.own and cell.protocol.embedding == "pixels")
    assert own.verdict == found.verdict


def test_embeddings_that_disagree_are_named(found: Robustness) -> None:
    words = in_words(found)
    assert "Supported for τ from 0.844 to 2.29 under pixels (at all 8 τ)" in words
    assert "at no τ under classifier (refuted at all 8 τ)" in words
    assert "do not agree: supported under pixels, refuted under classifier, supported under selfsup" in words


def test_csv_holds_every_cell(found: Robustness, results: Results) -> None:
    rows = table([found])
    assert list(rows["verdict"]) == [cell.verdict.decision for cell in found.cells]
    assert b"robustness" not in b"".join(name.encode() for name in results.tables)
    assert "robustness.csv" in csv_tables.csv_files(results, [found], [])


def cells(decisions: str, embedding: str = "pixels") -> list[Cell]:
    """One cell a letter at tau 1, 2, ...: s(upported), r(efuted), i(nconclusive); the first is the study's."""
    names: dict[str, Decision] = {"s": "supported", "r": "refuted", "i": "inconclusive"}
    rule = hypothesis("increasing")
    return [
        Cell(
            Protocol(embedding, f"q{k}"), f"{k}", float(k), k == 1, Verdict(rule, names[d], "", None, None, 0)
        )
        for k, d in enumerate(decisions, 1)
    ]


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ("ssss", "Supported for τ from 1.00 to 4.00 under pixels (at all 4 τ)."),
        ("sssi", "Supported for τ from 1.00 to 3.00 under pixels (3 of 4 τ, inconclusive elsewhere)."),
        (
            "ssrsi",
            "Supported for τ from 1.00 to 2.00 and at 4.00 under pixels (3 of 5 τ, inconclusive or refuted "
            "elsewhere).",
        ),
        ("iiii", "Inconclusive for τ from 1.00 to 4.00 under pixels (at all 4 τ)."),
    ],
)
def test_where_a_verdict_holds(decisions: str, words: str) -> None:
    some = cells(decisions)
    assert in_words(Robustness(some[0].verdict, some)) == words


def test_embeddings_that_agree() -> None:
    some = cells("si") + cells("ss", "classifier")
    words = in_words(Robustness(some[0].verdict, some))
    assert words.endswith("the embeddings agree: supported under pixels, supported under classifier.")


def test_the_gate_is_that_of_the_embedding(tmp_path: Path) -> None:
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8], "seed": {"count": 4}},
        measure={"samples": 4000, "embeddings": ["pixels", "classifier"], "tau_ladder": []},
        hypotheses=[synthetic.CAPACITY],
    )
    run = synthetic.write(tmp_path, study, sd=0.1, slope=0.8, precision=lambda trial: None)
    good = [
        synthetic.ruler("pixels") | {"trial_id": t.id, "source": "generated"} | synthetic.quality_row(0.8)
        for t in study.trials()
    ]
    with run.writing():
        run.save_measurement("again", {"quality": good, "collisions": [rows_of_no_one()]})
    found = read(run)
    one = robustness(decide(study.hypotheses[0], study, found.completed), found)
    # Under classifier no trial's quality is known, so nothing can be supported there.
    assert [cell.verdict.decision for cell in one.cells] == ["supported", "inconclusive"]


def rows_of_no_one() -> dict[str, object]:
    """A row that commits a shard and belongs to no trial of the study."""
    return synthetic.ruler("pixels") | {
        "trial_id": "x",
        "source": "generated",
        "tau_rule": "none",
        "samples": 1,
    }


def test_runs_without_a_ladder_have_one_cell(tmp_path: Path) -> None:
    study = synthetic.study(hypotheses=[synthetic.CAPACITY])
    found = read(synthetic.write(tmp_path, study, ladder=False))
    one = robustness(decide(study.hypotheses[0], study, found.completed), found)
    assert [cell.own for cell in one.cells] == [True]
    assert one.cells[0].verdict == one.verdict
    empty = Robustness(one.verdict, [])
    assert in_words(empty).startswith("No trial was measured")
    assert isinstance(table([empty]), pd.DataFrame)
