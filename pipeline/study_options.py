"""The option groups of a study beside its trials: measurement, controls, hypotheses, resources, search."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.options import Count, NonNegative, Options, Positive

Fraction = Annotated[float, Field(gt=0, lt=1)]


class RealQuantile(Options):
    """tau = the distance below which this fraction of held-out real pairs lies."""

    rule: Literal["real_quantile"]
    quantile: Fraction


class FixedTau(Options):
    """tau given in the embedding's own units."""

    rule: Literal["fixed"]
    value: NonNegative


class MeasureOptions(Options):
    """How every generator, control and held-out set is measured: the same ruler for all of them."""

    samples: Annotated[int, Field(ge=10)] = 4000
    embeddings: Annotated[list[Literal["pixels"]], Field(min_length=1)] = ["pixels"]
    tau: Annotated[RealQuantile | FixedTau, Field(discriminator="rule")] = RealQuantile(
        rule="real_quantile", quantile=1e-3
    )
    # A trial whose precision is below this fraction of the real images' own is shown, but its few
    # near-duplicates are never read as diversity: noise has none either.
    precision_gate: Annotated[float, Field(ge=0, le=1)] = 0.5

    def tau_rule(self) -> str:
        """The rule's name as it stands in the tables, e.g. `real_quantile(0.001)`."""
        value = self.tau.quantile if isinstance(self.tau, RealQuantile) else self.tau.value
        return f"{self.tau.rule}({value!r})"


class ControlOptions(Options):
    """Samplers whose support is known: uniform on N real images, for each N."""

    finite_support: list[Count] = []


Predictor = Literal["log_discriminator_params", "log_generator_params", "log_train_samples"]


class Hypothesis(Options):
    """Stated before the study runs, decided by the rule in `reports/statistics.py`."""

    name: str
    outcome: Literal["log_support"]
    predictor: Predictor
    expect: Literal["increasing", "decreasing", "flat"]
    margin: Positive | None = None

    @model_validator(mode="after")
    def _margin_goes_with_flat(self) -> Hypothesis:
        if (self.expect == "flat") != (self.margin is not None):
            raise PydanticCustomError(
                "margin",
                "margin is required for expect: flat and allowed only there (largest |slope| called flat)",
            )
        return self


class ResourceOptions(Options):
    """What one trial asks of the cluster; `gpus` may be a fraction."""

    cpus: Count = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0


class FloatRange(Options):
    """A real number between low and high."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False


class IntRange(Options):
    """An integer between low and high, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False


class Categories(Options):
    """One of the listed values."""

    type: Literal["categorical"]
    values: Annotated[list[str | int | float | bool], Field(min_length=1)]


class SamplerOptions(Options):
    """Which Optuna sampler proposes, and its seed."""

    name: Literal["tpe", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0
    startup_trials: Count = 10


class PrunerOptions(Options):
    """Stops a suggestion after a seed whose running mean is worse than the others' median there."""

    name: Literal["none", "median"] = "none"
    startup_trials: Count = 5


SUPPORT_WORDS = ("support", "n2", "collision", "p2", "pairs", "ratio", "cluster", "duplicate")


class SearchObjective(Options):
    """The quality that a search improves. Never the support size: a tuned measurement measures the tuning."""

    metric: Literal["precision", "recall", "precision_recall_f", "density", "coverage"] = "precision_recall_f"
    direction: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="before")
    @classmethod
    def _never_the_support(cls, data: Any) -> Any:
        metric = data.get("metric") if isinstance(data, dict) else None
        if isinstance(metric, str) and any(word in metric.lower() for word in SUPPORT_WORDS):
            raise PydanticCustomError(
                "support_objective",
                "a search may tune quality, never the support size or anything measured with it: "
                "the study could then only confirm its own tuning; allowed: "
                "precision, recall, precision_recall_f, density, coverage",
            )
        return data


class SearchOptions(Options):
    """An Optuna search over dotted keys of the base configuration."""

    space: Annotated[
        dict[str, Annotated[FloatRange | IntRange | Categories, Field(discriminator="type")]],
        Field(min_length=1),
    ]
    trials: Count = 20
    seeds: Count = 1
    objective: SearchObjective = SearchObjective()
    sampler: SamplerOptions = SamplerOptions()
    pruner: PrunerOptions = PrunerOptions()


class SeedRange(Options):
    """`count` consecutive seeds from `start`."""

    count: Count
    start: Annotated[int, Field(ge=0)] = 0
