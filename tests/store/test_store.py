"""The store: what is read is what was committed, whatever happened to the writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from pipeline import InputError, Study, load_run
from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.store.tables import encode

STUDY = Study.load(Path(__file__).parents[2] / "studies" / "quickstart.yaml")


def rows(trial: str, count: int = 3) -> dict[str, list[dict[str, Any]]]:
    return {
        "trials": [{"trial_id": trial, "status": "completed", "seed": 2**53 + 1, "wall_seconds": 1.5}],
        "curves": [{"trial_id": trial, "step": k, "metric": "loss", "value": k / 3} for k in range(count)],
    }


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A real S3 protocol server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem().mkdir("studies")
        yield "s3://studies/runs"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "quickstart")
    return f"{request.getfixturevalue('bucket')}/{request.node.name}/quickstart"


def test_what_is_committed_is_read_back(root: str) -> None:
    run = Run(root)
    with run.writing():
        run.save_study(STUDY)
        run.save(["a"], rows("a"))
        run.save(["b", "c"], {k: rows("b")[k] + rows("c")[k] for k in ("trials", "curves")})
        run.save_artifact("a", "weights", b"\x00\x01")
    again = load_run(root)
    assert again.done() == {"a", "b", "c"}
    assert again.study.trials() == STUDY.trials()
    curves = again.table("curves")
    assert len(curves) == 9
    assert list(curves.columns) == SCHEMAS["curves"].names
    assert set(curves["study"]) == {"quickstart"}
    assert again.table("trials")["seed"].tolist() == [2**53 + 1] * 3  # no count passes through a float
    assert again.artifact("a", "weights") == b"\x00\x01"
    assert again.table("pairs").empty


def test_a_shard_without_its_commit_is_never_read_and_swept_by_the_next_writer(root: str) -> None:
    run = Run(root)
    with run.writing():
        run.save_study(STUDY)
        run.save(["a"], rows("a"))
        run.tables.write_bytes("curves/trials-dead.parquet", encode("curves", rows("dead")["curves"]))
        run.tables.write_bytes("distances/measure-dead.parquet", b"half a file")
    assert set(run.table("curves")["trial_id"]) == {"a"}
    assert run.table("distances").empty
    with run.writing():
        assert run.tables.shards("curves") == run.tables.shards("trials")
        assert run.tables.shards("distances") == []


def test_measuring_again_under_the_same_name_replaces(root: str) -> None:
    run = Run(root)
    row = {"trial_id": "a", "source": "generated", "tau_rule": "x", "n2": 5.0}
    with run.writing():
        run.save_measurement("a-x", {"collisions": [row]})
        run.save_measurement("a-x", {"collisions": [{**row, "n2": 6.0}]})
        run.save_measurement("a-y", {"collisions": [{**row, "tau_rule": "y"}]})
    assert sorted(run.table("collisions")["n2"]) == [5.0, 6.0]


def test_null_is_not_zero_and_types_stay() -> None:
    table = pq.read_table(pa.BufferReader(encode("collisions", [{"trial_id": "a", "n2": None}])))
    assert table.schema.equals(SCHEMAS["collisions"])
    assert table["n2"].null_count == 1
    with pytest.raises(KeyError, match="no column"):
        encode("curves", [{"stpe": 1}])


def test_a_table_reads_as_one_parquet_dataset(tmp_path: Path) -> None:
    # Reviewers open the folder with pandas or DuckDB, without this package.
    run = Run(tmp_path / "r")
    with run.writing():
        run.save(["a"], rows("a"))
        run.save(["b"], rows("b"))
    assert len(pd.read_parquet(tmp_path / "r" / "curves")) == 6


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    with (
        run.writing(),
        pytest.raises(InputError, match="another process is writing"),
        Run(tmp_path / "r").writing(),
    ):
        pass


def test_a_writer_killed_at_any_moment_leaves_whole_shards(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from tests.store.test_store import Run, rows\n"
        "run = Run(sys.argv[1])\n"
        "with run.writing():\n"
        "    print('ready', flush=True)\n"
        "    for k in range(10**6):\n"
        "        run.save([f't{k}'], rows(f't{k}', 50))\n"
    )
    here = str(Path(__file__).parents[2])
    rng = np.random.default_rng(0)
    finished = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "r"), here], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05 + 0.3 * rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = Run(tmp_path / "r")
        trials, curves = run.table("trials"), run.table("curves")
        assert len(curves) == 50 * len(trials)
        assert set(curves["trial_id"]) == set(trials["trial_id"])
        assert len(trials) >= finished
        finished = len(trials)
    assert finished > 6
    with run.writing():
        leftovers = [f for _, _, files in os.walk(tmp_path / "r") for f in files if f.startswith(".writing-")]
        assert leftovers == []


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        load_run(tmp_path)
    (tmp_path / "study.yaml").write_text("study: [")
    with pytest.raises(InputError, match="damaged"):
        load_run(tmp_path)
    with pytest.raises(InputError, match="did you mean 'trials'"):
        Run(tmp_path).table("trails")
