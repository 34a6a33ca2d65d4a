"""The same tests on a disk and on a real S3 protocol server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer


class Server:
    """An S3 that can be stopped and comes back at the same address with all it had."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, self.port = self._server.get_host_and_port()
        self.url = f"http://{host}:{self.port}"

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """With a bucket `studies`, named to everybody by the usual variables."""
    server = Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()  # of another module's server
        s3fs.S3FileSystem().makedirs("studies", exist_ok=True)
        yield server
    server.stop()


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a run may be written that is not there yet."""
    if request.param == "local":
        return str(tmp_path / "quickstart")
    request.getfixturevalue("server")
    return f"s3://studies/{tmp_path.name}/quickstart"


@pytest.fixture
def bucket(server: Server, tmp_path: Path) -> str:
    """The same on S3 alone."""
    return f"s3://studies/{tmp_path.name}/quickstart"
