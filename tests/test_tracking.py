"""The MLflow mirror, against a real SQLite store and a real `mlflow server` on loopback."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.tracking import Mirror, final_metrics, grid_png

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
STUDY = Study.parse(
    {
        "study": "mirrored",
        "question": "Does the mirror follow?",
        "base": {
            "dataset": {"name": "digits"},
            "generator": {"name": "dcgan", "width": 4, "latent_dim": 8},
            "discriminator": {"name": "dcgan", "width": 4},
            "objective": {"name": "hinge"},
            "train_samples": 100,
        },
        "vary": {"seed": {"count": 4}},
    }
)


def rows(number: int, status: str = "completed", points: int = 3, metrics: int = 2) -> dict[str, list[Any]]:
    """What trial `number` leaves in the store."""
    config = STUDY.trials()[number % 4]
    trial_id = f"{number:016x}"
    key = {"trial_id": trial_id, "source": "generated", "embedding": "pixels"}
    trial = {
        "trial_id": trial_id,
        "config": json.dumps(config.model_dump(mode="json")),
        "status": status,
        "error": None if status == "completed" else "loss is NaN at step 7",
        "wall_seconds": 1.5,
        "images_per_second": float("inf"),
        "commit": "abc",
        "data_fingerprint": "f00d",
        "started_at": START + timedelta(seconds=number),
        "finished_at": START + timedelta(seconds=number + 2),
    }
    curves = [
        {"trial_id": trial_id, "metric": f"loss_{m}", "step": 10 * p, "value": number + m + p / 7}
        for m in range(metrics)
        for p in range(points)
    ]
    collisions = {**key, "tau_rule": STUDY.measure.tau_rule(), "n2": None, "n2_low": 50.0, "collisions": 0}
    other_rule = {**collisions, "tau_rule": "fixed(1.0)", "n2_low": 1.0}
    control = {**collisions, "source": "real", "n2_low": 2.0}
    quality = {**key, "precision": 0.25, "recall": float("nan"), "density": 0.75, "coverage": 0.5}
    generator = np.random.default_rng(number)
    samples = [
        {
            **key,
            "index": i,
            "channels": 1,
            "height": 8,
            "width": 8,
            "image": generator.integers(0, 256, 64, np.uint8).tobytes(),
        }
        for i in range(5)
    ]
    tables = {"curves": curves, "collisions": [control, collisions, other_rule], "quality": [quality]}
    return {"trials": [trial], **tables, "samples": samples}


def save(run: Run, *numbers: int, status: str = "completed") -> None:
    with run.writing():
        for number in numbers:
            run.save([f"{number:016x}"], rows(number, status))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creating MLflow's schema takes seconds; the tests copy one."""
    folder = tmp_path_factory.mktemp("mlflow")
    Mirror(str(folder)).finish()
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


def add(mirror: Mirror, run: Run, tables: dict[str, list[Any]]) -> None:
    mirror.add(STUDY, run.root, tables["trials"], tables)


def client(mirror: Mirror) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(mirror.uri, mirror.uri)


def found(mirror: Mirror) -> tuple[Any, dict[str, Any]]:
    """The parent run and the children by trial id."""
    mlflow = client(mirror)
    experiment = mlflow.get_experiment_by_name("mirrored")
    everything = mlflow.search_runs([experiment.experiment_id])
    (parent,) = [r for r in everything if "mlflow.parentRunId" not in r.data.tags]
    children = {r.data.tags["trial_id"]: r for r in everything if r is not parent}
    assert len(children) == len(everything) - 1, "a trial stands twice"
    assert {r.data.tags["mlflow.parentRunId"] for r in children.values()} <= {parent.info.run_id}
    return parent, children


def test_importing_the_module_does_not_import_mlflow() -> None:
    code = "import sys, pipeline.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_catch_up_mirrors_what_the_store_holds(runs: Path, run: Run) -> None:
    save(run, 0, 1)
    save(run, 2, status="diverged")
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 3
    mirror.finish()

    parent, children = found(mirror)
    assert parent.info.status == "FINISHED"
    assert (parent.data.tags["study"], parent.data.tags["run_root"]) == ("mirrored", str(runs / "mirrored"))
    assert set(children) == {f"{n:016x}" for n in range(3)}

    child = children[f"{1:016x}"]
    assert child.info.status == "FINISHED"
    assert child.info.start_time == int((START + timedelta(seconds=1)).timestamp() * 1000)
    assert child.info.end_time - child.info.start_time == 2000
    assert child.data.params["discriminator.width"] == "4"
    assert child.data.params["seed"] == "1"
    assert child.data.params == {k: str(v) for k, v in STUDY.trials()[1].flat().items()}
    assert child.data.tags["commit"] == "abc"
    assert child.data.tags["data_fingerprint"] == "f00d"
    assert child.data.tags["status"] == "completed"

    failed = children[f"{2:016x}"]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "loss is NaN at step 7"


