"""Which columns of a design say something new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.statistics.counts import Array

# A column whose part that no earlier one explains is shorter than this, relatively, follows from them.
DEPENDENT = 1e-9


def independent(columns: Sequence[Array]) -> list[int]:
    """Which of the columns (n,) do not follow from earlier ones, by Gram and Schmidt, twice for accuracy."""
    basis = np.empty((len(columns[0]), 0))
    kept = []
    for k, column in enumerate(columns):
        rest = column
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > DEPENDENT * np.linalg.norm(column):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            kept.append(k)
    return kept
