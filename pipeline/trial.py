"""TrialConfig: one fully resolved configuration and seed, and the id that names its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.options import (
    PARTS,
    Count,
    DatasetOptions,
    DiscriminatorOptions,
    Gan,
    GeneratorOptions,
    ObjectiveOptions,
    Options,
    Regularizers,
    SystemOptions,
    TrainingOptions,
    choices,
)

# Raised when the meaning of an unchanged configuration changes (a different initialisation, say), so that
# old and new numbers never share an id: of all trials, or of those that the change concerns.
SEMANTICS = 1
# 2: convolutions under a gradient penalty once met the optimizer with their gradients' entries permuted.
SEMANTICS_OF_PENALISED_CONVOLUTIONS = 2


_Name = Annotated[str, Field(json_schema_extra={"enum": list(choices(SystemOptions))})]


def _by_name(system: Any) -> Any:
    """A name alone stands for the system with every option at its default; options alone for a GAN's."""
    if isinstance(system, str):
        return {"name": system}
    return {"name": "gan", **system} if isinstance(system, dict) else system


class TrialConfig(Options):
    """Everything that a trial's numbers depend on. Where it runs is not part of it.

    A system may be given by name or by its options. The parts that it does not play with are None.
    """

    system: Annotated[
        SystemOptions, BeforeValidator(_by_name, json_schema_input_type=SystemOptions | _Name)
    ] = Gan(name="gan")
    dataset: DatasetOptions
    generator: GeneratorOptions | None = None
    discriminator: DiscriminatorOptions | None = None
    objective: ObjectiveOptions | None = None
    regularizers: Regularizers = Regularizers()
    train_samples: Count
    training: TrainingOptions = TrainingOptions()
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _parts_of_the_system(self) -> TrialConfig:
        for part in PARTS:
            value = getattr(self, part)
            given = value != Regularizers() if part == "regularizers" else value is not None
            needed = part in self.system.takes
            if given and not needed:
                raise PydanticCustomError(
                    "no_such_part",
                    "{part}: system {system} has none; leave it out",
                    {"part": part, "system": self.system.name},
                )
            if needed and not given and part != "regularizers":
                raise PydanticCustomError(
                    "missing_part",
                    "{part}: required key is missing: system {system} needs it",
                    {"part": part, "system": self.system.name},
                )
        return self

    @property
    def id(self) -> str:
        """16 hex digits: a hash of the canonical content.

        Values equal to their default are left out, so a field added later at its default keeps old ids.
        """
        return content_hash(self._content())

    def with_seeds(self, seeds: Iterable[int]) -> dict[str, TrialConfig]:
        """By id the trials that differ from this one in their seed alone, unchecked."""
        default = type(self).model_fields["seed"].default
        content = self._content()
        content.pop("seed", None)
        trials: dict[str, TrialConfig] = {}
        for seed in seeds:
            own = content if seed == default else {**content, "seed": seed}
            trials[content_hash(own)] = self if seed == self.seed else self.model_copy(update={"seed": seed})
        return trials

    def _content(self) -> dict[str, Any]:
        """Everything that is not at its default."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return {"semantics": self._semantics, **content}

    @property
    def _semantics(self) -> int:
        penalised = self.regularizers.r1 > 0 or self.regularizers.dragan > 0
        penalised |= self.objective is not None and self.objective.name == "wgan_gp"
        if penalised and self.discriminator is not None and self.discriminator.name != "mlp":
            return SEMANTICS_OF_PENALISED_CONVOLUTIONS
        return SEMANTICS

    @property
    def latent_dim(self) -> int:
        """Of the generator that the system plays with."""
        assert self.generator is not None
        return self.generator.latent_dim

    @property
    def variant(self) -> str:
        """What kind of model this is, in a few words: system, objective and regularisers, for tables and
        figures. A plain GAN goes by its objective.
        """
        parts = [] if self.system == Gan(name="gan") and self.objective else [label(self.system)]
        parts += [label(self.objective)] if self.objective else []
        kept = self.regularizers.model_dump(exclude_defaults=True)
        parts += [name if value is True else f"{name}={value:g}" for name, value in kept.items()]
        return " + ".join(parts)

    def flat(self) -> dict[str, Any]:
        """Dotted key -> value for every field, defaults included: the trial's resolved axes."""
        return flatten(self.model_dump(mode="json"))

    def at(self, axis: str) -> Any:
        """The value on an axis; a whole group of options, as in `system: [gan, …]`, by its label."""
        flat = self.flat()
        if axis in flat:
            return flat[axis]
        group = getattr(self, axis, None)
        return label(group) if isinstance(group, Options) else None


def label(options: Options) -> str:
    """An option group by its name and the plain options that are not at their default."""
    plain = {k: v for k, v in options.model_dump(exclude_defaults=True).items() if not isinstance(v, dict)}
    name = plain.pop("name", "")
    inside = ", ".join(f"{key}={value}" for key, value in plain.items())
    return f"{name}({inside})" if inside else name


def content_hash(content: object) -> str:
    """16 hex digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:16]


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings -> one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
