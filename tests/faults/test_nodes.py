"""Nodes that are told to go, nodes that are gone, and a head that is gone."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import QUICK_DEATHS, RayNode, RunningHead, join, start_head
from tests.engine.tools import descendants, numbers, wait_for
from tests.faults.tools import STEPS, assert_survived, driver, steps_done, under_way, write_study
from tests.faults.workers import Course, courses


@pytest.fixture(scope="module")
def head() -> Iterator[RunningHead]:
    """A head that runs no trials."""
    head = start_head(cpus=0, **QUICK_DEATHS)
    yield head
    head.terminate()


def words(head: RunningHead, folder: Path, runs: Path) -> list[str | Path]:
    study = write_study(folder)
    return ["run", study, "--runs", runs, "--no-mlflow", "--address", f"127.0.0.1:{head.gcs_port}"]


def token(head: RunningHead) -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(head.token_file)}


def hit(node: RayNode, runs: Path) -> Course:
    """A trial in the middle of its training on this node."""
    found: list[Course] = []

    def seen() -> bool:
        here = descendants(node.pid)
        found.extend(course for pid, course in under_way(runs, 15).items() if pid in here)
        return bool(found)

    wait_for(seen)
    return found[0]


@pytest.mark.soak
@pytest.mark.parametrize("notice", [True, False])
def test_a_node_that_goes(
    notice: bool, head: RunningHead, runs: Path, tmp_path: Path, undisturbed: Path
) -> None:
    """With notice it gives its trial back; without, the trial goes on from its last checkpoint. Neither is
    the trial's fault.
    """
    nodes: list[RayNode] = []
    try:
        for _ in range(2):
            nodes.append(join(head))
        process = driver(*words(head, tmp_path, runs), **token(head))
        course = hit(nodes[0], runs)
        if notice:
            nodes[0].process.send_signal(signal.SIGTERM)
        else:
            nodes[0].kill()
        out, said = process.communicate(timeout=150)
        assert process.returncode == 0, (out, said)
    finally:
        for node in nodes:
            node.kill()
    assert_survived(runs / "tiny", undisturbed)  # attempts included
    assert set(numbers(runs / "tiny")["trials"]["attempts"]) == {1}
    (resumed,) = [own for own in courses(runs).values() if own[0].pid == course.pid and len(own) > 1]
    first, second = resumed
    assert second.pid != first.pid
    assert first.steps - second.begun in ((0,) if notice else (0, 1))
    assert second.begun + second.steps == STEPS


@pytest.mark.soak
@pytest.mark.parametrize("patience", [5, 60])
def test_a_head_that_is_gone(patience: int, runs: Path, tmp_path: Path, undisturbed: Path) -> None:
    """Its driver ends once Ray has given the head up, by default after a minute; another head goes on."""
    ray = {"RAY_gcs_rpc_server_reconnect_timeout_s": str(patience)}
    head = start_head(cpus=0, **ray)
    node = join(head, cpus=2)
    try:
        process = driver(*words(head, tmp_path, runs), **token(head), **ray)
        wait_for(lambda: bool(under_way(runs, 10)))
        head.kill()
        began = time.monotonic()
        _, said = process.communicate(timeout=patience + 45)
        assert process.returncode == 1
        assert time.monotonic() - began > patience - 1
        (line,) = said.splitlines()
        assert f"Failed to connect to GCS within {patience} seconds" in line
    finally:
        head.kill()
        node.kill()
    before = steps_done(runs)
    assert before >= 10
    head = start_head(cpus=2, **ray)
    try:
        process = driver(*words(head, tmp_path, runs), **token(head))
        out, said = process.communicate(timeout=150)
        assert process.returncode == 0, (out, said)
    finally:
        head.terminate()
    assert_survived(runs / "tiny", undisturbed)
    resumed = [own for own in courses(runs).values() if len(own) > 1]
    assert resumed
    assert all(first.begun + first.steps - second.begun in (0, 1) for first, second, *_ in resumed)
