"""Sheets of tiles: where each image lies, which files belong to a set, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.sheets import Sheet, find_sheets, read_sheets
from pipeline.errors import InputError
from tests.datasets.image_files import noise, write_sheet


@pytest.mark.parametrize("suffix", ["png", "webp", "PNG"])
@pytest.mark.parametrize("count", [1, 99, 100, 101, 230])
def test_tiles_are_read_row_by_row(tmp_path: Path, count: int, suffix: str) -> None:
    images = noise(count, 8)
    write_sheet(tmp_path / f"a_000-{count - 1:03}.{suffix}", images, lossless=True)
    np.testing.assert_array_equal(read_sheets(find_sheets(tmp_path, "a"), 8), images)


def test_sheets_follow_one_another_whatever_their_number_begins_with(tmp_path: Path) -> None:
    images = noise(250, 8)
    for first, last in ((100, 199), (200, 249), (0, 99)):
        write_sheet(tmp_path / f"a_{first + 1:05}-{last + 1:05}.png", images[first : last + 1])
    for other in ("a_notes.csv", "a_1-2.csv", "ab_00001-00100.png", "b_00251-00300.png"):
        (tmp_path / other).touch()
    sheets = find_sheets(tmp_path, "a")
    assert [(sheet.first, sheet.images) for sheet in sheets] == [(1, 100), (101, 100), (201, 50)]
    np.testing.assert_array_equal(read_sheets(sheets, 8), images)
    assert find_sheets(tmp_path, "c") == find_sheets(tmp_path / "absent", "a") == []


@pytest.mark.parametrize("second", ["a_101-199.png", "a_099-199.png"])
def test_a_gap_or_an_overlap_is_refused(tmp_path: Path, second: str) -> None:
    for name in ("a_000-099.png", second):
        (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=rf"{second}: begins with .*; a_000-099.png ends with .* so 100 must"
    ):
        find_sheets(tmp_path, "a")


def test_a_range_that_runs_backwards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a_9-0.png").touch()
    with pytest.raises(InputError, match="names images 9 to 0"):
        find_sheets(tmp_path, "a")


def test_a_sheet_of_another_size_than_its_name_says(tmp_path: Path) -> None:
    path = tmp_path / "a_000-100.png"
    write_sheet(path, noise(100, 8))
    with pytest.raises(InputError, match=r"is 800x8; 101 images of 8x8, 100 a row, are 800x16"):
        read_sheets([Sheet(path, 0, 101)], 8)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", None])
def test_damage_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a_000-099.webp"
    write_sheet(path, noise(100, 8), lossless=True)
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(InputError) as error:
        read_sheets(find_sheets(tmp_path, "a"), 8)
    assert str(error.value).startswith(f"{path}: not a readable image: ")
    assert "\n" not in str(error.value)
