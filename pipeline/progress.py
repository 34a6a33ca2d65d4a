"""How a running study shows itself: a live display on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

# Seconds between plain lines: often enough for a log, rare enough for ten thousand trials.
PLAIN_PERIOD = 5.0


class End(Protocol):
    """How a trial ended."""

    @property
    def trial_id(self) -> str: ...
    @property
    def status(self) -> str: ...


class Progress(Protocol):
    """Told by the driver what has finished."""

    def start(self, name: str, total: int, done: int) -> None:
        """`done` of `total` trials were in the store already."""

    def advance(self, ends: Iterable[End]) -> None:
        """These trials are in the store now."""

    def finish(self) -> None:
        """Nothing more comes."""


class Silent:
    """Shows nothing."""

    def start(self, name: str, total: int, done: int) -> None: ...
    def advance(self, ends: Iterable[End]) -> None: ...
    def finish(self) -> None: ...


class _Tally:
    """What both displays count."""

    def __init__(self, name: str, total: int, done: int) -> None:
        self.name, self.total, self.before, self.done = name, total, done, done
        self.ends: Counter[str] = Counter()
        self.clock = time.monotonic()

    def advance(self, ends: Iterable[End]) -> list[End]:
        ends = list(ends)
        self.done += len(ends)
        self.ends.update(end.status for end in ends)
        return [end for end in ends if end.status != "completed"]

    @property
    def failed(self) -> int:
        return sum(n for status, n in self.ends.items() if status != "completed")

    def rate(self) -> str:
        """Trials a minute and the time left, from this process's own trials."""
        now = self.done - self.before
        elapsed = time.monotonic() - self.clock
        if not now:
            return "first trials are running"
        left = (self.total - self.done) * elapsed / now
        return (
            f"{60 * now / elapsed:.1f} trials/min, {duration(left)} left"
            if left
            else f"in {duration(elapsed)}"
        )


class Plain:
    """Lines for logs and pipes."""

    def start(self, name: str, total: int, done: int) -> None:
        self.tally = _Tally(name, total, done)
        print(f"{name}: {total} trials, {done} done already", flush=True)
        self.last = time.monotonic()

    def advance(self, ends: Iterable[End]) -> None:
        for end in self.tally.advance(ends):
            print(f"{self.tally.name}: trial {end.trial_id} {end.status}", flush=True)
        if time.monotonic() - self.last >= PLAIN_PERIOD:
            self.last = time.monotonic()
            self._line()

    def finish(self) -> None:
        self._line()

    def _line(self) -> None:
        t = self.tally
        print(f"{t.name}: {t.done}/{t.total} done, {t.failed} failed, {t.rate()}", flush=True)


class Live:
    """A bar on a terminal."""

    def __init__(self, console: Console) -> None:
        self.bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
        )

    def start(self, name: str, total: int, done: int) -> None:
        self.tally = _Tally(name, total, done)
        self.bars.start()
        self.bar = self.bars.add_task(name, total=total, completed=done, state="starting")

    def advance(self, ends: Iterable[End]) -> None:
        for end in self.tally.advance(ends):
            self.bars.console.print(f"trial {end.trial_id} [yellow]{end.status}[/]")
        t = self.tally
        failed = f"[yellow]{t.failed} failed[/], " if t.failed else ""
        self.bars.update(self.bar, completed=t.done, state=failed + t.rate())

    def finish(self) -> None:
        self.bars.stop()


def for_terminal() -> Progress:
    """Live on a terminal, plain otherwise."""
    return Live(Console()) if sys.stdout.isatty() else Plain()


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3.5 h`, `2.1 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"
