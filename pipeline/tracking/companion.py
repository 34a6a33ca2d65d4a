"""The driver's part of the mirror: it starts the process that follows the run, and passes on its words."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from types import TracebackType

from pipeline.store.run import Run

# Seconds for which the process that followed is waited for, at the end of a study and where one was stopped.
GRACE, STOPPED = 5.0, 2.0
log = logging.getLogger(__name__)


class Companion:
    """Mirrors a run from `start` until some time after the block has ended, in a process of its own.

    The end of a block waits until all is mirrored; one that is left by an exception only for what is under
    way. The next mirror goes on where this one ended.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Companion:
        return self

    def start(self) -> None:
        """The run is there."""
        self._process = self._mirror(subprocess.PIPE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        if not _ended(self._process, GRACE if kind is None else STOPPED) and kind is None:
            # Either much is left, or it does not come to it: it lets all others on this machine go first, for
            # as long as it lives.
            last = self._mirror(subprocess.DEVNULL)
            try:
                last.wait()
            finally:
                _ended(last, 0)

    def _mirror(self, stdin: int) -> subprocess.Popen[str]:
        """A process that mirrors until its standard input ends, and a thread that listens to it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.tracking", self._run.root],
            stdin=stdin,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=_listen, args=[process], name="mlflow-mirror", daemon=True).start()
        return process


def _ended(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait so long, then kill it: a trial that is half there is completed by the next mirror."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _listen(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    with contextlib.closing(process.stdout) as lines:
        for line in lines:
            log.warning(line.rstrip("\n"))
