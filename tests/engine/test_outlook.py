"""What a study is predicted to take, and what that costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.engine.cohorts import by_shape
from pipeline.engine.outlook import Outlook, lines, outlook
from pipeline.engine.plan import load_data
from pipeline.engine.tuning import choice_key
from pipeline.store.run import Run
from pipeline.study import ResourceOptions
from tests.engine.tools import TINY, study


def test_measured_shapes_are_counted_as_measured_and_others_by_arithmetic(runs: Path) -> None:
    of = study(TINY)
    trials, target = of.trials(), Run(runs / "tiny")
    data = load_data(trials, None)
    nothing = outlook(trials, data, of.resources, target)
    assert (nothing.probed, nothing.arithmetic) == (0, 4)
    first, second = by_shape(trials)
    timing = {"back_end": "reference", "size": 1, "steps_per_second": 2.0}
    kept = json.dumps({"device": "cpu", "timings": [timing], "measure_seconds": 0.5}).encode()
    target.save_choice(choice_key(first, "some cpu", of.resources), kept)
    half = outlook(trials, data, of.resources, target)
    assert (half.probed, half.arithmetic) == (2, 2)
    target.save_choice(choice_key(second, "some cpu", of.resources), kept)
    whole = outlook(trials, data, of.resources, target)
    assert whole == Outlook(4 * (6 / 2.0 + 0.5), 4, 0)
    # Measured with other shares of a machine, it says nothing.
    assert outlook(trials, data, ResourceOptions(cpus=2), target).probed == 0


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (
            ResourceOptions(cpus=4),
            ["predicted: 2.0 h of one task at a time, 60 min of two; 8 core-hours", "4.00"],
        ),
        (
            ResourceOptions(gpus=0.25),
            ["predicted: 2.0 h of one task at a time, 60 min of two; 0.5 GPU-hours", "0.25"],
        ),
    ],
)
def test_money_is_paid_for_gpus_or_else_for_cores(resources: ResourceOptions, said: list[str]) -> None:
    first, _, last = lines(Outlook(7200.0, 10, 0), resources, 0.5)
    assert first == said[0]
    assert last.endswith(f": {said[1]}")


def test_gpus_that_nobody_has_measured_are_not_guessed() -> None:
    (line,) = lines(Outlook(7200.0, 0, 10), ResourceOptions(gpus=1), 0.5)
    assert "until `birthday tune` has measured" in line
