"""Run: one execution of a study, `RUNS/<study name>/`, opened for reading or for writing."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import yaml

from pipeline.documents import parse_yaml
from pipeline.errors import InputError, did_you_mean
from pipeline.store.schemas import SCHEMAS
from pipeline.store.tables import Row, Tables
from pipeline.study import Study
from pipeline.trial import content_hash

STUDY_FILE = "study.yaml"


class Run:
    """What a study left behind. `table(name)` is a pandas frame; everything else is derived from tables."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self.tables = Tables(self.root)

    @property
    def study(self) -> Study:
        """The study as it was last run here, resolved."""
        try:
            document = parse_yaml(self.tables.read_bytes(STUDY_FILE).decode())
        except FileNotFoundError:
            raise InputError(f"{self.root}: is not a run: it has no {STUDY_FILE}") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise InputError(f"{self.root}/{STUDY_FILE}: is damaged: not YAML") from None
        return Study.parse(document, f"{self.root}/{STUDY_FILE}")

    def table(self, name: str) -> pd.DataFrame:
        """A table's committed rows. Raises InputError for an unknown name or a damaged file."""
        if name not in SCHEMAS:
            raise InputError(
                f"table {name!r}: is not one of {', '.join(SCHEMAS)}{did_you_mean(name, SCHEMAS)}"
            )
        return self.tables.read(name)

    def done(self) -> set[str]:
        """Ids of the trials whose row is in the store, whatever their status."""
        return set(self.table("trials")["trial_id"])

    def save(self, trials: Sequence[str], tables: Mapping[str, Sequence[Row]]) -> None:
        """Commit the rows of finished trials, all of them or none."""
        self.tables.commit(self.study_name, "trials", tables, content_hash(sorted(trials)))

    def save_measurement(self, name: str, tables: Mapping[str, Sequence[Row]]) -> None:
        """Commit rows measured outside a trial (controls, real images, again), replacing the same name."""
        self.tables.commit(self.study_name, "measure", tables, name)

    def save_study(self, study: Study) -> None:
        """Make `study` what this run is about."""
        self.tables.write_bytes(STUDY_FILE, study.yaml().encode())

    def save_artifact(self, trial_id: str, name: str, content: bytes) -> None:
        """A trial's file, e.g. its weights."""
        self.tables.write_bytes(f"artifacts/{trial_id}/{name}", content)

    def artifact(self, trial_id: str, name: str) -> bytes:
        """A trial's file. Raises FileNotFoundError."""
        return self.tables.read_bytes(f"artifacts/{trial_id}/{name}")

    def save_embedding(self, key: str, content: bytes) -> None:
        """A fitted embedding, kept beside this run for all runs there: `RUNS/embeddings/`."""
        self._beside().write_bytes(f"embeddings/{key}.safetensors", content)

    def embedding(self, key: str) -> bytes:
        """A fitted embedding. Raises FileNotFoundError."""
        return self._beside().read_bytes(f"embeddings/{key}.safetensors")

    def save_choice(self, key: str, content: bytes) -> None:
        """A measured choice of back ends, kept beside this run for all runs there: `RUNS/back_ends/`."""
        self._beside().write_bytes(f"back_ends/{key}.json", content)

    def choice(self, key: str) -> bytes:
        """A choice of back ends. Raises FileNotFoundError."""
        return self._beside().read_bytes(f"back_ends/{key}.json")

    def _beside(self) -> Tables:
        return Tables(self.root.rpartition("/")[0] or ".")

    @property
    def study_name(self) -> str:
        """The last part of the root."""
        return self.root.rsplit("/", 1)[-1]

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for writing: refuse a second local writer, sweep away what a killed one left."""
        if not self.tables.local:
            self.tables.sweep()
            yield
            return
        try:
            os.makedirs(self.tables.root, exist_ok=True)
            lock = open(f"{self.tables.root}/.lock", "w")  # noqa: SIM115 - closed below, held meanwhile
        except OSError as error:
            raise InputError(
                f"{self.root}: the run's directory cannot be written: {error.strerror}"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{self.root}: another process is writing this run; wait for it or stop it"
                ) from None
            self.tables.sweep()
            yield


def load_run(path: str | Path) -> Run:
    """Open a run's directory or URL, e.g. `runs/quickstart`. Raises InputError if it is not one."""
    run = Run(path)
    _ = run.study
    return run
