"""The digit classifier that counts the modes of stacked MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import datasets
from pipeline.divergences import coverage_of_labels
from pipeline.options import Digits, Mnist, StackedMnist
from pipeline.support import mode_classifier as classifier

RNG = np.random.default_rng
DIGITS = datasets.load(Digits(name="digits"), None)


@pytest.fixture(scope="module")
def model() -> classifier.Model:
    assert DIGITS.train_labels is not None
    return classifier.fit(DIGITS.train, DIGITS.train_labels, RNG(0), steps=200)


def stacked(count: int, part: str = "train", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three random digits as channels, and the modes."""
    images, labels = (
        (DIGITS.train, DIGITS.train_labels) if part == "train" else (DIGITS.held_out, DIGITS.held_out_labels)
    )
    assert labels is not None
    chosen = RNG(seed).integers(len(images), size=(count, 3))
    names = ["".join(map(str, labels[row])) for row in chosen]
    return images[chosen, 0], np.array([int(name) for name in names])


def test_it_reads_digits(model: classifier.Model) -> None:
    found = classifier.predict(model, DIGITS.held_out)
    assert found.shape == (500,)
    assert (found == DIGITS.held_out_labels).mean() > 0.95


def test_modes_are_the_digits_of_the_channels_in_their_order(model: classifier.Model) -> None:
    samples, modes = stacked(300, "held_out")
    found = classifier.modes_of(model, samples)
    assert found.dtype == np.int64
    assert (found == modes).mean() > 0.9
    first, second, third = (classifier.predict(model, samples[:, [k]]) for k in range(3))
    np.testing.assert_array_equal(found, 100 * first + 10 * second + third)


def test_it_learns_from_stacked_images_alone() -> None:
    samples, modes = stacked(1000)
    fitted = classifier.fit_stacked(samples, modes, RNG(1), steps=200)
    assert (classifier.predict(fitted, DIGITS.held_out) == DIGITS.held_out_labels).mean() > 0.95


def test_bytes_and_floats_and_any_batch_give_the_same_modes(model: classifier.Model) -> None:
    samples, _ = stacked(70, "held_out")
    found = classifier.modes_of(model, samples)
    np.testing.assert_array_equal(classifier.modes_of(model, samples / np.float32(255)), found)
    np.testing.assert_array_equal(classifier.modes_of(model, samples[13:40]), found[13:40])
    np.testing.assert_array_equal(classifier.modes_of(model, samples[::-1]), found[::-1])


def test_the_same_random_numbers_give_the_same_model_and_it_survives_being_kept(
    model: classifier.Model,
) -> None:
    assert DIGITS.train_labels is not None
    state = torch.random.get_rng_state()
    one, two, other = (
        classifier.pack(classifier.fit(DIGITS.train, DIGITS.train_labels, RNG(seed), steps=20))
        for seed in (0, 0, 1)
    )
    assert one == two != other
    assert (torch.random.get_rng_state() == state).all()
    kept = classifier.unpack(classifier.pack(model))
    samples = RNG(0).random((40, 1, 8, 8), np.float32)
    np.testing.assert_array_equal(classifier.predict(kept, samples), classifier.predict(model, samples))


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="hold no mode classifier"):
        classifier.unpack(b"some other file")


def test_what_it_cannot_take(model: classifier.Model) -> None:
    images, labels = DIGITS.train, DIGITS.train_labels
    assert labels is not None
    for given, names, message in (
        (images, labels[:-1], "one digit 0..9 an image"),
        (images, labels + 1, "one digit 0..9 an image"),
        (images.repeat(3, 1), labels, "one channel, not 3"),
    ):
        with pytest.raises(ValueError, match=message):
            classifier.fit(given, names, RNG(0), steps=1)
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\), not \(1, 9, 8\)"):
        classifier.predict(model, np.zeros((2, 1, 9, 8), np.uint8))
    for shape in ((2, 1, 8, 8), (2, 3, 64)):
        with pytest.raises(ValueError, match=r"takes images \(n, 3, h, w\)"):
            classifier.modes_of(model, np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        classifier.modes_of(model, np.full((2, 3, 8, 8), np.nan, np.float32))


@pytest.mark.soak
def test_on_mnist_it_errs_on_one_digit_in_a_hundred(data_root: Path) -> None:
    data = datasets.load(StackedMnist(name="stacked_mnist"), data_root)
    mnist = datasets.load(Mnist(name="mnist"), data_root)
    assert data.train_labels is not None
    fitted = classifier.fit_stacked(data.train, data.train_labels, RNG(0))
    assert (classifier.predict(fitted, mnist.held_out) == mnist.held_out_labels).mean() >= 0.985
    found = classifier.modes_of(fitted, data.held_out)
    assert (found == data.held_out_labels).mean() >= 0.955
    # Real images reach all modes; the divergence is that of 10,000 samples, 0.0509, and of unequal digits.
    real = coverage_of_labels(found, 1000)
    assert real.modes >= 998
    assert real.kl_uniform == pytest.approx(0.0509 + 0.0052, abs=0.006)
