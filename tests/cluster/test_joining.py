"""`--address HOST:PORT` of a head with token authentication: let in, or refused with one line within seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engine.ray_address import check_address
from pipeline.errors import InputError
from tests.cluster.conftest import TOKEN, RunningHead
from tests.engine.tools import TINY


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "the cluster asks for a token and {home}/.ray/auth_token holds none"),
        ({"RAY_AUTH_MODE": "token"}, "the cluster asks for a token and {home}/.ray/auth_token holds none"),
        ({"RAY_AUTH_TOKEN": "wrong"}, "the cluster refuses the token"),
        ({"RAY_AUTH_TOKEN": "wrong", "RAY_AUTH_MODE": "token"}, "the cluster refuses the token"),
        ({"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "disabled"}, "Ray is told to use none here"),
    ],
)
def test_who_is_not_let_in(
    ray_head: RunningHead,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    reason: str,
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": str(tmp_path)} | variables).items():
        monkeypatch.setenv(name, value)
    address = f"127.0.0.1:{ray_head.gcs_port}"
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        check_address(address)
    assert time.monotonic() - began < 6  # by itself Ray takes 20 s
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"--address {address}: {reason.format(home=tmp_path)}") or reason in line
    assert os.environ.get("RAY_AUTH_MODE") == variables.get("RAY_AUTH_MODE")


def test_a_token_that_is_found_is_used(ray_head: RunningHead, tmp_path: Path) -> None:
    """In a process of its own: Ray reads its variables once."""
    (tmp_path / "study.yaml").write_text(TINY)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    command = [sys.executable, "-m", "pipeline.cli", "run", str(tmp_path / "study.yaml"), "--no-mlflow"]
    command += ["--limit", "1", "--runs", str(tmp_path), "--address", f"127.0.0.1:{ray_head.gcs_port}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment |= {"HOME": str(tmp_path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said
    assert "1/4 done" in said.stdout + said.stderr
