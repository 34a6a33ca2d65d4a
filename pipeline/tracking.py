"""The MLflow mirror of a run, for looking at studies in MLflow's UI. The store is the truth, this follows it.

One experiment a study, one parent run a run root, one child run a trial. A child is complete when it is
terminated; one found still running was left by a killed mirror and is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import math
import os
import sqlite3
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.store.files import Files
from pipeline.store.run import Run
from pipeline.store.tables import Row
from pipeline.study import Study
from pipeline.trial import flatten

log = logging.getLogger(__name__)
T = TypeVar("T")

# Set before mlflow is imported, unless the user has: no telemetry, no banner a run, and a server that is not
# there is given up after seconds; MLflow's own patience is minutes.
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
TAGS = ("trial_id", "status", "error", "commit", "data_fingerprint")
TRIAL_METRICS = ("wall_seconds", "images_per_second")
COLLISION_METRICS = ("n2", "n2_low", "collisions", "ratio_to_real")
QUALITY_METRICS = ("precision", "recall", "density", "coverage")
TABLES = ("curves", "collisions", "quality", "samples")
LONGEST_TEXT = 5000  # MLflow allows 6,000 characters in a parameter and 8,000 in a tag
LONGEST_QUEUE = 64  # trials; their images wait in memory


class Mirror:
    """Mirrors runs. If MLflow fails, no method raises: it warns once and rests until the next `catch_up`.

    MLflow takes about 25 ms a trial, so a thread of its own drives it and the caller does not wait.
    """

    def __init__(self, runs_dir: str, uri: str | None = None) -> None:
        """Mirror to `uri`; by default to `mlflow.db` and `mlartifacts/` in a local `runs_dir`."""
        runs = Files(runs_dir)
        self.uri = uri or (f"sqlite:///{runs.path}/mlflow.db" if runs.local else None)
        self._artifacts = None if uri else f"{runs.path}/mlartifacts"
        self._backend: _Backend | None = None
        self._warned = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow-mirror")
        self._waiting: deque[Future[None]] = deque()
        for name, value in SWITCHES.items():
            os.environ.setdefault(name, value)
        with contextlib.suppress(ImportError):  # _connect meets it again and reports it
            # Not on the thread: two threads that import overlapping packages can meet half a module.
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
        self._later(self._connect)

    def catch_up(self, run: Run) -> int:
        """Mirror every trial of `run` that MLflow lacks. Returns how many; 0 if MLflow fails."""

        def action() -> int:
            if self._backend is None:
                self._connect()
            return self._backend.catch_up(run) if self._backend else 0

        self._drain(0)
        return self._thread.submit(self._attempt, action, 0).result()

    def add(
        self, study: Study, root: str, trials: Sequence[Row], tables: Mapping[str, Sequence[Row]]
    ) -> None:
        """Mirror trials that just finished, from the rows that go to the store; returns before it is done.

        `root` is the run's, `trials` are rows of table `trials`, `tables` the other tables' rows by name.
        """

        def action() -> None:
            if self._backend is not None:
                self._backend.add(study, Files(root).path, trials, tables)

        self._drain(LONGEST_QUEUE)
        self._later(action)

    def finish(self) -> None:
        """Wait for what is under way and close the parent runs."""

        def action() -> None:
            if self._backend is not None:
                self._backend.finish()

        self._later(action)
        self._drain(0)

    def _later(self, action: Callable[[], None]) -> None:
        self._waiting.append(self._thread.submit(self._attempt, action, None))

    def _drain(self, allowed: int) -> None:
        """Wait until at most `allowed` actions are under way; a mistake in this file raises here."""
        while self._waiting and (len(self._waiting) > allowed or self._waiting[0].done()):
            self._waiting.popleft().result()

    def _attempt(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except _failures() as error:
            self._backend = None
            if not self._warned:
                self._warned = True
                reason = " ".join(str(error).split()).partition(" [SQL")[0][:200]
                where = self.uri or "MLFLOW_TRACKING_URI is not set"
                log.warning("MLflow mirror stopped, the study goes on: %s: %s", where, reason)
            return otherwise

    def _connect(self) -> None:
        if self.uri is None:
            raise OSError("an object store cannot hold mlflow.db; name a tracking server")
        self._backend = _Backend(self.uri, self._artifacts)


@dataclass
class _Parent:
    """A run of a study in MLflow, and the trials complete under it."""

    experiment_id: str
    run_id: str
    trials: set[str] = field(default_factory=set)


class _Backend:
    """A store that answered. Methods raise what MLflow raises."""

    def __init__(self, uri: str, artifacts: str | None) -> None:
        from mlflow import MlflowClient

        # They log tracebacks and retries of what Mirror reports in one line.
        for name in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.artifacts = artifacts
        path = uri.removeprefix("sqlite:///")
        self.database = None if path == uri else os.path.abspath(path)
        self.parents: dict[str, _Parent] = {}
        with self._first_touch():
            self.client = MlflowClient(uri, uri)
            self.client.search_experiments(max_results=1)

    @contextlib.contextmanager
    def _first_touch(self) -> Iterator[None]:
        """One process at a time: an SQLite store that two create at once is broken for good."""
        if self.database is None:
            yield
            return
        os.makedirs(os.path.dirname(self.database), exist_ok=True)
        with open(f"{self.database}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # MLflow would try for a hundred seconds to open a file that is no database.
            with contextlib.closing(sqlite3.connect(self.database)) as connection:
                connection.execute("PRAGMA schema_version")
            yield

    def catch_up(self, run: Run) -> int:
        study, root = run.study, run.files.path
        parent = self._parent(study, root)
        before = len(parent.trials)
        # Some at a time: the images of a large study do not fit into memory together.
        for tables in run.rows(run.done() - parent.trials, ("trials", *TABLES)):
            self.add(study, root, tables["trials"], tables)
        return len(parent.trials) - before

    def add(
        self, study: Study, root: str, trials: Sequence[Row], tables: Mapping[str, Sequence[Row]]
    ) -> None:
        parent = self._parent(study, root)
        by_trial: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for table in TABLES:
            for row in tables.get(table, []):
                by_trial[row["trial_id"]][table].append(row)
        for trial in trials:
            trial_id = trial["trial_id"]
            if trial_id not in parent.trials:
                self._add_trial(study, parent, trial, by_trial[trial_id])
                parent.trials.add(trial_id)

    def _add_trial(self, study: Study, parent: _Parent, trial: Row, tables: dict[str, list[Row]]) -> None:
        from mlflow.entities import Metric, Param

        finished = _milliseconds(trial.get("finished_at")) or int(time.time() * 1000)
        started = _milliseconds(trial.get("started_at")) or finished  # a lost trial's start may be unknown
        tags = {name: _text(trial[name]) for name in TAGS if trial.get(name) is not None}
        points = [(row["metric"], row["step"], row["value"]) for row in tables["curves"]]
        points += [(name, 0, value) for name, value in final_metrics(study, trial, tables).items()]
        run = self.client.create_run(
            parent.experiment_id,
            start_time=started,
            tags={"mlflow.parentRunId": parent.run_id, **tags},
            run_name=trial["trial_id"],
        )
        # The client splits what is over MLflow's limits on a batch. Infinity would come back as 1.8e308.
        self.client.log_batch(
            run.info.run_id,
            [Metric(k, v, finished, step) for k, step, v in points if v is not None and math.isfinite(v)],
            [Param(k, _text(v)) for k, v in flatten(json.loads(trial["config"])).items()],
        )
        images = [row for row in tables["samples"] if row["source"] == "generated"]
        if images:  # samples that are points have none
            self._save(run.info, "samples.png", grid_png(images))
        status = "FINISHED" if trial["status"] == "completed" else "FAILED"
        self.client.set_terminated(run.info.run_id, status, end_time=finished)

    def _save(self, info: Any, name: str, content: bytes) -> None:
        """Add an artifact to a run."""
        folder = info.artifact_uri.removeprefix("file://")
        if folder.startswith("/"):  # MLflow's own way into a directory is 20 times slower
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{name}", "wb") as file:
                file.write(content)
            return
        with tempfile.TemporaryDirectory() as scratch:
            with open(f"{scratch}/{name}", "wb") as file:
                file.write(content)
            self.client.log_artifact(info.run_id, f"{scratch}/{name}")

    def _parent(self, study: Study, root: str) -> _Parent:
        """The parent run of a study at an absolute root, found or made. Looks up what is under it once."""
        if root in self.parents:
            return self.parents[root]
        experiment_id = self._experiment(study.study)
        for found in self._search(experiment_id, "tags.kind = 'study'"):
            if found.data.tags.get("run_root") == root:
                parent = _Parent(experiment_id, found.info.run_id)
                self._find_trials(parent)
                self.client.update_run(parent.run_id, status="RUNNING")
                break
        else:
            tags = {"kind": "study", "study": study.study, "run_root": root}
            tags["mlflow.note.content"] = _text(study.question)
            made = self.client.create_run(experiment_id, tags=tags, run_name=study.study)
            parent = _Parent(experiment_id, made.info.run_id)
        self.parents[root] = parent
        return parent

    def _find_trials(self, parent: _Parent) -> None:
        for child in self._search(parent.experiment_id, f"tags.`mlflow.parentRunId` = '{parent.run_id}'"):
            if child.info.status == "RUNNING":
                self.client.delete_run(child.info.run_id)
            else:
                parent.trials.add(child.data.tags["trial_id"])

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            try:
                location = self.artifacts and f"{self.artifacts}/{name}"
                return str(self.client.create_experiment(name, artifact_location=location))
            except MlflowException:
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:  # not because another process was faster
                    raise
        if experiment.lifecycle_stage == "deleted":
            self.client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _search(self, experiment_id: str, where: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self.client.search_runs([experiment_id], where, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def finish(self) -> None:
        for parent in self.parents.values():
            self.client.set_terminated(parent.run_id, "FINISHED", end_time=int(time.time() * 1000))
        self.parents.clear()
        if self.database is not None:
            # Without statistics SQLite takes quadratic time to sort runs by a metric.
            with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as connection, connection:
                connection.execute("PRAGMA analysis_limit = 1000")
                connection.execute("ANALYZE")


def final_metrics(study: Study, trial: Row, tables: Mapping[str, list[Row]]) -> dict[str, float | None]:
    """A trial's speed, its generator's support and quality by the study's first embedding and tau rule."""
    embedding, rule = study.measure.embedding_names()[0], study.measure.tau_rule()
    metrics = {name: trial.get(name) for name in TRIAL_METRICS}
    for table, names in (("collisions", COLLISION_METRICS), ("quality", QUALITY_METRICS)):
        for row in tables.get(table, []):
            if (row["source"], row["embedding"], row.get("tau_rule", rule)) == ("generated", embedding, rule):
                metrics |= {name: row.get(name) for name in names}
    return metrics


