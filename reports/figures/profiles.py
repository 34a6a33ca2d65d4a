"""Performance profiles: how often each variant's support exceeds a share of the real images' own."""

from __future__ import annotations

from matplotlib.figure import Figure

from reports.figures.marks import beside, plain
from reports.figures.style import COLOURS, REAL, axes
from reports.sections.variants import Across

STYLES = ["-", "--", ":"]


def profiles(found: Across | None) -> Figure | None:
    """A line with a band for each variant; None where there are more of them than can be told apart."""
    if found is None or not found.profiles or len(found.profiles) > len(COLOURS) * len(STYLES):
        return None
    figure, ax = axes()
    for k, one in enumerate(found.profiles):
        colour, style = COLOURS[k % len(COLOURS)], STYLES[k // len(COLOURS)]
        ax.step(found.at, one.share, where="post", color=colour, linestyle=style, label=one.variant)
        ax.fill_between(found.at, one.low, one.high, step="post", color=colour, alpha=0.13, linewidth=0)
    ax.axvline(1, color=REAL, linewidth=0.9)
    ax.set(xscale="log", xlabel=r"ratio $r$ to the support size of held-out real images", ylim=(-0.02, 1.02))
    ax.set_ylabel(r"share of trials with $N_2$ above $r$ times it")
    plain(ax.xaxis)
    beside(ax, ax.get_legend_handles_labels()[0])
    return figure
