"""The token of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ray_token import read_token


def test_where_a_token_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("default\n")
    assert read_token("head") == "default"
    (tmp_path / "other").write_text("named")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    assert read_token("head") == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "direct")
    assert read_token("head") == "direct"
