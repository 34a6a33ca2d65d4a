"""A run's place in an MLflow store: the parent run, its children, their files."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline.store.run import BEST_FILE, STUDY_FILE, Run
from pipeline.tracking.connection import connect, leave
from pipeline.tracking.entry import TABLES, Entry, entry, milliseconds, text
from pipeline.tracking.pictures import grid_png
from pipeline.tracking.place import Place

KIND = "custom_model_development"  # MLflow's UI shows runs and metrics first, not a chatbot's traces


class Ledger:
    """Of one run. Methods raise one of `failures()`; another ledger then finds what has arrived."""

    def __init__(self, run: Run, place: Place) -> None:
        """Find the run's parent in MLflow, or make it."""
        self.run, self.study, self.place = run, run.study, place
        self._client = connect(place)
        self._experiment_id = self._find_experiment()
        self._parent = self._find_parent()
        self._complete, self._begun = self._find_children()
        run.save_mlflow(
            {
                "uri": place.shown,
                "experiment": self.study.study,
                "experiment_id": self._experiment_id,
                "run_id": self._parent.run_id,
            }
        )

    def missing(self) -> set[str]:
        """The run's trials that are not complete in MLflow."""
        return self.run.done() - self._complete

    def entries(self, trials: set[str]) -> Iterator[Entry]:
        """What is to be said of these trials, from the tables; some at a time, since images are large."""
        again = self._measured_again()
        for tables in self.run.rows(trials, ("trials", *TABLES)):
            by_trial = {name: _grouped(rows) for name, rows in tables.items() if name != "trials"} | again
            for trial in tables["trials"]:
                own = {name: rows.get(trial["trial_id"], []) for name, rows in by_trial.items()}
                yield entry(self.study, trial, own)

    def _measured_again(self) -> dict[str, dict[str, list[Any]]]:
        """By table and trial the rows of a run that was measured under its study's rule after it was trained,
        which no trial's own rows have then.
        """
        if not any(name.endswith(f"-{self.study.measure_id()}") for name in self.run.measurements()):
            return {}
        generated = (pc.field("source") == "generated") & (pc.field("samples") == self.study.measure.samples)
        found = {name: self.run.arrow(name).filter(generated) for name in ("collisions", "quality")}
        return {name: _grouped(table.to_pylist()) for name, table in found.items()}

    def add(self, found: Entry) -> None:
        """Make a trial's run, or complete one that a killed mirror began: a point said twice is one point."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        trial_id = found.tags["trial_id"]
        info = self._begun.get(trial_id)
        if info is None:
            tags = {"mlflow.parentRunId": self._parent.run_id, **found.tags}
            info = self._client.create_run(
                self._experiment_id, start_time=found.started, tags=tags, run_name=found.name
            ).info
            self._begun[trial_id] = info
        # The client splits what is over MLflow's limits on a batch.
        self._client.log_batch(
            info.run_id,
            [Metric(key, value, found.finished, step) for key, step, value in found.points],
            [Param(key, value) for key, value in found.params.items()],
        )
        if found.fingerprint:
            source = json.dumps({"name": found.dataset, "fingerprint": found.fingerprint})
            data = Dataset(found.dataset, found.fingerprint[:36], "birthday", source)
            use = InputTag("mlflow.data.context", "training")
            self._client.log_inputs(info.run_id, [DatasetInput(data, [use])])
        if found.images:  # samples that are points have none
            self._save(info, "samples.png", grid_png(found.images))
        status = "FINISHED" if found.completed else "FAILED"
        self._client.set_terminated(info.run_id, status, end_time=found.finished)
        self._complete.add(trial_id)
        del self._begun[trial_id]

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Say how far the run is and add the parent's files: its study, what its search found, and these."""
        from mlflow.entities import RunTag

        own = {STUDY_FILE: self.study.yaml().encode()}
        with contextlib.suppress(FileNotFoundError):  # of a run that is no search
            own[BEST_FILE] = self.run.files.read(BEST_FILE)
        for name, content in {**own, **files}.items():
            self._save(self._parent, name, content)
        ends = self.run.arrow("trials", ["status", "finished_at"])
        counts = Counter(ends.column("status").to_pylist())
        tags = [RunTag(f"trials_{status}", str(count)) for status, count in counts.items()]
        self._client.log_batch(self._parent.run_id, tags=tags)
        status = self._status()
        if status != "RUNNING":
            last = milliseconds(pc.max(ends.column("finished_at")).as_py())
            self._client.set_terminated(self._parent.run_id, status, end_time=last)
        leave(self.place)

    def _status(self) -> str:
        lease = self.run.lease()
        if lease is not None and lease.held():
            return "RUNNING"
        if self.study.searches:
            states = self.run.arrow("suggestions", ["state"]).column("state").to_pylist()
            return "FINISHED" if states and "running" not in states else "KILLED"
        return "FINISHED" if self.study.by_id.keys() <= self.run.done() else "KILLED"

    def _save(self, info: Any, name: str, content: bytes) -> None:
        """Add a file, `folder/name` or `name`, to a run."""
        root = info.artifact_uri.removeprefix("file://")
        folder, _, own = name.rpartition("/")
        if root.startswith("/"):  # MLflow's own way into a directory is 20 times slower
            os.makedirs(f"{root}/{folder}", exist_ok=True)
            Path(root, name).write_bytes(content)
            return
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, own).write_bytes(content)
            self._client.log_artifact(info.run_id, f"{scratch}/{own}", folder or None)

    def _find_parent(self) -> Any:
        """The parent run of this study at this address, made if need be."""
        address = self.run.address
        for found in self._search("tags.kind = 'study'"):
            if found.data.tags.get("run_root") == address:
                self._client.update_run(found.info.run_id, status="RUNNING")
                return found.info
        tags = {"kind": "study", "study": self.study.study, "run_root": address}
        tags["mlflow.note.content"] = text(self.study.question)
        first = pc.min(self.run.arrow("trials", ["started_at"]).column("started_at")).as_py()
        return self._client.create_run(
            self._experiment_id, milliseconds(first), tags, run_name=self.study.study
        ).info

    def _find_children(self) -> tuple[set[str], dict[str, Any]]:
        """Ids of the trials that are complete, and the runs of those that a killed mirror began. Should a
        trial stand twice, because an answer was lost and the server slow, one of the two goes.
        """
        complete, begun = set[str](), dict[str, Any]()
        for child in self._search(f"tags.`mlflow.parentRunId` = '{self._parent.run_id}'"):
            trial_id = child.data.tags["trial_id"]
            if trial_id in complete or (trial_id in begun and child.info.status == "RUNNING"):
                self._client.delete_run(child.info.run_id)
            elif child.info.status == "RUNNING":
                begun[trial_id] = child.info
            else:
                if trial_id in begun:
                    self._client.delete_run(begun.pop(trial_id).run_id)
                complete.add(trial_id)
        return complete, begun

    def _find_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name, client = self.study.study, self._client
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            try:
                folder = self.place.artifacts and f"{self.place.artifacts}/{name}"
                return str(client.create_experiment(name, folder, {"mlflow.experimentKind": KIND}))
            except MlflowException:
                experiment = client.get_experiment_by_name(name)
                if experiment is None:  # not because another process was faster
                    raise
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _search(self, where: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._client.search_runs([self._experiment_id], where, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    by_trial: dict[str, list[Any]] = {}
    for row in rows:
        by_trial.setdefault(row["trial_id"], []).append(row)
    return by_trial
