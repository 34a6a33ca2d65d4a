"""A trial's first samples as one picture."""

from __future__ import annotations

import io
import math

from pipeline.store.tables import Row


def grid_png(rows: list[Row]) -> bytes:
    """Rows of table `samples`, grey or RGB, all of one shape, as one PNG: row by row in order of `index`."""
    import numpy as np
    from PIL import Image

    images = [
        np.frombuffer(row["image"], np.uint8).reshape(row["channels"], row["height"], row["width"])
        for row in sorted(rows, key=lambda row: int(row["index"]))
    ]
    columns = math.ceil(math.sqrt(len(images)))
    channels, height, width = images[0].shape
    grid = np.zeros((math.ceil(len(images) / columns) * height, columns * width, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * height, i % columns * width
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    sink = io.BytesIO()
    Image.fromarray(grid[..., 0] if channels == 1 else grid).save(sink, "PNG")
    return sink.getvalue()
