"""The interface of an engine, and the one that works in this very process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from pipeline.engine.stopping import stop_asked

T = TypeVar("T")


# How often a task is tried whose worker dies.
ATTEMPTS = 3


class Task(NamedTuple):
    """One call of the engine's function. shared: a value from `share`. key: the caller's name for it.

    size: how many trials' worth its value is.
    """

    key: str
    shared: Any
    arguments: tuple[Any, ...]
    attempts: int = ATTEMPTS
    size: int = 1


class Done(NamedTuple):
    """A finished task: its value, or why its worker died (`lost`, `out_of_memory`), and the attempts made."""

    task: Task
    value: Any = None
    lost: str | None = None
    reason: str = ""
    attempts: int = 1


class Engine(Protocol):
    """Executes tasks, `slots()` of them at a time; which one does changes no number."""

    def slots(self) -> int:
        """Tasks that run at once, now."""

    def share(self, value: T) -> Any:
        """Make a large value available to every task, sending it to each machine once."""

    def run(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[list[Done]]:
        """Call function(shared, *arguments) for each task; yields what has finished, in whatever order.

        tasks: asked for more after each yield, also if it had none before. Once this process has been asked
        to end (`stop_asked`), tasks in flight are asked too, what they still give is yielded, and the rest is
        left.
        """

    def close(self) -> None:
        """Free what the engine holds."""


class Inline:
    """Runs tasks one after another in this process: debugging, tests, machines without Ray."""

    def slots(self) -> int:
        return 1

    def share(self, value: T) -> T:
        return value

    def run(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[list[Done]]:
        for task in tasks:
            yield [Done(task, function(task.shared, *task.arguments))]
            if stop_asked():
                return

    def close(self) -> None:
        gc.unfreeze()  # what measuring memory has set aside in the caller's process
