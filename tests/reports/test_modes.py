"""Modes reached, beside published figures; support given one input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.render import build
from reports.sections import conditional, modes
from reports.sections.published_modes import PUBLISHED, published
from reports.tables.results import read
from tests.reports import synthetic

KNOWN = {"gaussian_ring": 8, "gaussian_grid": 25, "embedded_gaussians": 10, "stacked_mnist": 1000}


@pytest.mark.parametrize(
    ("dataset", "variant", "found"),
    [
        ("gaussian_ring", "nonsaturating", [1.0, 6.3]),
        ("gaussian_grid", "minimax", [3.3, 17.3, 10.4]),
        ("gaussian_ring", "ali + nonsaturating", [2.8, 6.6]),
        ("gaussian_ring", "pacgan + nonsaturating", [7.9]),
        ("gaussian_grid", "pacgan(packing=4) + nonsaturating", [24.8]),
        ("stacked_mnist", "unrolled(inner_lr=0.3) + minimax", [48.7]),
        ("gaussian_ring", "veegan", [8.0]),
        # Other models than the papers'.
        ("gaussian_ring", "nonsaturating + r1=0.1", []),
        ("gaussian_ring", "hinge", []),
        ("gaussian_ring", "ali + nonsaturating + r1=0.1", []),
        ("gaussian_ring", "kde", []),
        ("digits", "nonsaturating", []),
    ],
)
def test_what_papers_report_of_a_variant(dataset: str, variant: str, found: list[float]) -> None:
    assert [row.modes for row in published(dataset, variant)] == found


def test_published_counts_are_possible() -> None:
    for row in PUBLISHED:
        assert 0 <= row.modes <= KNOWN[row.dataset]


def test_counts_of_trials_are_listed_beside_published_ones(tmp_path: Path) -> None:
    study = synthetic.point_study()
    run = synthetic.write(tmp_path, study, images=False)
    trials = study.trials()
    rows = [
        {
            "trial_id": trial.id,
            "source": "generated",
            "data_fingerprint": synthetic.FINGERPRINT,
            "samples": 2500,
            "modes_known": 8,
            "modes": 4 + k % 4,
            "high_quality": 0.25,
            "reverse_kl": 0.2,
            "kl_uniform": 0.5,
        }
        for k, trial in enumerate(trials)
    ]
    given = {
        **synthetic.collision_row(study, 50.0, study.measure.samples, np.random.default_rng(0)),
        **synthetic.ruler("pixels"),
        "trial_id": trials[0].id,
        "source": "conditional",
        "parameter": 2.0,
    }
    with run.writing():
        run.save_measurement("more", {"modes": rows, "collisions": [given]})
    results = read(run)
    real, hinge = modes.listing(results).rows
    assert real[:2] == ["gaussian_ring", "held-out samples"]
    # 12 trials: 4, 5, 6, 7 three times each; their standard deviation is sqrt(15 / 11).
    assert hinge[:7] == ["gaussian_ring", "hinge", "12", "2,500", "5.50 ± 1.17 of 8", "4 to 7", "25.0 %"]
    assert modes.drawing(results, "gaussian_ring") is not None
    assert [row[:3] for row in conditional.listing(results).rows] == [["hinge", "0", "2"]]
    assert "conditional" not in set(results.controls["source"])
    text = (build(str(run.root)) / "report.md").read_text()
    assert "## Modes reached" in text
    assert "## Support given one input" in text
