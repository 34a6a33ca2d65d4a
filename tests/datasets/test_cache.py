"""What is decoded once: kept whole, shared, found damaged, and done without where nothing can be written."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import cache, image_folder
from pipeline.datasets.cache import Part, kept
from pipeline.errors import InputError
from pipeline.options import ImageFolder
from tests.datasets.image_files import noise, picture

ROWS = np.arange(60 * 3 * 8 * 8, dtype=np.int64).astype(np.uint8).reshape(60, 3, 8, 8)


class Counted:
    """A part of the rows, and how often it was made."""

    def __init__(self, rows: np.ndarray = ROWS) -> None:
        self.rows, self.made = rows, 0

    def part(self) -> Part:
        return Part(self.rows.shape, np.uint8, self.blocks)

    def blocks(self) -> Iterator[np.ndarray]:
        self.made += 1
        yield self.rows[:7]
        yield self.rows[7:]


def folder_of(path: Path, count: int = 30) -> ImageFolder:
    path.mkdir()
    for k, image in enumerate(noise(count, 8)):
        picture(image).save(path / f"{k:03}.png")
    return ImageFolder(name="image_folder", path=str(path), size=8)


def test_it_is_made_once_and_mapped_read_only(own_cache: Path) -> None:
    source = Counted()
    for _ in range(3):
        found = kept("a", {"train": source.part(), "held_out": source.part()})
        for array in found.values():
            np.testing.assert_array_equal(array, ROWS)
            assert type(array) is np.ndarray
            assert isinstance(array.base, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
    assert source.made == 2
    assert sorted(path.name for path in (own_cache / "a").iterdir()) == ["held_out.npy", "train.npy"]
    np.testing.assert_array_equal(np.load(own_cache / "a/train.npy"), ROWS)


def test_a_file_cut_anywhere_or_with_another_header_is_made_again(own_cache: Path) -> None:
    source = Counted()
    kept("a", {"train": source.part()})
    path = own_cache / "a/train.npy"
    whole = path.read_bytes()
    damages = [whole[:k] for k in (0, 1, 6, 10, 100, 127, 128, 129, len(whole) // 2, len(whole) - 1)]
    damages += [whole[:k] + b"?" + whole[k + 1 :] for k in (0, 6, 8, 20, 60, 127)]
    damages += [whole + b"\0"]
    for made, damaged in enumerate(damages, start=2):
        path.write_bytes(damaged)
        np.testing.assert_array_equal(kept("a", {"train": source.part()})["train"], ROWS)
        assert source.made == made
        assert path.read_bytes() == whole


def test_arrays_that_are_in_use_outlive_their_file(own_cache: Path) -> None:
    found = kept("a", {"train": Counted().part()})["train"]
    (own_cache / "a/train.npy").unlink()
    np.testing.assert_array_equal(found, ROWS)


def test_what_cannot_be_decoded_leaves_nothing_behind(own_cache: Path) -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield ROWS[:7]
        raise InputError("a.png: not a readable image")

    with pytest.raises(InputError):
        kept("a", {"train": Part(ROWS.shape, np.uint8, blocks)})
    assert list((own_cache / "a").iterdir()) == []


def test_without_a_place_to_write_it_stays_in_memory_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BIRTHDAY_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        found = kept("a", {"train": Counted().part()})["train"]
    np.testing.assert_array_equal(found, ROWS)
    assert len(caplog.messages) == 1
    assert "Not a directory" in caplog.text
    assert "BIRTHDAY_CACHE" in caplog.text


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from pipeline import datasets
from pipeline.options import ImageFolder
print(datasets.load(ImageFolder(name="image_folder", path=sys.argv[1], size=64), None).fingerprint)
"""


def test_a_disk_that_fills_up_midway(tmp_path: Path, own_cache: Path) -> None:
    # The limit on the size of files fails a write just where a full disk would.
    options = folder_of(tmp_path / "images").model_copy(update={"size": 64})
    command = [sys.executable, "-c", LIMITED, options.path]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "File too large" in said.stderr
    assert [path for path in own_cache.rglob("*") if path.is_file()] == []
    assert said.stdout.strip() == datasets.load(options, None).fingerprint


KILLED = """
import os, sys
import numpy as np
from pipeline.datasets.cache import Part, kept
def blocks():
    yield np.zeros((50, 3, 8, 8), np.uint8)
    os._exit(9)
kept("a", {"train": Part((60, 3, 8, 8), np.uint8, blocks)})
"""


def test_a_process_killed_midway_leaves_no_entry(own_cache: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == 9
    assert not (own_cache / "a/train.npy").exists()
    np.testing.assert_array_equal(kept("a", {"train": Counted().part()})["train"], ROWS)


SCRIPT = """
import sys
from pipeline import datasets
from pipeline.options import ImageFolder
sys.stdin.readline()
print(datasets.load(ImageFolder(name="image_folder", path=sys.argv[1], size=8), None).fingerprint)
"""


def test_processes_that_start_at_once_agree(tmp_path: Path, own_cache: Path) -> None:
    options = folder_of(tmp_path / "images", 200)
    command = [sys.executable, "-c", SCRIPT, options.path]
    started = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(3)]
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    found = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert found == {datasets.load(options, None).fingerprint + "\n"}
    assert sorted(path.name for path in own_cache.rglob("*.*")) == ["held_out.npy", "train.npy"]


def test_a_second_load_decodes_nothing(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = folder_of(tmp_path / "images")
    first = datasets.load(options, None)

    def never(*_: object) -> np.ndarray:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_folder, "read_image", never)
    second = datasets.load(options, None)
    assert first.fingerprint == second.fingerprint
    with pytest.raises(AssertionError):
        datasets.load(options.model_copy(update={"size": 12}), None)
    os.utime(tmp_path / "images/000.png", (1, 1))
    with pytest.raises(AssertionError):
        datasets.load(options, None)


def test_keys_tell_options_files_states_and_versions_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ImageFolder(name="image_folder", path="a")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
        os.utime(tmp_path / name, (1, 1))
    a, b = tmp_path / "a", tmp_path / "b"
    keys = [cache.key(options, [a]), cache.key(options, [b]), cache.key(options, [a, b])]
    keys.append(cache.key(options.model_copy(update={"channels": 1}), [a]))
    a.write_bytes(b"22")
    os.utime(a, (1, 1))
    keys.append(cache.key(options, [a]))
    os.utime(a, (2, 1))
    assert cache.key(options, [a]) == keys[-1]  # the time of access is no matter
    os.utime(a, (1, 2))
    keys.append(cache.key(options, [a]))
    monkeypatch.setattr(cache.PIL, "__version__", "0")
    keys.append(cache.key(options, [a]))
    monkeypatch.setattr(cache, "FORMAT", 0)
    keys.append(cache.key(options, [a]))
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("image_folder-") for key in keys)
    with pytest.raises(InputError, match="gone: cannot be read: No such file"):
        cache.key(options, [tmp_path / "gone"])


def test_a_mapped_data_set_travels_out_of_band(tmp_path: Path, own_cache: Path) -> None:
    # As Ray ships it: the images' bytes are buffers beside the pickle, shared on arrival, and not in it.
    data = datasets.load(folder_of(tmp_path / "images", 500), None)
    buffers: list[pickle.PickleBuffer] = []
    message = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    assert len(message) < 1500
    assert sum(buffer.raw().nbytes for buffer in buffers) == 500 * 3 * 8 * 8
    arrived = pickle.loads(message, buffers=[bytes(buffer.raw()) for buffer in buffers])
    assert arrived.fingerprint == data.fingerprint
    np.testing.assert_array_equal(arrived.train, data.train)
