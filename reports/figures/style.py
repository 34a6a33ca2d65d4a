"""How figures look, and how they turn into bytes that are the same on every run."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito 2008, without yellow (too pale on white) and black (kept for the real images).
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
REAL = "#222222"
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "birthday",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.1,
    "figure.facecolor": "white",
}


# A figure, or what makes it where it is encoded, None where there is nothing to draw.
Drawing = Figure | Callable[[], Figure | None]
# A figure's content in each format, by the ending of its file.
Files = dict[str, bytes]


class Medium(NamedTuple):
    """What figures are drawn for. settings: matplotlib's. kinds: the formats, as endings of files. finish:
    what is done to a figure in the end.
    """

    settings: dict[str, Any]
    dpi: int
    kinds: tuple[str, ...]
    finish: Callable[[Figure], None]


def as_drawn(figure: Figure) -> None:
    """Nothing more is done to it."""


SCREEN = Medium(SETTINGS, 170, ("png",), as_drawn)
# What else a format would say of when and by what it was written.
UNSAID = {
    "png": ("Software",),
    "svg": ("Date", "Creator"),
    "pdf": ("Creator", "Producer", "CreationDate"),
}


@contextlib.contextmanager
def context(medium: Medium) -> Iterator[None]:
    """Inside it, matplotlib draws for this medium, whatever a user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # Laid out as it is painted, text is measured once.
        settings: Any = medium.settings | {"figure.dpi": medium.dpi}
        matplotlib.rcParams.update(settings)
        yield


def axes(width: float = 7.2, height: float = 4.2) -> tuple[Figure, Axes]:
    """One figure with one set of axes, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def encode(drawing: Drawing, medium: Medium) -> Files:
    """The figure as the medium wants it, without dates or version strings; nothing where nothing was drawn.

    Inside the medium's `context`.
    """
    figure = drawing() if callable(drawing) else drawing
    if figure is None:
        return {}
    medium.finish(figure)
    # Laid out once: doing so for each format takes as long as drawing it, as does a layout engine that idles.
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)
    files = {}
    for kind in medium.kinds:
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=medium.dpi, metadata=dict.fromkeys(UNSAID[kind]))
        files[kind] = content.getvalue()
    return files


def look(values: Sequence[object], choices: list[str]) -> dict[object, str]:
    """Each value's colour or marker, repeating when there are more values than choices."""
    return {value: choices[k % len(choices)] for k, value in enumerate(values)}


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """One figure with (rows, columns) axes of this size in inches each, always as a two-dimensional array."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def shades(count: int) -> list[Any]:
    """Colours of ordered values, from dark to light, the palest part of the map left out."""
    colours = matplotlib.colormaps["viridis"]
    return [colours(0.9 * k / max(count - 1, 1)) for k in range(count)]
