"""Stacked MNIST: what the channels are, how often each mode comes, and what never mixes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline import datasets
from pipeline.errors import InputError
from pipeline.options import Mnist, StackedMnist
from tests.datasets.idx_files import NAMES, write_set

SMALL = StackedMnist(name="stacked_mnist", size=3000)


def test_channels_are_digits_of_their_own_part_and_labels_their_digits(tmp_path: Path) -> None:
    arrays = write_set(tmp_path, train=40, held_out=30)
    data = datasets.load(SMALL, tmp_path)
    for part, samples, labels, count in (
        ("train", data.train, data.train_labels, 3000),
        ("t10k", data.held_out, data.held_out_labels, 10_000),
    ):
        assert samples.shape == (count, 3, 28, 28)
        assert labels is not None
        assert labels.dtype == np.int64
        images, digits = arrays[NAMES[part, "images-idx3"]], arrays[NAMES[part, "labels-idx1"]]
        number = {image.tobytes(): k for k, image in enumerate(images)}
        chosen = np.array([[number[channel.tobytes()] for channel in sample] for sample in samples])
        np.testing.assert_array_equal(labels, [int("".join(map(str, digits[row]))) for row in chosen])
        for channel in chosen.T:
            assert stats.chisquare(np.bincount(channel, minlength=len(images))).pvalue > 1e-3
        # Channels are independent: an image recurs in two of them once in len(images) samples.
        repeats = (chosen[:, 0] == chosen[:, 1]).sum()
        assert stats.binomtest(int(repeats), count, 1 / len(images)).pvalue > 1e-3


def test_larger_images_are_the_same_ones_with_a_black_border(tmp_path: Path) -> None:
    write_set(tmp_path)
    small, padded = (datasets.load(SMALL.model_copy(update={"side": n}), tmp_path) for n in (28, 32))
    assert padded.train.shape == (3000, 3, 32, 32)
    np.testing.assert_array_equal(padded.train[..., 2:30, 2:30], small.train)
    assert padded.train.sum() == small.train.sum()
    np.testing.assert_array_equal(padded.train_labels, small.train_labels)


def test_a_larger_set_begins_with_the_smaller(tmp_path: Path) -> None:
    write_set(tmp_path)
    small, large = (datasets.load(SMALL.model_copy(update={"size": n}), tmp_path) for n in (70, 700))
    np.testing.assert_array_equal(large.train[:70], small.train)
    np.testing.assert_array_equal(large.held_out, small.held_out)


def test_the_thousand_modes_of_the_published_set(data_root: Path) -> None:
    data = datasets.load(StackedMnist(name="stacked_mnist"), data_root)
    assert data.train.shape == (128_000, 3, 28, 28)
    assert data.held_out.shape == (10_000, 3, 28, 28)
    assert data.train_labels is not None
    counts = np.bincount(data.train_labels, minlength=1000)
    assert len(counts) == 1000
    # The digits of MNIST's training images, as published.
    digits = np.array([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]) / 60_000
    law = np.einsum("a,b,c->abc", digits, digits, digits).reshape(-1)
    assert stats.chisquare(counts, 128_000 * law).pvalue > 1e-3
    assert stats.chisquare(counts).pvalue < 1e-3  # the modes are not equal


def test_no_held_out_channel_is_a_training_image(data_root: Path) -> None:
    data = datasets.load(StackedMnist(name="stacked_mnist", size=1), data_root)
    mnist = datasets.load(Mnist(name="mnist"), data_root)
    train = {image.tobytes() for image in mnist.train}
    assert not any(channel.tobytes() in train for channel in data.held_out.reshape(-1, 28 * 28))


def test_without_mnist_the_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset 'mnist': no train-images"):
        datasets.load(SMALL, tmp_path)
    where = {name: where for name, _, where in datasets.available(tmp_path)}
    assert where["stacked_mnist"] == where["mnist"]
    assert where["stacked_mnist"].startswith("not found: ")