def grid_png(rows: list[Row]) -> bytes:
    """Rows of table `samples`, grey or RGB, all of one shape, as one PNG: row by row in order of `index`."""
    import numpy as np
    from PIL import Image

    images = [
        np.frombuffer(row["image"], np.uint8).reshape(row["channels"], row["height"], row["width"])
        for row in sorted(rows, key=lambda row: int(row["index"]))
    ]
    columns = math.ceil(math.sqrt(len(images)))
    channels, height, width = images[0].shape
    grid = np.zeros((math.ceil(len(images) / columns) * height, columns * width, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * height, i % columns * width
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    sink = io.BytesIO()
    Image.fromarray(grid[..., 0] if channels == 1 else grid).save(sink, "PNG")
    return sink.getvalue()


def _failures() -> tuple[type[Exception], ...]:
    """What MLflow, its database, its server or a disk may raise. Anything else is a mistake in this file."""
    failures: tuple[type[Exception], ...] = (OSError, sqlite3.Error, ImportError)
    with contextlib.suppress(ImportError):
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        failures += (MlflowException, SQLAlchemyError, CommandError)
    return failures


def _milliseconds(moment: Any) -> int | None:
    value = pa.scalar(moment, pa.timestamp("ms", tz="UTC")).value
    return None if value is None else int(value)


def _text(value: object) -> str:
    return str(value)[:LONGEST_TEXT]
