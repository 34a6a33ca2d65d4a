"""The notebook runs from top to bottom, and what it decides is what the report decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.statistics.verdicts import decide
from reports.tables.results import read
from tests.reports import synthetic

NOTEBOOK = Path(__file__).parents[2] / "reports" / "example.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = synthetic.study(
        study="quickstart",
        vary={"discriminator.width": [2, 4, 8, 16], "seed": {"count": 3}},
        hypotheses=[synthetic.CAPACITY],
    )
    run = synthetic.write(tmp_path / "runs", study, images=False)
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    found: pd.DataFrame = names["verdicts"]
    assert len(found) == 8  # the study's own rule, and the seven rungs of the ladder
    own = found[found["tau_rule"] == study.measure.tau_rule()].iloc[0]
    verdict = decide(study.hypotheses[0], study, read(run).completed)
    assert verdict.slope is not None
    assert (own["verdict"], own["slope"]) == (verdict.decision, verdict.slope.value)
    assert found["tau"].is_monotonic_increasing
    assert isinstance(names["figure"], Figure)
