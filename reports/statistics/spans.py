"""Which columns of a design say something new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.statistics.counts import Array

# A column whose part that no earlier one explains is shorter than this, relatively, follows from them.
DEPENDENT = 1e-9


def independent(columns: Sequence[Array]) -> list[int]:
    """Which of the columns (n,) do not follow from earlier ones, by Gram and Schmidt, twice for accuracy."""
    basis = np.empty((len(columns), len(columns[0])))
    kept: list[int] = []
    for k, column in enumerate(columns):
        rest, known = column, basis[: len(kept)]
        for _ in range(2):
            rest = rest - (known @ rest) @ known
        length = np.linalg.norm(rest)
        if length > DEPENDENT * np.linalg.norm(column):
            basis[len(kept)] = rest / length
            kept.append(k)
    return kept
