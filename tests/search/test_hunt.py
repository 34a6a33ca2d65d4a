"""What is proposed: as by Optuna with one sampler all along, and the same whenever the driver dies."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import CmaEsSampler, NSGAIISampler, QMCSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from pipeline.search import hunt
from tests.search.by_hand import carry_out, options, proposed, study_of

UNIT = {"type": "float", "low": 0, "high": 1}
SPACE = {"training.generator_lr": UNIT, "training.discriminator_lr": UNIT, "training.ema": UNIT}
TWO = [{"metric": "kid"}, {"metric": "density", "direction": "minimize"}]
SAMPLERS: list[dict[str, Any]] = [
    {"name": "tpe", "startup_trials": 4},
    {"name": "tpe", "startup_trials": 4, "multivariate": False},
    {"name": "tpe", "startup_trials": 4, "group": True},
    {"name": "random"},
    {"name": "cmaes"},
    {"name": "cmaes", "margin": True},
    {"name": "nsga2", "population": 4},
    {"name": "qmc"},
    {"name": "qmc", "sequence": "halton"},
]
optuna.logging.set_verbosity(optuna.logging.ERROR)
pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore::FutureWarning"
)


def bowl(settings: dict[str, Any], seed: int = 0) -> tuple[float, ...]:
    """Least, 0, at 0.3 everywhere; then how far the first key is above 0.6, and the same bowl around 0.7."""
    values = settings.values()
    return (
        sum((x - 0.3) ** 2 for x in values) + 0.01 * seed,
        0.6 - settings["training.generator_lr"],
        sum((x - 0.7) ** 2 for x in values),
    )


def by_optuna(
    sampler: optuna.samplers.BaseSampler, trials: int, objectives: int = 1, bound: bool = False
) -> Any:
    """The same search by Optuna alone, with one sampler object."""

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        found = bowl({key: trial.suggest_float(key, 0, 1) for key in SPACE})
        if bound:
            trial.set_constraint("recall", found[1])
        return found[::2][:objectives]

    study = optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)
    study.optimize(objective, trials)
    return study


def ours(sampler: dict[str, Any], trials: int, **more: Any) -> optuna.Study:
    wanted = options(SPACE, sampler=sampler, trials=trials, **more)
    tuner = study_of(wanted)
    carry_out(tuner, wanted, bowl)
    return tuner


@pytest.mark.parametrize(
    ("sampler", "plain", "trials"),
    [
        ({"name": "tpe"}, lambda seed: TPESampler(seed=seed, multivariate=True), 60),
        ({"name": "cmaes"}, lambda seed: CmaEsSampler(seed=seed), 150),
    ],
)
def test_a_search_gets_as_far_as_optuna_alone(
    sampler: dict[str, Any], plain: Callable[[int], optuna.samplers.BaseSampler], trials: int
) -> None:
    """A sampler made anew for each suggestion has lost nothing of what it learnt: CMA-ES's state, say."""
    theirs = [by_optuna(plain(seed), trials).best_value for seed in range(7)]
    mine = [ours({**sampler, "seed": seed}, trials).best_value for seed in range(7)]
    by_chance = [ours({"name": "random", "seed": seed}, trials).best_value for seed in range(7)]
    assert statistics.median(mine) < 3 * statistics.median(theirs)
    assert statistics.median(mine) < statistics.median(by_chance) / 2


