"""TrialConfig: one fully resolved configuration and seed, and the id that names its numbers."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.options import (
    Count,
    DatasetOptions,
    DiscriminatorOptions,
    GeneratorOptions,
    ObjectiveOptions,
    Options,
    TrainingOptions,
)

# Raised when the meaning of an unchanged configuration changes (a different initialisation, say), so that
# old and new numbers never share an id.
SEMANTICS = 1


class TrialConfig(Options):
    """Everything that a trial's numbers depend on. Where it runs is not part of it."""

    system: Literal["gan"] = "gan"
    dataset: DatasetOptions
    generator: GeneratorOptions
    discriminator: DiscriminatorOptions
    objective: ObjectiveOptions
    train_samples: Count
    training: TrainingOptions = TrainingOptions()
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def id(self) -> str:
        """16 hex digits: a hash of the canonical content.

        Values equal to their default are left out, so a field added later at its default keeps old ids.
        """
        return content_hash({"semantics": SEMANTICS, **self.model_dump(mode="json", exclude_defaults=True)})

    def flat(self) -> dict[str, Any]:
        """Dotted key -> value for every field, defaults included: the trial's resolved axes."""
        return flatten(self.model_dump(mode="json"))


def content_hash(content: object) -> str:
    """16 hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings -> one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
