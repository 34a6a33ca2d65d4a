"""Keeping the state of training in the run's store, so that nobody trains twice what a fault interrupts."""

from __future__ import annotations

import logging
import time

from pipeline.engine.stopping import Stop
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.training import Checkpoint, decode, encode

log = logging.getLogger(__name__)

# State is kept at least so many seconds apart, and the more seldom the longer it takes: at most this share of
# the time goes into it.
PERIOD, SHARE = 60.0, 0.02


class Stopped(Exception):
    """Training was asked to end and its state is kept."""


class Keeping:
    """A `pipeline.training.Keeper` that writes to `RUN/checkpoints/`. used: keys with something in the store.

    What cannot be written costs time after a fault, and is no reason to end training.
    """

    def __init__(self, run: Run | None, stop: Stop) -> None:
        self.run, self.stop = run, stop
        self.used: set[str] = set()
        self._next = time.monotonic() + PERIOD

    def load(self, key: str) -> Checkpoint | None:
        try:
            content = self.run.checkpoint(key) if self.run else None
            found = None if content is None else decode(content)
        except (InputError, OSError, ValueError) as error:  # damaged or out of reach: from the start, then
            log.warning("checkpoint %s: is not used: %s", key, error)
            return None
        if found:
            self.used.add(key)
        return found

    def due(self) -> bool:
        return self.stop.asked or time.monotonic() >= self._next

    def save(self, key: str, checkpoint: Checkpoint) -> None:
        clock = time.monotonic()
        if self.run and self.run.save_checkpoint(key, encode(checkpoint)):
            self.used.add(key)
        now = time.monotonic()
        self._next = now + max(PERIOD, (now - clock) / SHARE)
        if self.stop.asked:
            raise Stopped
