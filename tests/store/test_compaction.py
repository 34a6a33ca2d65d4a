"""Merging: few files, every trial once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.store import writer
from pipeline.store.compaction import MOST_BYTES, MOST_TRIALS, Put, group, level, merged
from pipeline.store.files import Files
from pipeline.store.manifests import Content, Manifest
from pipeline.store.run import Run
from pipeline.store.shards import Shards
from tests.store.rows import assert_players, rows, weights


def shard(name: str, trials: int, size: int = 1000) -> Manifest:
    ids = tuple(f"{name}-{k}" for k in range(trials))
    return Manifest(f"trials-{name}", {"trials": Content(size, trials, "")}, ids)


def shards(run: Run) -> list[int]:
    """How many trials each shard holds."""
    return sorted(len(m.trials) for m in run._shards.committed().values() if m.kind == "trials")


def test_sizes_in_steps_of_sixteen() -> None:
    assert [level(shard("a", n)) for n in (1, 15, 16, 17, 256, 2048, 2049, 4096)] == [
        3,
        2,
        2,
        1,
        1,
        0,
        None,
        None,
    ]
    assert level(shard("a", 1, MOST_BYTES // 2 + 1)) is None
    assert level(shard("a", 1, MOST_BYTES // 16)) == 1


def test_what_is_merged() -> None:
    ones = [shard(f"{k:02d}", 1) for k in range(16)]
    assert group(ones[:15]) == []
    assert group(ones) == ones
    assert group([*ones[:15], shard("big", 300)]) == []
    assert group([*ones[:15], shard("big", 300)], 2) == [*ones[:15], shard("big", 300)]
    assert group(ones[:1], 2) == []
    measured = [m._replace(shard=m.shard.replace("trials", "measure")) for m in ones]
    assert group(measured) == []


@pytest.mark.parametrize(("trials", "size"), [(1500, 1000), (1, 25 * 2**20)])
def test_no_merged_shard_is_more_than_full(trials: int, size: int) -> None:
    chosen = group([shard(f"{k:02d}", trials, size) for k in range(20)])
    assert len(chosen) == 2
    assert sum(len(m.trials) for m in chosen) <= MOST_TRIALS
    assert sum(m.files["trials"].bytes for m in chosen) <= MOST_BYTES


def test_a_long_run_keeps_few_files_and_every_trial_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    trials = [f"{k * 7919 % 1000:04d}" for k in range(600)]
    most = 0
    with run.writing():
        for k, trial in enumerate(trials):
            run.save([trial], rows(trial), weights(trial))
            if k % 50 == 49:
                assert run._writer is not None
                if run._writer._merging is not None:
                    run._writer._merging.result()
                most = max(most, len(shards(run)))
                assert run.done() == set(trials[: k + 1])
    assert most <= 3 * 16
    assert shards(run) == [600]
    assert len(Files(run.root).list(deep=True)) == 5  # three files, a manifest and the lease
    curves = run.table("curves")
    assert curves["trial_id"].tolist() == [t for t in sorted(trials) for _ in range(3)]
    assert curves["step"].tolist() == [0, 1, 2] * 600
    for trial in trials[::97]:
        assert_players(run.players(trial), trial)


class Killed(BaseException):
    """As a kill: nothing tidies up."""


def kill_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Let so many changes of files happen."""
    left, change = threading.Semaphore(steps), Files._change

    def counted(self: Files, doing: str, name: str, action: Callable[[], None]) -> None:
        if not name.startswith("lease") and not left.acquire(blocking=False):
            raise Killed
        change(self, doing, name, action)

    patch.setattr(Files, "_change", counted)