def test_nsga2_breeds_generations() -> None:
    def late(study: optuna.Study) -> float:
        return statistics.fmean(sum(trial.values) for trial in study.get_trials(deepcopy=False)[-30:])

    theirs = [late(by_optuna(NSGAIISampler(population_size=10, seed=s), 120, 2)) for s in range(3)]
    mine = [ours({"name": "nsga2", "population": 10, "seed": s}, 120, objective=TWO) for s in range(3)]
    chance = [late(ours({"name": "random", "seed": s}, 120, objective=TWO)) for s in range(3)]
    assert statistics.fmean(map(late, mine)) == pytest.approx(statistics.fmean(theirs), rel=0.2)
    assert statistics.fmean(map(late, mine)) < 0.8 * statistics.fmean(chance)
    of = [trial.system_attrs["NSGAIISampler:generation"] for trial in mine[0].get_trials(deepcopy=False)]
    assert of == [k // 10 for k in range(120)]


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_qmc_goes_along_its_sequence(sequence: str) -> None:
    theirs = by_optuna(QMCSampler(qmc_type=sequence, seed=3, scramble=True), 9)
    mine = ours({"name": "qmc", "sequence": sequence, "seed": 3}, 9)
    # The first is drawn at random, by Optuna too.
    assert proposed(mine)[1:] == [trial.params for trial in theirs.trials][1:]


@pytest.mark.parametrize(
    "sampler", [{"name": "tpe"}, {"name": "nsga2", "population": 10}], ids=["tpe", "nsga2"]
)
def test_samplers_heed_constraints(sampler: dict[str, Any]) -> None:
    """The best without a bound has the first key at 0.3, and at least 0.6 is asked for."""
    bound = {"constraints": [{"metric": "recall", "at_most": 0}]}

    def late(study: optuna.Study) -> float:
        trials = study.get_trials(deepcopy=False)[-30:]
        return statistics.fmean(trial.params["training.generator_lr"] >= 0.6 for trial in trials)

    def plain(seed: int) -> optuna.samplers.BaseSampler:
        if sampler["name"] == "tpe":
            return TPESampler(seed=seed, multivariate=True)
        return NSGAIISampler(seed=seed, population_size=10)

    theirs = statistics.fmean(late(by_optuna(plain(seed), 80, bound=True)) for seed in range(3))
    mine = statistics.fmean(late(ours({**sampler, "seed": seed}, 80, **bound)) for seed in range(3))
    assert mine > 0.7 * theirs
    assert late(ours(sampler, 80)) < 0.3


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("call", [8, 31, 41, 51])
def test_a_driver_that_dies_while_it_asks_changes_nothing(
    sampler: dict[str, Any], call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the second, first, second and third key of a suggestion, with two others under way."""
    wanted = options(SPACE, sampler=sampler, trials=22)
    quiet, storage = study_of(wanted), InMemoryStorage()
    carry_out(quiet, wanted, bowl, parallel=3)
    real, calls = optuna.Trial.suggest_float, []

    def dies(*arguments: Any, **more: Any) -> float:
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "suggest_float", dies)
        with pytest.raises(KeyboardInterrupt):
            carry_out(study_of(wanted, storage), wanted, bowl, parallel=3)
    again = study_of(wanted, storage)
    carry_out(again, wanted, bowl, parallel=3)
    assert proposed(again) == proposed(quiet)


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
@pytest.mark.parametrize("at", ["report", "should_prune", "set_user_attr"])
def test_a_driver_that_dies_while_it_judges_changes_nothing(
    pruner: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a mean is reported, after it, and after the decision."""
    wanted = options(SPACE, seeds=4, trials=15, pruner={"name": pruner})
    quiet = study_of(wanted)
    carry_out(quiet, wanted, bowl, parallel=2)
    states = [trial.state for trial in quiet.get_trials()]
    assert TrialState.PRUNED in states or pruner == "hyperband"
    real = getattr(optuna.Trial, at)
    for call in range(1, 12, 2):
        calls, storage = [], InMemoryStorage()

        def dies(*arguments: Any, calls: list[Any] = calls, call: int = call) -> Any:
            calls.append(arguments)
            if len(calls) == call:
                raise KeyboardInterrupt
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(optuna.Trial, at, dies)
            with pytest.raises(KeyboardInterrupt):
                carry_out(study_of(wanted, storage), wanted, bowl, parallel=2)
        again = study_of(wanted, storage)
        carry_out(again, wanted, bowl, parallel=2)
        assert proposed(again) == proposed(quiet)
        assert [trial.state for trial in again.get_trials()] == states


def test_a_decision_to_go_on_is_not_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two go on after a seed, when there is nothing to compare them with. One ends, the driver dies, and the
    other, though it is the worse one, goes on.
    """
    wanted = options(SPACE, seeds=2, trials=2, pruner={"name": "median", "startup_trials": 1})
    storage, met = InMemoryStorage(), list[dict[str, Any]]()

    def worth(settings: dict[str, Any], seed: int) -> tuple[int]:
        met.extend([settings] if settings not in met else [])
        return (met.index(settings),)

    real, calls = hunt.Hunt._tell, []

    def dies(*arguments: Any, **more: Any) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(arguments)
        real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(hunt.Hunt, "_tell", dies)
        with pytest.raises(KeyboardInterrupt):
            carry_out(study_of(wanted, storage), wanted, worth, parallel=2)
    again = study_of(wanted, storage)
    carry_out(again, wanted, worth, parallel=2)
    assert [trial.state for trial in again.get_trials()] == [TrialState.COMPLETE] * 2


def test_a_suggestion_costs_no_comparison_with_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = FloatDistribution.__eq__, list[None]()

    def counted(*both: Any) -> bool:
        calls.append(None)
        return real(*both)

    monkeypatch.setattr(FloatDistribution, "__eq__", counted)
    counts = []
    for trials in (60, 120):
        calls.clear()
        ours({"name": "tpe"}, trials)
        counts.append(len(calls))
    assert counts[1] < 2.5 * counts[0]
