"""A connection to an MLflow store, which is set up by one process at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from typing import Any

from pipeline.errors import InputError
from pipeline.store.databases import one_at_a_time
from pipeline.tracking.place import Place

# Set before mlflow is imported, unless the user has: no telemetry, no banner a run, and a server that is not
# there is given up after seconds; MLflow's own patience is minutes. No request is sent twice by itself: what
# was made might be made again.
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def connect(place: Place) -> Any:
    """An `MlflowClient` of a store that has answered. Raises one of `failures()`."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # They log tracebacks and retries of what is reported here in one line.
    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with one_at_a_time(place.uri):
        if place.database is not None:
            with contextlib.closing(sqlite3.connect(place.database)) as connection:
                # A third of the time of a commit; also finds a file that is no database at once, for which
                # MLflow would try for a hundred seconds.
                connection.execute("PRAGMA journal_mode = WAL")
        client = MlflowClient(place.uri, place.uri)
        client.search_experiments(max_results=1)
    return client


def leave(place: Place) -> None:
    """After much was written. Without statistics SQLite takes quadratic time to sort runs by a metric; and
    whoever copies the file shall have all of it.
    """
    if place.database is not None:
        with contextlib.closing(sqlite3.connect(place.database, timeout=20)) as connection, connection:
            connection.execute("PRAGMA analysis_limit = 1000")
            connection.execute("ANALYZE")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def failures() -> tuple[type[Exception], ...]:
    """What MLflow, its database or server, a disk or the store may raise. All else is a mistake here."""
    found: tuple[type[Exception], ...] = (OSError, sqlite3.Error, ImportError, InputError)
    with contextlib.suppress(ImportError):
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        found += (MlflowException, SQLAlchemyError, CommandError)
    return found
