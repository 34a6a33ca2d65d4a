"""Figures become files in a process of their own, while this one computes on, and then in both.

Laying a figure out and painting it takes longer than making it, and Python's threads would take turns. A
process by itself and not of `multiprocessing`, which would run a caller's script a second time.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from reports.figures.style import Drawing, Files, Medium, context, encode

SERVE = "from reports.figures.encoder import serve; serve()"


class Encoder:
    """Drawings by name on their way to being files."""

    def __init__(self, process: subprocess.Popen[bytes], medium: Medium) -> None:
        self._process, self._medium = process, medium
        self._asking = ThreadPoolExecutor(1)
        self._asked: dict[str, tuple[bytes, Future[Files]]] = {}

    def add(self, name: str, drawing: Drawing) -> None:
        """Take a drawing as it is now: what is changed later is not drawn."""
        content = pickle.dumps(drawing)
        self._asked[name] = content, self._asking.submit(self._there, content)

    def files(self) -> dict[str, Files]:
        """All files; the last drawings, which the other process has not begun, are encoded here."""
        found = {
            name: self._here(content) if there.cancel() else there.result()
            for name, (content, there) in reversed(self._asked.items())
        }
        return {name: found[name] for name in self._asked}

    def close(self) -> None:
        """Begin no other one: after an error nobody wants them."""
        self._asking.shutdown(cancel_futures=True)

    def _here(self, content: bytes) -> Files:
        return encode(pickle.loads(content), self._medium)

    def _there(self, content: bytes) -> Files:
        return _ask(self._process, pickle.dumps((content, self._medium)))


@contextlib.contextmanager
def encoder(medium: Medium) -> Iterator[Encoder]:
    """Inside it, matplotlib draws for this medium, and what is added to what it yields is being encoded."""
    where = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=where) as process,
        context(medium),
        contextlib.closing(Encoder(process, medium)) as encoding,
    ):
        yield encoding


def serve() -> None:
    """The other process: figures from standard input, their files to standard output, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the one who asks, whose end is ours
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            content, medium = pickle.load(asked)
        except EOFError:
            return
        answer: Files | Exception
        try:
            with context(medium):
                answer = encode(pickle.loads(content), medium)
        except Exception as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


def _ask(process: subprocess.Popen[bytes], asked: bytes) -> Files:
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(asked)
        process.stdin.flush()
        answer: Any = pickle.load(process.stdout)
    except (EOFError, BrokenPipeError):
        raise RuntimeError(f"the process that draws figures ended, with status {process.wait()}") from None
    if isinstance(answer, Exception):
        raise answer
    files: Files = answer
    return files
