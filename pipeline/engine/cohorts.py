"""Which trials are trained together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.engine.plan import data_key
from pipeline.training import BackEnd, signature
from pipeline.trial import TrialConfig


class Choice(NamedTuple):
    """How trials of one shape are trained: by which back end, at most so many at once."""

    back_end: BackEnd
    size: int


class Cohort(NamedTuple):
    """Trials that one task trains and measures."""

    trials: tuple[TrialConfig, ...]
    back_end: BackEnd


def shape_key(trial: TrialConfig) -> tuple[str, str]:
    """Equal for trials that may share a cohort: their data set and the signature of their training."""
    return data_key(trial), signature(trial)


def by_shape(trials: Sequence[TrialConfig]) -> dict[tuple[str, str], list[TrialConfig]]:
    """Trials by `shape_key`, in their order."""
    found: dict[tuple[str, str], list[TrialConfig]] = {}
    for trial in trials:
        found.setdefault(shape_key(trial), []).append(trial)
    return found


def packed(
    trials: Sequence[TrialConfig],
    choice_of: Callable[[tuple[str, str]], Choice],
    slots: int,
    seconds: Callable[[TrialConfig], float],
) -> list[Cohort]:
    """Every trial in one cohort, the longest cohorts first, so that no slot ends long after the others.

    seconds: what trials of a shape will take, on any scale. Cohorts are no larger than chosen, nor so large
    that slots would stand idle: there are at least two for each slot while there are trials for it. Trials
    with equal rates stand together, which saves calls.
    """
    fair = max(1, math.ceil(len(trials) / (2 * slots)))
    cohorts: list[tuple[float, Cohort]] = []
    for key, alike in by_shape(trials).items():
        choice = choice_of(key)
        count = math.ceil(len(alike) / min(choice.size, fair))
        alike = sorted(alike, key=_rates)
        ends = [round(k * len(alike) / count) for k in range(count + 1)]
        each = seconds(alike[0])
        cohorts += [
            ((b - a) * each, Cohort(tuple(alike[a:b]), choice.back_end)) for a, b in itertools.pairwise(ends)
        ]
    return [cohort for _, cohort in sorted(cohorts, key=lambda pair: -pair[0])]


def _rates(trial: TrialConfig) -> tuple[float, ...]:
    options = trial.training
    return options.generator_lr, options.discriminator_lr, *options.betas
