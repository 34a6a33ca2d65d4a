"""The `search:` block of a study: a space, what to improve in it, and how to look for it.

Every argument of Optuna's samplers and pruners that decides what is proposed stands here with its value,
since their defaults differ between Optuna's major versions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.options import Count, Options, Positive

Seed = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Value = str | int | float | bool


class _Choice(Options):
    """when: proposed only where other keys of the space have one of these values."""

    when: dict[str, Annotated[list[Value], Field(min_length=1)]] = {}


class FloatRange(_Choice):
    """A real number between low and high; `log`: uniform in its logarithm; `step`: low and whole steps."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: Positive | None = None


class IntRange(_Choice):
    """An integer between low and high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: Count = 1


class Categories(_Choice):
    """One of the listed values."""

    type: Literal["categorical"]
    values: Annotated[list[Value], Field(min_length=1)]


class Tpe(Options):
    """Tree-structured Parzen estimator (Bergstra et al. 2011); `multivariate` with `group`: jointly over keys
    that are proposed together (Falkner et al. 2018); `constant_liar`: settings under way count as bad.
    """

    name: Literal["tpe"]
    seed: Seed = 0
    startup_trials: Count = 10
    candidates: Count = 24
    multivariate: bool = True
    group: bool = False
    constant_liar: bool = True


class RandomChoice(Options):
    """Independent and uniform."""

    name: Literal["random"]
    seed: Seed = 0


class CmaEs(Options):
    """CMA-ES (Hansen 2016), of numbers only; `sigma`: the first step size, of ranges scaled to [0, 1]."""

    name: Literal["cmaes"]
    seed: Seed = 0
    startup_trials: Count = 1
    sigma: Positive | None = None
    population: Count | None = None
    margin: bool = False


class NsgaII(Options):
    """NSGA-II (Deb et al. 2002), for several objectives. mutation: by default 1 / number of keys."""

    name: Literal["nsga2"]
    seed: Seed = 0
    population: Annotated[int, Field(ge=2)] = 50
    mutation: Probability | None = None
    crossover: Probability = 0.9
    swapping: Probability = 0.5


class Qmc(Options):
    """A low-discrepancy sequence over all keys of the first suggestion, which is drawn at random; so are keys
    that it lacks, because of `when`.
    """

    name: Literal["qmc"]
    seed: Seed = 0
    sequence: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True


SamplerOptions = Annotated[Tpe | RandomChoice | CmaEs | NsgaII | Qmc, Field(discriminator="name")]


class NoPruner(Options):
    """Every suggestion gets all its seeds."""

    name: Literal["none"]


class Median(Options):
    """Ends a suggestion whose means so far are all worse than the median, after so many seeds, of those that
    got all their seeds: a bar that rises as the search goes on.
    """

    name: Literal["median"]
    startup_trials: Count = 5
    warmup_seeds: Annotated[int, Field(ge=0)] = 0


class SuccessiveHalving(Options):
    """Of all suggestions with `min_seeds` times a power of `factor` seeds, the best 1/factor go on
    (Li et al. 2020, asynchronous).
    """

    name: Literal["successive_halving"]
    min_seeds: Count = 1
    factor: Annotated[int, Field(ge=2)] = 3


class Hyperband(Options):
    """Successive halving from several least numbers of seeds (Li et al. 2018)."""

    name: Literal["hyperband"]
    min_seeds: Count = 1
    factor: Annotated[int, Field(ge=2)] = 3


PrunerOptions = Annotated[NoPruner | Median | SuccessiveHalving | Hyperband, Field(discriminator="name")]

# What a search may improve or keep within bounds: quality, coverage of known modes, stability, cost.
# fmt: off
Metric = Literal[
    "precision", "recall", "precision_recall_f", "density", "coverage", "kid", "fid",
    "modes", "high_quality", "reverse_kl",
    "finished", "late_loss_variance",
    "device_seconds", "discriminator_params", "generator_params",
]
# fmt: on
LESS_IS_BETTER = {
    *("kid", "fid", "reverse_kl", "late_loss_variance"),
    *("device_seconds", "discriminator_params", "generator_params"),
}
SUPPORT_WORDS = ("support", "n2", "collision", "p2", "pairs", "ratio", "cluster", "duplicate", "birthday")


class _OfMetric(Options):
    """Never the support size: a tuned measurement measures the tuning."""

    metric: Metric

    @model_validator(mode="before")
    @classmethod
    def _never_the_support(cls, data: Any) -> Any:
        metric = data.get("metric") if isinstance(data, dict) else None
        if isinstance(metric, str) and any(word in metric.lower() for word in SUPPORT_WORDS):
            raise PydanticCustomError(
                "support_objective",
                "a search may tune quality, stability or cost, never the support size or anything measured "
                "with it: the study could then only confirm its own tuning; allowed: {allowed}",
                {"allowed": ", ".join(get_args(Metric))},
            )
        return data


class SearchObjective(_OfMetric):
    """What a search improves.

    `finished`: the share of seeds that were trained to the end. `late_loss_variance`: of the generator's loss
    over the last quarter of its curve. direction: by default the way that is better.
    """

    metric: Metric = "precision_recall_f"
    direction: Literal["maximize", "minimize"] | None = None

    @property
    def towards(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`."""
        return self.direction or ("minimize" if self.metric in LESS_IS_BETTER else "maximize")


