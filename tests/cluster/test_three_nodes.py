"""A cluster whose nodes come and go under a submitted study: what counts is as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from s3fs import S3FileSystem

from tests.cluster.conftest import (
    QUICK_DEATHS,
    RayNode,
    RunningHead,
    alive_nodes,
    ask,
    join,
    start_head,
)
from tests.engine.tools import TINY, Command, assert_same, wait_for

CHANGES = ("base.training.steps=100", "vary.seed.count=5", "resources.back_end=reference")


@pytest.fixture
def head(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningHead]:
    """A head on which no trial runs, named where a user would name it."""
    started = start_head(cpus=0, **s3_server, **QUICK_DEATHS)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(started.token_file))
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", started.address)
    yield started
    started.kill()


@pytest.mark.soak
@pytest.mark.parametrize("leave", [RayNode.terminate, RayNode.kill])
def test_nodes_come_and_go(
    head: RunningHead, s3: str, tmp_path: Path, birthday: Command, leave: Callable[[RayNode], None]
) -> None:
    """`terminate` is what an operator does; without power there is no word."""
    sets = [word for text in CHANGES for word in ("--set", text)]
    (tmp_path / "study.yaml").write_text(TINY)
    nodes: list[RayNode] = []

    def joined(name: str, *options: str) -> RayNode:
        nodes.append(join(head, f'--resources={{"{name}": 1}}', *options))
        return nodes[-1]

    files = S3FileSystem(use_listings_cache=False)
    try:
        joined("stays", "--num-gpus=2")
        leaving = joined("leaves")
        job = birthday("submit", tmp_path / "study.yaml", "--runs", s3, *sets, "--no-wait").out.split()[-1]
        joined("late", "--num-gpus=1")
        wait_for(lambda: bool(files.glob(f"{s3}/tiny/trials/*.parquet")))
        wait_for(lambda: "leaves" in busy(head, "RUNNING"))
        leave(leaving)
        said = birthday("logs", job, "--follow")
        assert said.code == 0, said
        assert len(alive_nodes(head)) == 3
        assert {"stays", "late"} <= busy(head, "FINISHED")
        if leave is RayNode.kill:  # a worker that is told keeps its state and returns
            assert "leaves" in busy(head, "FAILED")
        tasks = ask(head, "tasks?detail=1&limit=1000")
        assert not [task for task in tasks if "GPU" in (task["required_resources"] or {})]
    finally:
        for node in nodes:
            node.kill()

    S3FileSystem.clear_instance_cache()
    run = f"{s3}/tiny"
    assert "tiny: 10 of 10 trials done, 0 missing\n  completed: 10" in birthday("status", run).out
    assert birthday("verify", run).code == 0
    stored = pd.concat(pd.read_parquet(f"s3://{shard}") for shard in files.glob(f"{run}/trials/*.parquet"))
    assert len(stored) == stored["trial_id"].nunique() == 10  # as it lies there
    birthday("run", tmp_path / "study.yaml", "--runs", tmp_path, "--engine", "inline", "--no-mlflow", *sets)
    assert_same(run, tmp_path / "tiny", "attempts")
    files.rm(run, recursive=True)


def busy(head: RunningHead, state: str) -> set[str]:
    """The nodes, by their own resource, on which trials are in this state."""
    names = {
        node["node_id"]: name
        for node in ask(head, "nodes?detail=1")
        for name in ("stays", "leaves", "late")
        if name in node["resources_total"]
    }
    tasks = ask(head, "tasks?detail=1&limit=1000")
    return {
        names.get(task["node_id"], "head")
        for task in tasks
        if task["state"] == state and task["type"] == "NORMAL_TASK"
    }
