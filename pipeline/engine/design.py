"""What a study's design can detect, said before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

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
    """A line on the ruler's precision, and one for each hypothesis: the slope that is found four times in
    five.
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
        sizes = Counter(_size(trial, hypothesis.predictor, data) for trial in trials)
        prefix = PREDICTOR_AXES[hypothesis.predictor]
        others = [
            len(values)
            for key, values in study.axes().items()
            if key != "seed" and not key.startswith(prefix)
        ]
        repeats = min(sizes.values())
        try:
            slope = support.detectable_slope(
                list(sizes),
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
        found = f"a slope of {slope:.2f} or more" if slope is not None else "no slope up to 10"
        yield (
            f"{hypothesis.name}: finds {found} with probability {PROBABILITY:g} ({repeats} trials at each of "
            f"{len(sizes)} values; log N2 assumed to differ by {BETWEEN_SEED_SD:g} between seeds)"
        )


def _size(trial: TrialConfig, predictor: str, data: dict[str, DataSet]) -> int:
    if predictor == "log_train_samples":
        return trial.train_samples
    player = predictor.removeprefix("log_").removesuffix("_params")
    return count(make_system(trial, data[data_key(trial)].sample_shape).networks[player])
