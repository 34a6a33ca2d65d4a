"""Encoded images in Parquet columns: both layouts, labels, several files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import datasets
from pipeline.datasets.places import fixed_split
from pipeline.errors import InputError
from pipeline.options import ParquetImages
from tests.datasets.image_files import encoded, noise

IMAGES = noise(60, 8)
LABELS = np.arange(60) * 7 % 10


def write(path: Path, rows: slice = slice(None), plain: bool = False, **more: list[object]) -> Path:
    """A file as the Hugging Face hub keeps images (`plain`: bytes alone), in row groups of 16."""
    content = [encoded(image) for image in IMAGES[rows]]
    image = content if plain else [{"bytes": c, "path": f"{k}.png"} for k, c in enumerate(content)]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": image, "label": LABELS[rows], **more})
    pq.write_table(table, path, row_group_size=16)
    return path


def options(path: Path | str, **more: object) -> ParquetImages:
    return ParquetImages(name="parquet_images", path=str(path), size=8, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [True, False])
def test_images_and_labels_read_back_bit_for_bit(tmp_path: Path, plain: bool) -> None:
    path = write(tmp_path / "a.parquet", plain=plain)
    data = datasets.load(options(path, label_column="label"), None)
    train, held_out = fixed_split("", "parquet_images", 60)
    assert len(held_out) == 18
    for rows, images, labels in (
        (train, data.train, data.train_labels),
        (held_out, data.held_out, data.held_out_labels),
    ):
        np.testing.assert_array_equal(images, IMAGES[rows])
        np.testing.assert_array_equal(labels, LABELS[rows])
        assert labels is not None
        assert labels.dtype == np.int64
    assert datasets.load(options(path), None).train_labels is None


def test_files_of_a_folder_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path / "one/a.parquet")
    for k, rows in enumerate((slice(0, 7), slice(7, 40), slice(40, 60))):
        write(tmp_path / f"three/train-{k}.parquet", rows)
    one, three = (datasets.load(options(f, label_column="label"), tmp_path) for f in ("one", "three"))
    assert one.fingerprint == three.fingerprint
    np.testing.assert_array_equal(one.train_labels, three.train_labels)


def test_a_pattern_keeps_the_official_parts_apart(tmp_path: Path) -> None:
    write(tmp_path / "data/train-00000-of-00002.parquet", slice(0, 30))
    write(tmp_path / "data/train-00001-of-00002.parquet", slice(30, 50))
    write(tmp_path / "data/test-00000-of-00001.parquet", slice(50, 60))
    chosen = options("data/train-*.parquet", held_out="data/test-*.parquet", label_column="label")
    data = datasets.load(chosen, tmp_path)
    np.testing.assert_array_equal(data.train, IMAGES[:50])
    np.testing.assert_array_equal(data.held_out, IMAGES[50:])
    np.testing.assert_array_equal(data.held_out_labels, LABELS[50:])
    with pytest.raises(InputError, match=r"dataset.held_out: .*data: holds no valid-\*.parquet"):
        datasets.load(chosen.model_copy(update={"held_out": "data/valid-*.parquet"}), tmp_path)


def test_images_are_cut_and_resized_as_those_of_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    grey = datasets.load(options(path, channels=1).model_copy(update={"size": 4 * 4}), None)
    assert grey.train.shape == (42, 1, 16, 16)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"image_column": "img"}, r"dataset.image_column: 'img': .*a.parquet has image, label, word"),
        ({"label_column": "class"}, r"dataset.label_column: 'class': .*a.parquet has image, label, word"),
        ({"image_column": "label"}, r"dataset.image_column: 'label': .* holds int64 there; allowed: binary"),
        ({"label_column": "word"}, r"dataset.label_column: 'word': .* holds string there; allowed: integers"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, more: dict[str, str], message: str) -> None:
    path = write(tmp_path / "a.parquet", word=["x"] * 60)
    with pytest.raises(InputError, match=message):
        datasets.load(options(path, **more), None)


def test_a_row_without_an_image_is_named(tmp_path: Path) -> None:
    content = [encoded(image) for image in IMAGES]
    for bad, message in ((None, "is null; every row must"), (b"no image", "not a readable image: ")):
        table = pa.table({"image": content[:33] + [bad] + content[34:]})
        pq.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(InputError) as error:
            datasets.load(options(tmp_path / "a.parquet"), None)
        assert str(error.value).startswith(f"{tmp_path / 'a.parquet'}: row 33, column 'image': {message}")
    table = pa.table({"image": content, "label": [None] + [1] * 59})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"label_column: 'label': 1 rows hold null"):
        datasets.load(options(tmp_path / "a.parquet", label_column="label"), None)


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[4:400] = bytes(396)
    for content in (b"", b"<html>404 Not Found</html>", whole[: len(whole) // 2], whole[:-1], bytes(spoilt)):
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            datasets.load(options(path), None)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)


def test_nothing_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset.path: 'b': no such file or folder; looked for .*/b, b$"):
        datasets.load(options("b"), tmp_path)
    with pytest.raises(InputError, match=r"dataset.path: .*: holds no \*.parquet$"):
        datasets.load(options(tmp_path), None)
