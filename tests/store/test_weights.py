"""Many trials' weights in one file: every tensor as it was, and one trial's read alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from pipeline import InputError
from pipeline.store import weights as packing
from pipeline.store.files import Files
from pipeline.store.run import Run
from tests.store.rows import assert_players, rows, tensors, weights


def test_other_readers_find_every_tensor() -> None:
    content, count = packing.pack(weights("a", "b"))
    found = load(bytes(content))  # safetensors checks that offsets leave no gap
    assert count == len(found) == 6
    for trial in "ab":
        for name, tensor in tensors(trial).items():
            np.testing.assert_array_equal(found[f"{trial}/{name}"], tensor)


def test_merging_keeps_every_tensor_and_order_does_not_matter() -> None:
    one, two = packing.pack(weights("c", "a"))[0], packing.pack(weights("b"))[0]
    for files in ((one, two), (two, one)):
        content, count = packing.merge(files)
        assert count == 9
        found = packing.parts(content)
        assert set(found) == {"a", "b", "c"}
        for trial, part in found.items():
            assert_players(part.header + content[part.start : part.end], trial)


def test_trials_without_tensors_have_no_file(root: str) -> None:
    run = Run(root)
    with run.writing():
        run.save(["a", "b"], rows("a", "b"), {"a": save({})})
    assert Files(root).list("weights") == {}
    assert load(run.players("a")) == load(run.players("b")) == {}


def test_one_trial_is_read_without_the_others(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(root)
    big = {t: save({"generator/w": np.full(200_000, k, np.float32)}) for k, t in enumerate("abc")}
    with run.writing():
        run.save(list(big), rows(*big), big)
    read: list[int] = []
    plain = Files.read

    def counted(self: Files, name: str, start: int = 0, end: int | None = None) -> bytes:
        content = plain(self, name, start, end)
        read.append(len(content) if name.startswith("weights") else 0)
        return content

    monkeypatch.setattr(Files, "read", counted)
    np.testing.assert_array_equal(load(run.players("b"))["generator/w"], np.full(200_000, 1, np.float32))
    assert sum(read) <= 800_000 + packing.HEADER_READ


def test_a_header_longer_than_the_first_read(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    trials = [f"{k:016x}" for k in range(600)]
    with run.writing():
        run.save(trials, rows(*trials), weights(*trials))
    assert_players(run.players(trials[17]), trials[17])


def test_a_flipped_bit_is_noticed_by_whoever_reads_the_trial(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    with run.writing():
        run.save(["a", "b"], rows("a", "b"), weights("a", "b"))
    (path,) = (tmp_path / "r" / "weights").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the last tensor is b's
    path.write_bytes(content)
    assert_players(run.players("a"), "a")
    with pytest.raises(InputError, match="is damaged: the checksum of b differs"):
        run.players("b")
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="is damaged"):
        Run(run.root).players("a")
    path.unlink()
    with pytest.raises(InputError, match=r"weights/.*: is missing"):
        Run(run.root).players("a")
