"""Being asked to end: the first signal is a request, heeded between steps, the second an order."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

# Seconds between two looks at what else may ask.
LOOK_SECONDS = 5.0


class Stop:
    """A request to end, from a signal or from `notice`, which is asked every few seconds."""

    def __init__(self, notice: Callable[[], bool]) -> None:
        self._asked, self._notice, self._next_look = False, notice, time.monotonic() + LOOK_SECONDS

    @property
    def asked(self) -> bool:
        """Cheap enough for every step of training."""
        if not self._asked and time.monotonic() >= self._next_look:
            self._asked = self._notice()
            self._next_look = time.monotonic() + LOOK_SECONDS
        return self._asked

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """A handler of signals."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


_current: Stop | None = None
_notice: Callable[[], bool] = lambda: False  # noqa: E731


def also_on(notice: Callable[[], bool]) -> None:
    """In this process, take `notice() == True` for a request as well."""
    global _notice
    _notice = notice


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Inside, SIGINT and SIGTERM ask instead of interrupting. Nested uses share one request.

    Only the main thread can do so; in others a request comes from `also_on` alone.
    """
    global _current
    if _current is not None:
        yield _current
        return
    _current = Stop(_notice)
    signals = (signal.SIGINT, signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()
    before = {s: signal.signal(s, _current.on_signal) for s in signals} if in_main else {}
    try:
        yield _current
    finally:
        _current = None
        for s, handler in before.items():
            signal.signal(s, handler)


def stop_asked() -> bool:
    """Whether whatever is `stoppable` in this process has been asked to end."""
    return _current is not None and _current.asked
