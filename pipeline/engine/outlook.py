"""What a study will take: hours of tasks, of cores, of GPUs, and money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.datasets import DataSet
from pipeline.engine.cohorts import by_shape
from pipeline.engine.cost import predicted_seconds
from pipeline.engine.plan import data_key
from pipeline.engine.tuning import kept_for
from pipeline.progress import duration
from pipeline.store.run import Run
from pipeline.study import ResourceOptions, Study
from pipeline.trial import TrialConfig


class Outlook(NamedTuple):
    """seconds: of tasks, one after another. probed, arithmetic: trials whose shape was measured before, with
    their measuring, and trials whose training alone is predicted, from its arithmetic on a CPU core.
    """

    seconds: float
    probed: int
    arithmetic: int


def outlook(
    trials: Sequence[TrialConfig],
    data: Mapping[str, DataSet],
    resources: ResourceOptions,
    target: Run,
) -> Outlook:
    """What trials will take, from what `birthday tune` or an earlier run measured beside `target`."""
    seconds, probed = 0.0, 0
    for shape, alike in by_shape(trials).items():
        first = alike[0]
        tuned = kept_for(target, shape, resources)
        each = tuned.seconds(first.training.steps) if tuned else None
        if each is not None:
            probed += len(alike)
        else:
            each = predicted_seconds(first, data[data_key(first)].sample_shape)
        seconds += len(alike) * each
    return Outlook(seconds, probed, len(trials) - probed)


def of_search(study: Study, data: Mapping[str, DataSet], target: Run, price: float | None) -> Iterator[str]:
    """What `birthday plan` prints of a study's search: how many trials at most, and what they take if all are
    like the base's, whatever the space makes of them.
    """
    options = study.search
    if options is None:
        return
    groups, count = study.groups(), options.trials * options.seeds
    likely = [t for group in groups for t in study.resolve(group).with_seeds(range(count)).values()]
    yield (
        f"search: at most {len(likely):,} trials ({len(groups):,} x {options.trials:,} suggestions x "
        f"{options.seeds:,} seeds); with the base's settings"
    )
    for line in lines(outlook(likely, data, study.resources, target), study.resources, price):
        yield f"  {line}"


def lines(found: Outlook, resources: ResourceOptions, price: float | None) -> Iterator[str]:
    """What `birthday plan` prints. price: of an hour of a GPU, or of a core where trials need no GPU."""
    if resources.gpus and found.arithmetic:
        yield (
            f"predicted: nothing for {found.arithmetic:,} trials on GPUs, until `birthday tune` has measured "
            "their shapes on one"
        )
        return
    hours = found.seconds / 3600
    kind, amount = ("GPU", hours * resources.gpus) if resources.gpus else ("core", hours * resources.cpus)
    yield (
        f"predicted: {duration(found.seconds)} of one task at a time, {duration(found.seconds / 2)} of two; "
        f"{amount:.3g} {kind}-hours"
    )
    if found.arithmetic:
        yield (
            f"  {found.arithmetic:,} trials by arithmetic (training alone, within a factor of two on a core "
            f"like a 2.6 GHz Xeon's), {found.probed:,} as measured; `birthday tune` measures"
        )
    else:
        yield "  as measured by `birthday tune` or an earlier run, training and measuring"
    if price is not None:
        yield f"  at {price:g} an hour and {kind}: {amount * price:.2f}"
