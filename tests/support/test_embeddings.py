"""What all embeddings share: identity, storage, independence of batches and threads, bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from sklearn.datasets import load_digits

from pipeline.embedding_options import EmbeddingOptions
from pipeline.support import search_pairs
from pipeline.support.embeddings import Embedding, fit, load, save
from pipeline.support.embeddings.images import BATCH

OPTIONS: TypeAdapter[Any] = TypeAdapter(EmbeddingOptions)
SHORT: list[object] = [
    "pixels",
    {"name": "pixels_whitened", "components": 20},
    {"name": "classifier", "steps": 5},
    {"name": "selfsup", "steps": 3},
    "efficientnet_lite0",
    "perceptual_hash",
    {"name": "callable", "function": "tests.support.test_embeddings:flat"},
]
DIMENSIONS = [64, 20, 128, 128, 1280, 64, 64]


def flat(samples: np.ndarray) -> np.ndarray:
    """An embedding of the user's own, which may change what it is given."""
    samples *= 3
    return samples.reshape(len(samples), -1)


def fitted(written: object, images: np.ndarray, labels: np.ndarray | None) -> Embedding:
    options = OPTIONS.validate_python(written)
    held_out_labels = None if labels is None else labels[300:400]
    return fit(
        options,
        images[:300],
        None if labels is None else labels[:300],
        images[300:400],
        held_out_labels,
    )


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    images = np.rint(data.images[:, None] * (255 / 16)).astype(np.uint8)
    images.flags.writeable = False
    return images, data.target


@pytest.fixture(
    scope="module", params=range(len(SHORT)), ids=lambda k: str(DIMENSIONS[k]) + str(SHORT[k])[:12]
)
def case(request: pytest.FixtureRequest, digits: tuple[np.ndarray, np.ndarray]) -> tuple[int, Embedding]:
    return request.param, fitted(SHORT[request.param], *digits)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_vectors(case: tuple[int, Embedding], digits: tuple[np.ndarray, np.ndarray]) -> None:
    k, embedding = case
    vectors = embedding(digits[0][:70])
    assert vectors.shape == (70, DIMENSIONS[k])
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.std() > 0
    floats = digits[0][:70] / np.float32(255)
    np.testing.assert_array_equal(embedding(floats), vectors)  # one image, one vector, in either type
    np.testing.assert_array_equal(floats, digits[0][:70] / np.float32(255))  # nothing written into it


def test_a_vector_depends_on_its_sample_only(
    case: tuple[int, Embedding], digits: tuple[np.ndarray, np.ndarray], two_threads: None
) -> None:
    embedding, images = case[1], digits[0][: 2 * BATCH + 5]
    together = embedding(images)
    order = np.random.default_rng(0).permutation(len(images))
    np.testing.assert_array_equal(embedding(images[order]), together[order])
    np.testing.assert_array_equal(embedding(images[7:8]), together[7:8])
    torch.set_num_threads(1)
    np.testing.assert_array_equal(embedding(images), together)


def test_the_same_again(case: tuple[int, Embedding], digits: tuple[np.ndarray, np.ndarray]) -> None:
    """Same input, same id, whatever the state of the global generators; and none of them is touched."""
    k, embedding = case
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = fitted(SHORT[k], *digits)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.random.get_state()[2] == 624  # noqa: NPY002
    assert again.id == embedding.id
    np.testing.assert_array_equal(again(digits[0][:40]), embedding(digits[0][:40]))


def test_kept_and_sent(case: tuple[int, Embedding], digits: tuple[np.ndarray, np.ndarray]) -> None:
    embedding = case[1]
    for copy in (load(save(embedding)), pickle.loads(pickle.dumps(embedding))):
        assert (copy.name, copy.id, copy.facts) == (embedding.name, embedding.id, embedding.facts)
        np.testing.assert_array_equal(copy(digits[0][:40]), embedding(digits[0][:40]))
    assert save(load(save(embedding))) == save(embedding)


def test_ids_tell_numbers_apart(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    written = [
        *SHORT,
        {"name": "pixels_whitened", "components": 19},
        {"name": "classifier", "steps": 5, "seed": 1},
        {"name": "classifier", "steps": 6},
        {"name": "efficientnet_lite0", "size": 32},
    ]
    ids = [fitted(w, images, labels).id for w in written]
    assert len(set(ids)) == len(ids)
    other = fitted({"name": "pixels_whitened", "components": 20}, images[::-1], labels[::-1])
    assert other.id not in ids


def test_bad_samples_are_named(case: tuple[int, Embedding], digits: tuple[np.ndarray, np.ndarray]) -> None:
    embedding = case[1]
    floats = digits[0][:3] / np.float32(255)
    broken = floats.copy()
    broken[1, 0, 2, 2] = np.nan
    for bad, said in (
        (broken, "samples hold NaN or infinity"),
        (np.where(np.isnan(broken), np.inf, broken), "samples hold NaN or infinity"),
        (floats * 255, r"must lie in \[0, 1\], not in \[0, 255\]"),
        (floats[:0], "no samples"),
        (digits[0][:3].astype(np.int64), "uint8 or float32 samples, not int64"),
        (floats[0], "not shape"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            embedding(bad)
        assert repr(embedding.name) in str(error.value)
        assert "\n" not in str(error.value)


def test_only_some_take_points(digits: tuple[np.ndarray, np.ndarray]) -> None:
    points = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    for written in SHORT:
        if OPTIONS.validate_python(written).name in ("pixels", "pixels_whitened", "callable"):
            assert len(fitted(written, points, None)(points)) == 400
        else:
            with pytest.raises(ValueError, match=r"takes images \(n, c, h, w\), not shape"):
                fitted(written, points, np.arange(400) % 2)


def test_another_shape_than_fitted(digits: tuple[np.ndarray, np.ndarray]) -> None:
    for written in SHORT[1:4]:
        embedding = fitted(written, *digits)
        with pytest.raises(ValueError, match=r"shape \(1, 8, 8\), not \(1, 7, 8\)"):
            embedding(digits[0][:5, :, :7])


def test_damaged_bytes(digits: tuple[np.ndarray, np.ndarray]) -> None:
    content = save(fitted(SHORT[1], *digits))
    with pytest.raises(ValueError, match="hold no embedding"):
        load(content[:-9])
    with pytest.raises(ValueError, match="hold no embedding"):
        load(b"")
    with pytest.raises(ValueError, match="another version"):
        load(content[:-1] + bytes([content[-1] ^ 1]))


def test_importing_loads_no_model() -> None:
    code = "import sys, pipeline.support; print([m for m in sys.modules if m.split('.')[0] in ('timm', 'PIL', 'sklearn') or m.startswith('efficientnet')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_generated_floats_are_not_rounded_to_eight_bits() -> None:
    # Rounding would make copies of samples that differ, and so a collapse that is not there.
    samples = (0.5 + np.random.default_rng(0).random((300, 1, 2, 2)) / 255).astype(np.float32)
    rounded = np.rint(samples * 255).astype(np.uint8)
    pixels = fitted("pixels", np.zeros((400, 1, 2, 2), np.uint8), None)
    exact, copies = (search_pairs(pixels(x), [0.0]).near[0].collisions for x in (samples, rounded))
    assert exact == 0
    assert copies > 300 * 299 / 2 / 40
