"""Logarithmic axes have numbers whatever they span."""

import pytest
from matplotlib.figure import Figure

from reports.figures.marks import power, powers


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1, 1e5, ["10⁰", "10¹", "10²", "10³", "10⁴", "10⁵"]),
        (0.9, 120, ["10⁰", "10¹", "10²"]),
        (25, 2000, ["3×10¹", "10²", "3×10²", "10³"]),
        (150, 800, ["2×10²", "5×10²"]),
        (0.015, 0.3, ["2×10⁻²", "5×10⁻²", "10⁻¹", "2×10⁻¹"]),
    ],
)
def test_few_or_many_decades(low: float, high: float, labels: list[str]) -> None:
    ax = Figure().add_subplot()
    ax.set(xscale="log", xlim=(low, high))
    powers(ax.xaxis)
    shown = [power(at) for at in ax.xaxis.get_majorticklocs() if low <= at <= high]
    assert shown == labels
    assert len(ax.xaxis.get_minorticklocs()) == 0
