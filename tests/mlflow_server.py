"""A real MLflow server of one test session: cluster/mlflow-server.sh itself, on a real PostgreSQL and an S3 server.

    with team_server() as server:
        server.url, server.username, server.password   # http://127.0.0.1:PORT, and whom it knows
        server.client    # the same as the variables of a client
        server.kill()    # as a machine that goes down
        server.start()   # at the same address, with all it had

The fixture `mlflow_server` in tests/conftest.py keeps one for the session.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from tests.engine.tools import alive, descendants, wait_for
from tests.postgres import Server, postgresql

SCRIPT = Path(__file__).parents[1] / "cluster" / "mlflow-server.sh"
BUCKET = "mlflow"
UP_SECONDS = 240.0  # 5 s of a CPU three times over, on a machine that does other things


@dataclass
class MlflowServer:
    """One run of the script; `settings` is its whole environment beside the PATH."""

    folder: Path
    port: int
    settings: dict[str, str] = field(repr=False)
    database: Server
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def username(self) -> str:
        return self.settings["MLFLOW_AUTH_ADMIN_USERNAME"]

    @property
    def password(self) -> str:
        return self.settings["MLFLOW_AUTH_ADMIN_PASSWORD"]

    @property
    def client(self) -> dict[str, str]:
        """The variables by which a client reaches it."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": self.username,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    @property
    def log(self) -> str:
        """What it has printed since it was first started."""
        return (self.folder / "log").read_text()

    def launch(self) -> None:
        """Start it and do not wait."""
        self.folder.mkdir(exist_ok=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            "PATH": path,
            "TMPDIR": str(self.folder),
            "MLFLOW_PORT": str(self.port),
            **self.settings,
        }
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["bash", SCRIPT],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, seconds: float = UP_SECONDS) -> None:
        """Until it answers."""
        assert self.process is not None
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.log[-3000:]
            assert time.monotonic() < end, self.log[-3000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            time.sleep(0.1)

    def start(self) -> None:
        self.launch()
        self.wait()

    def kill(self) -> None:
        """Every process of it at once, as a machine that goes down."""
        if self.process is not None:
            all_of_it = descendants(self.process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            wait_for(lambda: not any(map(alive, all_of_it)))

    def stop(self) -> int:
        """As systemd or Kubernetes would end it; its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def processes(self) -> dict[int, str]:
        """Process id -> command line, of all of it."""
        assert self.process is not None
        own = Path(f"/proc/{self.process.pid}/cmdline").read_text().replace("\0", " ").strip()
        return {self.process.pid: own, **descendants(self.process.pid)}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def s3_bucket() -> Iterator[dict[str, str]]:
    """The variables that lead to an S3 server on loopback, in which there is BUCKET."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "the-servers-own",
        "AWS_SECRET_ACCESS_KEY": "the-servers-own",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    s3(variables).create_bucket(Bucket=BUCKET)
    try:
        yield variables
    finally:
        server.stop()


def s3(variables: dict[str, str]) -> boto3.client:
    """A client of the S3 server, by its variables and not by this process's environment."""
    return boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )


def new_database(server: Server, name: str, password: str) -> str:
    """The URL of a database that belongs to a user of the same name, with a (percent-encoded) password.

    The server asks for none, so any will do.
    """
    where = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres")
    server.call("createuser", *where, name)
    server.call("createdb", *where, "--owner", name, name)
    return f"postgresql+psycopg://{name}:{password}@127.0.0.1:{server.port}/{name}"


@contextlib.contextmanager
def team_server(workers: int = 1) -> Iterator[MlflowServer]:
    """One that answers, with databases of its own; skips where PostgreSQL is not installed, under CI that fails."""
    folder = Path(tempfile.mkdtemp(prefix="bdml"))
    try:
        with postgresql() as database, s3_bucket() as bucket:
            settings = {
                "MLFLOW_BACKEND_STORE_URI": new_database(
                    database, "mlflow", f"{secrets.token_hex(12)}%25%40"
                ),
                "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/team",
                "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
                "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_hex(12),
                "MLFLOW_WORKERS": str(workers),
                **bucket,
            }
            server = MlflowServer(folder, free_port(), settings, database)
            try:
                server.start()
                yield server
            finally:
                server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
