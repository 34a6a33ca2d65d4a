"""Reports built once and read by many tests."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.store.run import Run
from reports.render import build
from tests.reports import laws, synthetic


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Failures of every kind, a missing trial, trials below the gate, trials without any collision; labels."""
    status = {1: "diverged", 5: "failed", 8: "out_of_memory", 11: "lost", 14: "missing"}
    study = synthetic.study(measure={"samples": 200, "tau": {"rule": "real_quantile", "quantile": 1e-3}})
    run = synthetic.write(
        tmp_path_factory.mktemp("runs"),
        study,
        level=8.0,
        status=lambda k, trial: status.get(k, "completed"),
        precision=lambda trial: 0.1 if trial.discriminator.width == 2 else 0.8,
    )
    source = synthetic.ruler("pixels") | {"trial_id": "real", "source": "real"}
    rows = laws.label_rows(laws.Law(1000.0), 597, np.random.default_rng(0))
    with run.writing():
        run.save_labels("both", [source | row for row in rows])
    return run


@pytest.fixture(scope="session")
def page(troubled: Run) -> Path:
    return build(troubled.root)
