"""Where a run is mirrored to: a tracking server, or files beside the run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import InputError
from pipeline.store.databases import sqlite_file
from pipeline.store.files import Files
from pipeline.store.run import Run


@dataclass(frozen=True)
class Place:
    """An MLflow store. artifacts: the folder of new experiments; None: the server's own choice."""

    uri: str
    artifacts: str | None

    @property
    def shown(self) -> str:
        """The URI without a password."""
        return self.without_password(self.uri)

    def without_password(self, text: str) -> str:
        """A text that may hold the URI, as an error's may."""
        login, at, where = urlsplit(self.uri).netloc.rpartition("@")
        return text.replace(f"{login}{at}{where}", f"{login.partition(':')[0]}{at}{where}") if at else text

    @property
    def look(self) -> str:
        """Where people look at it: an address, or a command that serves one."""
        served = self.uri.startswith("http")
        return self.shown if served else f"mlflow ui --backend-store-uri {self.shown}"

    @property
    def database(self) -> str | None:
        """The absolute path of an SQLite file; None for anything else."""
        return sqlite_file(self.uri)


def place(run: Run, to: str | None = None) -> Place:
    """`to`, else MLFLOW_TRACKING_URI, else `mlflow.db` and `mlartifacts/` beside a local run.

    Raises InputError for a run in an object store, which cannot hold an SQLite file.
    """
    runs = Files(run.address.rpartition("/")[0])
    uri = to or os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        # A server has a place for files. A database has none: MLflow would take the directory it runs in.
        file = sqlite_file(uri)
        beside = os.path.dirname(file) if file else runs.path if runs.local else None
        return Place(uri, None if uri.startswith("http") or beside is None else f"{beside}/mlartifacts")
    if not runs.local:
        raise InputError(f"{run.root}: an object store cannot hold mlflow.db; set MLFLOW_TRACKING_URI")
    return Place(f"sqlite:///{runs.path}/mlflow.db", f"{runs.path}/mlartifacts")
