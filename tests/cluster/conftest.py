"""A real Ray head with token authentication, in processes and on ports of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOKEN = "0123456789abcdef" * 4


@dataclass(frozen=True)
class RunningHead:
    """Where the dashboard listens and where its token lies."""

    address: str
    gcs_port: int
    token_file: Path


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


@pytest.fixture(scope="session")
def ray_head() -> Iterator[RunningHead]:
    # A short path: Ray's sockets lie under it and their names may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="bd", dir="/tmp"))
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    gcs, dashboard, agent, client = free_ports(4)
    command = [
        f"{os.path.dirname(sys.executable)}/ray",
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
    ]
    command += ["--num-cpus=2", f"--port={gcs}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}/r"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"]
    command += [f"--object-store-memory={80 * 2**20}"]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{dashboard}"
    try:
        _wait(address, process, folder / "log")
        yield RunningHead(address, gcs, token_file)
    finally:
        process.send_signal(signal.SIGTERM)  # ends what --block watches, too
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=1)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture
def token(ray_head: RunningHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's token, where a user would name it."""
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(ray_head.token_file))
