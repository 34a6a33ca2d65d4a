"""The nearest references of every query."""

from __future__ import annotations

import hashlib

import numpy as np

from pipeline.divergences.distances import blocks, direct
from pipeline.divergences.points import checked_together


def nearest(queries: np.ndarray, references: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest references of each query: (n, count) int64 indices, (n, count) float64 distances.

    queries: (n, d), references: (m, d), floats. Distances are Euclidean; nearest first, of equally near the
    smaller index first. Exact: see `distances.py`. A query among the references finds itself or a copy.
    Raises ValueError for NaN or infinity, for unequal d, and for fewer references than `count`.
    """
    queries, references = checked_together(queries=queries, references=references)
    if not 1 <= count <= len(references):
        raise ValueError(f"{count} nearest of {len(references)} references")
    # A collapsed generator repeats itself: each copy is as near as the others, so the filter rules out none.
    copies = _copies(references)
    if len(copies) == len(references):
        return _nearest(queries, references, count)
    distinct = np.array([members[0] for members in copies])
    index, distance = _nearest(queries, references[distinct], min(count, len(copies)))
    return _expand(index, distance, copies, count)


def _nearest(queries: np.ndarray, references: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.full((len(queries), count), -1)
    distance = np.full((len(queries), count), np.inf)
    for block in blocks(queries, references):
        rows = block.rows
        within = _smallest(block.squares, count)
        # The nearest are no farther than the count-th found: in this block, or before it.
        limit = np.minimum(within, np.square(distance[rows, -1])) + 2 * block.error
        row, column = np.divmod(np.flatnonzero(block.squares <= limit[:, None]), block.squares.shape[1])
        found = direct(queries, references, row + rows.start, column + block.first_column)
        index[rows], distance[rows] = _first(
            count,
            np.concatenate([np.repeat(np.arange(len(within)), count), row]),
            np.concatenate([index[rows].ravel(), column + block.first_column]),
            np.concatenate([distance[rows].ravel(), found]),
        )
    return index, distance


def _smallest(squares: np.ndarray, count: int) -> np.ndarray:
    """(b,) the count-th smallest of each row; infinite in a block with fewer columns."""
    if squares.shape[1] < count:
        return np.full(len(squares), np.inf)
    smallest: np.ndarray = (
        squares.min(1) if count == 1 else np.partition(squares, count - 1, axis=1)[:, count - 1]
    )
    return smallest


def _first(
    count: int, row: np.ndarray, index: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` entries of every row 0, 1, ... by (distance, index); every row has as many."""
    order = np.lexsort((index, distance, row))
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    chosen = order[starts[:, None] + np.arange(count)]
    return index[chosen], distance[chosen]


def _copies(x: np.ndarray) -> list[list[int]]:
    """The indices of rows equal bit by bit, by first appearance."""
    groups: dict[bytes, list[int]] = {}
    for k, row in enumerate(x):
        groups.setdefault(hashlib.sha256(row.tobytes()).digest(), []).append(k)
    return list(groups.values())


def _expand(
    index: np.ndarray, distance: np.ndarray, copies: list[list[int]], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest among all copies, from the nearest among the distinct rows."""
    members = np.full((len(copies), count), -1)
    for k, group in enumerate(copies):
        members[k, : len(group[:count])] = group[:count]
    candidates = members[index].reshape(len(index), -1)
    distances = np.where(candidates < 0, np.inf, np.repeat(distance, count, axis=1))
    row = np.repeat(np.arange(len(index)), candidates.shape[1])
    return _first(count, row, candidates.ravel(), distances.ravel())
