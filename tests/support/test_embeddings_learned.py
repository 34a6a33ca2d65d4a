"""Embeddings learnt from the data set: whitened pixels, the classifier, the self-supervised network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from pipeline.datasets.idx import read_idx
from pipeline.embedding_options import EmbeddingOptions
from pipeline.support.embeddings import Embedding, fit, selfsup

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def options(name: str, **values: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(EmbeddingOptions)
    return adapter.validate_python({"name": name, **values})


def whitening(train: np.ndarray, components: int) -> Embedding:
    return fit(options("pixels_whitened", components=components), train, None, train, None)


@pytest.fixture(scope="module")
def digits() -> Split:
    """1,400 digits to learn from and the other 397, drawn at random: writers are on both sides."""
    data = load_digits()
    images = np.rint(data.images[:, None] * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    a, b = order[:1400], order[1400:]
    return images[a], data.target[a], images[b], data.target[b]


# --- whitened pixels ---


@pytest.mark.parametrize("shape", [(200, 1, 5, 6), (40, 3, 6, 6), (300, 12)], ids=["n>d", "n<d", "points"])
def test_whitening_agrees_with_sklearn(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    flat = rng.random((shape[0], 1)) * rng.random(int(np.prod(shape[1:]))) + 0.3 * rng.random(
        (shape[0], int(np.prod(shape[1:])))
    )
    train = (flat / flat.max()).astype(np.float32).reshape(shape)
    embedding = whitening(train, 8)
    vectors = embedding(train)
    np.testing.assert_allclose(vectors.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(vectors.T, bias=True), np.eye(8), atol=1e-4)
    oracle = PCA(8, whiten=True, svd_solver="full").fit(train.reshape(len(train), -1).astype(np.float64))
    theirs = oracle.transform(train.reshape(len(train), -1)) * np.sqrt(len(train) / (len(train) - 1))
    signs = np.sign((theirs * vectors).sum(0))
    np.testing.assert_allclose(vectors, theirs * signs, atol=2e-4)
    assert embedding.facts["explained_variance"] == pytest.approx(
        oracle.explained_variance_ratio_.sum(), rel=1e-6
    )


def test_whitening_keeps_as_many_components_as_there_are() -> None:
    rng = np.random.default_rng(2)
    # Whole numbers, so that float32 holds the three directions exactly.
    train = (rng.integers(0, 9, (50, 3)) @ rng.integers(0, 9, (3, 16))).astype(np.float32)
    assert whitening(train, 64).facts["components"] == 3
    few = np.zeros((10, 1, 4, 4), np.uint8)
    few[:5, 0, 1, 1] = 255
    assert whitening(few, 5)(few).shape == (10, 1)
    np.testing.assert_allclose(np.abs(whitening(few, 5)(few)), 1, rtol=1e-6)  # two values, unit variance
    with pytest.raises(
        ValueError, match="'pixels_whitened\\(components=5\\)': the training samples are all alike"
    ):
        whitening(np.full((10, 1, 4, 4), 77, np.uint8), 5)


# --- classifier ---


def test_classifier_learns_digits(digits: Split) -> None:
    embedding = fit(options("classifier", steps=400), *digits)
    accuracy = embedding.facts["held_out_accuracy"]
    assert isinstance(accuracy, float)
    assert accuracy > 0.95
    assert embedding.facts["classes"] == 10
    vectors = embedding(digits[2])
    same = digits[3][:, None] == digits[3]
    distance = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    # What it is for, and its danger: images of one class come together.
    assert np.median(distance[same]) < 0.6 * np.median(distance[~same])


def test_classifier_cannot_learn_what_is_not_there(digits: Split) -> None:
    train, labels, held_out, held_out_labels = digits
    shuffled = np.random.default_rng(0).permutation(labels)
    facts = fit(options("classifier", steps=100), train, shuffled, held_out, held_out_labels).facts
    assert float(facts["held_out_accuracy"]) < 0.3  # chance is 0.1; never measured on what it was trained on


def test_classifier_works_on_any_labels_and_sizes() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 8, 8), (3, 32, 32), (3, 64, 64), (2, 9, 30), (1, 1, 1)):
        images = 0.2 * rng.random((40, *shape)).astype(np.float32)
        labels = np.where(np.arange(40) % 2, 7, -3)
        images[labels == 7] += np.float32(0.8)
        embedding = fit(options("classifier", steps=30), images, labels, images, labels)
        assert embedding(images).shape == (40, 128)
        assert float(embedding.facts["held_out_accuracy"]) > 0.9


def test_classifier_needs_labels(digits: Split) -> None:
    train, labels, held_out, held_out_labels = digits
    for bad, said in (
        ((train, None, held_out, None), "embedding 'classifier': needs labels"),
        ((train, labels, held_out, None), "needs labels"),
        ((train, labels[:-1], held_out, held_out_labels), r"one label an image: \(1399,\) labels of 1400"),
        ((train, np.eye(10)[labels], held_out, held_out_labels), "one label an image"),
        ((train, labels * 0, held_out, held_out_labels), "at least two classes"),
    ):
        with pytest.raises(ValueError, match=said):
            fit(options("classifier"), *bad)
    with pytest.raises(ValueError, match="diverged: take a smaller lr"):
        fit(options("classifier", steps=30, lr=1e30), *digits)


@pytest.mark.soak
def test_classifier_learns_clothes(data_root: Any) -> None:
    parts = []
    for part, count in (("train", 10_000), ("t10k", 2_000)):
        folder = data_root / "fashion-mnist"
        parts.append(read_idx(folder / f"{part}-images-idx3-ubyte.gz", 3)[:count, None])
        parts.append(read_idx(folder / f"{part}-labels-idx1-ubyte.gz", 1)[:count])
    assert float(fit(options("classifier"), *parts).facts["held_out_accuracy"]) > 0.86


# --- self-supervised ---


def test_vicreg_terms() -> None:
    """Bardes et al. 2022, equations 1 and 4, by hand."""
    collapsed = torch.full((6, 3), 2.0)
    assert float(selfsup.variance_term(collapsed)) == pytest.approx(1 - 0.01)
    z = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [1.0, -2.0], [-1.0, 2.0]])
    # Variances 4/3 and 16/3, both above 1; covariance 0.
    assert float(selfsup.variance_term(z)) == 0
    assert float(selfsup.covariance_term(z)) == 0
    z = torch.tensor([[0.0, 0.0], [0.5, 1.0]])
    # Standard deviations sqrt(1/8 + 1e-4), sqrt(1/2 + 1e-4); covariance 1/4, twice, squared, over d = 2.
    gaps = [1 - (1 / 8 + 1e-4) ** 0.5, 1 - (1 / 2 + 1e-4) ** 0.5]
    assert float(selfsup.variance_term(z)) == pytest.approx(sum(gaps) / 2)
    assert float(selfsup.covariance_term(z)) == pytest.approx(2 / 16 / 2)
    a, b = z, z + torch.tensor([0.0, 1.0])
    terms = 25 * 0.5 + 25 * 2 * float(selfsup.variance_term(z)) + 2 * (1 / 16)
    assert float(selfsup.vicreg(a, b)) == pytest.approx(terms)


def test_selfsup_learns_without_collapse(digits: Split) -> None:
    short = options("selfsup", steps=120)
    with_labels = fit(short, *digits)
    assert 0 <= float(with_labels.facts["variance_term"]) < 0.5
    assert float(with_labels.facts["knn_accuracy"]) > 0.9
    without = fit(short, digits[0], None, digits[2], None)
    assert "knn_accuracy" not in without.facts
    assert without.id == with_labels.id  # labels are looked at afterwards only


def test_selfsup_shows_collapse() -> None:
    alike = np.full((40, 1, 8, 8), 128, np.uint8)
    facts = fit(options("selfsup", steps=5), alike, None, alike, None).facts
    assert float(facts["variance_term"]) == pytest.approx(0.99)
    with pytest.raises(ValueError, match="at least two training and two held-out images"):
        fit(options("selfsup"), alike[:1], None, alike, None)


def test_augmented_views_stay_images() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(64, 3, 12, 10, generator=generator)
    a, b = selfsup.augment(x, generator), selfsup.augment(x, generator)
    assert a.shape == x.shape
    assert 0 <= float(a.min()) <= float(a.max()) <= 1
    assert float((a - b).abs().mean()) > 0.05
    # Views of one image are nearer to each other than to views of another.
    assert float((a - b).square().sum((1, 2, 3)).mean()) < float(
        (a - b.roll(1, 0)).square().sum((1, 2, 3)).mean()
    )