def test_metrics_are_the_curves_and_the_finite_final_numbers(runs: Path, run: Run) -> None:
    save(run, 1)
    mirror = Mirror(str(runs))
    mirror.catch_up(run)
    _, children = found(mirror)
    (child,) = children.values()
    history = client(mirror).get_metric_history(child.info.run_id, "loss_1")
    assert [(m.step, m.value) for m in history] == [(10 * p, 2 + p / 7) for p in range(3)]
    final = {k: v for k, v in child.data.metrics.items() if not k.startswith("loss_")}
    # Left out: n2 is unknown, recall NaN, images_per_second infinite; the control and the other rule.
    wanted = {"wall_seconds": 1.5, "n2_low": 50.0, "collisions": 0.0}
    assert final == wanted | {"precision": 0.25, "density": 0.75, "coverage": 0.5}


def test_the_sample_grid_has_the_right_pixels(runs: Path, run: Run) -> None:
    save(run, 3)
    mirror = Mirror(str(runs))
    mirror.catch_up(run)
    _, children = found(mirror)
    (child,) = children.values()
    assert [path.name for path in (runs / "mlartifacts").rglob("*.png")] == ["samples.png"]
    grid = np.asarray(Image.open(client(mirror).download_artifacts(child.info.run_id, "samples.png")))
    assert grid.shape == (16, 24)  # 5 images of 8x8: 2 rows of 3
    images = [np.frombuffer(row["image"], np.uint8).reshape(8, 8) for row in rows(3)["samples"]]
    np.testing.assert_array_equal(grid[:8, 16:], images[2])
    np.testing.assert_array_equal(grid[8:, 8:16], images[4])
    assert not grid[8:, 16:].any()


def test_colour_images_are_tiled_by_index() -> None:
    image = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    shape = {"channels": 3, "height": 4, "width": 5}
    png = grid_png([{"index": i, **shape, "image": image[i].tobytes()} for i in (1, 0)])
    grid = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(grid, np.concatenate([image[0], image[1]], axis=2).transpose(1, 2, 0))


def test_points_leave_no_grid(runs: Path, run: Run) -> None:
    mirror = Mirror(str(runs))
    add(mirror, run, {**rows(0), "samples": []})
    mirror.finish()
    _, children = found(mirror)
    (child,) = children.values()
    assert client(mirror).list_artifacts(child.info.run_id) == []


def test_nothing_is_mirrored_twice(runs: Path, run: Run) -> None:
    save(run, 0)
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 1
    add(mirror, run, rows(1))
    add(mirror, run, rows(1))  # a retry that was not needed
    save(run, 1)
    assert mirror.catch_up(run) == 0
    mirror.finish()
    again = Mirror(str(runs))
    assert again.catch_up(run) == 0
    again.finish()
    parent, children = found(again)
    assert (parent.info.status, len(children)) == ("FINISHED", 2)
    history = client(again).get_metric_history(children[f"{1:016x}"].info.run_id, "loss_0")
    assert len(history) == 3


def test_a_half_mirrored_trial_is_made_anew(runs: Path, run: Run) -> None:
    save(run, 0)
    mirror = Mirror(str(runs))
    mirror.catch_up(run)
    parent, _ = found(mirror)
    tags = {"mlflow.parentRunId": parent.info.run_id, "trial_id": f"{1:016x}"}
    client(mirror).create_run(parent.info.experiment_id, tags=tags)  # and then the mirror was killed
    save(run, 1)
    again = Mirror(str(runs))
    assert again.catch_up(run) == 1
    _, children = found(again)
    assert children[f"{1:016x}"].data.metrics["loss_0"] == 1 + 2 / 7


def test_a_lost_trial_has_a_row_and_nothing_else(runs: Path, run: Run) -> None:
    (trial,) = rows(0, "lost")["trials"]
    known = ("trial_id", "config", "status", "error", "finished_at")
    mirror = Mirror(str(runs))
    add(mirror, run, {"trials": [{name: trial[name] for name in known}]})
    mirror.finish()
    _, children = found(mirror)
    (child,) = children.values()
    assert (child.info.status, child.info.start_time) == ("FAILED", child.info.end_time)


def test_a_relative_root_is_the_same_run(runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 0)
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 1
    monkeypatch.chdir(runs)
    add(mirror, Run("mirrored"), rows(0))
    mirror.finish()
    assert Mirror(".").catch_up(Run("mirrored")) == 0
    assert len(found(mirror)[1]) == 1


def test_a_shard_of_several_trials(runs: Path, run: Run) -> None:
    both = [rows(0), rows(1)]
    with run.writing():
        run.save([f"{k:016x}" for k in (0, 1)], {table: both[0][table] + both[1][table] for table in both[0]})
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 2
    _, children = found(mirror)
    assert children[f"{1:016x}"].data.metrics["loss_0"] == 1 + 2 / 7
    assert len(client(mirror).get_metric_history(children[f"{0:016x}"].info.run_id, "loss_0")) == 3


