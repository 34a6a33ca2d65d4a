"""The server: who is let in, what is refused, what a killed one leaves."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.errors import InputError
from pipeline.review.server import Address, serving
from pipeline.store.run import Run, load_run
from tests.reports.synthetic import study
from tests.review.runs import serve, write


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bd"))


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[Address]:
    with serving(root) as found:
        yield found


def ask(address: Address, method: str, path: str, body: Any = None, **headers: str | None) -> Answer:
    """A request that is as it should be, but for the headers given; None leaves one out."""
    good: dict[str, str | None] = {
        "Host": f"127.0.0.1:{address.port}",
        "Cookie": f"birthday-review-{address.port}={address.token}",
        "Origin": f"http://127.0.0.1:{address.port}" if method == "POST" else None,
    }
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    if content and "Content_Length" not in headers:
        good["Content-Length"] = str(len(content))
    for name, value in {**good, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(content or None)
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read())
    connection.close()
    return answer


def judgment(address: Address, rater: str = "Ada") -> dict[str, str]:
    state = json.loads(ask(address, "GET", f"/state?rater={rater}").body)
    return {"rater": rater, "pair": state["pair"]["id"], "label": "different"}


def test_the_address_lets_in_and_a_cookie_keeps(address: Address) -> None:
    path = address.url.removeprefix(f"http://127.0.0.1:{address.port}")
    first = ask(address, "GET", path, Cookie=None)
    assert first.status == 200
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask(address, "GET", "/review.js", Cookie=cookie.split(";")[0]).status == 200
    assert ask(address, "GET", "/state?rater=Ada", Host=f"localhost:{address.port}").status == 200
    assert len(address.token) >= 32


@pytest.mark.parametrize("path", ["/", "/review.js", "/raters", "/state?rater=Ada", "/nowhere"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"Cookie": None},
        {"Cookie": "birthday-review-{port}=guess"},
        {"Cookie": "birthday-review-{port}=é"},
        {"Cookie": "birthday-review-{port}"},
        {"Cookie": "other={token}"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": None},
    ],
)
def test_no_page_without_token_and_host(address: Address, path: str, wrong: dict[str, str | None]) -> None:
    headers = {
        k: v and v.format(port=address.port, token=address.token).encode().decode("latin-1")
        for k, v in wrong.items()
    }
    answer = ask(address, "GET", path, **headers)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert address.token.encode() not in answer.body


def test_a_wrong_token_in_the_address_is_refused_and_none_elsewhere_counts(address: Address) -> None:
    assert ask(address, "GET", "/?token=guess", Cookie=None).status == 403
    assert ask(address, "GET", "/?token=guess").status == 403
    assert ask(address, "GET", f"/state?rater=Ada&token={address.token}", Cookie=None).status == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Cookie": None},
        {"Host": "evil.example"},
    ],
)
def test_nothing_is_written_for_another_origin(
    address: Address, root: Path, wrong: dict[str, str | None]
) -> None:
    before = len(load_run(root).table("labels"))
    assert ask(address, "POST", "/judge", judgment(address), **wrong).status == 403
    assert ask(address, "POST", "/undo", {"rater": "Ada"}, **wrong).status == 403
    assert len(load_run(root).table("labels")) == before


def test_a_judgment_is_in_the_store_when_it_is_answered(address: Address, root: Path) -> None:
    answer = json.loads(ask(address, "POST", "/judge", judgment(address, "Bo")).body)
    assert (answer["accepted"], answer["done"]) == (True, 1)
    labels = load_run(root).table("labels")
    assert labels.loc[labels["rater"] == "Bo", "label"].tolist() == ["different"]
    assert "Bo" in json.loads(ask(address, "GET", "/raters").body)["raters"]
    stale = json.loads(ask(address, "POST", "/judge", {"rater": "Bo", "pair": "old", "label": "unsure"}).body)
    assert (stale["accepted"], stale["done"]) == (False, 1)
    undone = json.loads(ask(address, "POST", "/undo", {"rater": "Bo"}).body)
    assert (undone["accepted"], undone["done"]) == (True, 0)


def test_the_state_holds_two_pictures_and_an_opaque_name(address: Address) -> None:
    state = json.loads(ask(address, "GET", "/state?rater=Cy").body)
    assert set(state) == {"rater", "done", "total", "counts", "pair"}
    assert set(state["pair"]) == {"id", "left", "right"}
    assert state["pair"]["left"].startswith("iVBORw0KGgo")  # PNG


def test_headers_keep_the_page_to_itself(address: Address) -> None:
    for path in ("/", "/review.css", "/state?rater=Ada", "/nowhere"):
        headers = ask(address, "GET", path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http" not in headers["Content-Security-Policy"]
        assert "Python" not in headers["Server"]


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"{", {}, "a JSON object of rater, pair, label is expected"),
        (b"\xff", {}, "a JSON object"),
        ([1], {}, "a JSON object"),
        ({"rater": "Ada"}, {}, "a JSON object"),
        ({"rater": "Ada", "pair": 3, "label": "unsure"}, {}, "must be text"),
        ({"rater": "", "pair": "x", "label": "unsure"}, {}, "1 to 60 printable"),
        ({"rater": "Ada", "pair": "x", "label": "maybe"}, {}, "not one of duplicate, different, unsure"),
        (b"x" * 5000, {}, "too long"),
        (b"{}", {"Content_Length": None}, "does not say how long"),
        (b"{}", {"Content_Length": "-3"}, "does not say how long"),
    ],
)
def test_bad_requests_are_one_line(
    address: Address, body: Any, headers: dict[str, str | None], said: str
) -> None:
    answer = ask(address, "POST", "/judge", body, **headers)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert said in error
    assert "\n" not in error


def test_other_paths_and_methods(address: Address) -> None:
    assert ask(address, "GET", "/../server.py").status == 404
    assert ask(address, "POST", "/state", {}).status == 404
    assert ask(address, "PUT", "/judge", {}).status == 501


def test_only_this_machine_can_connect(address: Address) -> None:
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            listening += [
                row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{address.port:04X}")
            ]
    assert listening == [f"0100007F:{address.port:04X}"]


def test_bad_input_is_one_line(tmp_path: Path, root: Path) -> None:
    def refused(path: Path, match: str, **arguments: Any) -> None:
        with pytest.raises(InputError, match=match), serving(path, **arguments):
            pass

    empty = Run(tmp_path / "empty")
    empty.save_study(study())
    fresh = write(tmp_path)
    refused(Path(empty.root), "measure it with candidates first")
    refused(tmp_path / "nothing", "is not a run")
    for port in (-1, 80, 65536):
        refused(fresh, f"--port {port}: must be 0 .any free one. or 1024 to 65535", port=port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(fresh, f"--port {port}: cannot be listened on: Address already in use", port=port)
    refused(fresh, "a rater's name is", rater=" ")
    with serving(fresh):
        refused(fresh, "another process is writing this run")
    shutil.rmtree(fresh / "lease")
    (fresh / "lease").write_text("")  # what even root cannot write into
    refused(fresh, "lease.*cannot be (written|read): Not a directory")


def test_a_killed_server_leaves_every_answered_judgment(tmp_path: Path) -> None:
    root = write(tmp_path)
    for given in (5, 9):
        process, url = serve(root, "Ada Lovelace")
        port, _, token = url.removeprefix("http://127.0.0.1:").partition("/?token=")
        assert token.endswith("&rater=Ada%20Lovelace")
        address = Address(url, int(port), token.partition("&")[0])
        state = json.loads(ask(address, "GET", "/state?rater=Ada").body)
        while state["done"] < given:
            state = json.loads(ask(address, "POST", "/judge", judgment(address)).body)
        process.kill()
        process.wait()
        assert len(load_run(root).table("labels")) == given
    labels = load_run(root).table("labels")
    assert sorted(labels["position"]) == list(range(1, 10))
    assert labels["first"].is_unique


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    root = write(tmp_path)
    program = (
        "import os, signal, sys, threading; from pipeline.review import review;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # which background shells turn off
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start(); review(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == f"labels: {root}/labels"
