"""Killed, stopped, damaged: what is in the tables stays, and the same command does what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import InputError, load_run, run
from pipeline.engine.execute import measure
from pipeline.store.schemas import SCHEMAS
from tests.engine.tools import TINY, alive, assert_same, descendants, end, start, study, wait_for

LONGER = ["base.training.steps=60", "vary.seed.count=5"]


def shards(root: Path, table: str = "trials") -> list[str]:
    return sorted(path.name for path in (root / table).glob("*.parquet"))


def unfinished(root: Path) -> list[Path]:
    """Temporary files: only a driver that is killed leaves some."""
    return list(root.rglob(".writing-*"))


def uncommitted(root: Path) -> list[str]:
    """Files of shards that have no manifest."""
    committed = {path.stem for path in (root / "commits").iterdir()}
    return [f"{t}/{name}" for t in SCHEMAS for name in shards(root, t) if Path(name).stem not in committed]


@pytest.mark.usefixtures("local_ray")
def test_a_driver_stopped_and_one_killed_lose_only_trials_in_flight(runs: Path, tmp_path: Path) -> None:
    file, root = tmp_path / "study.yaml", runs / "tiny"
    file.write_text(study(TINY, *LONGER).yaml())
    command = ("run", file, "--runs", runs, "--no-mlflow")

    stopped = start(*command)
    wait_for(lambda: len(shards(root)) > 0)
    below = descendants(stopped.pid)
    clock = time.monotonic()
    stopped.terminate()
    _, said = stopped.communicate(timeout=60)
    assert time.monotonic() - clock < 50  # of the 60 s that a stopped cluster job is given
    assert stopped.returncode == 130, said
    assert said.splitlines() == ["birthday: stopped; the same command goes on where this one ended"]
    wait_for(lambda: not any(map(alive, below)), 20)
    before = load_run(root).table("trials").set_index("trial_id")["finished_at"]
    assert 0 < len(before) < 10
    assert unfinished(root) == []

    killed = start(*command)
    wait_for(lambda: len(load_run(root).done()) > len(before))
    below = descendants(killed.pid)
    killed.kill()
    killed.communicate()
    try:
        # Two of Ray's own agents look for its head a while longer.
        working = {pid: name for pid, name in below.items() if "Agent" not in name}
        wait_for(lambda: not any(map(alive, working)), 20)
    finally:
        end(below)
    middle = load_run(root).table("trials").set_index("trial_id")["finished_at"]
    assert len(middle) < 10
    for table in SCHEMAS:
        load_run(root).table(table)  # reads whole files only

    found = run(study(TINY, *LONGER), runs, engine="ray", mirror=False)
    assert unfinished(root) == uncommitted(root) == []
    after = found.table("trials").set_index("trial_id")["finished_at"]
    assert len(after) == 10
    assert (after[before.index] == before).all()
    assert (after[middle.index] == middle).all()
    assert_same(root, run(study(TINY, *LONGER), runs / "whole", engine="inline", mirror=False).root)


def test_ctrl_c_is_one_line(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(study(TINY, "base.training.steps=3000").yaml())
    process = start("run", file, "--runs", runs, "--engine", "inline")
    wait_for(lambda: (runs / "tiny" / "study.yaml").exists())
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines() == ["birthday: stopped; the same command goes on where this one ended"]
    assert "Traceback" not in out
    assert unfinished(runs / "tiny") == []


def test_what_a_killed_writer_left_is_not_read_and_swept(reference: Path, runs: Path) -> None:
    found = run(study(TINY), runs, engine="inline", limit=3, mirror=False)
    root = Path(found.root)
    (lost,) = (root / "commits").glob("trials-*")  # three trials, merged
    lost.unlink()  # as if the writer had died just before it committed
    (root / "curves" / ".writing-0").write_bytes(b"PAR1")
    assert uncommitted(root) != []
    assert found.done() == set()
    assert len(found.table("curves")) == 0
    run(study(TINY), runs, engine="inline", mirror=False)
    assert unfinished(root) == uncommitted(root) == []
    assert_same(reference, root)


@pytest.mark.parametrize("table", ["trials", "curves", "collisions"])
def test_a_damaged_table_is_named(reference: Path, runs: Path, table: str) -> None:
    found = run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    path = next((Path(found.root) / table).glob("trials-*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is damaged") as caught:
        found.table(table)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_second_writer_is_refused(runs: Path) -> None:
    found = run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    refused = rf"another process is writing this run: process {os.getpid()} on "
    with load_run(found.root).writing():
        with pytest.raises(InputError, match=refused):
            run(study(TINY), runs, engine="inline", mirror=False)
        with pytest.raises(InputError, match=refused):
            measure(found.root, study(TINY, "measure.tau.quantile=0.05"), engine="inline")
    assert len(found.done()) == 1


@pytest.mark.parametrize(("silent", "free"), [(50, False), (70, True)])
def test_a_driver_that_died_on_another_machine_holds_for_a_minute(
    runs: Path, silent: float, free: bool
) -> None:
    root = Path(run(study(TINY), runs, engine="inline", limit=1, mirror=False).root)
    (file,) = (root / "lease").iterdir()
    elsewhere = {"host": "far", "pid": 4, "machine": "another", "released": False}
    then = {"renewed": time.time() - silent}
    file.write_text(json.dumps(json.loads(file.read_text()) | elsewhere | then))
    if not free:
        with pytest.raises(InputError, match="another process is writing this run: process 4 on far"):
            run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    else:
        run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    assert len(load_run(root).done()) == (2 if free else 1)


FULL = """
import resource, sys
from pipeline.cli import main
sys.argv[0] = "birthday"
import torch, sklearn.datasets, pandas
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
main()
"""


def test_a_full_disk_is_one_line_and_leaves_whole_files(reference: Path, runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(study(TINY).yaml())
    largest = min(len(load_run(reference).players(trial.id)) for trial in study(TINY).trials())
    words = ["run", file, "--runs", runs, "--engine", "inline", "--no-mlflow"]
    process = subprocess.run(
        [sys.executable, "-c", FULL, str(largest - 1), *map(str, words)], capture_output=True, text=True
    )
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert "cannot be written: File too large" in line
    assert unfinished(runs / "tiny") == []
    found = run(study(TINY), runs, engine="inline", mirror=False)
    assert uncommitted(runs / "tiny") == []
    assert_same(reference, found.root)


# The rungs that the digits' held-out pairs can carry.
LADDER = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03]


def test_another_protocol_adds_rows_and_changes_none(reference: Path, runs: Path) -> None:
    found = run(study(TINY), runs, engine="inline", mirror=False)
    files = {p: p.stat().st_mtime_ns for p in Path(found.root).rglob("*.parquet")}
    other = study(TINY, "measure.tau.quantile=0.05", "controls.finite_support=[20, 30]")
    assert measure(found.root, other, engine="inline") == 4
    assert {p: p.stat().st_mtime_ns for p in files} == files
    rows = found.table("collisions")
    generated = rows[rows["source"] == "generated"]
    rules = generated["tau_rule"].value_counts()
    assert (rules["real_quantile(0.01)"], rules["real_quantile(0.05)"]) == (4, 4)
    assert set(rules.index) == {"real_quantile(0.05)", *(f"real_quantile({q})" for q in LADDER)}
    assert set(rows.loc[rows["source"] == "finite_support", "support_size"]) == {20, 30}
    assert found.study == other
    assert measure(found.root, other, engine="inline") == 0
    # Measuring afterwards or at once gives the same numbers.
    at_once = run(other, runs / "at_once", engine="inline", mirror=False).table("collisions")
    assert set(at_once["tau_rule"]) == set(rules.index)
    once, again = (r[r["tau_rule"] == "real_quantile(0.05)"].reset_index(drop=True) for r in (at_once, rows))
    assert again.equals(once)
    with pytest.raises(InputError, match=r"only measure\.… and controls\.… can change"):
        measure(found.root, study(TINY, "base.training.steps=3"), engine="inline")


def test_measuring_needs_the_weights(runs: Path) -> None:
    found = run(study(TINY), runs, engine="inline", limit=1, mirror=False)
    (weights,) = Path(found.root).glob("weights/*.safetensors")
    weights.unlink()
    with pytest.raises(InputError, match=r"\.safetensors: is missing; `birthday verify .*` names all"):
        measure(found.root, study(TINY, "measure.tau.quantile=0.05"), engine="inline")


def test_a_finished_study_starts_no_ray(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.engine.ray_engine", None)  # importing it fails
    found = run(study(TINY), reference.parent, engine="ray", mirror=False)
    assert len(found.done()) == 4
    assert os.fspath(reference) == found.root