# Three files of the merged shard, its manifest, four manifests that it replaces, their twelve files.
@pytest.mark.parametrize("steps", range(3 + 1 + 4 + 12))
def test_merging_killed_at_any_step_leaves_every_trial_once(
    root: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if root.startswith("s3") and steps not in (2, 3, 4, 6, 10):
        pytest.skip("as on a disk")
    run = Run(root)
    trials = [f"t{k}" for k in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr(writer.Writer, "finish", lambda self: None)
        with run.writing():
            for trial in trials:
                run.save([trial], rows(trial), weights(trial))
    assert shards(run) == [1] * 4
    with monkeypatch.context() as patch:
        kill_after(steps, patch)
        with pytest.raises(Killed), run.writing():
            pass
    for reader in (run, Run(root)):
        assert reader.done() == set(trials)
        assert reader.table("trials")["trial_id"].tolist() == trials
        assert len(reader.table("curves")) == 12
        for trial in trials:
            assert_players(reader.players(trial), trial)
    with run.writing():
        pass
    assert shards(run) == [4]
    assert len(Files(root).list(deep=True)) == 5


def test_readers_that_race_with_merging_miss_nothing(root: str) -> None:
    run = Run(root)
    trials = [f"t{k:02d}" for k in range(48 if root.startswith("/") else 20)]
    saved = 0
    wrong: list[object] = []
    over = threading.Event()

    def read() -> None:
        reader = Run(root)
        while not over.is_set():
            least = saved
            table = reader.table("curves")
            found = table["trial_id"].nunique()
            if found < least or len(table) != 3 * found or len(reader.done()) < found:
                wrong.append((least, found, len(table)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    with run.writing():
        for reader in readers:
            reader.start()
        for trial in trials:
            run.save([trial], rows(trial))
            saved += 1
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert run.done() == set(trials)


def test_a_damaged_shard_stops_merging_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path / "r")
    trials = [f"t{k:02d}" for k in range(40)]
    with run.writing():
        run.save(trials[:1], rows(trials[0]))
        (path,) = (tmp_path / "r" / "curves").iterdir()
        path.write_bytes(path.read_bytes()[:-1])
        for trial in trials[1:]:
            run.save([trial], rows(trial))
    assert run.done() == set(trials)
    (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("pipeline")]
    assert said.startswith("shards are merged no further: ")
    assert f"{path.name}: is damaged" in said


def test_trials_are_committed_while_shards_are_merged(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, begun, go_on = Run(root), threading.Event(), threading.Event()
    trials = [f"t{k:02d}" for k in range(20)]

    def slow(*arguments: Any) -> Manifest:
        begun.set()
        assert go_on.wait(60)
        return merged(*arguments)

    monkeypatch.setattr(writer, "merged", slow)
    with run.writing():
        for trial in trials[:16]:
            run.save([trial], rows(trial), weights(trial))
        assert begun.wait(60)
        for trial in trials[16:]:
            run.save([trial], rows(trial), weights(trial))
        run.save_labels("ann", [{"trial_id": "t00", "first": 0, "second": 1, "rater": "ann"}])
        assert Run(root).done() == set(trials)
        assert shards(run) == [1] * 20
        go_on.set()
        assert run._writer is not None
        assert run._writer._merging is not None
        run._writer._merging.result()
        assert shards(run) == [1, 1, 1, 1, 16]
    assert shards(run) == [20]
    assert run.table("trials")["trial_id"].tolist() == trials
    assert len(run.table("labels")) == 1
    for trial in trials:
        assert_players(run.players(trial), trial)


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("unforeseen")])
def test_whatever_goes_wrong_in_merging_is_said_and_ends_no_run(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any) -> Manifest:
        raise error

    monkeypatch.setattr(writer, "merged", fail)
    run = Run(tmp_path / "r")
    trials = [f"t{k:02d}" for k in range(40)]
    with run.writing():
        for trial in trials:
            run.save([trial], rows(trial))
    assert run.done() == set(trials)
    (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("pipeline")]
    assert said == f"shards are merged no further: {error!r}"


def test_a_driver_that_ends_early_waits_for_no_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, begun = Run(tmp_path / "r"), threading.Event()
    trials = [f"t{k:02d}" for k in range(16)]

    def until_ending(members: list[Manifest], shard: str, of: Shards, put: Put) -> Manifest:
        begun.set()
        while True:  # as if there were no end of files
            put("trials/trials-x.parquet", b"x")

    monkeypatch.setattr(writer, "merged", until_ending)

    def interrupted() -> None:
        with run.writing():
            for trial in trials:
                run.save([trial], rows(trial))
            assert begun.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    monkeypatch.undo()
    assert shards(run) == [1] * 16
    with run.writing():
        pass
    assert shards(run) == [16]
    assert run.table("trials")["trial_id"].tolist() == trials
