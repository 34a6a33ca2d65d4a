"""Mirroring at once, with a bar: for `birthday mirror`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import Progress

from pipeline.store.run import Run
from pipeline.tracking.follow import follow
from pipeline.tracking.place import Place


def mirror(run: Run, where: Place, files: Callable[[], Mapping[str, bytes]]) -> None:
    """Mirror what is in the store now, and `files`, by name. Raises InputError if another mirrors the run, or
    if MLflow or the store fail several times.
    """
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        follow(run, where, _Bar(bars, run.study_name), files)


class _Bar:
    """Of a run whose driver nobody waits for."""

    def __init__(self, bars: Progress, name: str) -> None:
        self._bars = bars
        self._bar = bars.add_task(name, total=None)

    def over(self, seconds: float) -> bool:
        return True

    def failed(self, why: str) -> None:
        print(f"MLflow fails and is tried again: {why}", file=sys.stderr)

    def advance(self, done: int, of: int) -> None:
        self._bars.update(self._bar, completed=done, total=of)
