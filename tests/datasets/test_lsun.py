"""LSUN: the published LMDB layout and folders of images."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import lsun
from pipeline.datasets.image_folder import read_image
from pipeline.datasets.places import fixed_split
from pipeline.errors import InputError
from pipeline.options import Lsun
from tests.datasets.image_files import encoded, noise

BEDROOM = Lsun(name="lsun", size=32)


def images(count: int) -> dict[str, bytes]:
    """Name -> encoded image, 40x48 or 48x40; WebP as LSUN's own are, JPEG now and then."""
    found = {}
    for k, image in enumerate(noise(count, 48)):
        name = hashlib.sha1(f"bedroom {k}".encode()).hexdigest()
        part = image[:, :40] if k % 2 else image[:, :, :40]
        found[name] = encoded(part, "JPEG" if k % 3 == 0 else "WEBP", quality=75)
    return found


def write_lmdb(folder: Path, entries: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    with (
        lmdb.open(str(folder), map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        for name, content in entries.items():
            transaction.put(name.encode(), content)
    return folder


def write_folder(folder: Path, entries: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in entries.items():
        (folder / f"{name}.webp").write_bytes(content)
    return folder


def test_an_lmdb_and_a_folder_of_the_same_images_are_the_same_set(tmp_path: Path) -> None:
    entries = images(60)
    write_lmdb(tmp_path / "a/lsun/bedroom_train_lmdb", entries)
    folder = write_folder(tmp_path / "b/lsun/bedroom", entries)
    first, second = (datasets.load(BEDROOM, tmp_path / place) for place in "ab")
    assert first.fingerprint == second.fingerprint
    train, held_out = fixed_split("", "lsun/bedroom", 60)
    names = sorted(entries)
    for rows, found in ((train, first.train), (held_out, first.held_out)):
        wanted = [read_image(folder / f"{names[row]}.webp", 32, 3) for row in rows]
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("form", ["lmdb", "folder"])
def test_a_limit_takes_the_first_by_their_keys(tmp_path: Path, form: str) -> None:
    entries = images(60)
    first = dict(sorted(entries.items())[:25])
    for place, part in (("all", entries), ("first", first)):
        if form == "lmdb":
            write_lmdb(tmp_path / place / "bedroom_train_lmdb", part)
        else:
            write_folder(tmp_path / place / "bedroom", part)
    limited = datasets.load(BEDROOM.model_copy(update={"limit": 25}), tmp_path / "all")
    assert limited.fingerprint == datasets.load(BEDROOM, tmp_path / "first").fingerprint
    assert len(limited.train) + len(limited.held_out) == 25


def test_no_more_than_ten_thousand_are_held_out() -> None:
    train, held_out = fixed_split("", "lsun/bedroom", 133_042, lsun.MOST_HELD_OUT)
    assert (len(train), len(held_out)) == (123_042, 10_000)
    assert len(np.union1d(train, held_out)) == 133_042


def test_categories_are_told_apart_and_listed(tmp_path: Path) -> None:
    write_folder(tmp_path / "lsun/tower", images(30))
    write_lmdb(tmp_path / "lsun/bedroom_train_lmdb", images(40))
    for category, count in (("tower", 30), ("bedroom", 40)):
        data = datasets.load(BEDROOM.model_copy(update={"category": category}), tmp_path)
        assert len(data.train) + len(data.held_out) == count
    where = {row.name: row.where for row in datasets.available(tmp_path)}["lsun"]
    assert where == f"{tmp_path / 'lsun/bedroom_train_lmdb'}, {tmp_path / 'lsun/tower'}"
    with pytest.raises(InputError, match=r"no bridge_train_lmdb/data.mdb .*birthday data fetch lsun"):
        datasets.load(BEDROOM.model_copy(update={"category": "bridge"}), tmp_path)


def test_reading_writes_nothing_beside_the_data(tmp_path: Path) -> None:
    folder = write_lmdb(tmp_path / "bedroom_train_lmdb", images(30))
    (folder / "lock.mdb").unlink()
    before = (folder / "data.mdb").read_bytes()
    datasets.load(BEDROOM, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["data.mdb"]
    assert (folder / "data.mdb").read_bytes() == before


def test_damage_is_one_line(tmp_path: Path) -> None:
    folder = write_lmdb(tmp_path / "bedroom_train_lmdb", images(60))
    path = folder / "data.mdb"
    whole = path.read_bytes()
    spoilt = whole[: 2 * 4096] + b"\xff" * (len(whole) - 2 * 4096)
    for content, message in (
        (b"", "not a readable LMDB file"),
        (b"<html>404</html>" * 1000, "not a readable LMDB file"),
        (whole[:3000], "not a readable LMDB file"),
        (whole[: len(whole) // 2], f"truncated: .* bytes; its header says {len(whole)}"),
        (whole[:-1], f"truncated: {len(whole) - 1} bytes; its header says {len(whole)}"),
        (spoilt, "not a readable LMDB file"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as error:
            datasets.load(BEDROOM, tmp_path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)


def test_a_value_that_is_no_image_is_named_by_its_key(tmp_path: Path) -> None:
    entries = images(30)
    name = sorted(entries)[3]
    folder = write_lmdb(tmp_path / "bedroom_train_lmdb", {**entries, name: b"no image"})
    with pytest.raises(InputError) as error:
        datasets.load(BEDROOM, tmp_path)
    assert str(error.value) == f"{folder}: key {name}: not a readable image: of no format that Pillow knows"


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lmdb(tmp_path / "bedroom_train_lmdb", images(30))
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(InputError, match=r"pip install 'birthday\[lsun\]'"):
        datasets.load(BEDROOM, tmp_path)
