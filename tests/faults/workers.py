"""Functions for workers: trials that take a while, keep their state after every step and say what they do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.engine import keeping, stopping, work
from pipeline.engine.cohorts import Cohort
from pipeline.engine.keeping import Keeping
from pipeline.engine.work import Context, Ended, run_cohort
from pipeline.training import Checkpoint

# Seconds that a step takes longer, so that a fault can be in the middle of a trial on any machine.
PAUSE = 0.05


class Telling(Keeping):
    """Writes a line to `RUNS/log` when training begins and after each step."""

    def load(self, key: str) -> Checkpoint | None:
        found = super().load(key)
        self.key = key
        self._tell(f"begins {found.state['steps_done'] if found else 0}")
        return found

    def due(self) -> bool:
        time.sleep(PAUSE)
        self._tell("step 1")
        return super().due()

    def _tell(self, what: str) -> None:
        if self.run and self.run.files.local:
            with open(f"{Path(self.run.root).parent}/log", "a") as log:
                log.write(f"{self.key} {os.getpid()} {what}\n")


class Course(NamedTuple):
    """One process's part in a trial's training: the steps done before it, and by it."""

    pid: int
    begun: int
    steps: int


def courses(runs: Path) -> dict[str, list[Course]]:
    """By key of its checkpoint, what the log tells of each training."""
    found: dict[str, list[Course]] = {}
    for line in (runs / "log").read_text().splitlines() if (runs / "log").exists() else []:
        key, pid, what, number = line.split()
        if what == "begins":
            found.setdefault(key, []).append(Course(int(pid), int(number), 0))
        else:
            own = found[key]
            (k,) = [k for k, course in enumerate(own) if course.pid == int(pid)][-1:]
            own[k] = own[k]._replace(steps=own[k].steps + 1)
    return found


def slow(context: Context, cohort: Cohort, keeper: type[Keeping] = Telling) -> Ended:
    """`run_cohort`, watched, of trials so short that their node's notice must be seen at once. A worker is used
    again: nothing stays changed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopping, "LOOK_SECONDS", 0.2)
        patch.setattr(keeping, "PERIOD", 0.0)
        patch.setattr(keeping, "SHARE", 1.0)
        patch.setattr(work, "Keeping", keeper)
        return run_cohort(context, cohort)


class Deadly(Telling):
    """Kills its process once it has kept some state."""

    def save(self, key: str, checkpoint: Checkpoint) -> None:
        super().save(key, checkpoint)
        os.kill(os.getpid(), signal.SIGKILL)


def poisoned(context: Context, cohort: Cohort) -> Ended:
    """`slow`, where trials of seeds 5 and 6 kill whoever trains them."""
    poison = any(trial.seed in (5, 6) for trial in cohort.trials)
    return slow(context, cohort, Deadly if poison else Telling)


def hungry(context: Context, cohort: Cohort) -> Ended:
    """One trial takes a tenth of a gigabyte every tenth of a second, up to eight."""
    held = []
    for trial in cohort.trials:
        if trial.seed == 1 and trial.discriminator is not None and trial.discriminator.width == 4:
            for _ in range(80):
                held.append(np.ones(100 * 2**17))
                time.sleep(0.1)
    return run_cohort(context, cohort)
