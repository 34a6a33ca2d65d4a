"""One large pair search as many tasks: tiles of pairs, wherever the engine has room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from pipeline.engine.engines import Engine, Task
from pipeline.errors import InputError
from pipeline.support.pairs import PairSearch, Tile, checked, join, search_tile, tiles
from pipeline.support.quantized import Quantized, quantize

# Samples on a side: some seconds of work a tile, and a result much smaller than its share of the samples.
SIDE = 32_768


def search_tiles(
    worker: Engine, x: np.ndarray, taus: Sequence[float], *, closest: int = 1000, side: int = SIDE
) -> PairSearch:
    """`support.search_pairs(x, taus, closest=…)` with the same result, tile by tile as tasks of an engine.

    x: (s, d) float32, sent to each machine once. Raises InputError for a tile whose workers died again and
    again.
    """
    quantized = quantize(checked(x))
    shared = worker.share(quantized)
    tasks = (
        Task(f"{rows.start}-{columns.start}", shared, (rows, columns, tuple(taus), closest))
        for rows, columns in tiles(len(x), side)
    )

    def parts() -> Iterator[Tile]:
        for batch in worker.run(_tile, tasks):
            for done in batch:
                if done.lost:
                    raise InputError(f"pair search, tile {done.task.key}: {done.lost}: {done.reason}")
                yield done.value

    return join(quantized, taus, closest, parts())


def _tile(quantized: Quantized, rows: range, columns: range, taus: Sequence[float], closest: int) -> Tile:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return search_tile(quantized, rows, columns, taus, closest, device=device)
