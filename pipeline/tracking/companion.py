"""The driver's part of the mirror: it starts the process that follows the run, and passes on its words."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from types import TracebackType

from pipeline.store.run import Run

# Seconds for which a study that was stopped waits for what is under way.
GRACE = 5.0
log = logging.getLogger(__name__)


class Companion:
    """Mirrors a run from `start` until some time after the block has ended, in a process of its own.

    The end of a block waits until all is mirrored; one that is left by an exception only for what is under
    way. The next mirror goes on where this one ended.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    def __enter__(self) -> Companion:
        return self

    def start(self) -> None:
        """The run is there."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.tracking", self._run.root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, name="mlflow-mirror", daemon=True)
        self._listener.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._listener is not None
        self._process.stdin.close()
        try:
            self._process.wait(None if kind is None else GRACE)
        except subprocess.TimeoutExpired:
            log.warning("MLflow mirror: not all is there; later: birthday mirror %s", self._run.root)
        finally:
            self._process.kill()  # a trial that is half there is completed by the next mirror
            self._process.wait()
            self._listener.join()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.closing(self._process.stdout) as lines:
            for line in lines:
                log.warning(line.rstrip("\n"))
