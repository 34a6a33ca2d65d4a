"""Many trials' weights in one safetensors file, keys `<trial_id>/<player>/<tensor>`, and one's out of it.

Nothing is decoded: a trial's tensors lie side by side, so its part is a range of bytes and a piece of the
header. The header also keeps the SHA-256 of each trial's part as a file of its own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipeline.store.backends import Bytes
from pipeline.store.manifests import digest

# Name -> {dtype, shape, data_offsets}, offsets from the end of the header.
Header = dict[str, dict[str, Any]]
SUMS = "__metadata__"
# Bytes that are read at first, in the hope that the header is no longer.
HEADER_READ = 1 << 16
EMPTY = struct.pack("<Q", 8) + b"{}      "


class Part(NamedTuple):
    """Where a trial's tensors are: bytes `start` to `end` of the file. header: of a file of its own, whose
    SHA-256 is `sha256`.
    """

    start: int
    end: int
    header: bytes
    sha256: str


def pack(weights: Mapping[str, bytes]) -> tuple[Bytes, int]:
    """One file of safetensors files by trial, and its number of tensors; empty if there are none.

    Raises ValueError if one is none.
    """
    files = []
    for trial, content in weights.items():
        entries, data = _split(content)
        entries.pop(SUMS, None)
        if not entries:
            continue
        alone = _header(entries) + data
        named = {f"{trial}/{key}": entry for key, entry in entries.items()}
        files.append(_header({SUMS: {trial: digest(alone)}, **named}) + data)
    return merge(files)


def merge(files: Iterable[Bytes]) -> tuple[Bytes, int]:
    """One file of several, which share no trial, and its number of tensors; empty if there are none.

    Takes the files one by one, and no memory beyond that of the result.
    """
    sums: dict[str, str] = {}
    entries: Header = {}
    data = bytearray()
    for content in files:
        header, own = _split(content)
        sums |= header.pop(SUMS, {})
        for key, entry in header.items():
            entries[key] = {**entry, "data_offsets": [len(data) + k for k in entry["data_offsets"]]}
        data += own
    if not entries:
        return b"", 0
    data[:0] = _header({SUMS: sums, **entries})
    return data, len(entries)


def header_end(start: Bytes) -> int:
    """How many bytes length and header take, from the first 8 bytes of a file. Raises ValueError."""
    if len(start) < 8:
        raise ValueError("shorter than any safetensors file")
    return 8 + int(struct.unpack("<Q", start[:8])[0])


def parts(start: bytes) -> dict[str, Part]:
    """By trial, from the bytes up to the header's end. Raises ValueError."""
    end = header_end(start)
    try:
        header = json.loads(start[8:end])
        sums = header.pop(SUMS)
        of: dict[str, Header] = {trial: {} for trial in sums}
        for key, entry in header.items():
            trial, _, name = key.partition("/")
            of[trial][name] = entry
        return {trial: _part(entries, end, sums[trial]) for trial, entries in of.items()}
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not the header of a run's weights") from None


def _part(entries: Header, offset: int, sha256: str) -> Part:
    low = min(entry["data_offsets"][0] for entry in entries.values())
    high = max(entry["data_offsets"][1] for entry in entries.values())
    own = {
        name: {**entry, "data_offsets": [k - low for k in entry["data_offsets"]]}
        for name, entry in entries.items()
    }
    return Part(offset + low, offset + high, _header(own), sha256)


def _split(content: Bytes) -> tuple[Header, memoryview]:
    end = header_end(content)
    return json.loads(content[8:end]), memoryview(content)[end:]


def _header(entries: Header) -> bytes:
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