Objectives = Annotated[
    list[SearchObjective],
    Field(min_length=1, max_length=3),
    BeforeValidator(
        lambda given: [given] if isinstance(given, dict) else given,
        json_schema_input_type=SearchObjective | list[SearchObjective],
    ),
]


class Constraint(_OfMetric):
    """What a suggestion must keep to be feasible: exactly one of two bounds, itself allowed."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Constraint:
        if (self.at_least is None) == (self.at_most is None):
            raise PydanticCustomError("bound", "needs exactly one of at_least and at_most")
        return self

    def violation(self, value: float) -> float:
        """By how much a value breaks the bound; zero or less where it keeps it."""
        if self.at_least is not None:
            return self.at_least - value
        assert self.at_most is not None
        return value - self.at_most


class TunedSetting(Options):
    """What a search chose for a group of `search.each`.

    trial: id of its trial with the search's first seed. value: the first objective's, the mean over the
    search's seeds. suggestions: those that ended and kept the constraints, of which it is the best.
    """

    group: dict[str, Any] = {}
    settings: dict[str, Any]
    trial: str
    value: float
    suggestions: Count


class Tuned(Options):
    """Where the settings of a best study come from, so that its report can say how much of the tuning score
    was luck: `birthday search` writes it, nothing else reads it, and no trial depends on it.

    search: the study that searched. metric, direction: of its first objective, measured by the protocol of
    this id. seeds: of each suggestion.
    """

    search: str
    metric: Metric
    direction: Literal["maximize", "minimize"]
    protocol: str
    seeds: Count
    chosen: Annotated[list[TunedSetting], Field(min_length=1)]


class SearchOptions(Options):
    """An Optuna search over dotted keys of the base configuration.

    each: axes of `vary`; every combination of their values gets a search of its own, the same for all.
    trials: suggestions of each search. seeds: a suggestion is the mean over seeds 0 to seeds - 1.
    fresh_seeds: with how many other seeds the best settings are then measured. parallel: suggestions under
    way at once in each search, by default as many as there are slots. ordered: results count in the order of
    suggestions, so that the same is proposed whatever finishes first.
    """

    space: Annotated[
        dict[str, Annotated[FloatRange | IntRange | Categories, Field(discriminator="type")]],
        Field(min_length=1),
    ]
    each: list[str] = []
    trials: Count = 20
    seeds: Count = 1
    fresh_seeds: Count = 3
    objective: Objectives = [SearchObjective()]
    constraints: list[Constraint] = []
    sampler: SamplerOptions = Tpe(name="tpe")
    pruner: PrunerOptions = NoPruner(name="none")
    parallel: Count | None = None
    ordered: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> SearchOptions:
        def refuse(key: str, why: str) -> None:
            raise PydanticCustomError("search", "{key}: {why}", {"key": key, "why": why})

        metrics = [objective.metric for objective in self.objective]
        if len(set(metrics)) < len(metrics):
            refuse("objective", "names one metric twice")
        if len(metrics) > 1 and self.pruner.name != "none":
            refuse("pruner", f"{self.pruner.name} compares one number; there are {len(metrics)} objectives")
        if len(metrics) > 1 and self.sampler.name == "cmaes":
            refuse("sampler", f"cmaes improves one number; there are {len(metrics)} objectives: take nsga2")
        if self.pruner.name != "none" and self.seeds == 1:
            refuse("pruner", f"{self.pruner.name} ends suggestions between seeds, and search.seeds is 1")
        if self.ordered and self.parallel is None:
            refuse("ordered", "what is proposed depends on how many are under way: set search.parallel")
        if self.constraints and self.sampler.name == "cmaes":
            refuse("constraints", "cmaes does not heed them: take tpe or nsga2")
        if self.sampler.name == "nsga2" and self.sampler.population > self.trials:
            refuse(
                "sampler.population",
                f"{self.sampler.population} is more than search.trials ({self.trials}): all would be random",
            )
        for key, choice in self.space.items():
            if self.sampler.name == "cmaes" and (choice.type == "categorical" or choice.when):
                refuse(f"space.{key}", "cmaes searches numbers that are always proposed: take tpe")
            self._check_when(key, choice)
        return self

    def _check_when(self, key: str, choice: _Choice) -> None:
        before = list(self.space)[: list(self.space).index(key)]
        for other, values in choice.when.items():
            parent = self.space.get(other)
            if other not in before or not isinstance(parent, Categories):
                raise PydanticCustomError(
                    "when",
                    "space.{key}.when.{other}: is not a categorical key that stands before it",
                    {"key": key, "other": other},
                )
            unknown = [value for value in values if value not in parent.values]
            if unknown:
                raise PydanticCustomError(
                    "when",
                    "space.{key}.when.{other}: {value} is not among its values",
                    {"key": key, "other": other, "value": repr(unknown[0])},
                )
