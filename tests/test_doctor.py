"""The doctor's findings against what is true of this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import doctor
from pipeline.doctor import Check, checks


def by_name(found: list[Check]) -> dict[str, Check]:
    assert len({check.name for check in found}) == len(found)
    return {check.name: check for check in found}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Check]:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("BIRTHDAY_DATA", raising=False)
    return by_name(checks(tmp_path))


def test_the_facts(found: dict[str, Check], tmp_path: Path) -> None:
    assert found["Python"] == Check("Python", True, platform.python_version())
    assert found["torch"].found == importlib.metadata.version("torch")
    assert found["ray"].found == importlib.metadata.version("ray")
    assert found["CPU cores"].found.endswith(f"of {os.cpu_count()}")
    with open("/proc/meminfo") as file:
        kibibytes = int(file.readline().split()[1])
    assert float(found["memory"].found.split()[0]) == pytest.approx(kibibytes / 2**20, abs=0.1)
    gib = shutil.disk_usage(tmp_path).free / 2**30
    assert float(found["runs directory"].found.split()[0]) == pytest.approx(gib, abs=0.5)
    assert found["data: digits"].ok


def test_every_finding_that_is_not_good_says_what_to_do(found: dict[str, Check]) -> None:
    assert all(check.ok or check.advice for check in found.values())


def test_a_gpu_or_none(found: dict[str, Check]) -> None:
    import torch

    gpus = [name for name in found if name.startswith("GPU ")]
    assert len(gpus) == torch.cuda.device_count()
    assert ("GPU" in found) == (not gpus)
    assert ("bf16" in found) == bool(gpus)


def test_packages_are_those_of_the_distribution(found: dict[str, Check]) -> None:
    assert {"pydantic", "typer", "mlflow", "ray", "torch"} <= set(found)
    assert "moto" not in found  # the tests' own


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["neither-this>=3", 'no.such_package[all]<4,>=3; extra == "train"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: required)
    found = by_name(checks())
    advice = "to run studies: pip install 'birthday[train]'"
    assert found["no.such_package"] == Check("no.such_package", False, "not installed", advice)
    assert found["neither-this"] == Check("neither-this", False, "not installed", "pip install birthday")


def test_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    check = by_name(checks())["Python"]
    assert (check.ok, check.advice) == (False, "install Python 3.11, 3.12 or 3.13")


def test_the_disk_is_asked_where_the_runs_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = tmp_path / "not" / "yet"
    assert by_name(checks(later))["runs directory"].found.endswith(f"free at {tmp_path}")
    assert not (tmp_path / "not").exists()
    monkeypatch.setattr(doctor, "SMALL_DISK", 1e9)
    check = by_name(checks(later))["runs directory"]
    assert (check.ok, "--runs" in check.advice) == (False, True)


def test_a_cluster_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert by_name(checks())["Ray cluster"] == Check(
            "Ray cluster", True, f"RAY_ADDRESS={address} answers"
        )
    check = by_name(checks())["Ray cluster"]
    assert not check.ok
    assert "does not answer (Connection refused)" in check.found
    monkeypatch.setenv("RAY_ADDRESS", "head")
    assert by_name(checks())["Ray cluster"].advice == "must be HOST:PORT, e.g. head:6379"


def test_data_sets_found_and_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def available(root: Path | None) -> list[tuple[str, str, str]]:
        asked.append(root)
        return [("here", "1,000 dots", f"{tmp_path}/dots"), ("gone", "2,000 dots", "not found: no dots.idx")]

    monkeypatch.setattr("pipeline.datasets.available", available, raising=False)
    found = by_name(checks(data_root=tmp_path))
    assert asked == [tmp_path]
    assert found["data: here"] == Check("data: here", True, f"1,000 dots: {tmp_path}/dots")
    assert (found["data: gone"].ok, found["data: gone"].found) == (None, "2,000 dots: not found: no dots.idx")
    assert "BIRTHDAY_DATA" in found["data: gone"].advice


def test_a_data_directory_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BIRTHDAY_DATA", str(tmp_path / "absent"))
    assert by_name(checks())["BIRTHDAY_DATA"].ok is False


def test_it_is_fast_and_starts_no_ray() -> None:
    code = "import sys; from pipeline.doctor import checks; checks(); sys.exit('ray' in sys.modules)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert time.monotonic() - began < 15  # 2 s on an idle machine
