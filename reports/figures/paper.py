"""Figures as papers print them: columns of 3.25 or 6.75 inches, type of 8 to 9 points, legible in grey."""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.figures.style import COLOURS, SETTINGS, Medium

SINGLE, DOUBLE = 3.25, 6.75
SMALLEST, LARGEST = 8.0, 9.0
# The hues of Okabe & Ito, so far apart in lightness (CIE L*) that grey tells them apart.
PRINTED = ["#0A2F7A", "#AC4000", "#2FA87F", "#732A67", "#86BDEB", "#FFD24D"]
SETTINGS_OF_PAPER: dict[str, Any] = SETTINGS | {
    "font.family": ["STIXGeneral", "DejaVu Sans"],  # as Times; what it has no letter for from the other
    "mathtext.fontset": "stix",
    "font.size": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "pdf.fonttype": 42,
    "lines.markersize": 4,
}


def finish(figure: Figure) -> None:
    """Fit a figure that was drawn for a screen to a column: a single set of axes, unless it is wide, to one
    with its legend below, anything else to two.
    """
    width, height = figure.get_size_inches()
    if len(figure.axes) == 1 and width < 8:
        rows = _legend_below(figure)
        figure.set_size_inches(SINGLE, 2.5 + 0.16 * rows)
    else:
        figure.set_size_inches(DOUBLE, height * max(DOUBLE / width, 0.8))
    for text in figure.findobj(Text):
        text.set_fontsize(min(max(text.get_fontsize(), SMALLEST), LARGEST))
    for artist in figure.findobj():
        _recolour(artist)


def _legend_below(figure: Figure) -> int:
    """Move the legend of the only axes below them; how many rows it has there."""
    legend = figure.axes[0].get_legend()
    if legend is None:
        return 0
    handles = [handle for handle in legend.legend_handles if handle is not None]
    labels = [text.get_text() for text in legend.get_texts()]
    legend.remove()
    columns = 2 if len(labels) > 1 and max(map(len, labels)) <= 26 else 1
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.0, handletextpad=0.3
    )
    return -(-sum(1 + label.count("\n") for label in labels) // columns)


def _recolour(artist: Artist) -> None:
    printed = dict(zip(COLOURS, PRINTED, strict=True))
    for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
        getter, setter = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
        if getter is None or setter is None:
            continue
        value = getter()
        if isinstance(value, str | tuple):
            new = printed.get(to_hex(value).upper()) if value not in ("none", "auto") else None
            if new:
                setter(to_rgba(new, to_rgba(value)[3]))
        elif getattr(value, "ndim", 0) == 2 and len(value):  # of a collection
            setter([to_rgba(printed.get(to_hex(row).upper(), to_hex(row)), row[3]) for row in value])


PAPER = Medium(SETTINGS_OF_PAPER, 300, ("pdf", "svg", "png"), finish)
