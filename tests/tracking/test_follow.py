"""The process beside a driver: it keeps up, and nothing that happens to it or to MLflow loses or doubles a trial."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.tracking import Companion, mirror, place
from tests.tracking.runs import STUDY, client, found, free_port, mirrored, save

MANY = 40


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def there(run: Run) -> int:
    """How many trials MLflow has completely."""
    try:
        _, children = found(run)
    except (ValueError, AttributeError):  # not even the parent or the experiment
        return 0
    return sum(child.info.status != "RUNNING" for child in children.values())


def assert_all_there(run: Run, numbers: int, points: int = 3) -> None:
    parent, children = found(run)
    assert set(children) == {f"{n:016x}" for n in range(numbers)}
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    for trial in (0, numbers - 1):
        child = children[f"{trial:016x}"]
        assert len(client(run).get_metric_history(child.info.run_id, "loss_0")) == points
        assert child.data.metrics["loss_0"] == trial + (points - 1) / 7
    assert parent.info.status != "RUNNING"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and "MLflow" in r.getMessage()
    ]


def children() -> list[int]:
    """Ids of the processes of mirrors that this one has started."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "pipeline.tracking"], capture_output=True, text=True
    )
    return [int(pid) for pid in found.stdout.split()]


def test_it_keeps_up_and_waits_for_the_last(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with Companion(run) as companion:
        save(run, 0)
        companion.start()
        wait_for(lambda: there(run) == 1)
        assert found(run)[0].info.status == "RUNNING"
        save(run, *range(1, 12))
    assert_all_there(run, 12)
    assert warnings(caplog) == []
    assert children() == []


def test_it_leaves_the_cores_to_whoever_trains(run: Run) -> None:
    with Companion(run) as companion:
        companion.start()
        (pid,) = children()
        wait_for(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)


def test_a_killed_one_loses_nothing_and_doubles_nothing(run: Run) -> None:
    save(run, *range(MANY))
    with Companion(run) as companion:
        companion.start()
        wait_for(lambda: there(run) > 3)
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
    assert there(run) < MANY
    with Companion(run) as companion:
        companion.start()
    assert_all_there(run, MANY)


DRIVER = """
import sys, time
from pipeline.store.run import Run
from pipeline.tracking import Companion
with Companion(Run(sys.argv[1])) as companion:
    companion.start()
    print("started", flush=True)
    time.sleep(600)
"""


def test_the_mirror_of_a_killed_driver_ends_and_brings_the_rest(run: Run) -> None:
    save(run, *range(MANY))
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, run.root], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "started\n"
    wait_for(lambda: there(run) > 3)
    driver.kill()
    driver.wait()
    # Meanwhile another driver begins: its mirror waits for that one.
    with Companion(run) as companion:
        companion.start()
        save(run, *range(MANY, MANY + 2))
        wait_for(lambda: there(run) == MANY + 2, 120)
    assert_all_there(run, MANY + 2)
    driver.stdout.close()


def test_two_at_once_is_one_line(run: Run) -> None:
    save(run, 0)
    with run.mirroring(), pytest.raises(InputError, match="another process is mirroring this run: process"):
        mirror(run, place(run), dict)
    with run.writing():  # its writer may go on
        mirror(run, place(run), dict)
    assert found(run)[0].info.status == "RUNNING"


@pytest.mark.usefixtures("busy")
def test_a_busy_machine_gets_it_to_its_end(run: Run) -> None:
    """Whoever else takes all cores: at the end of a study its mirror is as important as they are."""
    with Companion(run) as companion:
        companion.start()
        save(run, *range(6))
        began = time.monotonic()
    assert_all_there(run, 6)
    assert time.monotonic() - began < 120


@pytest.fixture
def busy() -> Iterator[None]:
    """Two processes on every core that do nothing but take it."""
    cores = 2 * len(os.sched_getaffinity(0))
    takers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    yield
    for taker in takers:
        taker.kill()
        taker.wait()


def test_a_study_that_is_stopped_does_not_wait(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    save(run, *range(4 * MANY))

    def stopped() -> None:
        with Companion(run) as companion:
            companion.start()
            wait_for(lambda: there(run) > 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert there(run) < 4 * MANY
    assert warnings(caplog) == []  # the command says how to go on
    assert len(mirrored(run)[1]) == 4 * MANY


def test_a_dead_server_is_two_lines(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with Companion(run) as companion:
        companion.start()
        save(run, 0)
        wait_for(lambda: len(warnings(caplog)) == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 30
    first, last = warnings(caplog)
    assert first.startswith(f"MLflow mirror fails, the study goes on and it is tried again: {uri}: ")
    assert last.startswith(f"MLflow mirror: not all is there: MLflow: {uri}: ")
    assert last.endswith(f"; later: birthday mirror {run.root}")
    assert "\n" not in first + last
    assert capfd.readouterr().err == ""


def test_a_database_that_fails_for_a_while_gets_everything(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    database = Path(run.root).parent / "mlflow.db"
    with Companion(run) as companion:
        save(run, 0)
        companion.start()
        wait_for(lambda: there(run) == 1)
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            connection.execute("ALTER TABLE metrics RENAME TO gone")
        save(run, 1)
        wait_for(lambda: len(warnings(caplog)) == 1)
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            connection.execute("ALTER TABLE gone RENAME TO metrics")
        save(run, 2)
    assert_all_there(run, 3)
    assert len(warnings(caplog)) == 1


def test_several_may_start_at_once_on_a_fresh_store(tmp_path: Path) -> None:
    processes = []
    for name in ("first", "second", "third"):
        run = Run(tmp_path / name / "mirrored")
        run.save_study(STUDY)
        save(run, 0)
        command = [
            sys.executable,
            "-m",
            "pipeline.cli",
            "mirror",
            run.root,
            "--to",
            f"sqlite:///{tmp_path}/mlflow.db",
        ]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for process in processes:
        said, error = process.communicate(timeout=240)
        assert (process.returncode, error) == (0, "")
        assert said == f"mlflow: mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db\n"
    for name in ("first", "second", "third"):
        _, children = found(Run(tmp_path / name / "mirrored"), f"sqlite:///{tmp_path}/mlflow.db")
        assert len(children) == 1
