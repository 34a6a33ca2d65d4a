"""The IDX file format of MNIST and Fashion-MNIST (LeCun's page: magic number, sizes, bytes)."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from pipeline.errors import InputError

_UNSIGNED_BYTE = 8


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of `dimensions` dimensions in an IDX file, gzipped where the name ends in `.gz`.

    The format: two zero bytes, the element type, the number of dimensions, each size as a big-endian 32-bit
    integer, then the elements, last index fastest.
    Raises InputError, naming the file, for anything but exactly that.
    """
    content = _content(path)
    if len(content) < 4:
        raise InputError(f"{path}: truncated: {len(content)} bytes are no IDX header")
    if content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise InputError(f"{path}: not an IDX file of unsigned bytes: it begins with {content[:4].hex()}")
    if content[3] != dimensions:
        raise InputError(f"{path}: holds an array of {content[3]} dimensions; expected {dimensions}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise InputError(f"{path}: truncated: {len(content)} bytes; its header has {start}")
    shape = [int.from_bytes(content[k : k + 4], "big") for k in range(4, start, 4)]
    expected = start + math.prod(shape)
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        size = " x ".join(map(str, shape))
        raise InputError(f"{path}: {what}: {len(content)} bytes; its header says {size}, which is {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise InputError(f"{path}: truncated: the gzip stream ends early") from None
    except (OSError, zlib.error) as error:  # BadGzipFile is an OSError
        raise InputError(f"{path}: not a readable gzip file: {error}") from None
