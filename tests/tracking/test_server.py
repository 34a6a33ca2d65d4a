"""A team's server, PostgreSQL and S3 behind it: killed in the middle of a study it has all of it in the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.store.run import Run
from pipeline.tracking import Companion
from tests.mlflow_server import MlflowServer
from tests.tracking.runs import STUDY, client, found, mirrored, rows, save
from tests.tracking.test_follow import assert_all_there, there, wait_for, warnings


@pytest.fixture
def server(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    """As its users reach it."""
    for name, value in mlflow_server.client.items():
        monkeypatch.setenv(name, value)
    return mlflow_server


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Beside it there is no MLflow store."""
    run = Run(tmp_path / "mirrored")
    run.save_study(STUDY)
    return run


def test_it_is_killed_and_comes_back(
    server: MlflowServer, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with Companion(run) as companion:
        save(run, *range(8))
        companion.start()
        wait_for(lambda: there(run) > 2)
        server.kill()
        save(run, *range(8, 16))
        wait_for(lambda: len(warnings(caplog)) == 1)
        server.start()
        save(run, *range(16, 20))
    assert_all_there(run, 20)
    _, children = found(run)
    points = sum(
        len(client(run).get_metric_history(child.info.run_id, name))
        for child in children.values()
        for name in child.data.metrics
        if name.startswith("loss_")
    )
    assert points == run.arrow("curves").num_rows == 20 * 6
    grids = [client(run).download_artifacts(child.info.run_id, "samples.png") for child in children.values()]
    assert {np.asarray(Image.open(grid)).shape for grid in grids} == {(16, 24)}
    assert len(warnings(caplog)) == 1
    assert server.password not in "".join(warnings(caplog)) + (Path(run.root) / "mlflow.json").read_text()
    assert not (Path(run.root).parent / "mlflow.db").exists()


def test_a_run_comes_to_a_second_store_from_the_tables_alone(server: MlflowServer, run: Run) -> None:
    save(run, 0, 1)
    local = f"sqlite:///{Path(run.root).parent}/mlflow.db"
    here, there = mirrored(run)[1], mirrored(run, local)[1]
    assert here.keys() == there.keys()
    for trial_id, child in here.items():
        assert child.data.metrics == there[trial_id].data.metrics
        assert child.data.params == there[trial_id].data.params
        assert child.info.end_time == there[trial_id].info.end_time


def test_several_may_start_at_once_on_an_empty_postgresql(server: MlflowServer, tmp_path: Path) -> None:
    url = server.database.url("several")
    processes = []
    for name in ("first", "second", "third"):
        run = Run(tmp_path / name / "mirrored")
        run.save_study(STUDY)
        with run.writing():
            run.save([f"{0:016x}"], rows(0))
        command = [sys.executable, "-m", "pipeline.cli", "mirror", run.root, "--to", url]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for process in processes:
        said, error = process.communicate(timeout=280)
        assert (process.returncode, error, said.startswith("mlflow: ")) == (0, "", True)
    for name in ("first", "second", "third"):
        assert len(found(Run(tmp_path / name / "mirrored"), url)[1]) == 1
