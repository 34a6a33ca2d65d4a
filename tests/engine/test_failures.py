"""A trial that fails is a row with status and reason, and the rest of the study goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.cli import app
from pipeline.engine import execute, work
from pipeline.engine.cohorts import Cohort
from pipeline.engine.engines import Task
from pipeline.engine.work import Context, Ended, run_cohort
from pipeline.study import ResourceOptions
from pipeline.training import Member
from tests.engine.tools import TINY, assert_same, descendants, study, wait_for
from tests.tracking import runs as mlflow

DIVERGING = ["vary.training.generator_lr=[1e-3, 1e30]", "vary.discriminator.width=[4]"]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_diverging_trial_is_a_row(engine: str, runs: Path) -> None:
    found = run(study(TINY, *DIVERGING), runs, engine=engine, mirror=False)
    rows = found.table("trials").set_index("trial_id")
    for trial in found.study.trials():
        row = rows.loc[trial.id]
        if trial.training.generator_lr < 1:
            assert (row["status"], row["steps_done"]) == ("completed", 6)
        else:
            assert row["status"] == "diverged"
            assert "not finite at step 3 of 6" in row["error"]
            assert row["steps_done"] == 3
    failed = set(rows.index[rows["status"] != "completed"])
    for table in ("collisions", "quality", "samples", "pairs", "distances"):
        assert not failed & set(found.table(table)["trial_id"]), f"{table} shows a failed trial as a result"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("two\nlines"), "failed"),
        (MemoryError("full"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"), "out_of_memory"),
        (FloatingPointError("NaN"), "diverged"),
    ],
)
def test_whatever_a_trial_raises_is_its_outcome(
    error: Exception, status: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work.train_cohort

    def train(members: Sequence[Member], *rest: Any) -> Any:
        if members[0].trial.seed == 1:
            raise error
        return real(members, *rest)

    monkeypatch.setattr(work, "train_cohort", train)
    rows = run(study(TINY), runs, engine="inline", mirror=False).table("trials")
    assert dict(rows.groupby("seed")["status"].first()) == {0: "completed", 1: status}
    (reason,) = set(rows.loc[rows["seed"] == 1, "error"])
    assert reason == f"{type(error).__name__}: {' '.join(str(error).split())}"


def test_memory_that_no_machine_has_fails_its_trial_alone(runs: Path) -> None:
    vary = ["vary.generator.latent_dim=[8, 100000000000000]", "vary.discriminator.width=[4]", "vary.seed=[0]"]
    rows = run(study(TINY, *vary), runs, engine="inline", mirror=False).table("trials")
    ends = dict(zip(rows["latent_dim"], rows["status"], strict=True))
    assert ends == {8: "completed", 100000000000000: "out_of_memory"}


def fail_once(shared: str, key: str) -> str:
    """Kills its worker the first time."""
    marker = Path(shared) / key
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return key


def fail_always(shared: str, key: str) -> str:
    """Kills its worker every time if the key says so."""
    (Path(shared) / f"{key}-{time.monotonic_ns()}").touch()
    if key == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return key


@pytest.mark.usefixtures("local_ray")
def test_the_engine_tries_again_what_its_worker_did_not_survive(tmp_path: Path) -> None:
    from pipeline.engine.ray_engine import RayEngine

    engine = RayEngine(ResourceOptions())
    shared = engine.share(str(tmp_path))
    (done,) = (d for batch in engine.run(fail_once, [Task("a", shared, ("a",))]) for d in batch)
    assert (done.value, done.lost, done.attempts) == ("a", None, 2)
    tasks = [Task(key, shared, (key,)) for key in ("x", "bad", "y", "z")]
    ends = {d.task.key: d for batch in engine.run(fail_always, tasks) for d in batch}
    assert {key: d.lost for key, d in ends.items()} == {"x": None, "bad": "lost", "y": None, "z": None}
    assert ends["bad"].attempts == 3
    assert len(list(tmp_path.glob("bad-*"))) == 3
    assert "WorkerCrashedError" in ends["bad"].reason
    assert "\n" not in ends["bad"].reason


def deadly(context: Context, cohort: Cohort) -> Ended:
    """A trial that no worker survives, among others."""
    for trial in cohort.trials:
        if trial.seed == 1 and trial.discriminator is not None and trial.discriminator.width == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    return run_cohort(context, cohort)


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_kills_its_workers_ends_as_lost(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(execute, "run_cohort", deadly)
    found = run(study(TINY), runs, engine="ray", mirror=False)
    rows = found.table("trials")
    assert sorted(rows["status"]) == ["completed", "completed", "completed", "lost"]
    (row,) = rows[rows["status"] == "lost"].to_dict("records")
    assert (row["seed"], row["discriminator_width"], row["attempts"]) == (1, 4, 3)
    assert "died" in row["error"] or "crashed" in row["error"].lower()
    assert set(rows.loc[rows["status"] == "completed", "attempts"]) == {1}
    app(["status", found.root], standalone_mode=False)
    assert f"{row['trial_id']} lost: " in capsys.readouterr().out


@pytest.mark.usefixtures("local_ray")
def test_a_worker_killed_in_the_middle_of_a_trial_changes_no_number(runs: Path) -> None:
    longer = study(TINY, "base.training.steps=400", "vary.discriminator.width=[4]")
    killed: list[int] = []

    def kill_one() -> None:
        def seen() -> bool:
            killed.extend(p for p, name in descendants(os.getpid()).items() if name == "ray::run_cohort")
            return bool(killed)

        wait_for(seen)
        time.sleep(0.2)  # into its training
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    found = run(longer, runs, engine="ray", mirror=False)
    thread.join()
    assert sorted(found.table("trials")["attempts"]) == [1, 2]
    assert set(found.table("trials")["status"]) == {"completed"}
    undisturbed = run(longer, runs / "inline", engine="inline", mirror=False)
    assert_same(found.root, undisturbed.root, "attempts")


def test_a_broken_mirror_stops_nothing(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    (runs / "mlflow.db").mkdir(parents=True)
    one = ["vary.discriminator.width=[4]"]
    found = run(study(TINY, *one), runs, engine="inline")
    assert set(found.table("trials")["status"]) == {"completed"}
    *first, last = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert last.startswith("MLflow mirror: not all is there: MLflow: sqlite:///")
    assert len(first) < 2  # an earlier one only if it failed while the study was under way
    assert "\n" not in last


def test_the_mirror_changes_no_table(reference: Path, mirrored_runs: Path) -> None:
    found = run(study(TINY), mirrored_runs, engine="inline")
    assert_same(reference, found.root)
    assert mlflow.found(found)[1].keys() == found.done()
