"""A real PostgreSQL server of one test session, from the distribution's packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    """Listens on loopback alone, without passwords."""

    binaries: Path
    folder: str
    port: int

    def url(self, database: str) -> str:
        """A new database's URL for SQLAlchemy."""
        self.call("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.call(
            "pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-o", options, "-w", "start"
        )

    def stop(self) -> None:
        """At once, as a machine that goes down."""
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def call(self, name: str, *words: str) -> None:
        command = [str(self.binaries / name), *words]
        if os.getuid() == 0:  # PostgreSQL refuses to be root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """Skips where PostgreSQL is not installed; under CI that is a failure."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    folder = tempfile.mkdtemp(prefix="bdpg")
    os.chmod(folder, 0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(found[-1].parent, folder, port)
    server.call("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-N")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
