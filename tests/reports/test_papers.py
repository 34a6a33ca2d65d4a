"""Published support sizes: their calibration, and which of the study's trials stand beside them."""

from pathlib import Path

import numpy as np
import pytest

from reports.sections import papers
from reports.sections.published_support import PUBLISHED
from reports.statistics.verdicts import decide
from reports.tables.results import Results, read
from tests.reports import synthetic


def test_the_calibrated_size_collides_half_of_the_time() -> None:
    """Exactly: the product of (1 - k / N) over a batch of s."""
    for row in PUBLISHED:
        if row.batch is not None:
            none = np.prod(1 - np.arange(row.batch) / row.calibrated)
            assert none == pytest.approx(0.5, abs=0.003)
            assert row.paper_convention == row.batch**2
    by_model = {row.model: row for row in PUBLISHED if row.source == "ARZ"}
    assert [round(by_model[name].calibrated, -3) for name in ("DCGAN", "ALI")] == [115_000, 721_000]


def faces(tmp_path: Path, objectives: list[str]) -> Results:
    study = synthetic.study(
        base={
            "system": "gan",
            "dataset": {"name": "celeba"},
            "generator": {"name": "dcgan", "width": 16, "latent_dim": 32},
            "discriminator": {"name": "dcgan", "width": 8},
            "objective": {"name": "nonsaturating"},
            "train_samples": 1200,
        },
        vary={"discriminator.width": [2, 8], "objective.name": objectives, "seed": {"count": 4}},
        hypotheses=[synthetic.CAPACITY],
    )
    return read(synthetic.write(tmp_path, study, slope=0.0, sd=0.1, images=False))


def test_matching_trials_stand_beside_their_papers_number(tmp_path: Path) -> None:
    results = faces(tmp_path, ["nonsaturating", "wgan_gp"])
    verdicts = [decide(one, results.study, results.completed) for one in results.study.hypotheses]
    found = papers.against(results, verdicts)
    matched = {row.model: ours for row, ours in found if ours.trials and row.source == "ARZ"}
    assert list(matched) == ["DCGAN", "DCGAN, D widths 16 to 128"]
    ours = matched["DCGAN"]
    # The plain objective's eight trials of N2 = e^5; the critic's are e^0.3 larger.
    assert (ours.trials, ours.low < np.exp(5) < ours.high) == (8, True)
    theirs = results.rows("estimates", "generated")
    theirs = theirs[
        (theirs["estimator"] == "paper_support")
        & theirs["trial_id"].isin(results.facts.loc[results.facts["variant"] == "nonsaturating", "trial_id"])
    ]
    assert ours.by_their_rule == pytest.approx(theirs["value"].median())
    assert "theirs: 202,599 training images" in ours.differs
    assert "Ours: nonsaturating; 1,200 training images" in ours.differs
    assert matched["DCGAN, D widths 16 to 128"].slope.startswith("slope ")
    assert f"{ours.n2 / 115_127:.5f}"[:6] in papers.in_words(found)
    assert papers.listing(found).rows[0][:6] == ["DCGAN", "celeba", "ARZ", "400", "160,000", "115,127"]
    assert len(papers.table(found)) == len(PUBLISHED)


def test_nothing_stands_beside_a_study_of_other_data_or_objectives(tmp_path: Path) -> None:
    results = faces(tmp_path, ["hinge", "wgan_gp"])
    found = papers.against(results, [])
    assert not any(ours.trials for _, ours in found)
    assert papers.in_words(found).startswith("No trial of this study has a counterpart")
    assert [row[6:10] for row in papers.listing(found).rows] == [["–"] * 4] * len(PUBLISHED)
