from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.store.run import Run
from tests.tracking.runs import STUDY


@pytest.fixture
def runs(tmp_path: Path, empty_mlflow: Path) -> Path:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def run(runs: Path) -> Run:
    run = Run(runs / "mirrored")
    run.save_study(STUDY)
    return run
