"""Folders of image files: what is read, how it is cut, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets.image_folder import image_names, read_image
from pipeline.errors import InputError
from pipeline.options import ImageFolder


def fill(folder: Path, count: int = 20, suffix: str = ".png", size: tuple[int, int] = (12, 10)) -> Path:
    """`count` images of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(folder / f"{k:04}{suffix}")
    return folder


def options(path: Path | str, size: int = 8, channels: int = 3) -> ImageFolder:
    return ImageFolder(name="image_folder", path=str(path), size=size, channels=channels)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_loads_as_bytes(tmp_path: Path, suffix: str, channels: int) -> None:
    data = datasets.load(options(fill(tmp_path / "a", suffix=suffix), 8, channels), None)
    assert data.train.shape == (14, channels, 8, 8)
    assert data.held_out.shape == (6, channels, 8, 8)
    assert data.train.dtype == np.uint8
    assert data.train_labels is None


def test_square_images_of_the_right_size_keep_every_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 16, 3), pixels.transpose(2, 0, 1))
    Image.fromarray(pixels[..., 0]).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", 16, 1), pixels[None, ..., 0])


@pytest.mark.parametrize("wide", [True, False])
def test_the_crop_is_the_centre(tmp_path: Path, wide: bool) -> None:
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = np.arange(64).reshape(8, 8)
    Image.fromarray(pixels if wide else pixels.T.copy()).save(tmp_path / "a.png")
    wanted = np.arange(64).reshape(8, 8)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 8, 1)[0], wanted if wide else wanted.T)


def test_a_smaller_copy_is_not_aliased(tmp_path: Path) -> None:
    # A chequerboard of single pixels is grey from afar; taking every eighth pixel would give black or white.
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    assert np.abs(read_image(tmp_path / "a.png", 8, 1).astype(int) - 127).max() <= 3


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels[::-1, ::-1].copy()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 8, 1)[0], pixels)


def test_folders_are_searched_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "c.PNG", ".hidden.png", ".thumbnails/9.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert image_names(tmp_path) == ["a/1.png", "b/2.png", "c.PNG"]


def test_a_relative_path_is_below_the_root_if_it_exists_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "root/pictures", 21)
    fill(tmp_path / "here/pictures", 22)
    fill(tmp_path / "here/others", 23)
    monkeypatch.chdir(tmp_path / "here")
    sizes = []
    for path, root in (("pictures", tmp_path / "root"), ("pictures", None), ("others", tmp_path / "root")):
        data = datasets.load(options(path), root)
        sizes.append(len(data.train) + len(data.held_out))
    assert sizes == [21, 22, 23]


@pytest.mark.parametrize(("count", "held_out"), [(20, 6), (1000, 300), (3000, 500)])
def test_a_fixed_part_is_held_out(tmp_path: Path, count: int, held_out: int) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for k in range(count):
        colour = np.full((8, 8, 3), (k % 256, k // 256, 0), np.uint8)
        Image.fromarray(colour).save(folder / f"{k}.bmp")
    data = datasets.load(options(folder), None)
    seen = {image.tobytes() for image in data.train}, {image.tobytes() for image in data.held_out}
    assert (len(seen[0]), len(seen[1])) == (count - held_out, held_out)
    assert not seen[0] & seen[1]


def test_the_split_depends_on_names_not_on_place_or_pixels(tmp_path: Path) -> None:
    for folder, shift in (("a", 0), ("b", 100)):
        (tmp_path / folder).mkdir()
        for k in range(30):
            Image.fromarray(np.full((8, 8), k + shift, np.uint8)).save(tmp_path / folder / f"{k}.png")
    first, second = (datasets.load(options(tmp_path / f, channels=1), None) for f in "ab")
    np.testing.assert_array_equal(first.train + 100, second.train)
    assert first.fingerprint != second.fingerprint
    (tmp_path / "a").rename(tmp_path / "c")
    assert datasets.load(options(tmp_path / "c", channels=1), None).fingerprint == first.fingerprint


def test_a_name_that_is_no_unicode_is_a_name(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    (tmp_path / "a/0000.png").rename(tmp_path / "a" / b"caf\xe9.png".decode("utf-8", "surrogateescape"))
    assert len(datasets.load(options(tmp_path / "a"), None).train) == 14


@pytest.mark.parametrize("count", [0, 19])
def test_too_few_images_are_refused(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "a", count)
    with pytest.raises(InputError, match=f"a: holds {count} images .* at least 20 are needed"):
        datasets.load(options(tmp_path / "a"), None)


def test_a_missing_folder_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        datasets.load(options("faces"), tmp_path)
    assert (
        str(error.value) == f"dataset.path: 'faces': no such folder; looked for {tmp_path / 'faces'}, faces"
    )


def test_a_png_cut_in_half_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", size=(64, 64))
    broken = folder / "0007.png"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    with pytest.raises(InputError) as error:
        datasets.load(options(folder), None)
    assert str(error.value).startswith(f"{broken}: not a readable image: ")
    assert "\n" not in str(error.value)


def test_deep_images_are_refused_rather_than_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: has more than 8 bits a channel"):
        read_image(tmp_path / "a.png", 8, 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_any_damage_is_one_line_or_harmless(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    path = tmp_path / "a.png"
    messages = []
    for k in range(300):
        damaged = content.copy()
        if k % 2:
            del damaged[rng.integers(len(damaged)) :]
        else:
            damaged[rng.integers(min(64, len(damaged)))] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            image = read_image(path, 8, 3)
        except InputError as error:
            messages.append(str(error))
        else:
            assert image.shape == (3, 8, 8)
    assert len(messages) > 50
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)
