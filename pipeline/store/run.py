"""Run: one execution of a study, `RUNS/<study name>/`, opened for reading or for writing."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pipeline.documents import parse_yaml
from pipeline.errors import InputError, did_you_mean
from pipeline.store.files import READING, WRITING, Files
from pipeline.store.lease import Held, Lease, acquire, current
from pipeline.store.schemas import SCHEMAS
from pipeline.store.shards import Shards
from pipeline.store.tables import Row, Where, frame
from pipeline.store.writer import Writer
from pipeline.study import Study

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

STUDY_FILE, BEST_FILE, MLFLOW_FILE, SUFFIX = "study.yaml", "best.yaml", "mlflow.json", ".safetensors"
log = logging.getLogger(__name__)


class Run:
    """What a study left behind. `table(name)` is a pandas frame; everything else is derived from tables.

    root: a directory or any fsspec URL. Making a Run touches nothing, so it may be sent to any process.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self.files = Files(self.root)
        self._shards = Shards(self.files)
        self._writer: Writer | None = None

    def __reduce__(self) -> tuple[type[Run], tuple[str]]:
        return Run, (self.root,)

    @property
    def study_name(self) -> str:
        """The last part of the root."""
        return self.root.rsplit("/", 1)[-1]

    @property
    def address(self) -> str:
        """The root as processes elsewhere may name it: absolute, or a URL."""
        return self.files.path if self.files.local else self.root

    @property
    def study(self) -> Study:
        """The study as it was last run here, resolved."""
        try:
            document = parse_yaml(self.files.read(STUDY_FILE).decode())
        except FileNotFoundError:
            raise InputError(f"{self.root}: is not a run: it has no {STUDY_FILE}") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise InputError(f"{self.root}/{STUDY_FILE}: is damaged: not YAML") from None
        return Study.parse(document, f"{self.root}/{STUDY_FILE}")

    # --- reading -----------------------------------------------------------------------------------------

    def table(
        self, name: str, columns: Sequence[str] | None = None, where: Where | None = None
    ) -> pd.DataFrame:
        """A table's committed rows, each once, in the order of trial ids; all columns or these.

        where: by column the values that rows may have there, None among them for a missing one; of columns
        that tell rows apart, or of `embedding`. No more is read of a run than such rows need.
        Raises InputError for an unknown name or a damaged file.
        """
        return frame(self.arrow(name, columns, where))

    def arrow(self, name: str, columns: Sequence[str] | None = None, where: Where | None = None) -> pa.Table:
        """The same as an Arrow table, without pandas."""
        return self._shards.read(_known(name), columns, where)

    def held(self) -> set[str]:
        """The tables that have rows; reads none."""
        return {name for m in self._shards.committed().values() for name in m.files} & set(SCHEMAS)

    def batches(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The same rows a file at a time, for tables that do not fit in memory: those of one trial from one
        file in their order, trials in no order.

        Raises InputError also where a writer merges files away meanwhile.
        """
        return self._shards.batches(_known(name), SCHEMAS[name].names if columns is None else columns)

    def done(self) -> set[str]:
        """Ids of the trials whose row is in the store, whatever their status; reads no table."""
        found = self._shards.committed().values()
        return {trial for manifest in found if manifest.kind == "trials" for trial in manifest.trials}

    def beside(self) -> list[str]:
        """Ids of what was measured and is no trial: real images, controls; reads no table."""
        found = self._shards.committed().values()
        return sorted({trial for manifest in found for trial in manifest.trials} - self.done())

    def measurements(self) -> list[str]:
        """The names under which rows were measured outside a trial."""
        found = (m.shard for m in self._shards.committed().values() if m.kind == "measure")
        return [shard.removeprefix("measure-").rpartition(".")[0] for shard in found]

    def rows(self, trials: Collection[str], tables: Sequence[str]) -> Iterator[dict[str, list[Row]]]:
        """The rows that were committed with these trials, by table, of at most 64 trials at a time."""
        return self._shards.rows(trials, tables)

    def players(self, trial_id: str) -> bytes:
        """A trial's weights: a safetensors file of keys `<player>/<tensor>`, of none if the trial left none.

        Raises FileNotFoundError for a trial that is not here, InputError for weights damaged or missing.
        """
        return self._shards.players(trial_id)

    def lease(self) -> Lease | None:
        """Who writes this run, or did last; `held()` of it says whether they still do."""
        return current(self.files)

    # --- writing -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for writing, sweep away what a killed writer left, and merge small shards meanwhile.

        While it lasts a store that does not answer is tried for ten minutes. Raises InputError at once if
        another holds the run, and at the next write if another has taken over.
        """
        with self.holding() as held:

            def confirm() -> None:
                held.look()
                held.check()

            self._writer = writer = Writer(self.study_name, self._shards, confirm)
            try:
                yield
                writer.finish()
            finally:
                self._writer = None
                self.files.patience = READING  # what is merged just now is nothing to wait for
                writer.stop()

    @contextlib.contextmanager
    def holding(self) -> Iterator[Held]:
        """Hold the run's lease and change nothing."""
        held = acquire(self.root)
        self.files.patience, self.files.fence = WRITING, held.check
        try:
            yield held
        finally:
            self.files.patience, self.files.fence = READING, lambda: None
            held.release()

    @contextlib.contextmanager
    def mirroring(self) -> Iterator[None]:
        """Be the only one who mirrors the run; raises InputError if another does. Its writer may go on."""
        held = acquire(f"{self.root}/mirror", "mirroring this run")
        try:
            yield
        finally:
            held.release()

    def save(
        self,
        trials: Sequence[str],
        tables: Mapping[str, Iterable[Row]],
        weights: Mapping[str, bytes] | None = None,
    ) -> None:
        """Commit the rows and weights of finished trials, all or none; those that are here already stay.

        weights: by trial a safetensors file of keys `<player>/<tensor>`.
        """
        self._writing.trials(trials, tables, weights or {})

    def save_measurement(self, name: str, tables: Mapping[str, Iterable[Row]]) -> None:
        """Commit rows measured outside a trial (controls, real images, again), replacing the same name."""
        self._writing.again("measure", name, tables)

    def save_labels(self, name: str, rows: Iterable[Row]) -> None:
        """Commit a rater's labels, replacing the same name; there may be none any more."""
        self._writing.again("labels", name, {"labels": rows})

    def save_study(self, study: Study) -> None:
        """Make `study` what this run is about."""
        self.files.replace(STUDY_FILE, study.yaml().encode())

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("rows are committed inside `with run.writing():`")
        return self._writer

    # --- where it is shown ---------------------------------------------------------------------------------

    def save_mlflow(self, where: Mapping[str, str]) -> None:
        """Note where the run stands in MLflow: uri (without password), experiment, experiment_id, run_id."""
        content = json.dumps(where, indent=1).encode() + b"\n"
        if content != self._mlflow():
            self.files.replace(MLFLOW_FILE, content)

    def mlflow(self) -> dict[str, str] | None:
        """Where the run was mirrored to last; None if nowhere."""
        with contextlib.suppress(ValueError):  # damaged: to be noted anew, and nothing depends on it
            found = json.loads(self._mlflow() or b"null")
            if isinstance(found, dict) and {"uri", "experiment", "experiment_id", "run_id"} <= found.keys():
                return {key: str(value) for key, value in found.items()}
        return None

    def _mlflow(self) -> bytes | None:
        try:
            return self.files.read(MLFLOW_FILE)
        except FileNotFoundError:
            return None

    # --- checkpoints: of trials under way, by whoever trains them ----------------------------------------

    def save_checkpoint(self, key: str, content: bytes) -> bool:
        """Keep a trial's or cohort's state, replacing the same key.

        False, and nothing is written, where this machine does not see the run or the store does not take it:
        training goes on without.
        """
        if self.files.local and not os.path.isdir(self.files.path):
            return False
        try:
            self.files.replace(_checkpoint(key), content)
        except InputError as error:
            log.warning("checkpoint %s is not kept: %s", key, error)
            return False
        return True

    def checkpoint(self, key: str, most: int | None = None) -> bytes | None:
        """What was kept under a key; of it no more than so many bytes."""
        try:
            return self.files.read(_checkpoint(key), 0, most)
        except FileNotFoundError:
            return None

    def checkpoints(self) -> list[str]:
        """The keys under which something is kept."""
        names = (name.rpartition("/")[2] for name in self.files.list("checkpoints"))
        return sorted(n.removesuffix(SUFFIX) for n in names if n.endswith(SUFFIX))

    def drop_checkpoint(self, key: str) -> None:
        """Forget what was kept under a key, if anything was."""
        self.files.remove([_checkpoint(key)])

    # --- beside this run, for all runs there -------------------------------------------------------------

    def save_embedding(self, key: str, content: bytes) -> None:
        """A fitted embedding: `RUNS/embeddings/`."""
        self._beside().replace(f"embeddings/{key}{SUFFIX}", content)

    def embedding(self, key: str) -> bytes:
        """A fitted embedding. Raises FileNotFoundError."""
        return self._beside().read(f"embeddings/{key}{SUFFIX}")

    def save_choice(self, key: str, content: bytes) -> None:
        """A measured choice of back ends: `RUNS/back_ends/`."""
        self._beside().replace(f"back_ends/{key}.json", content)

    def choice(self, key: str) -> bytes:
        """A choice of back ends. Raises FileNotFoundError."""
        return self._beside().read(f"back_ends/{key}.json")

    def choices(self, prefix: str) -> list[str]:
        """The keys of choices that begin so."""
        names = (name.rpartition("/")[2].removesuffix(".json") for name in self._beside().list("back_ends"))
        return sorted(name for name in names if name.startswith(prefix))

    def _beside(self) -> Files:
        files = Files(self.root.rpartition("/")[0] or ".")
        files.patience = self.files.patience
        return files


def _known(table: str) -> str:
    if table not in SCHEMAS:
        raise InputError(f"table {table!r}: is not one of {', '.join(SCHEMAS)}{did_you_mean(table, SCHEMAS)}")
    return table


def _checkpoint(key: str) -> str:
    return f"checkpoints/{key}{SUFFIX}"


def load_run(path: str | Path) -> Run:
    """Open a run's directory or URL, e.g. `runs/quickstart`. Raises InputError if it is not one."""
    run = Run(path)
    _ = run.study
    return run
