"""Bytes to pictures, and the rule that chooses which trials are shown."""

import io
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from reports.sections import pictures
from reports.tables.results import read
from tests.reports import laws, synthetic


def test_decode_puts_channels_last() -> None:
    image = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
    assert (pictures.decode(image.tobytes(), 3, 2, 4) == image.transpose(1, 2, 0)).all()
    grey = pictures.decode(image[:1].tobytes(), 1, 2, 4)
    assert grey.shape == (2, 4, 3)
    assert (grey == image[0][..., None]).all()


def test_png_keeps_every_value() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    back = imread(io.BytesIO(pictures.png(image)), format="png")
    assert (np.rint(back[..., :3] * 255) == image).all()


def test_tile_enlarges_whole_pixels_and_leaves_gaps() -> None:
    images = [np.full((8, 8, 3), value, np.uint8) for value in (0, 50, 100)]
    sheet = pictures.tile(images, 2)
    assert sheet.shape == (82, 82, 3)
    assert sheet[0, 0, 0] == 0
    assert sheet[0, 42, 0] == 50
    assert sheet[42, 0, 0] == 100
    assert (sheet[40:42] == 255).all()
    assert (sheet[42:, 42:] == 255).all()


def test_large_images_are_not_enlarged() -> None:
    assert pictures.tile([np.zeros((64, 64, 3), np.uint8)], 1).shape == (64, 64, 3)


def test_the_rule_takes_lowest_seed_and_most_training_samples(tmp_path: Path) -> None:
    study = synthetic.study(hypotheses=[], controls={"finite_support": []})
    run = synthetic.write(
        tmp_path,
        study,
        status=lambda k, t: "failed" if t.seed == 0 and t.discriminator.width == 4 else "completed",
    )
    results = read(run)
    shown = pictures.chosen(results, per_variant=True)
    assert len(shown) == 10
    assert set(shown["train_samples"]) == {1200}
    assert list(shown["seed"]) == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    assert list(pictures.chosen(results, per_variant=False)["objective.name"]) == ["nonsaturating"] * 5
    for gallery in pictures.galleries(results):
        assert [pair.near for pair in gallery.pairs] == [pair.distance <= laws.TAU for pair in gallery.pairs]
        assert [pair.rank for pair in gallery.pairs] == [1, 2, 3, 4, 5, 6]
