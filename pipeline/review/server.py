"""`birthday review RUN`: the judging page, served on this machine to this machine only.

Whoever judges needs the address printed here: its token becomes a cookie, and every request is refused that
lacks it, that names another host (a page elsewhere whose name was rebound to 127.0.0.1), or that would write
on behalf of another origin.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.cookies
import json
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from pipeline.errors import InputError
from pipeline.review.candidates import Row, candidates
from pipeline.review.session import Session, rater_name
from pipeline.store.run import Run, load_run

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("review.html", "text/html; charset=utf-8"),
    "/review.css": ("review.css", "text/css; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LONGEST_BODY = 4096
PORTS = range(1024, 1 << 16)


class Address(NamedTuple):
    """Where the page is served: url carries the token."""

    url: str
    port: int
    token: str


def review(
    run_path: str | Path, *, port: int = 0, rater: str | None = None, open_browser: bool = False
) -> None:
    """Serve the judging page of a run until interrupted; labels are on disk as they are given.

    port: 0 takes any free one. rater: the name that the page starts with. Raises InputError for a run without
    candidates, one that cannot be written, and a port that cannot be had.
    """
    with serving(run_path, port=port, rater=rater) as address:
        print(f"review: {address.url}", flush=True)
        print("Open it on this machine; Ctrl-C ends. Every judgment is saved at once.", flush=True)
        if open_browser:
            webbrowser.open(address.url)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    print(f"labels: {str(run_path).rstrip('/')}/labels")


@contextlib.contextmanager
def serving(run_path: str | Path, *, port: int = 0, rater: str | None = None) -> Iterator[Address]:
    """The server in a thread of its own, and the run held for writing; arguments as of `review`."""
    query = f"&rater={quote(rater_name(rater))}" if rater is not None else ""
    if port and port not in PORTS:
        raise InputError(f"--port {port}: must be 0 (any free one) or {PORTS[0]} to {PORTS[-1]}")
    run = load_run(run_path)
    pairs = candidates(run)
    with run.writing():
        try:
            judging = Review(run, pairs)
            server = _Server(port, judging, secrets.token_urlsafe(24))
        except OSError as error:
            raise InputError(f"--port {port}: cannot be listened on: {error.strerror}") from None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            bound = server.server_address[1]
            yield Address(f"http://127.0.0.1:{bound}/?token={server.token}{query}", bound, server.token)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            judging.close()


class Review:
    """All raters' sessions of one run; one request at a time."""

    def __init__(self, run: Run, pairs: dict[str, Row]) -> None:
        self._run, self._pairs, self._sessions = run, pairs, dict[str, Session]()
        self._lock = threading.Lock()

    def raters(self) -> dict[str, Any]:
        """Who has judged something here before."""
        with self._lock:
            return {"raters": sorted({*self._run.table("labels")["rater"], *self._sessions})}

    def state(self, rater: str) -> dict[str, Any]:
        """What the page shows this rater."""
        with self._lock:
            return self._session(rater).state()

    def judge(self, rater: str, pair: str, label: str) -> dict[str, Any]:
        """Record a judgment. `accepted` is False if that pair was not the one to be judged."""
        with self._lock:
            session = self._session(rater)
            return {"accepted": session.judge(pair, label)} | session.state()

    def undo(self, rater: str) -> dict[str, Any]:
        """Take this rater's last judgment back."""
        with self._lock:
            session = self._session(rater)
            return {"accepted": session.undo()} | session.state()

    def close(self) -> None:
        """Wait for a judgment being written; none is taken after it."""
        self._lock.acquire()

    def _session(self, rater: str) -> Session:
        name = rater_name(rater)
        if name not in self._sessions:
            self._sessions[name] = Session(self._run, self._pairs, name)
        return self._sessions[name]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, review: Review, token: str) -> None:
        self.review, self.token = review, token
        super().__init__(("127.0.0.1", port), _Handler)
        bound = self.server_address[1]
        self.hosts = {f"127.0.0.1:{bound}", f"localhost:{bound}"}
        # Cookies are shared by all ports of a host; two reviews at once must not log each other out.
        self.cookie = f"birthday-review-{bound}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Refused(Exception):
    """A request that is answered by a status and one line."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "birthday", ""
    timeout = 60  # seconds that a connection may stay silent

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Addresses carry the token; nothing is logged."""

    def _answer(self, method: Callable[[str, dict[str, str]], None]) -> None:
        try:
            method(*self._checked())
        except _Refused as refusal:
            self._refuse(refusal.status, str(refusal))
        except InputError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(status, "application/json", json.dumps({"error": reason}).encode())

    def _checked(self) -> tuple[str, dict[str, str]]:
        """Path and query of a request that may be answered."""
        if self.headers.get("Host", "") not in self.server.hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, "this page answers to 127.0.0.1 and localhost only")
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        given = query.get("token", "") if self.command == "GET" and url.path == "/" else ""
        if not self._known(given or self._cookie()):
            raise _Refused(HTTPStatus.FORBIDDEN, "open the address that `birthday review` printed")
        return url.path, query

    def _known(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())

    def _cookie(self) -> str:
        try:
            jar = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        except http.cookies.CookieError:
            return ""
        return jar[self.server.cookie].value if self.server.cookie in jar else ""

    def _get(self, path: str, query: dict[str, str]) -> None:
        if path in FILES:
            name, kind = FILES[path]
            cookie = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            self._send(HTTPStatus.OK, kind, (PAGE / name).read_bytes(), {"Set-Cookie": cookie})
        elif path == "/raters":
            self._send_json(self.server.review.raters())
        elif path == "/state":
            self._send_json(self.server.review.state(query.get("rater", "")))
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self, path: str, query: dict[str, str]) -> None:
        if self.headers.get("Origin", "") not in {f"http://{host}" for host in self.server.hosts}:
            raise _Refused(HTTPStatus.FORBIDDEN, "judgments are taken from this page only")
        review = self.server.review
        takes: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...]]] = {
            "/judge": (review.judge, ("rater", "pair", "label")),
            "/undo": (review.undo, ("rater",)),
        }
        if path not in takes:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        function, names = takes[path]
        self._send_json(function(**self._body(names)))

    def _body(self, names: tuple[str, ...]) -> dict[str, str]:
        """The JSON object of a request: exactly these names, all of them text."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the request is too long or does not say how long it is")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError:
            body = None
        if not isinstance(body, dict) or set(body) != set(names):
            raise _Refused(HTTPStatus.BAD_REQUEST, f"a JSON object of {', '.join(names)} is expected")
        if not all(isinstance(value, str) for value in body.values()):
            raise _Refused(HTTPStatus.BAD_REQUEST, f"{', '.join(names)}: must be text")
        return body

    def _send_json(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer, default=lambda png: base64.b64encode(png).decode()).encode()
        self._send(HTTPStatus.OK, "application/json", content)

    def _send(
        self, status: HTTPStatus, kind: str, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(headers or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
