"""A study on a head that has no worker yet: refused at once, or carried out by nodes that its autoscaler starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import load_run
from tests.cluster.conftest import TOKEN, RunningHead, alive_nodes, start_head
from tests.engine.tools import TINY, Said, start


def run_there(head: RunningHead, folder: Path, *changes: str) -> Said:
    """`birthday run` at a head, in a process of its own: Ray reads its variables once."""
    (folder / "study.yaml").write_text(TINY)
    words = [word for change in changes for word in ("--set", change)]
    address = f"127.0.0.1:{head.gcs_port}"
    process = start(
        "run", folder / "study.yaml", "--runs", folder, "--no-mlflow", "--address", address, *words
    )
    out, err = process.communicate(timeout=200)
    return Said(process.returncode, out, err)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every head's."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


@pytest.fixture(scope="module")
def growing() -> Iterator[RunningHead]:
    """A head that may start two nodes."""
    head = start_head(cpus=0, workers=2)
    yield head
    head.kill()


def test_no_worker_and_no_autoscaler_is_one_line(tmp_path: Path) -> None:
    head = start_head(cpus=0)
    try:
        said = run_there(head, tmp_path)
    finally:
        head.kill()
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line == (
        f"birthday: resources.cpus: 1: the cluster at 127.0.0.1:{head.gcs_port} has no node with more than 0 CPU, "
        "so no trial could ever start"
    )
    assert not (tmp_path / "tiny").exists()


def test_what_no_node_to_come_could_carry_is_one_line(growing: RunningHead, tmp_path: Path) -> None:
    said = run_there(growing, tmp_path, "resources.cpus=7")
    assert said.code == 2
    line = said.err.splitlines()[-1]
    assert line.startswith("birthday: resources.cpus: 7: the cluster at 127.0.0.1:")
    assert (
        ", even with its autoscaler, has no node with more than 0 CPU, so no trial could ever start" in line
    )
    assert load_run(tmp_path / "tiny").done() == set()
    assert len(alive_nodes(growing)) == 1


def test_an_autoscaler_starts_workers(growing: RunningHead, tmp_path: Path) -> None:
    said = run_there(growing, tmp_path)
    assert said.code == 0, said
    assert "has no node for a trial; waiting for its autoscaler" in said.err
    assert len(load_run(tmp_path / "tiny").done()) == 4
    assert len(alive_nodes(growing)) > 1
