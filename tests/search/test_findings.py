"""Importances of keys, and what a best study says of where its settings come from."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from pipeline import Study
from pipeline.documents import parse_yaml
from pipeline.search.findings import Suggestion, best_study, importance_rows
from tests.engine.tools import TINY, study

SPACE = """
search:
  space:
    training.generator_lr: {type: float, low: 1e-4, high: 1e-1, log: true}
    training.discriminator_lr: {type: float, low: 1e-4, high: 1e-1, log: true}
    objective.name: {type: categorical, values: [nonsaturating, wgan_gp]}
    objective.penalty: {type: float, low: 1, high: 20, when: {objective.name: [wgan_gp]}}
    system.name: {type: categorical, values: [gan]}
  objective: [{metric: kid}, {metric: recall}]
  seeds: 2
  fresh_seeds: 3
"""
RATE, OTHER = "training.generator_lr", "training.discriminator_lr"


def tuner(count: int, constant: bool = False, state: TrialState = TrialState.COMPLETE) -> optuna.Study:
    """A search whose kid hangs on the generator's rate alone, and whose recall on the discriminator's."""
    made = optuna.create_study(directions=["minimize", "maximize"], study_name=f"{count}")
    rng, rates = np.random.default_rng(0), FloatDistribution(1e-4, 1e-1, log=True)
    names = CategoricalDistribution(("nonsaturating", "wgan_gp"))
    for _ in range(count):
        rate, other = 10 ** rng.uniform(-4, -1, 2)
        params = {
            RATE: rate,
            OTHER: other,
            "objective.name": str(rng.choice(names.choices)),
            "system.name": "gan",
        }
        of: dict[str, BaseDistribution] = {RATE: rates, OTHER: rates, "objective.name": names}
        of["system.name"] = CategoricalDistribution(("gan",))
        if params["objective.name"] == "wgan_gp":
            params["objective.penalty"] = rng.uniform(1, 20)
            of["objective.penalty"] = FloatDistribution(1, 20)
        values = [1.0 if constant else rate, other] if state == TrialState.COMPLETE else None
        made.add_trial(create_trial(state=state, values=values, params=params, distributions=of))
    return made


def importances(made: optuna.Study) -> dict[tuple[str, str], float]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = list(importance_rows(study(TINY + SPACE), made))
    return {(row["metric"], row["key"]): row["importance"] for row in rows}


def test_what_decides_has_all_the_importance_and_what_does_not_next_to_none() -> None:
    found = importances(tuner(200))
    assert len(found) == 10
    for metric, key in (("kid", RATE), ("recall", OTHER)):
        own = {k: value for (m, k), value in found.items() if m == metric}
        assert sum(own.values()) == pytest.approx(1.0)
        assert own.pop(key) > 0.9
        assert max(own.values()) < 0.06
        assert own["system.name"] == 0.0  # one value
    assert max(importances(tuner(40)), key=importances(tuner(40)).__getitem__)[1] in (RATE, OTHER)


def test_nothing_is_said_of_few_or_failed_suggestions_or_of_equal_ones() -> None:
    assert importances(tuner(9)) == {}
    assert importances(tuner(30, state=TrialState.FAIL)) == {}
    assert importances(tuner(30, state=TrialState.PRUNED)) == {}
    assert {metric for metric, _ in importances(tuner(30, constant=True))} == {"recall"}


def test_a_best_study_says_where_its_settings_come_from() -> None:
    each = study(TINY + SPACE, "search.each=[discriminator.width]")
    widths = [{"discriminator.width": width} for width in (2, 4)]
    found = [
        [
            Suggestion(group, 0, "complete", (0.2, 0.5), {RATE: 1e-3, "objective.name": "wgan_gp"}, True),
            Suggestion(group, 1, "complete", (0.1, 0.5), {RATE: 1e-2, "objective.name": "wgan_gp"}, False),
            Suggestion(group, 2, "pruned", (0.1,), {RATE: 1e-2, "objective.name": "wgan_gp"}, True),
        ]
        for group in widths
    ]
    best = best_study(each, found, [own[0] for own in found])
    tuned = best.tuned
    assert tuned is not None
    assert (tuned.search, tuned.metric, tuned.direction, tuned.seeds) == ("tiny-search", "kid", "minimize", 2)
    assert [(one.group, one.value, one.suggestions) for one in tuned.chosen] == [(g, 0.2, 1) for g in widths]
    assert Study.parse(parse_yaml(best.yaml())) == best
    for one in tuned.chosen:
        trial = each.resolve({**one.group, **one.settings, "seed": 0})
        assert one.trial == trial.id
        assert set(trial.with_seeds([2, 3, 4])) <= set(best.by_id)
    # What a study says of its tuning changes no trial, and a smoke run is compared with nothing.
    document = best.model_dump(mode="json", exclude_none=True)
    del document["tuned"]
    assert list(Study.parse(document).by_id) == list(best.by_id)
    assert best.quick().tuned is None
