"""How long trials take: predicted at first, and learnt as they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.engine.cohorts import Choice, Shape
from pipeline.engine.tuning import Tuned
from pipeline.trial import TrialConfig

# What measuring is taken for where nobody has measured it: trials then come one a task until one has ended.
UNKNOWN_MEASURING = 1.0


class Pace:
    """Seconds of a worker that one trial of a shape takes, training and measuring.

    found: what was chosen for each shape. training: predicted seconds of training alone.
    """

    def __init__(
        self, found: Mapping[Shape, Tuned | Choice], training: Callable[[TrialConfig], float]
    ) -> None:
        self._found, self._training = found, training
        self._predicted: dict[Shape, float] = {}
        self._learnt: dict[Shape, tuple[float, int]] = {}

    def predict(self, shape: Shape, trial: TrialConfig) -> float:
        """From the probe of the shape where there is one, else from arithmetic, without the measuring."""
        if shape not in self._predicted:
            tuned = self._found[shape]
            seconds = tuned.seconds(trial.training.steps) if isinstance(tuned, Tuned) else None
            self._predicted[shape] = self._training(trial) if seconds is None else seconds
        return self._predicted[shape]

    def learn(self, shape: Shape, seconds: float | None) -> None:
        """A trial of this shape took so long."""
        if seconds is not None:
            total, count = self._learnt.get(shape, (0.0, 0))
            self._learnt[shape] = total + seconds, count + 1

    def __call__(self, shape: Shape) -> float:
        if shape in self._learnt:
            total, count = self._learnt[shape]
            return total / count
        return self._predicted[shape] + UNKNOWN_MEASURING
