"""The store: what is read is what was committed, whatever happened to the writer."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import InputError, Study, load_run
from pipeline.store.files import Files
from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from pipeline.store.tables import encode, typed
from tests.store.rows import assert_players, rows, weights

STUDY = Study.load(Path(__file__).parents[2] / "studies" / "quickstart.yaml")


def names(root: str, folder: str = "") -> list[str]:
    return sorted(Files(root).list(folder, deep=True))


def test_what_is_committed_is_read_back(root: str) -> None:
    run = Run(root)
    with run.writing():
        run.save_study(STUDY)
        run.save(["a"], rows("a"), weights("a"))
        run.save(["b", "c"], rows("b", "c"), weights("c"))
    again = load_run(root)
    assert again.done() == {"a", "b", "c"}
    assert again.study.trials() == STUDY.trials()
    curves = again.table("curves")
    assert len(curves) == 9
    assert list(curves.columns) == SCHEMAS["curves"].names
    assert set(curves["study"]) == {"quickstart"}
    assert again.table("trials")["seed"].tolist() == [2**53 + 1] * 3  # no count passes through a float
    assert again.table("trials", ["status", "trial_id"]).columns.tolist() == ["status", "trial_id"]
    assert again.table("pairs").empty
    assert_players(again.players("a"), "a")
    assert_players(again.players("c"), "c")
    assert len(again.players("b")) == 16  # a file of no tensors
    with pytest.raises(FileNotFoundError, match="holds no trial d"):
        again.players("d")


def test_a_reader_sees_what_is_committed_while_it_reads(root: str) -> None:
    run, reader = Run(root), Run(root)
    with run.writing():
        assert reader.done() == set()
        for k, trial in enumerate("abc", 1):
            run.save([trial], rows(trial))
            assert len(reader.done()) == len(reader.table("trials")) == k


def test_a_manifest_states_every_file(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    with run.writing():
        run.save(["b", "a"], rows("a", "b"), weights("a", "b"))
    (path,) = (tmp_path / "r" / "commits").iterdir()
    manifest = json.loads(path.read_bytes())
    assert manifest["trials"] == ["a", "b"]
    assert {folder: file["rows"] for folder, file in manifest["files"].items()} == {
        "trials": 2,
        "curves": 6,
        "weights": 6,
    }
    for folder, file in manifest["files"].items():
        (found,) = (tmp_path / "r" / folder).iterdir()
        assert found.stem == path.stem
        assert found.stat().st_size == file["bytes"]
        said = subprocess.run(["sha256sum", found], capture_output=True, text=True, check=True).stdout
        assert said.split()[0] == file["sha256"]


def test_a_shard_without_manifest_is_never_read_and_swept_by_the_next_writer(root: str) -> None:
    run = Run(root)
    with run.writing():
        run.save_study(STUDY)
        run.save(["a"], rows("a"))
    before = names(root)
    strays = Files(root)
    strays.replace("curves/trials-dead.parquet", encode(typed("curves", rows("dead")["curves"])))
    strays.replace("distances/measure-dead.1.parquet", b"half a file")
    strays.replace("weights/trials-dead.safetensors", b"half a file")
    strays.replace("curves/.writing-0", b"PAR1")
    strays.replace("commits/.writing-1", b"{")
    strays.replace("notes.txt", b"not ours")
    assert set(run.table("curves")["trial_id"]) == run.done() == {"a"}
    assert run.table("distances").empty
    with run.writing():
        pass
    assert [n for n in names(root) if "lease" not in n] == sorted(
        [*(n for n in before if "lease" not in n), "notes.txt"]
    )


def test_committing_twice_changes_nothing(root: str) -> None:
    run = Run(root)
    later = {"trials": [{"trial_id": t, "status": "failed"} for t in "ab"]}
    with run.writing():
        run.save(["a", "b"], rows("a", "b"), weights("a"))
        files = Files(root).list(deep=True)
        run.save(["b", "a"], later)
        assert Files(root).list(deep=True) == files
        run.save(
            ["b", "c"], {"trials": [later["trials"][1], *rows("c")["trials"]]}
        )  # a trial's first end counts
    with run.writing():
        run.save(["a", "b"], later)
    assert run.table("trials")["status"].tolist() == ["completed"] * 3
    assert run.table("trials")["trial_id"].tolist() == ["a", "b", "c"]


def test_measuring_again_under_the_same_name_replaces(root: str) -> None:
    run = Run(root)
    row = {"trial_id": "a", "source": "generated", "tau_rule": "x", "n2": 5.0}
    with run.writing():
        run.save_measurement("a-x", {"collisions": [row], "modes": [{"trial_id": "a"}]})
        run.save_measurement("a-x", {"collisions": [{**row, "n2": 6.0}]})
        run.save_measurement("a-y", {"collisions": [{**row, "tau_rule": "y"}]})
    assert sorted(run.table("collisions")["n2"]) == [5.0, 6.0]
    assert run.table("modes").empty
    files = Files(root).list("commits")
    assert sorted(files) == ["commits/measure-a-x.2.json", "commits/measure-a-y.1.json"]
    with run.writing():
        run.save_measurement("a-y", {"collisions": [{**row, "tau_rule": "y"}]})
    assert Files(root).list("commits") == files


def test_labels_taken_back_are_gone(root: str) -> None:
    run = Run(root)
    labels = [{"trial_id": "a", "first": k, "second": k + 1, "rater": "ann"} for k in range(3)]
    with run.writing():
        for count in (1, 2, 3, 2, 1, 0, 1):
            run.save_labels("ann", labels[:count])
            assert run.table("labels")["first"].tolist() == list(range(count))


def test_a_trial_measured_twice_under_one_rule_counts_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    row = {"trial_id": "b", "source": "generated", "samples": 9, "tau_rule": "x", "n2": 5.0}
    with run.writing():
        run.save(["b"], rows("b") | {"collisions": [row, dict(row)]})
        run.save(["a"], rows("a") | {"collisions": [row | {"trial_id": "a"}]})
        run.save_measurement("b", {"collisions": [row, row | {"tau_rule": "y"}]})
    found = run.table("collisions", ["trial_id", "tau_rule"])
    assert found.to_numpy().tolist() == [["a", "x"], ["b", "x"], ["b", "y"]]


def test_null_is_not_zero_and_types_stay() -> None:
    table = pq.read_table(
        pa.BufferReader(encode(typed("collisions", [{"trial_id": "a", "n2": None}]))),
        page_checksum_verification=True,
    )
    assert table.schema.equals(SCHEMAS["collisions"])
    assert table["n2"].null_count == 1
    with pytest.raises(KeyError, match="no column"):
        typed("curves", [{"stpe": 1}])


def test_a_table_reads_as_one_parquet_dataset(tmp_path: Path) -> None:
    # Reviewers open the folder with pandas or DuckDB, without this package.
    run = Run(tmp_path / "r")
    with run.writing():
        run.save(["a"], rows("a"))
        run.save(["b"], rows("b"))
        assert len(pd.read_parquet(tmp_path / "r" / "curves")) == 6
    assert len(pd.read_parquet(tmp_path / "r" / "curves")) == 6


def test_the_order_of_rows_does_not_depend_on_shards(tmp_path: Path) -> None:
    tables = []
    for k, shards in enumerate((["c", "a", "b"], ["ab", "c"], ["cba"])):
        run = Run(tmp_path / str(k) / "r")
        with run.writing():
            for trials in shards:
                run.save(list(trials), rows(*trials))
        tables.append(run.table("curves"))
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])
    assert tables[0]["step"].tolist() == [0, 1, 2] * 3


def test_rows_of_some_trials(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    trials = [f"t{k:03d}" for k in range(150)]
    with run.writing():
        run.save(trials[:140], rows(*trials[:140]))
        run.save(trials[140:], rows(*trials[140:]))
        run.save_measurement("t000", {"curves": rows("t000", curves=9)["curves"]})
    found = list(run.rows(trials[5:], ("trials", "curves", "pairs")))
    assert [row["trial_id"] for tables in found for row in tables["trials"]] == trials[5:]
    assert sum(len(tables["curves"]) for tables in found) == 145 * 3
    assert max(len(tables["trials"]) for tables in found) == 64


def test_rows_are_committed_by_who_holds_the_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="writing"):
        Run(tmp_path / "r").save(["a"], rows("a"))


def test_a_run_is_made_and_sent_without_touching_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens
    run = pickle.loads(pickle.dumps(Run("s3://nowhere/runs/quickstart")))
    assert (run.root, run.study_name) == ("s3://nowhere/runs/quickstart", "quickstart")


def test_a_writer_killed_at_any_moment_leaves_whole_shards(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pipeline.store.run import Run\n"
        "from tests.store.rows import rows, weights\n"
        "run = Run(sys.argv[1])\n"
        "start = len(run.done())\n"
        "with run.writing():\n"
        "    for k in range(start, 10**6):\n"
        "        run.save([f't{k}'], rows(f't{k}', curves=50), weights(f't{k}'))\n"
        "        print('saved', flush=True)\n"
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
            process.wait(0.05 + 0.6 * rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = Run(tmp_path / "r")
        trials, curves = run.table("trials"), run.table("curves")
        assert len(curves) == 50 * len(trials)
        assert set(curves["trial_id"]) == set(trials["trial_id"]) == run.done()
        assert trials["trial_id"].is_unique
        assert len(trials) >= finished
        finished = len(trials)
        assert_players(run.players(f"t{finished - 1}"), f"t{finished - 1}")
    assert finished > 40
    with run.writing():
        files = [f for _, _, files in os.walk(tmp_path / "r") for f in files]
        assert not [f for f in files if f.startswith(".writing-")]
    assert len(list((tmp_path / "r" / "commits").iterdir())) == 1


def test_checkpoints_come_and_go(root: str, tmp_path: Path) -> None:
    run, worker = Run(root), Run(root)
    with run.writing():
        assert (run.checkpoints(), run.checkpoint("c")) == ([], None)
        assert worker.save_checkpoint("c", b"1")
        assert worker.save_checkpoint("c", b"22")
        assert worker.save_checkpoint("d", b"3")
    with run.writing():  # the next driver keeps them
        assert run.checkpoints() == ["c", "d"]
        assert run.checkpoint("c") == b"22"
        run.drop_checkpoint("c")
        run.drop_checkpoint("c")
    assert worker.checkpoints() == ["d"]
    assert not Run(tmp_path / "elsewhere" / "r").save_checkpoint("c", b"1")
    assert not (tmp_path / "elsewhere").exists()


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        load_run(tmp_path)
    (tmp_path / "study.yaml").write_text("study: [")
    with pytest.raises(InputError, match="damaged"):
        load_run(tmp_path)
    with pytest.raises(InputError, match="did you mean 'trials'"):
        Run(tmp_path).table("trails")
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "trials-0.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"an earlier version wrote it, without commits/; run it anew$"):
        Run(tmp_path).table("trials")
    with pytest.raises(InputError, match="cannot be reached: Protocol not known"):
        load_run("nfs4711://server/runs/r")
