"""`birthday status`, as another process sees the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import InputError
from pipeline.store.run import Run
from pipeline.store.status import lines
from tests.engine.tools import TINY, start, study

WRITER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pipeline.store.run import Run
from tests.engine.tools import study
run, trials = Run(sys.argv[1]), [trial.id for trial in study().trials()]
ends = dict(zip([*trials[:3], "beside"], ["completed", "lost", "diverged", "completed"]))
with run.writing():
    run.save_study(study())
    for trial, status in ends.items():
        run.save([trial], {"trials": [{"trial_id": trial, "status": status, "error": f"why {status}"}]})
    run.save_checkpoint(trials[3], b"x")
    print(flush=True)
    time.sleep(100)
"""


def status(root: str) -> list[str]:
    process = start("status", root)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def test_what_is_done_what_failed_and_who_is_writing(root: str) -> None:
    here = str(Path(__file__).parents[2])
    writer = subprocess.Popen([sys.executable, "-c", WRITER, root, here], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"\n"
        ids = [trial.id for trial in study().trials()]
        told = status(root)
        assert told[:5] == [
            "tiny: 3 of 4 trials done, 1 missing",
            "  completed: 1",
            "  diverged: 1",
            "  lost: 1",
            "  beside the plan (an earlier version): 1",
        ]
        assert sorted(told[5:7]) == sorted(
            [f"  {ids[1]} lost: why lost", f"  {ids[2]} diverged: why diverged"]
        )
        assert told[7].startswith(f"writing: process {writer.pid} on {os.uname().nodename}, since 20")
        assert told[8:] == ["checkpoints of trials under way: 1"]
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert status(root) == [*told[:7], "nobody is writing", *told[8:]]


def test_the_last_failures_are_the_latest(tmp_path: Path) -> None:
    run, begun = Run(tmp_path / "tiny"), datetime(2026, 1, 1, 23, 59, 55, tzinfo=UTC)
    of_many = study(TINY, "vary.seed.count=8")
    ids = [trial.id for trial in of_many.trials()]
    with run.writing():
        run.save_study(of_many)
        for k, trial in enumerate(ids[:14]):
            end = {"status": "failed", "error": str(k), "finished_at": begun + timedelta(seconds=k / 2)}
            run.save([trial], {"trials": [{"trial_id": trial, **end}]})
    assert lines(run.root) == [
        "tiny: 14 of 16 trials done, 2 missing",
        "  failed: 14",
        *(f"  {ids[k]} failed: {k}" for k in range(4, 14)),
        "nobody is writing",
    ]


def test_a_run_nobody_began_is_one_line(root: str) -> None:
    with pytest.raises(InputError, match=r"is not a run: it has no study\.yaml"):
        lines(root)


SEEN = """
import sys
from pipeline.cli import app
app(["status", sys.argv[1]], standalone_mode=False)
print([name for name in ("pandas", "torch", "ray", "pyarrow.dataset") if name in sys.modules])
"""


def test_looking_needs_no_heavy_package(tmp_path: Path) -> None:
    run = Run(tmp_path / "tiny")
    with run.writing():
        run.save_study(study())
        for trial in study().trials():
            ends = [{"trial_id": trial.id, "status": "lost", "finished_at": datetime.now(UTC)}]
            run.save([trial.id], {"trials": ends})
    said = subprocess.run([sys.executable, "-c", SEEN, run.root], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