def test_each_run_root_has_its_own_parent(runs: Path, run: Run) -> None:
    other = Run(runs / "elsewhere" / "mirrored")
    other.save_study(STUDY)
    save(run, 0)
    save(other, 0)
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 1
    assert mirror.catch_up(other) == 1


def test_more_points_than_one_batch_holds(runs: Path, run: Run) -> None:
    mirror = Mirror(str(runs))
    add(mirror, run, rows(0, points=300, metrics=4))
    mirror.finish()
    _, children = found(mirror)
    (child,) = children.values()
    assert len(client(mirror).get_metric_history(child.info.run_id, "loss_3")) == 300


def test_finish_leaves_planner_statistics(runs: Path, run: Run) -> None:
    save(run, 0)
    mirror = Mirror(str(runs))
    mirror.catch_up(run)
    mirror.finish()
    with sqlite3.connect(runs / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0


def test_two_studies_may_start_at_once_on_a_fresh_store(tmp_path: Path) -> None:
    code = (
        "import sys; from pipeline.tracking import Mirror; from pipeline.store.run import Run\n"
        "m = Mirror(sys.argv[1]); n = m.catch_up(Run(sys.argv[2])); m.finish(); sys.exit(n != 1)"
    )
    processes = []
    for name in ("first", "second", "third"):
        run = Run(tmp_path / name / "mirrored")
        run.save_study(STUDY)
        save(run, 0)
        command = [sys.executable, "-c", code, str(tmp_path), run.root]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert (process.returncode, stderr) == (0, "")
    third = Run(tmp_path / "third" / "mirrored")
    save(third, 1)
    assert Mirror(str(tmp_path)).catch_up(third) == 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "mlflow.db")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", f"{folder}/artifacts"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(folder / "log", "w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **quiet},
            stdout=output,
            stderr=output,
            cwd=folder,
            start_new_session=True,
        )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def test_a_server_gets_the_same_runs(server: str, tmp_path: Path) -> None:
    run = Run(tmp_path / "mirrored")
    run.save_study(STUDY)
    save(run, 0, 1)
    mirror = Mirror(str(tmp_path), server)
    assert mirror.catch_up(run) == 2
    mirror.finish()
    parent, children = found(mirror)
    assert (parent.info.status, len(children)) == ("FINISHED", 2)
    assert children[f"{0:016x}"].data.metrics["loss_1"] == 1 + 2 / 7
    path = client(mirror).download_artifacts(children[f"{0:016x}"].info.run_id, "samples.png")
    assert np.asarray(Image.open(path)).shape == (16, 24)
    assert Mirror(str(tmp_path), server).catch_up(run) == 0
    assert not (tmp_path / "mlflow.db").exists()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def use(mirror: Mirror, run: Run) -> int:
    """Everything a driver does with a mirror."""
    caught = mirror.catch_up(run)
    add(mirror, run, rows(1))
    mirror.finish()
    return caught


def test_an_unreachable_server_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "mirrored")
    run.save_study(STUDY)
    save(run, 0)
    began = time.monotonic()
    assert use(Mirror(str(tmp_path), f"http://127.0.0.1:{free_port()}"), run) == 0
    assert time.monotonic() - began < 30
    (line,) = warnings(caplog)
    assert line.startswith("MLflow mirror stopped")
    assert "\n" not in line
    assert capfd.readouterr().err == ""


def test_a_damaged_database_is_one_warning(runs: Path, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    (runs / "mlflow.db").write_bytes(b"no database" * 100)
    save(run, 0)
    assert use(Mirror(str(runs)), run) == 0
    (line,) = warnings(caplog)
    assert "file is not a database" in line


def test_an_object_store_without_a_server_is_one_warning(caplog: pytest.LogCaptureFixture, run: Run) -> None:
    assert use(Mirror("memory://bucket/runs"), run) == 0
    (line,) = warnings(caplog)
    assert "name a tracking server" in line


def test_a_mirror_that_lost_its_database_catches_up_later(
    runs: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    save(run, 0)
    mirror = Mirror(str(runs))
    assert mirror.catch_up(run) == 1
    with sqlite3.connect(runs / "mlflow.db") as database:
        database.execute("ALTER TABLE metrics RENAME TO gone")
    add(mirror, run, rows(1))
    mirror.finish()
    assert len(warnings(caplog)) == 1
    with sqlite3.connect(runs / "mlflow.db") as database:
        database.execute("ALTER TABLE gone RENAME TO metrics")
    save(run, 1)
    assert mirror.catch_up(run) == 1
    assert len(found(mirror)[1]) == 2


def test_final_metrics_of_a_trial_that_measured_nothing() -> None:
    (trial,) = rows(0, "failed")["trials"]
    assert final_metrics(STUDY, trial, {}) == {"wall_seconds": 1.5, "images_per_second": float("inf")}
