"""A store that does not answer for a while: a writer waits, a reader says so."""

from __future__ import annotations

import errno
import logging
import threading
import time
from pathlib import Path

import pytest

from pipeline import InputError
from pipeline.store import lease
from pipeline.store.backends import ObjectStore
from pipeline.store.files import Files, Unreachable, transient
from pipeline.store.run import Run
from tests.store.conftest import Server
from tests.store.rows import assert_players, rows, weights


def test_a_writer_outlives_an_outage(server: Server, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(bucket)
    caplog.set_level(logging.WARNING, "pipeline")
    began = time.monotonic()
    with run.writing():
        run.save(["t0"], rows("t0"), weights("t0"))
        server.stop()
        back = threading.Timer(4, server.start)
        back.start()
        for k in range(1, 20):  # merged meanwhile
            run.save([f"t{k}"], rows(f"t{k}"), weights(f"t{k}"))
        back.join()
    assert time.monotonic() - began > 4
    assert run.done() == {f"t{k}" for k in range(20)}
    assert len(run.table("curves")) == 60
    for k in range(20):
        assert_players(run.players(f"t{k}"), f"t{k}")
    said = [r.getMessage() for r in caplog.records if r.name.startswith("pipeline")]
    assert len(said) == 2
    assert said[0].startswith(f"{bucket}: the store does not answer, trying for 600 s: ")
    assert said[1].startswith(f"{bucket}: the store answers again after ")
    assert not any("\n" in line for line in said)


def test_a_reader_gives_up_within_seconds(server: Server, bucket: str) -> None:
    run = Run(bucket)
    with run.writing():
        run.save(["a"], rows("a"))
    server.stop()
    try:
        began = time.monotonic()
        with pytest.raises(InputError, match="the store does not answer") as caught:
            run.table("trials")
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 30
        assert not run.save_checkpoint("c", b"1")
    finally:
        server.start()
    assert len(run.table("trials")) == 1


def test_a_put_whose_answer_is_lost_counts_once(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(root)
    back_end = run.files._back_end
    plain, lost = back_end.put, set[str]()

    def put(name: str, content: bytes, create: bool) -> None:
        plain(name, content, create)
        if name not in lost:  # each file's first PUT arrives, and its answer does not
            lost.add(name)
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    with run.writing():
        monkeypatch.setattr(back_end, "put", put)
        run.save(["a"], rows("a"), weights("a"))
        run.save(["b"], rows("b"))
    assert {name.partition("/")[0] for name in lost} == {"trials", "curves", "weights", "commits"}
    assert run.table("trials")["trial_id"].tolist() == ["a", "b"]


def test_a_refusal_is_not_tried_again(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="cannot be written: The specified bucket does not exist"):
        lease.acquire("s3://nobody-has-this/quickstart")
    run = Run(tmp_path / "r")
    with run.writing(), monkeypatch.context() as patch:
        patch.setattr(run.files._back_end, "put", full)
        with pytest.raises(InputError, match="cannot be written: No space left on device"):
            run.save(["a"], rows("a"))
    assert time.monotonic() - began < 30


def full(name: str, content: bytes, create: bool) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_worth_another_try(server: Server) -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

    def answered(status: int, code: str) -> Exception:
        said = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        from s3fs.errors import translate_boto_error

        return translate_boto_error(ClientError(said, "PutObject"))

    for error in (
        answered(503, "SlowDown"),
        answered(500, "InternalError"),
        answered(409, "ConditionalRequestConflict"),
        answered(429, "TooManyRequests"),
        EndpointConnectionError(endpoint_url="http://x"),
        ReadTimeoutError(endpoint_url="http://x"),
        ConnectionRefusedError(),
        TimeoutError(),
        OSError(errno.ESTALE, "Stale file handle"),
        Unreachable("x"),
    ):
        assert transient(error), error
    for error in (
        answered(403, "AccessDenied"),
        answered(400, "InvalidRequest"),
        answered(404, "NoSuchBucket"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("x"),
        InputError("x"),
    ):
        assert not transient(error), error


def test_create_only_is_enforced_by_the_store(root: str) -> None:
    files, other = Files(root), Files(root)
    assert files.create("commits/a.json", b"1")
    assert files.create("commits/a.json", b"1")  # as after a lost answer
    assert not other.create("commits/a.json", b"2")
    assert other.read("commits/a.json") == b"1"


def test_s3_is_asked_not_to_replace(bucket: str) -> None:
    """The condition is sent with the PUT itself, not checked before it."""
    store = ObjectStore(bucket)
    sent: list[dict[str, object]] = []
    plain = store.fs._call_s3

    async def call(method: str, *more: object, **arguments: object) -> object:
        sent.append({"method": method, **arguments})
        return await plain(method, *more, **arguments)

    store.fs._call_s3 = call
    try:
        store.put("x", b"1", create=True)
    finally:
        del store.fs._call_s3
    assert [(request["method"], request.get("IfNoneMatch")) for request in sent] == [("put_object", "*")]
