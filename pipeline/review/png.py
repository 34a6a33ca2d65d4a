"""Images as PNG, with nothing in them but the pixels."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from pipeline.errors import InputError

# PNG's colour type by channels: grey, RGB.
COLOUR = {1: 0, 3: 2}


def png(content: bytes, channels: int, height: int, width: int) -> bytes:
    """A PNG of uint8 C*H*W bytes, one or three channels (PNG specification, sections 9 to 11).

    Raises InputError for another number of channels or bytes.
    """
    if channels not in COLOUR or len(content) != channels * height * width:
        raise InputError(
            f"a candidate's image of {len(content)} bytes is not {channels} x {height} x {width}; "
            "images have 1 or 3 channels"
        )
    rows = np.frombuffer(content, np.uint8).reshape(channels, height, width).transpose(1, 2, 0)
    filtered = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter: none
    filtered[:, 1:] = rows.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR[channels], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
