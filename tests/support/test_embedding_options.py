"""How a study names embeddings: labels, plain names, and what a mistake is told."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.documents import describe
from pipeline.embedding_options import EmbeddingOptions
from pipeline.options import choices
from pipeline.support.embeddings import EMBEDDINGS

OPTIONS: TypeAdapter[Any] = TypeAdapter(EmbeddingOptions)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("pixels", "pixels"),
        ({"name": "pixels_whitened"}, "pixels_whitened"),
        ({"name": "pixels_whitened", "components": 64}, "pixels_whitened"),
        ({"name": "pixels_whitened", "components": 8}, "pixels_whitened(components=8)"),
        ({"name": "classifier", "seed": 3, "steps": 9}, "classifier(steps=9, seed=3)"),
        ({"name": "torch_hub", "repo": "a/b", "model": "m"}, "torch_hub(a/b:m)"),
        ({"name": "timm", "model": "m", "size": 64}, "timm(m, size=64)"),
        ({"name": "callable", "function": "mine.code:f"}, "callable(mine.code:f)"),
    ],
)
def test_label(written: object, label: str) -> None:
    options = OPTIONS.validate_python(written)
    assert options.label == label
    assert OPTIONS.validate_python(options.model_dump()) == options
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("pixel", "'pixel' is not one of pixels, pixels_whitened, .*did you mean 'pixels'"),
        ({"name": "classifier", "epochs": 3}, "unknown key; allowed: name, features, steps"),
        ("torch_hub", "repo: required key is missing"),
        ({"name": "pixels_whitened", "components": 0}, "greater than or equal to 1"),
        ({"name": "callable", "function": "no_colon"}, "should match pattern"),
        ({"name": "callable", "function": "os:system; x"}, "should match pattern"),
        ({"name": "torch_hub", "repo": "a/b", "model": "m", "std": [1.0, 1.0, 0.0]}, "greater than 0"),
        ({"name": "torch_hub", "repo": "a/b", "model": "m", "mean": [0.5]}, "at least 3 items"),
        (3, "3"),
    ],
)
def test_a_mistake_is_told(written: object, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        OPTIONS.validate_python(written)
    assert re.search(said, describe(error.value))


def test_every_name_has_a_meaning() -> None:
    assert list(choices(EmbeddingOptions)) == list(EMBEDDINGS)


def test_the_schema_allows_plain_names() -> None:
    plain = OPTIONS.json_schema()["anyOf"][1]["enum"]
    for name in EMBEDDINGS:
        if name in plain:
            assert OPTIONS.validate_python(name).label == name
        else:
            with pytest.raises(ValidationError):
                OPTIONS.validate_python(name)
