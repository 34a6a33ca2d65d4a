"""Figures become files in a process of their own, while this one computes on.

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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from reports.figures.style import Drawing, Files, Medium, context, encode

Encode = Callable[[Drawing], "Future[Files]"]
SERVE = "from reports.figures.encoder import serve; serve()"


@contextlib.contextmanager
def encoder(medium: Medium) -> Iterator[Encode]:
    """Inside it, matplotlib draws for this medium, and what it yields encodes a drawing meanwhile."""
    where = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=where) as process,
        ThreadPoolExecutor(1) as thread,
        context(medium),
    ):
        try:
            # Pickled at once, lest somebody changes it.
            yield lambda drawing: thread.submit(_ask, process, pickle.dumps((drawing, medium)))
        finally:
            thread.shutdown(cancel_futures=True)  # after an error nobody wants the others


def serve() -> None:
    """The other process: figures from standard input, their files to standard output, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the one who asks, whose end is ours
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            drawing, medium = pickle.load(asked)
        except EOFError:
            return
        answer: Files | Exception
        try:
            with context(medium):
                answer = encode(drawing, medium)
        except Exception as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


def _ask(process: subprocess.Popen[bytes], drawing: bytes) -> Files:
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(drawing)
        process.stdin.flush()
        answer: Any = pickle.load(process.stdout)
    except (EOFError, BrokenPipeError):
        raise RuntimeError(f"the process that draws figures ended, with status {process.wait()}") from None
    if isinstance(answer, Exception):
        raise answer
    files: Files = answer
    return files
