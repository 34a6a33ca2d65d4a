"""Decoded images, kept as memory-mapped `.npy` files: decoded once, and shared by all who read them."""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from pipeline.errors import InputError
from pipeline.options import Options

# Raised when the same options and files come to mean other arrays.
FORMAT = 1

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """An array that can be made block by block, without ever being in memory as a whole.

    blocks: a function that makes it anew: arrays that, one after another along the first axis, are the whole.
    """

    shape: tuple[int, ...]
    dtype: Any
    blocks: Callable[[], Iterable[np.ndarray]]


def cache_folder() -> Path:
    """BIRTHDAY_CACHE, else `~/.cache/birthday`."""
    return Path(os.environ.get("BIRTHDAY_CACHE") or "~/.cache/birthday").expanduser()


def key(options: Options, files: Iterable[Path]) -> str:
    """The name of a cache entry: what was asked, and of which files in which state.

    A file whose content changes while place, size and time of change stay is not noticed. Pillow's version
    is part of it, as decoders of lossy formats may differ in a bit.
    Raises InputError for a file that is not there.
    """
    digest = hashlib.sha256(f"{FORMAT}\0{PIL.__version__}\0{options.model_dump_json()}".encode())
    for file in files:
        try:
            state = file.stat()
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
        digest.update(os.fsencode(file.absolute()) + f"\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return f"{options.model_dump()['name']}-{digest.hexdigest()[:24]}"


def kept(entry: str, parts: Mapping[str, Part]) -> dict[str, np.ndarray]:
    """The arrays of the parts, read-only: mapped from the cache, and made first where it lacks any of them.

    Processes that start at once all make them, each under a name of its own, and the last to finish stays:
    equal keys give equal arrays. A file cut short counts as absent. Where the cache cannot be written
    (a full or read-only disk) a warning is logged and the arrays are in memory.
    """
    folder = cache_folder() / entry
    found = _mapped(folder, parts)
    if found is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, part in parts.items():
                _write(folder / f"{name}.npy", part)
            found = _mapped(folder, parts)
        except OSError as error:
            log.warning(
                "%s: decoded images cannot be kept (%s), so they fill this process's memory; "
                "BIRTHDAY_CACHE names another folder",
                folder,
                error.strerror or error,
            )
    return {name: _in_memory(part) for name, part in parts.items()} if found is None else found


def _mapped(folder: Path, parts: Mapping[str, Part]) -> dict[str, np.ndarray] | None:
    found = {}
    for name, part in parts.items():
        path, header = folder / f"{name}.npy", _header(part)
        whole = len(header) + math.prod(part.shape) * np.dtype(part.dtype).itemsize
        try:
            with path.open("rb") as file:
                if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != whole:
                    return None
                mapped = np.memmap(file, part.dtype, "r", len(header), part.shape)
        except OSError:
            return None
        # A plain array, as pickling a memmap copies it and a plain array's bytes go to Ray as they are.
        found[name] = mapped.view(np.ndarray)
    return found


def _write(path: Path, part: Part) -> None:
    """Whole under another name, then renamed. Written, not mapped: a full disk kills who writes to a map."""
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(_header(part))
            for block in part.blocks():
                file.write(np.ascontiguousarray(block, part.dtype).data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _header(part: Part) -> bytes:
    header = io.BytesIO()
    described = {"descr": np.dtype(part.dtype).str, "fortran_order": False, "shape": part.shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def _in_memory(part: Part) -> np.ndarray:
    array, done = np.empty(part.shape, part.dtype), 0
    for block in part.blocks():
        array[done : done + len(block)] = block
        done += len(block)
    return array
