"""What a study's design can detect, said before anything is trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.engine.plan import data_key
from pipeline.networks.parameters import count
from pipeline.study import PREDICTOR_AXES, RealQuantile, Study
from pipeline.support.power import BETWEEN_SEED_SD, expected_collisions
from pipeline.systems import make_system
from pipeline.trial import TrialConfig

PROBABILITY = 0.8


def detectable(study: Study, trials: list[TrialConfig], data: dict[str, DataSet]) -> Iterator[str]:
    """A line on the ruler's precision, and one for each hypothesis: the slope, or the difference of log N2
    between two variants, that is found four times in five.
    """
    rule = study.measure.tau
    if not isinstance(rule, RealQuantile):
        yield f"power: not predicted, since under tau rule {rule.rule} N2 is unknown beforehand"
        return
    n2, samples = 1 / rule.quantile, study.measure.samples
    collisions = expected_collisions(samples, n2)
    yield (
        f"ruler: a generator as diverse as held-out images (N2 = {n2:,.0f}) gives {collisions:,.0f} "
        f"collisions among {samples:,} samples; N2 to 10 % needs at least "
        f"{support.samples_needed(n2, 0.1):,} samples"
    )
    for hypothesis in study.hypotheses:
        prefixes = PREDICTOR_AXES[hypothesis.predictor]
        moved = [key for key in study.axes() if key.startswith(prefixes)]
        sizes: Counter[Any]
        if hypothesis.compares:
            sizes = Counter(tuple(repr(trial.at(key)) for key in moved) for trial in trials)
            # A difference of log N2 between two variants is a slope between sizes that differ e-fold.
            effect, values = "difference of log N2 between two of them", [1.0, math.e]
        else:
            sizes = Counter(_size(trial, hypothesis.predictor, data) for trial in trials)
            effect, values = "slope", list(sizes)
        others = [len(axis) for key, axis in study.axes().items() if key not in ("seed", *moved)]
        repeats = min(sizes.values())
        try:
            slope = support.detectable_slope(
                values,
                repeats,
                samples,
                n2,
                held=sum(n - 1 for n in others),
                clusters=len({trial.seed for trial in trials}),
                probability=PROBABILITY,
            )
        except ValueError as error:
            yield f"{hypothesis.name}: power not predicted: {error}"
            continue
        found = f"a {effect} of {slope:.2f} or more" if slope is not None else f"no {effect} up to 10"
        yield (
            f"{hypothesis.name}: finds {found} with probability {PROBABILITY:g} ({repeats} trials at each of "
            f"{len(sizes)} values; log N2 assumed to differ by {BETWEEN_SEED_SD:g} between seeds)"
        )


def _size(trial: TrialConfig, predictor: str, data: dict[str, DataSet]) -> int:
    if predictor == "log_train_samples":
        return trial.train_samples
    player = predictor.removeprefix("log_").removesuffix("_params")
    return count(make_system(trial, data[data_key(trial)].sample_shape).networks[player])
