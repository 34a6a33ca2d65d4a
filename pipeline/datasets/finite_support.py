"""Draws from a law on a few real images: a data set whose support size is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from pipeline.datasets.dataset import DataSet
from pipeline.errors import InputError
from pipeline.options import DatasetOptions, FiniteSupport, UniformLaw, ZipfLaw
from pipeline.seeds import stream


def load_finite_support(options: FiniteSupport, data_root: Path | None) -> DataSet:
    """(size, C, H, W) uint8 independent draws from the law; held out are those of the base set, as they are.

    The images that have mass are training images of the base set. Labels are the images' own. Jittered pixels
    are rounded to 8 bits. A larger size begins with the smaller.
    Raises InputError where the base set is missing or has too few distinct training images.
    """
    # The first imports this file; the second takes seconds to import, and no other data set needs it.
    from pipeline.datasets import load
    from pipeline.support import controls

    base = load(TypeAdapter(DatasetOptions).validate_python({"name": options.of}), data_root)
    law_alone = options.model_dump_json(exclude={"jitter", "size"}, exclude_defaults=True)
    draws = controls.draw(law(options), options.size, stream(f"finite_support({law_alone})", "draws"))
    drawn = support(options, base.train)[draws]
    train = base.train[drawn]
    if options.jitter:
        _jitter(train, options.jitter, stream(f"finite_support({law_alone})", "jitter"))
    labels = None if base.train_labels is None else base.train_labels[drawn]
    return DataSet(options.name, train, base.held_out, labels, base.held_out_labels)


def true_n2(options: FiniteSupport) -> float:
    """1 / sum_i p_i^2: N2 where each image, jittered or not, is a near-duplicate of itself and of no other.

    uniform: N. Zipf: H(a)^2 / H(2a), H(a) = sum_k k^-a. atom: 1 / (m^2 + (1 - m)^2 / (N - 1)).
    """
    p = law(options)
    return float(1 / (p @ p))


def support(options: FiniteSupport, images: np.ndarray) -> np.ndarray:
    """(options.images,) int64 indices of the images with mass, item by item of the law.

    images: (n, C, H, W), the base set's training images. No two of those chosen are equal, and those of a
    smaller `options.images` begin those of a larger. Where near-duplicates of each other count as well, the
    truth at a tau is `pipeline.support.controls.true_n2` of these images under the embedding.
    """
    found: dict[bytes, int] = {}
    for index in stream(f"finite_support/{options.of}", "images").permutation(len(images)).tolist():
        found.setdefault(images[index].tobytes(), index)
        if len(found) == options.images:
            return np.array(list(found.values()))
    raise InputError(
        f"dataset.images: {options.images}: {options.of} has {len(found)} distinct training images; "
        f"allowed: 1 to {len(found)}"
    )


def law(options: FiniteSupport) -> np.ndarray:
    """(images,) float64 probabilities, summing to 1."""
    from pipeline.support import controls

    chosen = options.law
    if isinstance(chosen, UniformLaw):
        return controls.uniform(options.images)
    if isinstance(chosen, ZipfLaw):
        return controls.zipf(options.images, chosen.exponent)
    return controls.atom(options.images, chosen.mass)


def _jitter(images: np.ndarray, std: float, rng: np.random.Generator) -> None:
    """Adds rounded N(0, (255 std)^2) to every pixel, in place; block by block, for the sake of memory."""
    for start in range(0, len(images), 1000):
        block = images[start : start + 1000]
        noisy = block + np.float32(255 * std) * rng.standard_normal(block.shape, np.float32)
        block[:] = np.rint(noisy).clip(0, 255)
