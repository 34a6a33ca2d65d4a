"""Which trials are trained together, and in what order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pipeline.engine.plan import data_key
from pipeline.training import BackEnd, signature
from pipeline.trial import TrialConfig

# Trials that one program does not train together share a task until they fill it: tasks shorter than a second
# cost more than they do. The more in a task, the more are lost with their worker.
TASK_SECONDS, MOST_IN_TASK = 2.0, 64

Shape = tuple[str, str]


class Choice(NamedTuple):
    """How trials of one shape are trained: by which back end, at most so many at once."""

    back_end: BackEnd
    size: int


class Cohort(NamedTuple):
    """Trials that one task trains and measures. tried: tasks that were lost with them before."""

    trials: tuple[TrialConfig, ...]
    back_end: BackEnd
    tried: int = 0

    def halves(self, lost: int) -> list[Cohort]:
        """What to try when so many workers did not survive all of them."""
        middle = len(self.trials) // 2
        parts = self.trials[:middle], self.trials[middle:]
        return [Cohort(part, self.back_end, self.tried + lost) for part in parts]


def shape_key(trial: TrialConfig) -> Shape:
    """Equal for trials that may share a cohort: their data set and the signature of their training."""
    return data_key(trial), signature(trial)


def by_shape(trials: Sequence[TrialConfig]) -> dict[Shape, list[TrialConfig]]:
    """Trials by `shape_key`, in their order."""
    found: dict[Shape, list[TrialConfig]] = {}
    for trial in trials:
        found.setdefault(shape_key(trial), []).append(trial)
    return found


def packed(
    trials: Sequence[TrialConfig],
    choice_of: Callable[[Shape], Choice],
    slots: Callable[[], int],
    seconds: Callable[[Shape], float],
) -> Iterator[Cohort]:
    """Every trial in one cohort, the longest cohorts first, so that no slot ends long after the others.

    slots: tasks that run at once, now. seconds: what a trial of a shape takes; asked anew for every cohort,
    so it may learn. Cohorts are no larger than chosen, nor so large that slots would stand idle: there are at
    least two for each slot while there are trials for it. Trials with equal rates stand together, which
    saves calls.
    """
    shapes = by_shape(trials)
    fair = _share(len(trials), slots())
    most = {shape: min(choice_of(shape).size, fair) for shape in shapes}
    left = len(trials)
    for shape in sorted(shapes, key=lambda shape: -most[shape] * seconds(shape)):
        back_end = choice_of(shape).back_end
        alike = sorted(shapes[shape], key=_rates)
        while alike:
            size = most[shape]
            if not back_end.together:
                filling = int(TASK_SECONDS / max(seconds(shape), 1e-9))
                size = max(1, min(filling, MOST_IN_TASK, _share(left, slots())))
            # In equal parts: no remainder of one or two that would be trained like many.
            size = math.ceil(len(alike) / math.ceil(len(alike) / size))
            yield Cohort(tuple(alike[:size]), back_end)
            del alike[:size]
            left -= size


class Backlog:
    """Cohorts still to be carried out. An iterator that may have more after it had none: what must be done
    again comes first.
    """

    def __init__(self, cohorts: Iterator[Cohort]) -> None:
        self._cohorts, self._again = cohorts, deque[Cohort]()

    def again(self, cohorts: Sequence[Cohort]) -> None:
        """Carry these out, too."""
        self._again.extend(cohorts)

    def __iter__(self) -> Backlog:
        return self

    def __next__(self) -> Cohort:
        return self._again.popleft() if self._again else next(self._cohorts)


class Arriving:
    """Cohorts of trials that become known by and by. An iterator that may have more after it had none."""

    def __init__(
        self,
        due: Callable[[], Sequence[TrialConfig]],
        pack: Callable[[Sequence[TrialConfig]], Iterator[Cohort]],
    ) -> None:
        self._due, self._pack = due, pack
        self._packed: Iterator[Cohort] = iter(())

    def __iter__(self) -> Arriving:
        return self

    def __next__(self) -> Cohort:
        cohort = next(self._packed, None)
        if cohort is None:
            self._packed = self._pack(self._due())
            return next(self._packed)
        return cohort


def _share(trials: int, slots: int) -> int:
    return max(1, math.ceil(trials / (2 * slots)))


def _rates(trial: TrialConfig) -> tuple[float, ...]:
    options = trial.training
    return options.generator_lr, options.discriminator_lr, *options.betas
