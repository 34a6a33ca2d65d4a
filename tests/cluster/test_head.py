"""Finding a head: every wrong address is one line, within seconds."""

from __future__ import annotations

import http.server
import importlib.metadata
import json
import platform
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.head import find_head
from pipeline.errors import InputError
from tests.cluster.conftest import TOKEN, RunningHead, free_ports


def refusal(address: str) -> str:
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        find_head(address)
    assert time.monotonic() - began < 6
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"--address {address}: ")


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "ftp://head"])
def test_what_is_no_dashboard_address(address: str) -> None:
    assert refusal(address).startswith("must be the dashboard of a Ray head")


def test_nothing_listens() -> None:
    (port,) = free_ports(1)
    assert refusal(f"http://127.0.0.1:{port}").startswith("cannot be reached (Connection refused)")


def test_no_such_host() -> None:
    assert refusal("http://no-such-host.invalid:8265").startswith("cannot be reached (")


def test_a_listener_that_never_answers() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert refusal(f"127.0.0.1:{listener.getsockname()[1]}") == "no answer within 4 s"


class Dashboard(http.server.BaseHTTPRequestHandler):
    """Answers like a head without token authentication; `pages` holds path -> JSON text."""

    pages: dict[str, str]

    def do_GET(self) -> None:
        body = self.pages.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages() -> dict[str, str]:
    return {
        "/api/version": json.dumps({"ray_version": "2.60.0"}),
        "/api/v0/cluster_metadata": json.dumps({"data": {"pythonVersion": "3.12.1"}}),
    }


@pytest.fixture
def dashboard(pages: dict[str, str]) -> Iterator[str]:
    handler = type("Handler", (Dashboard,), {"pages": pages})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("answer", ["", "<html>", "[1]", "{}"])
def test_a_web_server_that_is_no_dashboard(dashboard: str, pages: dict[str, str], answer: str) -> None:
    pages["/api/version"] = answer
    assert refusal(dashboard).startswith("is not a Ray dashboard")


def minor(version: str, step: int) -> str:
    """The version whose second number is higher by `step`."""
    first, second, *rest = version.split(".")
    return ".".join([first, str(int(second) + step), *rest])


RAY, PYTHON = importlib.metadata.version("ray"), platform.python_version()


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("Ray", RAY, minor(RAY, -1)),
        ("Ray", RAY, f"3.{RAY.split('.')[1]}.0"),
        ("Python", PYTHON, minor(PYTHON, 1)),
    ],
)
def test_other_versions_than_the_cluster_has(
    dashboard: str, pages: dict[str, str], name: str, ours: str, theirs: str
) -> None:
    if name == "Ray":
        pages["/api/version"] = json.dumps({"ray_version": theirs})
    else:
        pages["/api/v0/cluster_metadata"] = json.dumps({"data": {"pythonVersion": theirs}})
    head = find_head(dashboard)  # looking after jobs needs no equal versions
    with pytest.raises(InputError) as caught:
        head.check_versions()
    (line,) = str(caught.value).splitlines()
    assert f"the cluster runs {name} {theirs} and this is {name} {ours}; install {name} " in line


def test_other_patches_and_unknown_versions_pass(dashboard: str, pages: dict[str, str]) -> None:
    pages["/api/version"] = json.dumps({"ray_version": RAY.rpartition(".")[0] + ".99"})
    pages["/api/v0/cluster_metadata"] = "{}"
    find_head(dashboard).check_versions()


def test_a_head_without_token_gets_no_token(dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert find_head(dashboard + "/").headers == {}


def test_python_of_another_machine(dashboard: str, pages: dict[str, str]) -> None:
    """A loopback address may be a tunnel: what counts is where the head says it is."""
    for ip, python in (("203.0.113.7", "python"), ("127.0.0.1", sys.executable)):
        node = {"is_head_node": True, "node_ip": ip}
        pages["/api/v0/nodes"] = json.dumps({"data": {"result": {"result": [node]}}})
        assert find_head(dashboard).python() == python


@pytest.mark.usefixtures("token")
def test_a_real_head(ray_head: RunningHead) -> None:
    head = find_head(ray_head.address.removeprefix("http://"))
    assert head.url == ray_head.address
    assert head.headers == {"authorization": f"Bearer {TOKEN}"}
    assert head.python() == sys.executable
    assert head.versions == {"Ray": RAY, "Python": PYTHON}
    head.check_versions()


def test_a_wrong_token(ray_head: RunningHead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    assert refusal(ray_head.address).startswith("the cluster refuses the token; set RAY_AUTH_TOKEN")


def test_no_token(ray_head: RunningHead, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "absent"))
    assert refusal(ray_head.address).startswith(
        f"the cluster asks for a token and {tmp_path}/absent holds none"
    )


def test_the_wrong_port_of_a_real_head(ray_head: RunningHead) -> None:
    assert "8265" in refusal(f"http://127.0.0.1:{ray_head.gcs_port}")
