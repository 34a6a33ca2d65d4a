"""Trial ids: canonical, and the same for the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import options
from pipeline.datasets import DATASETS
from pipeline.embedding_options import EmbeddingOptions
from pipeline.networks import DISCRIMINATORS, ENCODERS, GENERATORS
from pipeline.objectives import OBJECTIVES
from pipeline.support import EMBEDDINGS
from pipeline.systems import SYSTEMS
from pipeline.trial import TrialConfig, flatten

BASE: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "generator": {"name": "dcgan", "width": 8, "latent_dim": 4},
    "discriminator": {"name": "dcgan", "width": 8},
    "objective": {"name": "wgan_gp"},
    "train_samples": 100,
}


@given(st.integers(1, 512), st.integers(0, 2**31), st.floats(1e-6, 1))
def test_different_content_different_id(width: int, seed: int, rate: float) -> None:
    a = TrialConfig.model_validate(BASE)
    b = TrialConfig.model_validate(
        {
            **BASE,
            "seed": seed,
            "discriminator": {"name": "dcgan", "width": width},
            "training": {"generator_lr": rate},
        }
    )
    assert (a.id == b.id) == (a == b)


def test_a_round_trip_through_json_keeps_the_id() -> None:
    trial = TrialConfig.model_validate({**BASE, "seed": 3})
    assert TrialConfig.model_validate_json(trial.model_dump_json()).id == trial.id
    assert trial.flat()["objective.penalty"] == 10.0


@pytest.mark.parametrize(
    ("changes", "variant"),
    [
        ({"objective": {"name": "hinge"}}, "hinge"),
        ({"objective": {"name": "wgan_gp", "penalty": 0.1}}, "wgan_gp(penalty=0.1)"),
        ({"system": {"name": "pacgan", "packing": 3}}, "pacgan(packing=3) + wgan_gp"),
        ({"regularizers": {"r1": 10.0, "spectral_norm": True}}, "wgan_gp + spectral_norm + r1=10"),
        (
            {"system": {"name": "vae", "encoder": {"name": "mlp"}, "beta": 4.0}, "discriminator": None}
            | {"objective": None},
            "vae(beta=4.0)",
        ),
    ],
)
def test_a_variant_in_words(changes: dict[str, Any], variant: str) -> None:
    assert TrialConfig.model_validate({**BASE, **changes}).variant == variant


def test_a_system_by_name_or_by_options_is_the_same_trial() -> None:
    plain = TrialConfig.model_validate(BASE)
    for system in ("gan", {"name": "gan"}, {}):
        assert TrialConfig.model_validate({**BASE, "system": system}).id == plain.id
    assert TrialConfig.model_validate({**BASE, "system": "feature_matching"}).id != plain.id


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_the_vocabulary_and_the_rooms_agree() -> None:
    assert set(options.choices(options.GeneratorOptions)) == set(GENERATORS)
    assert set(options.choices(options.DiscriminatorOptions)) == set(DISCRIMINATORS)
    assert set(options.choices(options.ObjectiveOptions)) == set(OBJECTIVES)
    assert set(options.choices(options.DatasetOptions)) == set(DATASETS)
    assert set(options.choices(options.SystemOptions)) == set(SYSTEMS)
    assert set(options.choices(options.EncoderOptions)) == set(ENCODERS)
    assert set(options.choices(EmbeddingOptions)) == set(EMBEDDINGS)
