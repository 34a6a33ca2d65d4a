"""Every mistake is one line that names it, exit code 2, and nothing written."""

from __future__ import annotations

import gzip
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.engine.tools import TINY, Command, start


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(TINY)
    return path


def refused(birthday: Command, *words: str | Path) -> str:
    said = birthday(*words)
    assert said.code == 2, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("birthday: ")
    return line


# --set -> what the line says: key, value, and what is allowed
MISTAKES = {
    "base.generator.widht=4": ("base.generator.widht: unknown key", "did you mean 'width'"),
    "base.training.steps=many": ("base.training.steps: 'many'", "integer"),
    "vary.discriminator.width=[]": ("vary.discriminator.width: []", "at least one value"),
    "base.train_samples=1298": ("train_samples: 1298", "1297"),
    "controls.finite_support=[1298]": ("controls.finite_support: 1298", "1297"),
    "measure.tau.quantile=1e-5": ("measure.tau", "1e-05", "at least 10"),
    "base.dataset={name: gaussian_ring}": ("dataset 'gaussian_ring'", "generator 'dcgan'"),
    "resources.gpus=1": ("resources.gpus: 1: this machine has 0",),
    "resources.cpus=100000": ("resources.cpus: 100000: this machine has",),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("engine", ["ray", "inline"])
def test_a_mistake_in_the_study(birthday: Command, file: Path, runs: Path, mistake: str, engine: str) -> None:
    if "gpus" in mistake and os.path.exists("/dev/nvidia0"):
        pytest.skip("this machine has a GPU")
    line = refused(birthday, "run", file, "--runs", runs, "--engine", engine, "--set", mistake)
    for part in MISTAKES[mistake]:
        assert part in line
    assert not runs.exists()


def test_a_mistake_leaves_an_earlier_run_as_it_was(birthday: Command, file: Path, runs: Path) -> None:
    assert (
        birthday("run", file, "--runs", runs, "--engine", "inline", "--limit", "1", "--no-mlflow").code == 0
    )
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in runs.rglob("*")}
    for mistake in ("base.train_samples=1298", "resources.cpus=100000", "measure.tau.quantile=1e-5"):
        refused(birthday, "run", file, "--runs", runs, "--set", mistake)
    refused(birthday, "run", file, "--runs", runs, "--address", "127.0.0.1:1")
    refused(birthday, "measure", runs / "tiny", "--set", "base.training.steps=3", "--engine", "inline")
    refused(birthday, "measure", runs / "tiny", "--set", "measure.tau.quantile=2")
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in runs.rglob("*")} == before


ADDRESSES = {
    "127.0.0.1:1": "no Ray head answers there",
    "nonsense": "must be HOST:PORT",
    "127.0.0.1:99999": "must be HOST:PORT",
    "no-such-host.invalid:6379": "no Ray head answers there",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_without_a_head(birthday: Command, file: Path, runs: Path, address: str) -> None:
    clock = time.monotonic()
    line = refused(birthday, "run", file, "--runs", runs, "--address", address)
    assert time.monotonic() - clock < 10
    assert line.startswith(f"birthday: --address {address}: {ADDRESSES[address]}")
    assert not runs.exists()


def test_an_engine_that_is_none(birthday: Command, file: Path, runs: Path) -> None:
    line = refused(birthday, "run", file, "--runs", runs, "--engine", "foo")
    assert line == "birthday: --engine foo: is not one of ray, inline"
    assert not runs.exists()


def test_runs_that_cannot_be_written(birthday: Command, file: Path, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    for place in (tmp_path / "occupied" / "runs", Path("/proc/nowhere")):
        line = refused(birthday, "run", file, "--runs", place, "--engine", "inline")
        assert re.search(f"{place}/.*: cannot be (written|read): ", line)


def test_a_data_set_that_is_not_there(birthday: Command, file: Path, runs: Path, tmp_path: Path) -> None:
    base = ["base.dataset={name: mnist}", "base.train_samples=10"]
    sets = [word for text in base for word in ("--set", text)]
    (tmp_path / "data").mkdir()
    line = refused(birthday, "run", file, "--runs", runs, "--data-root", tmp_path / "data", *sets)
    assert re.search(r"dataset 'mnist'.*looked in .*data/mnist.*BIRTHDAY_DATA", line)
    assert not runs.exists()


def test_a_truncated_idx_file(birthday: Command, file: Path, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        images = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (20, 28, 28)) + bytes(20 * 784)
        labels = b"\0\0\x08\x01" + (20).to_bytes(4, "big") + bytes(20)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    broken = folder / "t10k-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:-12])
    words = ["--data-root", tmp_path / "data", "--set", "base.dataset={name: mnist}"]
    line = refused(birthday, "run", file, "--runs", runs, *words)
    assert f"{broken}: truncated" in line
    assert not runs.exists()


def test_a_damaged_image(birthday: Command, file: Path, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(30):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{k:02}.png")
    broken = folder / "07.png"
    broken.write_bytes(broken.read_bytes()[:200])
    words = ["--set", f"base.dataset={{name: image_folder, path: {folder}, size: 8}}"]
    line = refused(birthday, "run", file, "--runs", runs, *words)
    assert f"{broken}: not a readable image" in line
    assert not runs.exists()


def test_a_file_that_is_no_study(birthday: Command, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [1")
    for name in ("bad.yaml", "none.yaml", "."):
        assert str(tmp_path / name) in refused(birthday, "run", tmp_path / name, "--runs", runs)
    assert not runs.exists()


@pytest.mark.parametrize("command", ["status", "report", "measure"])
def test_a_run_that_is_none(birthday: Command, command: str, tmp_path: Path) -> None:
    line = refused(birthday, command, tmp_path / "nothing")
    assert "nothing: is not a run" in line
    assert not (tmp_path / "nothing").exists()


def test_a_search_without_a_space(birthday: Command, file: Path, runs: Path) -> None:
    assert "study 'tiny': has no search: block" in refused(birthday, "search", file, "--runs", runs)
    assert not runs.exists()


@pytest.mark.parametrize("words", [["--limit", "0"], ["--limit", "x"], ["--no-such-option"], []])
def test_usage_errors_exit_with_2(birthday: Command, file: Path, runs: Path, words: list[str]) -> None:
    said = birthday("run", *([file, "--runs", runs, *words] if words else []))
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not runs.exists()


def test_something_else_that_listens_is_no_ray(birthday: Command, file: Path, runs: Path) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        line = refused(birthday, "run", file, "--runs", runs, "--address", address)
    assert "what listens there is no Ray head" in line
    assert not runs.exists()


@pytest.mark.usefixtures("local_ray")
def test_a_cluster_that_could_never_start_a_trial(file: Path, runs: Path) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    more = f"resources.cpus={len(os.sched_getaffinity(0)) + 1}"
    process = start("run", file, "--runs", runs, "--address", address, "--set", more)
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    (line,) = said.splitlines()
    amount = more.partition("=")[2]
    assert line.startswith(f"birthday: resources.cpus: {amount}: the cluster at {address} has ")
    assert line.endswith(" CPU, so no trial could ever start")
    assert not runs.exists()
