from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.store.run import Run
from pipeline.tracking import place
from pipeline.tracking.connection import connect, leave
from tests.tracking.runs import STUDY


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creating MLflow's schema takes seconds; the tests copy one."""
    folder = tmp_path_factory.mktemp("mlflow")
    where = place(Run(folder / "none"))
    connect(where)
    leave(where)
    return folder / "mlflow.db"


@pytest.fixture
def runs(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def run(runs: Path) -> Run:
    run = Run(runs / "mirrored")
    run.save_study(STUDY)
    return run
