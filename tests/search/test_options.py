"""What a `search:` block may say, and what it is told where it may not."""

from __future__ import annotations

import pytest

from pipeline import InputError, Study
from pipeline.documents import parse_yaml
from tests.engine.tools import TINY, study

SEARCH = "search={space: {training.generator_lr: {type: float, low: 1e-4, high: 1e-2, log: true}}%s}"


def with_search(more: str = "", *overrides: str) -> Study:
    return study(TINY, SEARCH % more, *overrides)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", objective: [{metric: kid}, {metric: kid}]", "names one metric twice"),
        (
            ", seeds: 3, objective: [{metric: kid}, {metric: recall}], pruner: {name: median}",
            "compares one number",
        ),
        (", objective: [{metric: kid}, {metric: recall}], sampler: {name: cmaes}", "improves one number"),
        (", pruner: {name: hyperband}", "search.seeds is 1"),
        (", sampler: {name: cmaes}, constraints: [{metric: finished, at_least: 1}]", "does not heed them"),
        (", trials: 20, sampler: {name: nsga2}", "50 is more than search.trials"),
        (", ordered: true", "set search.parallel"),
        (", constraints: [{metric: kid}]", "exactly one of at_least and at_most"),
        (", constraints: [{metric: kid, at_least: 0, at_most: 1}]", "exactly one of at_least and at_most"),
        (", constraints: [{metric: n2, at_least: 100}]", "never the support size"),
        (", objective: [{metric: kid}, {metric: collisions}]", "never the support size"),
        (", sampler: {name: grid}", "sampler"),
        (", each: [generator.width]", "is not a varied key; varied: discriminator.width, seed"),
        (", each: [seed]", "is not a varied key"),
    ],
)
def test_what_does_not_fit_together_is_one_line(more: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        with_search(more)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("generator.width={type: int, low: 5, high: 5}", "must be below high"),
        ("generator.width={type: int, low: 2, high: 9, log: true, step: 2}", "a log scale has no step"),
        ("training.generator_lr={type: float, low: 0, high: 1, log: true}", "must be positive"),
        ("generator.width={type: int, low: 2, high: 3, when: {objective.name: [hinge]}}", "stands before it"),
        ("discriminator.width={type: int, low: 2, high: 3}", "is in search.space too"),
    ],
)
def test_a_wrong_choice_is_named(choice: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        with_search(", each: [discriminator.width]", f"search.space.{choice}")
    assert choice.partition("=")[0] in str(error.value)


def test_a_condition_names_values_that_are_proposed() -> None:
    name = "search.space.objective.name={type: categorical, values: [hinge, wgan_gp]}"
    penalty = "search.space.objective.penalty={type: float, low: 1, high: 9, when: {objective.name: [%s]}}"
    kept = with_search("", name, penalty % "wgan_gp")
    assert {"objective.name": "wgan_gp", "objective.penalty": 9.0} in kept.corners()
    with pytest.raises(InputError, match="'wgan' is not among its values"):
        with_search("", name, penalty % "wgan")
    with pytest.raises(InputError, match=r"objective\.penalty"):
        with_search("", name, penalty % "hinge")  # which has none


def test_less_is_better_of_distances_and_costs() -> None:
    better = {
        metric: with_search(f", objective: {{metric: {metric}}}").search
        for metric in ("kid", "recall", "finished", "device_seconds")
    }
    assert {metric: found.objective[0].towards for metric, found in better.items() if found} == {
        "kid": "minimize",
        "recall": "maximize",
        "finished": "maximize",
        "device_seconds": "minimize",
    }


def test_groups_are_the_combinations_that_are_varied() -> None:
    zipped = study(
        TINY,
        SEARCH % "",
        "vary={zip: [{discriminator.width: [2, 4, 4], train_samples: [50, 100, 100], generator.width: [2, 2, 4]}], seed: {count: 2}}",
        "search.each=[train_samples, discriminator.width]",
    )
    assert zipped.groups() == [
        {"train_samples": 50, "discriminator.width": 2},
        {"train_samples": 100, "discriminator.width": 4},
    ]
    assert with_search().groups() == [{}]


def test_the_resolved_study_reads_back_with_its_search() -> None:
    full = with_search(
        ", seeds: 9, pruner: {name: hyperband}, sampler: {name: qmc}, constraints: [{metric: finished, at_least: 1}]"
    )
    assert Study.parse(parse_yaml(full.yaml())) == full
