"""Carrying out a cohort's training, step by step, with its state in a keeper's hands between steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from pipeline.systems import Players, System
from pipeline.training.checkpoint import Checkpoint, Keeper, checkpoint_of, course_key, tree_of
from pipeline.training.curves import Point, columns, points
from pipeline.trial import TrialConfig


class Trained(NamedTuple):
    """players: trees on the device, generators averaged where the trial asks for it. status: `completed` or
    `diverged`. seconds: of training, where a cohort shares them a trial's part. shown: real samples shown to
    anyone but the generator. back_end: what trained it. cohort: how many trials were trained together.
    """

    system: System
    players: Players
    curves: list[Point]
    status: str
    error: str | None
    steps_done: int
    seconds: float
    shown: int
    back_end: str = "reference"
    cohort: int = 1

    @property
    def images_per_second(self) -> float:
        """Of `shown`."""
        return self.shown / self.seconds

    def kept(self) -> dict[str, Any]:
        """As part of a checkpoint: all but the system."""
        end = self._asdict() | {"curves": columns(self.curves)}
        del end["system"]
        return end


def taken_up(system: System, end: dict[str, Any]) -> Trained:
    """The inverse of `kept`."""
    return Trained(system, **end | {"curves": points(end["curves"])})


class Course(Protocol):
    """The training of trials that move together, from first to last step.

    step: the last one done. steps: train on, yielding after each step. ends: once nothing more is yielded,
    one per trial. state, restore: what an equal course needs to go on, as `checkpoint_of` takes it; restored
    before its first step.
    """

    step: int

    def steps(self) -> Iterator[int]: ...
    def ends(self) -> list[Trained]: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


class Courses:
    """A cohort's courses: not begun, under way or at their ends.

    begin: makes each course, of equally many of the trials in their order.
    """

    def __init__(
        self,
        begin: Sequence[Callable[[], Course]],
        system: System,
        trials: Sequence[TrialConfig],
        back_end: str,
        device: torch.device,
        keeper: Keeper | None,
    ) -> None:
        self.begin, self.device, self.keeper = begin, device, keeper
        ids = [trial.id for trial in trials]
        self.key = course_key(ids, back_end, device.type)
        self.width, self.length = len(trials) // len(begin), trials[0].training.steps
        self.about = {"trials": ids, "back_end": back_end, "steps": self.length * len(trials)}
        self.under_way: dict[int, Course] = {}
        self.ends: dict[int, list[Trained]] = {}
        self.states: dict[int, dict[str, Any]] = {}
        self.seconds = [0.0] * len(begin)
        self.since = 0.0  # when those under way were last told their seconds
        earlier = keeper.load(self.key) if keeper is not None else None
        if earlier is not None:
            kept = tree_of(earlier, device)
            self.seconds = kept["seconds"]
            self.states = {int(k): state for k, state in kept["under_way"].items()}
            self.ends = {int(k): [taken_up(system, e) for e in ends] for k, ends in kept["ends"].items()}

    def run(self, *, side_by_side: bool = False) -> list[Trained]:
        """All to their ends, one after another or a step of each in turn; seconds are shared evenly."""
        everyone = range(len(self.begin))
        for places in [everyone] if side_by_side else [[k] for k in everyone]:
            self._together([k for k in places if k not in self.ends], streams=side_by_side)
        return [end._replace(seconds=self.seconds[k] / self.width) for k in everyone for end in self.ends[k]]

    def _together(self, places: Sequence[int], *, streams: bool) -> None:
        """These, a step of each in turn. streams: on a GPU each on a stream of its own (also one alone:
        nothing can be captured on the default stream).
        """
        for k in places:
            self.under_way[k] = self.begin[k]()
            if k in self.states:
                self.under_way[k].restore(self.states.pop(k))
        left = [(k, self.under_way[k].steps(), self._stream() if streams else None) for k in places]
        self._synchronize()
        self.since = time.perf_counter()
        while left:
            going = []
            for k, steps, stream in left:
                with torch.cuda.stream(stream) if stream is not None else contextlib.nullcontext():
                    if next(steps, None) is not None:
                        going.append((k, steps, stream))
                    else:
                        self._end(k)
            left = going
            if left and self.keeper is not None and self.keeper.due():
                self._spend()
                self.keeper.save(self.key, self._checkpoint())
                self.since = time.perf_counter()

    def _end(self, k: int) -> None:
        self._spend()
        self.ends[k] = self.under_way.pop(k).ends()

    def _spend(self) -> None:
        """Those under way share the time since the last call."""
        self._synchronize()
        now = time.perf_counter()
        for k in self.under_way:
            self.seconds[k] += (now - self.since) / len(self.under_way)
        self.since = now

    def _checkpoint(self) -> Checkpoint:
        done = self.length * len(self.ends) + sum(course.step for course in self.under_way.values())
        return checkpoint_of(
            {
                **self.about,
                "steps_done": done * self.width,
                "seconds": self.seconds,
                "ends": {str(k): [end.kept() for end in ends] for k, ends in self.ends.items()},
                "under_way": {str(k): course.state() for k, course in self.under_way.items()},
            }
        )

    def _stream(self) -> torch.cuda.Stream | None:
        return torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
