"""Real Ray clusters with token authentication, in processes and on ports of their own, and an S3 server."""

from __future__ import annotations

import contextlib
import json
import logging
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from moto.server import ThreadedMotoServer
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
from ray.util import get_node_ip_address
from s3fs import S3FileSystem

from tests.engine.tools import descendants, end, wait_for

TOKEN = "0123456789abcdef" * 4
# What `ray up` sets on a head that scales, and what the nodes on this machine need.
AUTOSCALED = {
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
    "RAY_NODE_TYPE_NAME": "ray.head.default",
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    "RAY_FAKE_CLUSTER": "1",
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
}
# A node that died without a word is given up after these, and not after Ray's 14 s.
QUICK_DEATHS = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "4"}


@dataclass(frozen=True)
class RayNode:
    """`ray start --block` and what it watches."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def terminate(self) -> None:
        """End it as a machine that is shut down does: in order, with word to the head."""
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it waits for a job that does not end
            self.process.wait(15)
        self.kill()

    def kill(self) -> None:
        """End it as a machine without power does."""
        end({self.pid: "", **descendants(self.pid)})
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class RunningHead(RayNode):
    """A head: where its dashboard and its GCS listen, and where its token lies."""

    address: str
    gcs_port: int
    token_file: Path
    environment: dict[str, str] = field(repr=False)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def start_head(cpus: int = 2, workers: int = 0, **variables: str) -> RunningHead:
    """A head that answers; its jobs, and its nodes, see `variables` beside this process's environment.

    workers: nodes of one CPU that its autoscaler may start; such a head is to be killed, not terminated.
    """
    folder = _folder()
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    gcs, dashboard, client = free_ports(3)
    environment = {
        **os.environ,
        **variables,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name in ("RAY_AUTH_TOKEN", "PYTHONPATH"):  # a job's code is what was uploaded
        environment.pop(name, None)
    options = [
        "--head",
        f"--port={gcs}",
        f"--dashboard-port={dashboard}",
        f"--ray-client-server-port={client}",
        f"--num-cpus={cpus}",
    ]
    if workers:
        options.append(f"--autoscaling-config={folder}/autoscaling.json")
        (folder / "autoscaling.json").write_text(json.dumps(_autoscaling(gcs, workers)))
        environment |= AUTOSCALED
    process = _ray_start(folder, environment, *options)
    head = RunningHead(process, folder, f"http://127.0.0.1:{dashboard}", gcs, token_file, environment)
    _wait(head)
    return head


def start_node(head: RunningHead, *options: str, cpus: int = 1) -> RayNode:
    """A node of its own `ray start OPTIONS`; it joins some seconds later."""
    folder = _folder()
    options = (f"--address=127.0.0.1:{head.gcs_port}", f"--num-cpus={cpus}", *options)
    return RayNode(_ray_start(folder, head.environment, *options), folder)


def join(head: RunningHead, *options: str, cpus: int = 1) -> RayNode:
    """A node that has joined: of two that start together on one machine, one may find its ports
    taken.
    """
    others = alive_nodes(head)
    node = start_node(head, *options, cpus=cpus)
    wait_for(lambda: bool(alive_nodes(head) - others))
    return node


def ask(head: RunningHead, path: str) -> list[dict[str, Any]]:
    """What the head's state API lists, e.g. at `nodes` or `tasks?detail=1`."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{head.address}/api/v0/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return list(json.load(answer)["data"]["result"]["result"])


def alive_nodes(head: RunningHead) -> set[str]:
    """The ids of the nodes that the head counts, itself among them."""
    return {node["node_id"] for node in ask(head, "nodes") if node["state"] == "ALIVE"}


def _autoscaling(gcs_port: int, workers: int) -> dict[str, Any]:
    """What Ray's autoscaler reads, with Ray's provider of nodes that are processes on this machine."""
    defaults = Path(ray.__file__).parent / "autoscaler" / "local" / "defaults.yaml"
    provider = {
        "type": "external",
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
        "gcs_address": f"{get_node_ip_address()}:{gcs_port}",
        "head_node_id": FAKE_HEAD_NODE_ID,
        "launch_multiple": True,
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    }
    worker = {"resources": {"CPU": 1, "object_store_memory": 80 * 2**20}, "node_config": {}, "min_workers": 0}
    kinds = {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {**worker, "max_workers": workers},
    }
    return {
        **yaml.safe_load(defaults.read_text()),
        "provider": provider,
        "head_node_type": "ray.head.default",
        "available_node_types": kinds,
        "max_workers": workers,
    }


def _folder() -> Path:
    # A short path: Ray's sockets lie under it and their names may have 107 characters. One for each node: those
    # that share it delete each other's copies of a job's code.
    return Path(tempfile.mkdtemp(prefix="bd", dir="/tmp"))


def _ray_start(folder: Path, environment: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    (agent,) = free_ports(1)
    ray = f"{os.path.dirname(sys.executable)}/ray"
    command = [ray, "start", "--block", f"--temp-dir={folder}/r", f"--dashboard-agent-listen-port={agent}"]
    # Workers' ports at random: nodes on one machine would choose from the same ones.
    command += ["--min-worker-port=0", "--max-worker-port=0", f"--object-store-memory={80 * 2**20}", *options]
    with open(folder / "log", "w") as log:
        # From elsewhere: a worker finds modules where `ray start` was.
        return subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )


def _wait(head: RunningHead) -> None:
    for _ in range(600):
        assert head.process.poll() is None, (head.folder / "log").read_text()[-2000:]
        try:
            urllib.request.urlopen(f"{head.address}/api/version", timeout=1)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError((head.folder / "log").read_text()[-2000:])


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """A real S3 protocol server on loopback with a bucket `lab`: the variables that lead to it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    S3FileSystem(key="x", secret="x", endpoint_url=url, skip_instance_cache=True).makedirs(
        "lab", exist_ok=True
    )
    yield {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture
def s3(s3_server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where this process, and every head started with `s3_server`, can keep runs of this test."""
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # one kept from before knows another server
    yield f"s3://lab/{tmp_path.name}"
    S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def ray_head(s3_server: dict[str, str]) -> Iterator[RunningHead]:
    head = start_head(**s3_server)
    yield head
    head.terminate()


@pytest.fixture
def token(ray_head: RunningHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's token, where a user would name it."""
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(ray_head.token_file))
