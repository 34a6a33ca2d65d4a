"""A disk that is full, a store that is out, files that are damaged."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import load_run
from pipeline.store.run import Run
from pipeline.store.verify import examine
from tests.engine.tools import Command, start, wait_for
from tests.faults.tools import assert_survived, driver, write_study
from tests.store.conftest import Server, server  # noqa: F401


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, with room for less than a study."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk is a tmpfs, and only root may mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(disk: Path, tmp_path: Path, undisturbed: Path, birthday: Command) -> None:
    command = ("run", write_study(tmp_path), "--runs", disk, "--engine", "inline", "--no-mlflow")
    process = start(*command)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    (line,) = said.splitlines()
    assert line.startswith(f"birthday: {disk}/tiny/")
    assert line.endswith("cannot be written: No space left on device")
    assert not list(disk.rglob(".writing-*"))
    found = examine(Run(disk / "tiny").files)
    assert found.damaged == {}
    assert load_run(disk / "tiny").done() == set(load_run(disk / "tiny").table("trials")["trial_id"])
    assert found.trials < 4
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert birthday(*command).code == 0
    assert_survived(disk / "tiny", undisturbed)


@pytest.mark.soak
def test_a_store_that_is_out_for_a_minute(
    server: Server,  # noqa: F811
    runs: Path,
    tmp_path: Path,
    undisturbed: Path,
) -> None:
    """Trials go on meanwhile; the driver says so once, and keeps what ends until the store is back."""
    where = f"s3://studies/{runs.parent.name}"
    process = driver("run", write_study(tmp_path), "--runs", where, "--no-mlflow")
    try:
        wait_for(lambda: bool(Run(f"{where}/tiny").checkpoints()))
        server.stop()
        assert process.stderr is not None
        told = process.stderr.readline()  # when a trial has ended
        assert told.startswith(f"{where}/tiny: the store does not answer, trying for 600 s: ")
        time.sleep(60)
        server.start()
        out, said = process.communicate(timeout=200)
    finally:
        process.kill()
    assert process.returncode == 0, (out, said)
    (told,) = said.splitlines()
    assert told.startswith(f"{where}/tiny: the store answers again after ")
    assert_survived(f"{where}/tiny", undisturbed)


@pytest.mark.parametrize("kind", ["trials", "measure"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damage_is_named_taken_out_and_made_good(
    kind: str, how: str, runs: Path, undisturbed: Path, birthday: Command
) -> None:
    shutil.copytree(undisturbed, runs / "tiny")
    path = next((runs / "tiny" / "collisions").glob(f"{kind}-*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if how == "flipped" else content[:-100])
    looked = birthday("verify", runs / "tiny")
    assert looked.code == 1
    size = len(content)
    reason = "its checksum differs" if how == "flipped" else f"has {size - 100} of {size} bytes"
    assert f"collisions/{path.name}: is damaged: {reason}" in looked.out
    repaired = birthday("verify", runs / "tiny", "--repair")
    assert repaired.code == 0, repaired
    assert len(load_run(runs / "tiny").done()) == (0 if kind == "trials" else 4)
    again = birthday("run", runs / "tiny" / "study.yaml", "--runs", runs, "--engine", "inline", "--no-mlflow")
    assert again.code == 0
    assert_survived(runs / "tiny", undisturbed)
    assert (runs / "tiny" / "damaged" / "collisions" / path.name).is_file()
