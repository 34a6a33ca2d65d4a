"""One writer at a time: refused by name, taken over when dead, stopped when taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline import InputError
from pipeline.store import lease
from pipeline.store.files import Files
from pipeline.store.run import Run
from tests.store.rows import rows

HOLD = (
    "import sys, time; sys.path.insert(0, sys.argv[2])\n"
    "from pipeline.store.run import Run\n"
    "with Run(sys.argv[1]).writing():\n"
    "    print('held', flush=True)\n"
    "    time.sleep(100)\n"
)


def holder(root: str, **environment: str) -> subprocess.Popen[str]:
    """A process that holds the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, root, str(Path(__file__).parents[2])],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def change(root: str, **values: object) -> None:
    """Rewrite what the holder wrote."""
    files = Files(root)
    (name,) = files.list("lease")
    files.replace(name, json.dumps(json.loads(files.read(name)) | values).encode())


def test_a_second_writer_is_refused_by_name(root: str) -> None:
    config = json.dumps({"metadata": {"job_submission_id": "raysubmit_7"}})
    process = holder(root, RAY_JOB_CONFIG_JSON_ENV_VAR=config)
    try:
        with pytest.raises(InputError) as caught, Run(root).writing():
            pass
        found = Run(root).lease()
        assert found is not None
        assert found.held()
        assert (found.pid, found.job) == (process.pid, "raysubmit_7")
        said = str(caught.value)
        assert f"another process is writing this run: process {process.pid} on {os.uname().nodename}" in said
        assert "job raysubmit_7, since 20" in said
        assert "its lease ends in 5" in said or "its lease ends in 60 s" in said
        assert "\n" not in said
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Run(root).writing():  # at once: its process is gone
        pass


def test_a_released_run_is_free(root: str) -> None:
    run = Run(root)
    assert run.lease() is None
    for generation in (1, 2):
        with run.writing():
            found = run.lease()
            assert found is not None
            assert found.held()
            assert (found.generation, found.pid) == (generation, os.getpid())
            with pytest.raises(InputError, match="another process is writing"), Run(root).writing():
                pass
        found = run.lease()
        assert found is not None
        assert not found.held()
    assert len(Files(root).list("lease")) == 1


@pytest.mark.parametrize(
    ("values", "free"),
    [
        ({}, False),  # on another machine, seen just now
        ({"renewed": time.time() + 1e6 - 61}, True),
        ({"released": True}, True),
    ],
)
def test_the_lease_of_another_machine_ends(
    root: str, values: dict[str, object], free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(root)
    with run.writing():
        pass
    now = time.time() + 1e6
    elsewhere = {"machine": "another", "host": "far", "pid": 4, "renewed": now - 30, "released": False}
    change(root, **(elsewhere | values))
    monkeypatch.setattr(lease.time, "time", lambda: now)
    if free:
        with run.writing():
            pass
    else:
        with (
            pytest.raises(InputError, match=r"process 4 on far.*sign of life 30 s ago.*ends in 30 s"),
            run.writing(),
        ):
            pass


def test_a_process_id_used_again_is_another_process(root: str) -> None:
    run = Run(root)
    with run.writing():
        change(root, started="1")  # ours started later than a tick after boot
        with Run(root).writing():
            pass


def test_the_holder_renews(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW", 0.05)
    run = Run(root)
    with run.writing():
        first = run.lease()
        assert first is not None
        end = time.monotonic() + 20
        while (found := run.lease()) is not None and found.renewed == first.renewed:
            assert time.monotonic() < end
        assert found is not None
        assert (found.holder, found.since) == (first.holder, first.since)


def test_a_writer_that_was_taken_over_writes_nothing_more(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK", 0.0)
    first, second = Run(root), Run(root)
    with first.writing():
        first.save(["a"], rows("a"))
        change(root, released=True)  # as if it had slept for longer than its lease
        with second.writing():
            second.save(["b"], rows("b"))
            with pytest.raises(InputError, match="has taken over writing this run: process"):
                first.save(["c"], rows("c"))
    assert second.done() == {"a", "b"}
    assert "c" not in second.table("trials")["trial_id"].tolist()


def test_between_looks_a_commit_asks_the_store_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "r")
    with run.writing():
        looks: list[int] = []
        monkeypatch.setattr(lease, "current", lambda files: looks.append(1))
        for k in range(5):
            run.save([f"t{k}"], rows(f"t{k}"))
        assert len(looks) <= 1


def test_of_many_that_want_a_dead_ones_run_one_gets_it(root: str) -> None:
    with Run(root).writing():
        pass
    got: list[lease.Held] = []
    refused: list[str] = []
    start = threading.Barrier(8)

    def want() -> None:
        start.wait()
        try:
            got.append(lease.acquire(root))
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    got[0].release()


def test_a_damaged_lease_is_nobodys(root: str) -> None:
    with Run(root).writing():
        pass
    Files(root).replace("lease/00000001.json", b"\xff")
    with Run(root).writing():
        pass
    assert sorted(Files(root).list("lease")) == ["lease/00000002.json"]
