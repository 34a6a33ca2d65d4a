"""Looking after jobs: listing, finding, reading and stopping them."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.job_submission import JobStatus
from s3fs import S3FileSystem

from cluster.jobs import connect, find_job, reason, start
from cluster.listing import record, table
from pipeline import load_run
from pipeline.errors import InputError
from pipeline.training import interrupted
from tests.cluster.conftest import RunningHead
from tests.engine.tools import TINY, Command, assert_same, wait_for
from tests.engine.tools import start as start_command


def job(name: str, status: str = "RUNNING", **facts: Any) -> Any:
    """A job as Ray's client describes it, as far as it is looked at here."""
    known = {"metadata": {}, "message": None, "start_time": None, "end_time": None, "runtime_env": {}}
    return SimpleNamespace(submission_id=name, status=JobStatus(status), **known | facts)


class Known:
    """A client of a cluster with these jobs."""

    def __init__(self, *jobs: Any) -> None:
        self.jobs = jobs

    def list_jobs(self) -> list[Any]:
        return list(self.jobs)


CLIENT = cast(
    Any,
    Known(
        job("tiny-1111", "SUCCEEDED", metadata={"study": "tiny"}),
        job("tiny-1111-2", metadata={"study": "tiny"}),
        job("other-2222", metadata={"study": "other"}),
        job("other-3333", metadata={"study": "other"}),
    ),
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tiny-1111", "tiny-1111"),  # an id is meant though another one begins with it
        ("tiny-1111-", "tiny-1111-2"),
        ("tiny", "tiny-1111-2"),  # the study's only unfinished job
        ("other-2", "other-2222"),
    ],
)
def test_how_a_job_may_be_named(text: str, meant: str) -> None:
    assert find_job(CLIENT, text).submission_id == meant


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("other", "job other: may be any of other-2222, other-3333"),
        (
            "nosuch",
            "job nosuch: is not on this cluster; there are tiny-1111, tiny-1111-2, other-2222, other-3333",
        ),
    ],
)
def test_a_name_that_means_no_job_or_several(text: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        find_job(CLIENT, text)
    assert str(caught.value) == line


def test_a_cluster_without_jobs() -> None:
    with pytest.raises(InputError, match="job a: is not on this cluster; there is none"):
        find_job(cast(Any, Known()), "a")


def test_the_table() -> None:
    """Checked by hand: 3,723 s are 1:02:03; a running job's time runs on; the last line of a log says most."""
    failed = job(
        "a-1",
        "FAILED",
        start_time=1_000_000,
        end_time=4_723_000,
        message="exit code 1\nTraceback\n" + 99 * "x",
    )
    running = job(
        "b-2", start_time=4_000_000, message="Job is currently running.", metadata={"run": "s3://l/b"}
    )
    waiting = job("c-3", "PENDING", message="Job has not started yet.")
    records = [record(one) for one in (failed, running, waiting)]
    head, first, second, third = table(records, now=4_010.0, width=80)
    assert head.split() == ["job", "status", "started", "took", "run", "message"]
    assert first.split()[:2] == ["a-1", "FAILED"]
    assert first.endswith(" 1:02:03            " + 28 * "x" + "…")
    assert len(first) == 80
    assert second.endswith("0:00:10  s3://l/b")
    assert third.split(maxsplit=2) == ["c-3", "PENDING", "Job has not started yet."]
    assert table(records, now=4_010.0)[1].endswith(99 * "x")


def test_a_command_that_failed_says_why_in_a_line() -> None:
    message = "Job entrypoint command failed with exit code {}, last available logs:\n  File x\n{}\n"
    assert reason("a", "FAILED", message.format(2, "birthday: study.yaml: wrong")) == (
        "job a FAILED (exit code 2): birthday: study.yaml: wrong"
    )
    for code, last in (
        (127, "/bin/sh: 1: python: not found"),
        (1, "ModuleNotFoundError: No module named 'ray'"),
    ):
        line = reason("a", "FAILED", message.format(code, last))
        assert line.startswith(
            f"job a FAILED (exit code {code}): {last}; install the pipeline for the head's"
        )
    quick = (
        "Job entrypoint command failed with exit code 2, last:\nit failed\nRunning entrypoint for job a: x\n"
    )
    assert reason("a", "FAILED", quick) == "job a FAILED (exit code 2): it failed"
    killed = "Job entrypoint command failed with exit code -9. No logs available."
    assert reason("a", "FAILED", killed) == "job a FAILED (exit code -9): it wrote nothing"


def test_a_job_that_never_ran_says_why_on_a_screen() -> None:
    message = "runtime_env setup failed: Failed to set up runtime environment.\n"
    said = reason("a", "FAILED", message + 100 * "  File\n" + "OSError: no space left\n").splitlines()
    assert said[0] == "job a FAILED: runtime_env setup failed: Failed to set up runtime environment."
    assert said[-1] == "  OSError: no space left"
    assert len(said) < 20


# --- on a real head -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looked_after(ray_head: RunningHead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Jobs that end well, that fail, and that go on."""
    counting = shlex.join([sys.executable, "-c", "for i in range(100): print('line', i)"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", ray_head.token_file.read_text())
        patch.setenv("RAY_API_SERVER_ADDRESS", ray_head.address)
        client = connect(ray_head.address)
        for name, command in (
            ("counting-1", counting),
            ("missing-1", "/no/python -m pipeline.cli"),
            ("going-1", "trap 'sleep 1; echo it heard; exit 0' TERM; while true; do sleep 0.1; done"),
        ):
            metadata = {"study": name[:-2], "run": f"s3://lab/{name[:-2]}", "name": name}
            start(client, name, command, tmp_path_factory.mktemp("empty"), metadata, {})
        wait_for(lambda: client.get_job_status("going-1") == "RUNNING")
        for name in ("counting-1", "missing-1"):
            wait_for(lambda name=name: client.get_job_status(name).is_terminal())  # type: ignore[misc]
        yield
        client.stop_job("going-1")


@pytest.mark.usefixtures("looked_after")
def test_birthday_jobs(birthday: Command) -> None:
    lines = {line.split()[0]: line for line in birthday("jobs").out.splitlines()}
    assert lines["counting-1"].split()[1] == "SUCCEEDED"
    assert lines["counting-1"].endswith("s3://lab/counting")
    assert lines["missing-1"].endswith("/no/python: not found")
    found = {one["job"]: one for one in json.loads(birthday("jobs", "--json").out)}
    assert found["counting-1"]["study"] == "counting"
    assert found["counting-1"]["ended"] > found["counting-1"]["started"]
    assert found["going-1"]["ended"] is None


@pytest.mark.usefixtures("looked_after")
def test_birthday_logs(birthday: Command) -> None:
    whole = birthday("logs", "counting").out.splitlines()
    assert [line for line in whole if line.startswith("line")] == [f"line {i}" for i in range(100)]
    assert birthday("logs", "counting-1", "--tail", "2").out == "line 98\nline 99\n"
    followed = birthday("logs", "counting", "--follow", "--tail", "1")
    assert (followed.code, followed.out) == (0, "line 99\n")
    failed = birthday("logs", "missing", "-f", "--tail", "0")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith(
        "birthday: job missing-1 FAILED (exit code 127): /bin/sh: 1: /no/python: not found;"
    )


@pytest.mark.usefixtures("looked_after")
def test_a_wrong_job_is_one_line(birthday: Command) -> None:
    for command in ("logs", "stop"):
        said = birthday(command, "nosuch")
        assert (said.code, said.out) == (2, "")
        (line,) = said.err.splitlines()
        assert line.startswith("birthday: job nosuch: is not on this cluster; there are ")


@pytest.mark.usefixtures("looked_after")
def test_a_stopped_job_has_its_time(birthday: Command) -> None:
    first, second = birthday("stop", "going").out.splitlines()
    assert first.startswith("stopping job going-1: its driver has 60 s")
    assert second.startswith("job going-1 STOPPED after ")
    assert birthday("logs", "going-1", "--tail", "1").out == "it heard\n"
    assert birthday("stop", "going-1").out == "job going-1 had ended before: STOPPED\n"


@pytest.mark.usefixtures("token")
def test_a_job_outlives_who_follows_it(ray_head: RunningHead, tmp_path: Path, birthday: Command) -> None:
    client = connect(ray_head.address)
    start(client, "left", "sleep 60", tmp_path, {"study": "left"}, {})
    process = start_command("logs", "left", "-f", "--address", ray_head.address)
    wait_for(lambda: client.get_job_status("left") == "RUNNING")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "birthday: the job goes on; `birthday stop` would end it\n")
    assert client.get_job_status("left") == "RUNNING"
    birthday("stop", "left", "--address", ray_head.address)


@pytest.mark.soak
@pytest.mark.usefixtures("token")
def test_a_stopped_study_goes_on(ray_head: RunningHead, s3: str, tmp_path: Path, birthday: Command) -> None:
    """Stopped in the middle of a trial and submitted again: as if it had never been stopped."""
    changes = ("base.training.steps=1000", "vary={seed: {count: 3}}", "resources.back_end=reference")
    sets = [word for change in changes for word in ("--set", change)]
    (tmp_path / "study.yaml").write_text(TINY.replace("study: tiny", "study: stopped"))
    words = [tmp_path / "study.yaml", "--address", ray_head.address, "--runs", s3, *sets]
    job = birthday("submit", *words, "--no-wait").out.split()[-1]
    files = S3FileSystem(use_listings_cache=False)
    wait_for(lambda: bool(files.glob(f"{s3}/stopped/trials/*.parquet")))
    time.sleep(2)  # into the training of the third, for which the head has had no core until now
    said = birthday("stop", "stopped", "--address", ray_head.address)
    assert f"job {job} STOPPED after" in said.out
    assert "killed" not in said.out
    done = len(load_run(f"{s3}/stopped").done())
    assert 0 < done < 3
    kept = [interrupted(files.cat_file(file)) for file in files.glob(f"{s3}/stopped/checkpoints/*")]
    assert sum(len(one.trials) for one in kept) == 3 - done
    assert all(0 < one.steps_done < one.steps for one in kept)
    again = birthday("submit", *words)
    assert again.code == 0, again
    assert again.out.splitlines()[-1] == f"{job}-2"
    assert f"stopped: 3 trials, {done} done already" in again.out
    assert not files.glob(f"{s3}/stopped/checkpoints/*")
    birthday("run", tmp_path / "study.yaml", "--runs", tmp_path, "--engine", "inline", "--no-mlflow", *sets)
    S3FileSystem.clear_instance_cache()  # what was listed before is kept
    assert_same(f"{s3}/stopped", tmp_path / "stopped", "attempts", "device")
