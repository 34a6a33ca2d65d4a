"""The option groups of a study beside its trials: measurement, controls, hypotheses, resources, search."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.embedding_options import EmbeddingOptions, Pixels
from pipeline.options import Count, NonNegative, Options, Positive

Fraction = Annotated[float, Field(gt=0, lt=1)]
NonNegativeCount = Annotated[int, Field(ge=0)]


class RealQuantile(Options):
    """tau = the distance below which this fraction of held-out real pairs lies."""

    rule: Literal["real_quantile"]
    quantile: Fraction

    def name(self) -> str:
        return f"real_quantile({self.quantile!r})"


class FixedTau(Options):
    """tau given in the embedding's own units: one number, or one for each embedding by name."""

    rule: Literal["fixed"]
    value: NonNegative | dict[str, NonNegative]

    def name(self) -> str:
        return f"fixed({json.dumps(self.value, sort_keys=True)})"


class AugmentationTau(Options):
    """tau = this quantile of the distances of held-out images to themselves, moved by up to `shift` pixels
    and with pixel noise of standard deviation `noise`, full intensity being 1.
    """

    rule: Literal["augmentation"]
    quantile: Fraction = 0.5
    shift: Annotated[int, Field(ge=0, le=8)] = 1
    noise: NonNegative = 0.02

    def name(self) -> str:
        return f"augmentation({self.quantile!r}, shift {self.shift}, noise {self.noise!r})"


class HumanTau(Options):
    """tau = the distance at which people call this share of pairs duplicates, from the run's own labels."""

    rule: Literal["human"]
    probability: Fraction = 0.5

    def name(self) -> str:
        return f"human({self.probability!r})"


TauRule = Annotated[RealQuantile | FixedTau | AugmentationTau | HumanTau, Field(discriminator="rule")]


class MeasureOptions(Options):
    """How every generator, control and held-out set is measured: the same ruler for all of them."""

    samples: Annotated[int, Field(ge=10)] = 4000
    embeddings: Annotated[list[EmbeddingOptions], Field(min_length=1)] = [Pixels(name="pixels")]
    tau: TauRule = RealQuantile(rule="real_quantile", quantile=1e-3)
    # Everything is measured at these quantiles of real pairs too, as far as there are ten such pairs: no
    # verdict should hang on one tau.
    tau_ladder: list[Fraction] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    # Held-out images that judge quality, at most; support is measured against all of them.
    quality_reference: Annotated[int, Field(ge=20)] = 10_000
    # Pairs drawn from each stratum of distance, for people to judge (`birthday review`).
    review_pairs: NonNegativeCount = 2
    # A trial whose precision is below this fraction of the real images' own is shown, but its few
    # near-duplicates are never read as diversity: noise has none either.
    precision_gate: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _one_tau_for_each_embedding(self) -> MeasureOptions:
        names = self.embedding_names()
        if len(set(names)) < len(names):
            raise PydanticCustomError("twice", "embeddings: names one twice")
        if isinstance(self.tau, FixedTau):
            given = self.tau.value
            if len(names) > 1 and not isinstance(given, dict):
                raise PydanticCustomError(
                    "fixed_tau",
                    "tau.value: embeddings have units of their own: give one number for each by name",
                )
            if isinstance(given, dict) and set(given) != set(names):
                raise PydanticCustomError(
                    "fixed_tau",
                    "tau.value: must name exactly the embeddings {names}",
                    {"names": ", ".join(names)},
                )
        return self

    def tau_rule(self) -> str:
        """The rule's name as it stands in the tables, e.g. `real_quantile(0.001)`."""
        return self.tau.name()

    def embedding_names(self) -> list[str]:
        """The embeddings as they stand in the tables."""
        return [embedding.label for embedding in self.embeddings]


class ControlOptions(Options):
    """Samplers whose support is known, on real training images.

    finite_support: uniform on N images, for each N. jittered: the same, each of the N images in 20 versions
    with their own pixel noise of standard deviation `jitter`. atom: one image with this mass, the rest
    equally likely. zipf: probability of the k-th image proportional to k to minus this exponent. Both of the
    latter on up to 5,000 images. repeats: independent draws of each, to see how often the interval holds.
    train: the training images themselves.
    """

    finite_support: list[Count] = []
    jittered: list[Count] = []
    jitter: Positive = 0.02
    atom: list[Fraction] = []
    zipf: list[Positive] = []
    repeats: Count = 5
    train: bool = False


Predictor = Literal[
    "log_discriminator_params", "log_generator_params", "log_train_samples", "objective", "system", "variant"
]
# Predictors without an order, whose values are compared in pairs; `variant` is system, objective and
# regularisers together.
UNORDERED = ("objective", "system", "variant")


class Hypothesis(Options):
    """Stated before the study runs, decided by the rule in `reports/statistics/verdicts.py`.

    margin: of `flat`, the largest |slope| called flat; of `equal` and `different`, the largest difference of
    log N2 between two variants that is called none (`different` may leave it out: then it is 0).
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"predictor": {"enum": list(UNORDERED)}}},
            "then": {"properties": {"expect": {"enum": ["different", "equal"]}}},
            "else": {"properties": {"expect": {"enum": ["increasing", "decreasing", "flat"]}}},
        }
    )

    name: str
    outcome: Literal["log_support"]
    predictor: Predictor
    expect: Literal["increasing", "decreasing", "flat", "different", "equal"]
    margin: Positive | None = None

    @model_validator(mode="after")
    def _expectation_fits(self) -> Hypothesis:
        allowed = ["different", "equal"] if self.compares else ["increasing", "decreasing", "flat"]
        if self.expect not in allowed:
            raise PydanticCustomError(
                "expect",
                "expect: {expect}: must be one of {allowed} for predictor {predictor}",
                {"expect": self.expect, "allowed": ", ".join(allowed), "predictor": self.predictor},
            )
        if self.expect in ("flat", "equal") and self.margin is None:
            raise PydanticCustomError(
                "margin",
                "margin is required for expect: {expect} (the largest {what} called none)",
                {"expect": self.expect, "what": "difference of log N2" if self.compares else "|slope|"},
            )
        if self.expect in ("increasing", "decreasing") and self.margin is not None:
            raise PydanticCustomError("margin", "margin is allowed for flat, equal and different only")
        return self

    @property
    def compares(self) -> bool:
        """Whether it compares variants in pairs, and is about no slope."""
        return self.predictor in UNORDERED


class ResourceOptions(Options):
    """What one task, a cohort of trials, asks of the cluster; `gpus` may be a fraction.

    back_end: what trains cohorts; `auto` takes, of each shape of trial that is worth it, the one that was
    measured to be fastest. cohort: at most so many trials in one; by default what was measured, or 8 on CPUs
    and 64 on GPUs.
    """

    cpus: Count = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0
    back_end: Literal[
        "auto",
        "reference",
        "traced",
        "traced+compiled",
        "traced+captured",
        "stacked",
        "stacked+unfolded",
        "stacked+compiled",
        "stacked+captured",
        "stacked+unfolded+captured",
        "stacked+compiled+captured",
    ] = "auto"
    cohort: Count | None = None

    @model_validator(mode="after")
    def _captured_on_gpus(self) -> ResourceOptions:
        if self.back_end.endswith("captured") and not self.gpus:
            raise PydanticCustomError(
                "no_gpu",
                "back_end: {back_end} replays CUDA graphs, and trials have no GPU (resources.gpus: 0)",
                {"back_end": self.back_end},
            )
        return self


class SeedRange(Options):
    """`count` consecutive seeds from `start`."""

    count: Count
    start: Annotated[int, Field(ge=0)] = 0
