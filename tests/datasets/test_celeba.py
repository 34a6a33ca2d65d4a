"""CelebA: photographs cut as DCGAN-tensorflow does, the official parts, faces of sheets and arrays."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets.celeba import means
from pipeline.datasets.places import fixed_split
from pipeline.errors import InputError
from pipeline.options import CelebA
from tests.datasets.image_files import noise, picture, write_sheet

CELEBA = CelebA(name="celeba")
ALIGNED64 = CelebA(name="celeba", images="aligned64")


def photographs(root: Path, faces: np.ndarray) -> Path:
    """178x218 JPEG files 000001.jpg and on."""
    folder = root / "celeba/img_align_celeba"
    folder.mkdir(parents=True)
    for k, face in enumerate(faces, 1):
        picture(face).resize((178, 218), Image.Resampling.BICUBIC).save(folder / f"{k:06}.jpg", quality=95)
    return folder


def cut(path: Path, crop: int, size: int) -> np.ndarray:
    """Rows 55..162 and columns 35..142 of 218x178 for a crop of 108: (h - crop) / 2 on either side."""
    image = Image.open(path)
    left, top = (178 - crop) // 2, (218 - crop) // 2
    part = Image.fromarray(np.asarray(image)[top : top + crop, left : left + crop])
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


# --- the real faces -----------------------------------------------------------------------------------------

# SHA-256 of the decoded faces, (n, 64, 64, 3), found under two versions of Pillow.
ALIGNED = (10_000, "842c3201578b61cb1936a34ed04b64dacdef9dee56b118025cdc2f7fa7236ad0")
CROP = (24_711, "f7e5240f082976aca18bee930e2d7c26a6695876d77ebb2d511ec7021271c963")


@pytest.mark.parametrize(
    ("images", "known"), [("aligned64", ALIGNED), pytest.param("crop64", CROP, marks=pytest.mark.soak)]
)
def test_the_faces_of_the_sheets_are_all_there_each_once(
    data_root: Path, images: str, known: tuple[int, str]
) -> None:
    data = datasets.load(CELEBA.model_copy(update={"images": images}), data_root)
    count, digest = known
    train, held_out = fixed_split("", f"celeba/{images}", count)
    assert len(held_out) == count // 10
    faces = np.empty((count, 3, 64, 64), np.uint8)
    faces[train], faces[held_out] = data.train, data.held_out
    rows = np.ascontiguousarray(faces.transpose(0, 2, 3, 1))
    assert hashlib.sha256(rows).hexdigest() == digest
    assert data.train_labels is None


def test_half_the_size_is_the_mean_of_squares(data_root: Path) -> None:
    whole = datasets.load(ALIGNED64, data_root)
    half = datasets.load(ALIGNED64.model_copy(update={"size": 32}), data_root)
    some = slice(0, 500)
    wanted = np.rint(whole.train[some].reshape(-1, 3, 32, 2, 32, 2).mean((3, 5)))
    np.testing.assert_array_equal(half.train[some], wanted)
    assert half.held_out.shape == (1000, 3, 32, 32)


def test_real_photographs_are_cut_as_pillow_cuts_them(data_root: Path, tmp_path: Path) -> None:
    folder = photographs(tmp_path, datasets.load(ALIGNED64, data_root).train[:40])
    for crop, size in ((108, 64), (108, 32), (160, 64), (64, 64)):
        options = CELEBA.model_copy(update={"crop": crop, "size": size})
        data = datasets.load(options, tmp_path)
        train, held_out = fixed_split("", "celeba/aligned", 40)
        for rows, found in ((train, data.train), (held_out, data.held_out)):
            wanted = [cut(folder / f"{row + 1:06}.jpg", crop, size) for row in rows]
            np.testing.assert_array_equal(found, wanted)


# --- the official parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "Eval"])
def test_the_official_list_divides_the_photographs(tmp_path: Path, place: str) -> None:
    folder = photographs(tmp_path, noise(30, 64))
    (tmp_path / "celeba" / place).mkdir(exist_ok=True)
    parts = [0] * 15 + [1] * 5 + [2] * 10
    lines = "".join(f"{k:06}.jpg {part}\n" for k, part in enumerate(parts, 1))
    (tmp_path / "celeba" / place / "list_eval_partition.txt").write_text(lines + "202599.jpg 2\n")
    data = datasets.load(CELEBA, tmp_path)
    files = [folder / f"{k:06}.jpg" for k in range(1, 31)]
    np.testing.assert_array_equal(data.train, [cut(file, 108, 64) for file in files[:15]])
    np.testing.assert_array_equal(data.held_out, [cut(file, 108, 64) for file in files[20:]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000001.jpg 0\n000002.jpg\n", r"line 2: '000002.jpg': must be a file name and 0, 1 or 2"),
        ("000001.jpg 3\n", r"line 1: '000001.jpg 3': must be"),
        ("000001.jpg 0\n", r"does not name 000002.jpg of .*img_align_celeba"),
        (
            "".join(f"{k:06}.jpg 0\n" for k in range(1, 31)),
            r"puts 30 images of .* into part 0, 0 into part 2; both are needed",
        ),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    photographs(tmp_path, noise(30, 64))
    (tmp_path / "celeba/list_eval_partition.txt").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        datasets.load(CELEBA, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'celeba/list_eval_partition.txt'}: ")


# --- forms and places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("last", [True, False])
def test_sheets_and_arrays_of_the_same_faces_are_the_same_set(
    tmp_path: Path, suffix: str, last: bool
) -> None:
    faces = noise(250, 64)
    (tmp_path / "sheets/celeba").mkdir(parents=True)
    write_sheet(tmp_path / "sheets/celeba/crop64_000-199.png", faces[:200])
    write_sheet(tmp_path / "sheets/celeba/crop64_200-249.png", faces[200:])
    (tmp_path / "array").mkdir()
    array = faces.transpose(0, 2, 3, 1) if last else faces
    if suffix == ".npy":
        np.save(tmp_path / "array/crop64.npy", array)
    else:
        np.savez(tmp_path / "array/crop64.npz", images=array)
    for size in (64, 16):
        options = CELEBA.model_copy(update={"images": "crop64", "size": size})
        first, second = (datasets.load(options, tmp_path / place) for place in ("sheets", "array"))
        assert first.fingerprint == second.fingerprint
        assert len(first.held_out) == 75
    where = {row.name: row.where for row in datasets.available(tmp_path / "sheets")}["celeba"]
    assert where == f"{tmp_path / 'sheets/celeba'} (images: crop64)"


def test_means_round_half_to_even() -> None:
    images = np.array([[0, 1], [1, 0]], np.uint8).reshape(1, 1, 2, 2)
    assert means(images, 1).tolist() == [[[[0]]]]  # 0.5
    assert means(images + 1, 1).tolist() == [[[[2]]]]  # 1.5
    assert means(np.full((1, 1, 4, 4), 255, np.uint8), 2).tolist() == [[[[255, 255], [255, 255]]]]


def test_a_size_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "crop64_0-99.png", noise(100, 64))
    options = CELEBA.model_copy(update={"images": "crop64", "size": 48})
    with pytest.raises(InputError, match=r"dataset.size: 48: .* holds 64x64 images; allowed: 64, 32, 16, 8$"):
        datasets.load(options, tmp_path)


def test_an_array_of_other_images_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "crop64.npy", np.zeros((30, 3, 64, 32), np.uint8))
    with pytest.raises(InputError, match=r"crop64.npy: images: of shape \(3, 64, 32\); allowed: square, 3"):
        datasets.load(CELEBA.model_copy(update={"images": "crop64"}), tmp_path)


def test_missing_files_name_every_place_and_what_to_do(tmp_path: Path) -> None:
    for images, what in (("aligned", "no img_align_celeba/, aligned.npy"), ("crop64", "no crop64.npy")):
        with pytest.raises(InputError) as error:
            datasets.load(CELEBA.model_copy(update={"images": images}), tmp_path)
        for part in (what, str(tmp_path / "celeba"), f" {tmp_path};", "birthday data fetch celeba"):
            assert part in str(error.value)
        assert "\n" not in str(error.value)


def test_damaged_and_small_photographs_are_named(tmp_path: Path) -> None:
    folder = photographs(tmp_path, noise(30, 64))
    path = folder / "000007.jpg"
    whole = path.read_bytes()
    for content in (b"<html>404</html>", whole[:400], b""):
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            datasets.load(CELEBA, tmp_path)
        assert str(error.value).startswith(f"{path}: not a readable image: ")
        assert "\n" not in str(error.value)
    picture(noise(1, 64)[0]).save(path)
    with pytest.raises(InputError, match=r"000007.jpg: is 64x64; dataset.crop: 108 needs 108 either way"):
        datasets.load(CELEBA, tmp_path)
    for other in folder.glob("00000[2-9].jpg"):
        other.unlink()
    for other in folder.glob("00001*.jpg"):
        other.unlink()
    with pytest.raises(InputError, match=r"img_align_celeba: holds 12 images; at least 20 are needed"):
        datasets.load(CELEBA, tmp_path)
