"""How settings and objectives lie on axes: logarithms where the space has them, categories side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from pipeline.search_options import Categories, FloatRange, IntRange
from reports.figures import marks
from reports.sections.searches import shown
from reports.statistics.fronts import Array
from reports.words import number

# From this ratio of the largest to the smallest on, values are shown by their logarithms.
WIDE = 50.0
LONGEST = 18


class Values(NamedTuple):
    """How an objective's values are drawn. kind: linear, log, or asinh: linear up to `width`, logarithmic
    beyond it on both sides.
    """

    kind: str
    width: float = 1.0

    def forward(self, values: Array) -> Array:
        """Equal distances on the axis."""
        if self.kind == "log":
            return np.asarray(np.log10(values))
        return np.asarray(np.arcsinh(values / self.width)) if self.kind == "asinh" else values

    def back(self, value: float) -> float:
        """The value at a place on the axis."""
        if self.kind == "log":
            return float(10.0**value)
        return float(self.width * np.sinh(value)) if self.kind == "asinh" else value

    def tick(self, at: float, _: int | None = None) -> str:
        """What stands at a place on the axis, of a colour bar whose colours are `forward` of the values."""
        return f"$10^{{{at:g}}}$" if self.kind == "log" else number(self.back(at))

    def on(self, ax: Axes, side: str) -> None:
        """Make one side of the axes such an axis."""
        set_scale = ax.set_xscale if side == "x" else ax.set_yscale
        if self.kind == "asinh":
            set_scale("asinh", linear_width=self.width)
        else:
            set_scale(self.kind)


def values_of(values: Array) -> Values:
    """The axis that suits values: one failure far off must not hide all others."""
    sizes = np.abs(values[values != 0])
    if len(sizes) and (values > 0).all() and sizes.max() > WIDE * sizes.min():
        return Values("log")
    if len(sizes) and sizes.max() > WIDE * np.median(sizes):
        return Values("asinh", float(np.median(sizes)))
    return Values("linear")


def numeric(choice: FloatRange | IntRange | Categories) -> bool:
    """Whether a key is a number."""
    return not isinstance(choice, Categories)


def positions(choice: FloatRange | IntRange | Categories, values: Sequence[Any]) -> Array:
    """Settings on an axis: numbers as they are, categories by their place in the space."""
    if isinstance(choice, Categories):
        return np.array([choice.values.index(value) for value in values], dtype=np.float64)
    return np.array(values, dtype=np.float64)


def share(choice: FloatRange | IntRange | Categories, values: Sequence[Any]) -> Array:
    """Settings between 0 and 1, from one end of the space to the other."""
    at = positions(choice, values)
    if isinstance(choice, Categories):
        return (at + 0.5) / len(choice.values)
    low, high = float(choice.low), float(choice.high)
    if choice.log:
        at, low, high = np.log(at), np.log(low), np.log(high)
    return np.asarray((at - low) / (high - low))


def key_axis(ax: Axes, side: str, key: str, choice: FloatRange | IntRange | Categories) -> None:
    """Make one side of the axes the axis of a key, with its whole range."""
    set_ticks = ax.set_xticks if side == "x" else ax.set_yticks
    set_limits = ax.set_xlim if side == "x" else ax.set_ylim
    if isinstance(choice, Categories):
        labels = [plain(value) for value in choice.values]
        turned: Any = {"rotation": 25, "ha": "right"} if side == "x" and sum(map(len, labels)) > 24 else {}
        set_ticks(range(len(labels)), labels, **turned)
        set_limits(-0.5, len(labels) - 0.5)
    else:
        low, high = float(choice.low), float(choice.high)
        if choice.log:
            (ax.set_xscale if side == "x" else ax.set_yscale)("log")
            margin = (high / low) ** 0.04
            set_limits(low / margin, high * margin)
            short = high / low < 100 and low >= 0.01  # else plain numbers would be as long as the axis
            (marks.plain if short else marks.powers)(ax.xaxis if side == "x" else ax.yaxis)
        else:
            set_limits(low - 0.04 * (high - low), high + 0.04 * (high - low))
    (ax.set_xlabel if side == "x" else ax.set_ylabel)(plain(key, 40))


def plain(value: Any, longest: int = LONGEST) -> str:
    """A setting or a name as a label: cut to size, and no formula whatever it holds."""
    text = shown(value)
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return cut.replace("$", r"\$")
