"""What the pipeline adds to a trial beyond training and measuring it: 1,000 trials that are done at once.

They go the way of `pipeline.engine.execute.run`: two local Ray workers, the store's commits, the MLflow mirror off or on. Each
returns the rows and the weights that a real trial on digits left, under its own id. Starting Ray, its workers and
MLflow, loading the data and laying the rulers happens once a run and is left out.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

from pipeline.engine import execute
from pipeline.engine.cohorts import Cohort
from pipeline.engine.work import Context, Ended, Finished, run_cohort
from pipeline.progress import Silent
from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.training import REFERENCE
from pipeline.trial import TrialConfig
from tests.benchmarks.timing import Figure, load

NAME = "overhead"
TRIALS, PROFILED = 1000, 300
REPEATS = {"off": 3, "on": 1}
STUDY: dict[str, Any] = {
    "study": "overhead",
    "question": "What does the pipeline add to a trial?",
    "base": {
        "dataset": {"name": "digits"},
        "generator": {"name": "dcgan", "width": 16, "latent_dim": 32},
        "discriminator": {"name": "dcgan", "width": 8},
        "objective": {"name": "nonsaturating"},
        "train_samples": 300,
        "training": {"steps": 20, "ticks": 20},
    },
    "measure": {"samples": 1000, "tau": {"rule": "real_quantile", "quantile": 1e-3}},
}
# Functions of the driver's thread whose time is told apart, by file and name.
PARTS = {
    "submitting tasks": ("ray_engine.py", "submit"),
    "waiting for workers": ("worker.py", "wait"),
    "fetching results": ("ray_engine.py", "_result"),
    "encoding tables": ("writer.py", "_encoded"),
    "packing weights": ("weights.py", "pack"),
    "committing": ("writer.py", "_commit"),
}


class Clock(Silent):
    """Progress that notes when the first trial was about to be submitted, and when the last was stored."""

    def start(self, name: str, planned: int, done: int) -> None:
        self.started, self.cpu = time.perf_counter(), time.process_time()

    def finish(self) -> None:
        self.ended = time.perf_counter()


class Pass(NamedTuple):
    """Milliseconds a trial: in all, of the driver's CPU, to read the run back, in parts; seconds before the first."""

    trial: float
    cpu: float
    start: float
    read: float
    parts: dict[str, float]


def run() -> Iterator[Figure]:
    """Milliseconds per trial with the mirror off and on, and where the driver spends them."""
    study = _study(TRIALS)
    trials = study.trials()
    with tempfile.TemporaryDirectory() as runs:
        bench = execute.prepare(study, trials[:1], "ray", None, None, Run(f"{runs}/{study.study}"))
    (real,) = run_cohort(next(iter(bench.contexts.values())), Cohort((trials[0],), REFERENCE)).finished
    assert real.status == "completed", real.error
    rows = {table: len(r) for table, r in real.tables.items()}
    print(f"rows of a trial: {json.dumps(rows)}, weights: {len(real.weights or b'')} bytes", file=sys.stderr)
    replay = mock.patch.object(execute, "run_cohort", replaying(real))
    with execute.started("ray", study.resources, None), replay:  # the runs below find Ray started
        _pass(_study(50), False, False)  # its workers import torch
        for name, target in (("off", "< 10 ms"), ("on", "as off")):
            case, mirror = f"mirror {name}", name == "on"
            passes = [_pass(study, mirror, False) for _ in range(REPEATS[name])]
            for quantity, unit, values in (
                ("a trial", "ms", [p.trial for p in passes]),
                ("driver's CPU time, a trial", "ms", [p.cpu for p in passes]),
                ("reading back, a trial", "ms", [p.read for p in passes]),
                ("before the first trial", "s", [p.start for p in passes]),
            ):
                goal = target if quantity == "a trial" else ""
                yield Figure(NAME, case, quantity, unit, median(values), target=goal, load=load())
            for part, milliseconds in _pass(_study(PROFILED), mirror, True).parts.items():
                yield Figure(NAME, case, f"driver under a profiler: {part}", "ms", milliseconds, load=load())


def _study(trials: int) -> Study:
    return Study.parse({**STUDY, "vary": {"seed": {"count": trials}}})


def _pass(study: Study, mirror: bool, profiled: bool) -> Pass:
    profile, clock = cProfile.Profile(), Clock()
    with tempfile.TemporaryDirectory() as runs:
        start = time.perf_counter()
        if profiled:
            profile.enable()
        target = execute.run(study, runs, mirror=mirror, progress=clock)
        profile.disable()
        end, cpu = time.perf_counter(), time.process_time()
        trials = len(target.done())
        assert trials == len(study.trials())
        reading = time.perf_counter() - end
        if mirror:
            assert _mirrored(runs) == trials + 1  # and the study's own
    parts = parts_of(profile, PARTS, trials) if profiled else {}
    trial, read = 1e3 * (clock.ended - clock.started) / trials, 1e3 * reading / trials
    return Pass(trial, 1e3 * (cpu - clock.cpu) / trials, clock.started - start, read, parts)


def replaying(real: Finished) -> Callable[[Context, Cohort], Ended]:
    """A stand-in for `run_cohort` that returns at once what `real` left, as other trials'."""

    def one(trial: TrialConfig) -> Finished:
        now, key = datetime.now(UTC), trial.id
        tables = {table: [{**row, "trial_id": key} for row in rows] for table, rows in real.tables.items()}
        row = {
            "config": trial.model_dump_json(),
            "started_at": now,
            "finished_at": now,
            "device_seconds": 0.0,
        }
        tables["trials"][0] |= row
        return real._replace(trial=trial, tables=tables)

    def replay(context: Context, cohort: Cohort) -> Ended:
        return Ended([one(trial) for trial in cohort.trials])

    return replay


def sleeping(
    replay: Callable[[Context, Cohort], Ended], seconds: float
) -> Callable[[Context, Cohort], Ended]:
    """The same, each trial taking so long."""

    def sleep(context: Context, cohort: Cohort) -> Ended:
        time.sleep(seconds * len(cohort.trials))
        ended = replay(context, cohort)
        for end in ended.finished:
            end.tables["trials"][0]["device_seconds"] = seconds
        return ended

    return sleep


def _mirrored(runs: str) -> int:
    with closing(sqlite3.connect(f"{runs}/mlflow.db")) as database:
        return int(database.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()[0])


def parts_of(
    profile: cProfile.Profile, functions: dict[str, tuple[str, str]], trials: int
) -> dict[str, float]:
    """Milliseconds a trial inside each function, given by file and name, what it calls included."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    parts = dict.fromkeys(functions, 0.0)
    for (file, _, function), (_, _, _, cumulative, _) in stats.items():
        for part, (name, wanted) in functions.items():
            if os.path.basename(file) == name and function == wanted:
                parts[part] += 1e3 * cumulative / trials
    return {part: milliseconds for part, milliseconds in parts.items() if milliseconds}
