"""The process that follows a run beside its driver: `python -m pipeline.tracking RUN [URI]`.

It ends some time after its standard input has ended, and says on standard output, a line each, what its
driver shall tell the user.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.tracking.follow import follow
from pipeline.tracking.place import place

# Seconds between words on how far the last of it is.
SAY = 15.0


class Driver:
    """The driver, at the other end of standard input and output."""

    def __init__(self) -> None:
        self._ended: float | None = None
        self._told = 0.0

    def over(self, seconds: float) -> bool:
        """Nothing ever comes from the driver but its end."""
        if self._ended is None and select.select([sys.stdin], [], [], seconds)[0]:
            self._ended = self._told = time.monotonic()
        return self._ended is not None

    def failed(self, why: str) -> None:
        if self._ended is None:
            self.say(f"MLflow mirror fails, the study goes on and it is tried again: {why}")

    def advance(self, done: int, of: int) -> None:
        if self.over(0) and time.monotonic() - self._told > SAY:
            self._told = time.monotonic()
            self.say(f"MLflow mirror: {done} of the last {of} trials; Ctrl-C leaves the rest")

    def say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # a killed driver tells nobody anything
            print(line, flush=True)


def main() -> None:
    """Follow until the driver has ended."""
    # The terminal's Ctrl-C is for the driver, which then ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    driver = Driver()
    if not driver.over(0):
        # What trains goes first, however busy the machine is. There is no way back from that.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    run = Run(sys.argv[1])
    try:
        follow(run, place(run), driver)
    except InputError as error:
        driver.say(f"MLflow mirror: not all is there: {error}; later: birthday mirror {run.root}")
        sys.exit(1)


if __name__ == "__main__":
    main()
