"""The MLflow mirror: what it costs a study that trains, and how fast it brings a run to MLflow.

Cost: trials of one to three seconds on both cores, with the mirror off, on (SQLite beside the runs) and pointed at a server
that is not there, in turns; the time of the second half of them, when MLflow is imported and its tables made, and of all.
Rates: a run of trials that left what a real one on
digits leaves (curves of 20 ticks, 36 images), into SQLite, into PostgreSQL and through a server with PostgreSQL, beside a loop
that sends MLflow the same values of one trial after another by its client, and looks nothing up.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from unittest import mock

from pipeline.engine import execute
from pipeline.progress import End
from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.tracking import place
from pipeline.tracking.connection import connect
from pipeline.tracking.ledger import Ledger
from tests.benchmarks.overhead import STUDY, Clock, replaying
from tests.benchmarks.scale import real_trial
from tests.benchmarks.timing import Figure, load, ratios
from tests.mlflow_server import team_server

NAME = "mirror"
TRAINING, STEPS, ROUNDS = 44, 100, 3
RATED, MANY = 400, 10_000


def run() -> Iterator[Figure]:
    """Seconds a study takes with the mirror on, off and dead; trials a second into each kind of store."""
    yield from _costs()
    yield from _rates()


def _costs() -> Iterator[Figure]:
    base = {**STUDY["base"], "training": {"steps": STEPS, "ticks": 20}}
    of = {"study": "mirror", "vary": {"seed": {"count": TRAINING}}, "resources": {"back_end": "reference"}}
    study = Study.parse({**STUDY, **of, "base": base})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    seconds: dict[str, list[tuple[float, float]]] = {"off": [], "on": [], "dead": []}
    with execute.started("ray", study.resources, None):
        _study_seconds(study, False)
        for k in range(ROUNDS):
            for mode in list(seconds) if k % 2 == 0 else reversed(list(seconds)):
                environment = {"MLFLOW_TRACKING_URI": dead} if mode == "dead" else {}
                with mock.patch.dict(os.environ, environment):
                    seconds[mode].append(_study_seconds(study, mode != "off"))
    for mode in ("on", "dead"):
        for part, quantity in enumerate(("second half of the trials", "first trial to last stored")):
            ours, off = ([each[part] for each in seconds[which]] for which in (mode, "off"))
            yield Figure(
                NAME, f"{TRAINING} trials by Ray, mirror {mode}", quantity, "s", median(ours), "no mirror", median(off),
                target="within 2 %", load=load(), **ratios(off, ours),
            )  # fmt: skip


class Moments(Clock):
    """Progress that notes when each trial was stored."""

    def start(self, name: str, planned: int, done: int) -> None:
        super().start(name, planned, done)
        self.stored: list[float] = []

    def advance(self, ends: Iterable[End]) -> None:
        self.stored += [time.perf_counter() for _ in ends]


def _study_seconds(study: Study, mirror: bool) -> tuple[float, float]:
    """Of the second half of the trials, and of all."""
    moments = Moments()
    with tempfile.TemporaryDirectory() as runs:
        execute.run(study, runs, mirror=mirror, progress=moments)
    return moments.stored[-1] - moments.stored[TRAINING // 2 - 1], moments.ended - moments.started


def _rates() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as runs, team_server() as server:
        few, many = (_replayed(f"{runs}/{count}", count) for count in (RATED, MANY))
        with mock.patch.dict(os.environ, server.client):
            for name, uri, target in (
                ("SQLite", f"sqlite:///{runs}/mlflow.db", "40"),
                ("PostgreSQL", server.database.url("mirror"), "30"),
                ("a server with PostgreSQL and S3", server.url, ""),
            ):
                plain = _plainly(few, uri)
                ours = _rate(few, uri)
                yield Figure(
                    NAME, f"{RATED} trials into {name}", "trials a second", "1/s", ours, "MLflow's client in a loop",
                    plain, ours / plain, target=target, load=load(),
                )  # fmt: skip
        rate = _rate(many, f"sqlite:///{runs}/many.db")
        yield Figure(
            NAME, f"{MANY:,} trials into SQLite", "trials a second", "1/s", rate, target="40", load=load()
        )
        start = time.perf_counter()
        again = Ledger(many, place(many, f"sqlite:///{runs}/many.db"))
        assert not again.missing()
        seconds = time.perf_counter() - start
        yield Figure(
            NAME, f"{MANY:,} trials into SQLite", "finding all of them there", "s", seconds, load=load()
        )


def _replayed(runs: str, count: int) -> Run:
    study = Study.parse({**STUDY, "study": "mirror", "vary": {"seed": {"count": count}}})
    with mock.patch.object(execute, "run_cohort", replaying(real_trial())):
        return execute.run(study, runs, engine="inline", mirror=False)


def _rate(run: Run, uri: str) -> float:
    """Trials a second, from the tables, images included."""
    ledger = Ledger(run, place(run, uri))
    missing = ledger.missing()
    start = time.perf_counter()
    for found in ledger.entries(missing):
        ledger.add(found)
    return len(missing) / (time.perf_counter() - start)


def _plainly(run: Run, uri: str) -> float:
    """The same values as anybody would send them, with their artifact but without a data set's entry."""
    from mlflow.entities import Metric, Param

    from pipeline.tracking.pictures import grid_png

    ledger = Ledger(run, place(run, uri))
    entries = list(ledger.entries(ledger.missing()))
    client = connect(place(run, uri))
    experiment = client.create_experiment("plain")
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        for found in entries:
            one = client.create_run(experiment, tags=found.tags, run_name=found.name).info.run_id
            metrics = [Metric(key, value, found.finished, step) for key, step, value in found.points]
            client.log_batch(one, metrics, [Param(key, value) for key, value in found.params.items()])
            file = Path(scratch, "samples.png")
            file.write_bytes(grid_png(found.images))
            client.log_artifact(one, str(file))
            client.set_terminated(one, "FINISHED")
        return len(entries) / (time.perf_counter() - start)
