"""What a fault must not change, and drivers to have faults with."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from pipeline import load_run
from pipeline.store.schemas import KEYS
from pipeline.store.verify import examine
from tests.engine.tools import TINY, assert_same, numbers, study
from tests.faults.workers import Course, courses

STEPS = 60
LONGER = [f"base.training.steps={STEPS}"]
ROOT = Path(__file__).parents[2]


def write_study(folder: Path, *overrides: str) -> Path:
    """The study as a file."""
    file = folder / "study.yaml"
    file.write_text(study(TINY, *LONGER, *overrides).yaml())
    return file


def driver(*words: str | Path, worker: str = "slow", **variables: str) -> subprocess.Popen[str]:
    """`birthday WORDS` in a process of its own, whose workers are those of `tests.faults.workers`."""
    command = [sys.executable, "-m", "tests.faults.driver", worker, *map(str, words)]
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment,
        preexec_fn=heed,
    )


def assert_survived(root: str | Path, undisturbed: str | Path, *besides: str) -> None:
    """The run holds what an undisturbed one does, every row once, and nothing else."""
    assert_same(root, undisturbed, *besides)
    assert_whole(root)


def assert_others_survived(root: str | Path, undisturbed: str | Path, lost: Collection[str]) -> None:
    """The same but for these trials, which have a row in `trials` and none elsewhere."""
    ours, theirs = numbers(root), numbers(undisturbed)
    for table, rows in ours.items():
        own, others = rows[~rows["trial_id"].isin(lost)], theirs[table]
        others = others[~others["trial_id"].isin(lost)]
        drop = [name for name in ("attempts", "error") if name in rows]  # the type of an empty column differs
        assert (
            own.drop(columns=drop)
            .reset_index(drop=True)
            .equals(others.drop(columns=drop).reset_index(drop=True))
        ), table
        assert len(rows) - len(own) == (len(lost) if table == "trials" else 0)
    assert_whole(root)


def assert_whole(root: str | Path) -> None:
    """Every row once, every file whole, none left over."""
    run = load_run(root)
    for table, keys in KEYS.items():
        rows = run.table(table)
        assert not rows.duplicated(keys).any(), f"{table} has a row twice"
    found = examine(run.files)
    assert (found.damaged, found.stray) == ({}, [])
    assert run.checkpoints() == []


def steps_done(runs: Path) -> int:
    """Steps of the training that is furthest."""
    return max((c.begun + c.steps for own in courses(runs).values() for c in own), default=0)


def under_way(runs: Path, least: int) -> dict[int, Course]:
    """By process, trainings at least so many steps in, and not yet near their end."""
    return {
        own[-1].pid: own[-1]
        for own in courses(runs).values()
        if least <= own[-1].begun + own[-1].steps < STEPS - 10
    }
