"""Following a run: mirror what is new in the store until its driver has ended, whatever MLflow does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.tracking.connection import failures
from pipeline.tracking.ledger import Ledger
from pipeline.tracking.place import Place

# Seconds: between looks at the store; between attempts while MLflow fails, doubling.
LOOK, FIRST_WAIT, LONGEST_WAIT = 2.0, 1.0, 60.0
# Attempts once the driver has ended.
ATTEMPTS = 2


class Watch(Protocol):
    """Who is told how the mirror does."""

    def over(self, seconds: float) -> bool:
        """Wait at most so long for the driver's end; whether it has ended."""

    def failed(self, why: str) -> None:
        """MLflow fails, for the first time in an outage; it is tried again."""

    def advance(self, done: int, of: int) -> None:
        """So many of the trials that were missing are there."""


def follow(run: Run, where: Place, watch: Watch, files: Callable[[], Mapping[str, bytes]] = dict) -> None:
    """Mirror a run until its driver has ended and all its trials are there.

    files: called then, for what else belongs to the run, by name. Raises InputError if another process
    mirrors the run, or if MLflow or the store still fail when all else is over.
    """
    ledger: Ledger | None = None
    failed, wait = 0, FIRST_WAIT
    with _only_one(run, watch):
        while True:
            last = watch.over(0)
            try:
                ledger = ledger or Ledger(run, where)
                missing = ledger.missing()
                for done, entry in enumerate(ledger.entries(missing), 1):
                    ledger.add(entry)
                    watch.advance(done, len(missing))
                failed, wait = 0, FIRST_WAIT
                if last:
                    return ledger.finish(files())
                watch.over(LOOK)
            except failures() as error:
                ledger, failed = None, failed + 1
                why = f"{where.shown}: {where.without_password(_reason(error))}"
                if last and failed >= ATTEMPTS:
                    raise InputError(f"MLflow: {why}") from None
                if failed == 1:
                    watch.failed(why)
                (time.sleep if last else watch.over)(wait)
                wait = min(2 * wait, LONGEST_WAIT)


@contextlib.contextmanager
def _only_one(run: Run, watch: Watch) -> Iterator[None]:
    """Hold the run's mirror; where another does, as one of a killed driver that is not through, wait."""
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(run.mirroring())
                break
            except InputError:
                if watch.over(LOOK):
                    raise
        yield


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).partition(" [SQL")[0][:200]
