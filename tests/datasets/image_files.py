"""Sets of images in the forms they are published in, written from the formats' descriptions."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def noise(n: int, side: int, seed: int = 0) -> np.ndarray:
    """(n, 3, side, side) uint8: coarse squares, which lossy formats keep apart."""
    small = np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), np.uint8)
    return np.repeat(np.repeat(small, side // 4, 2), side // 4, 3)


def picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def encoded(image: np.ndarray, kind: str = "PNG", **how: int) -> bytes:
    buffer = io.BytesIO()
    picture(image).save(buffer, kind, **how)
    return buffer.getvalue()


def write_sheet(path: Path, images: np.ndarray, **how: object) -> None:
    """100 tiles a row, pasted one by one."""
    side = images.shape[-1]
    sheet = Image.new("RGB", (100 * side, (len(images) + 99) // 100 * side))
    for k, image in enumerate(images):
        sheet.paste(picture(image), (k % 100 * side, k // 100 * side))
    sheet.save(path, **how)


def binary_batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    """CIFAR-10, binary version: for each image the label, 1,024 red, 1,024 green, 1,024 blue bytes."""
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def python2_batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    """CIFAR-10, Python version: the opcodes that Python 2's cPickle wrote, protocol 2."""
    n = len(images)

    def text(word: bytes) -> bytes:
        return b"U" + bytes([len(word)]) + word

    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\0K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNN"
        + 2 * b"J\xff\xff\xff\xff"
        + b"K\0tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R(K\x01"
    array += b"M" + struct.pack("<H", n) + b"M" + struct.pack("<H", 3072) + b"\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<I", 3072 * n) + images.tobytes() + b"tb"
    items = text(b"batch_label") + text(b"training batch 1 of 5") + text(b"data") + array
    items += text(b"labels") + b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    items += text(b"filenames") + b"](" + text(b"leptodactylus_pentadactylus_s_000004.png") + b"e"
    return b"\x80\x02}(" + items + b"u."
