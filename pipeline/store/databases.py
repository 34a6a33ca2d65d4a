"""Databases that other packages set up when they first open them, and that two at once would break."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

# Names our lock in a PostgreSQL database: "birt".
SETTING_UP = 0x62697274


def sqlite_file(url: str) -> str | None:
    """The absolute path of the file that an SQLAlchemy URL names; None for anything but SQLite on a disk."""
    scheme, _, path = url.partition(":///")
    on_disk = scheme.partition("+")[0] == "sqlite" and path and not path.startswith(":")
    return os.path.abspath(path) if on_disk else None


@contextlib.contextmanager
def one_at_a_time(url: str) -> Iterator[None]:
    """Hold a lock beside an SQLite file, whose folder is made, or in a PostgreSQL database; nothing for
    other URLs. Raises what the file system or SQLAlchemy raises.
    """
    file = sqlite_file(url)
    if file is not None:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(f"{file}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    elif url.startswith("postgresql"):
        import sqlalchemy

        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({SETTING_UP})"))
                yield
        finally:
            engine.dispose()
    else:
        yield
