"""The shape of growth with the size of a network: tests beside the slope that a capacity verdict rests on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports.sections.listing import Listing
from reports.statistics.bends import LEVEL, Bend
from reports.statistics.counts import Undecided
from reports.statistics.growth import Growth, growth
from reports.statistics.slopes import Slope
from reports.statistics.trends import Trend
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results
from reports.words import PREDICTORS, number

CAPACITIES = {"log_discriminator_params", "log_generator_params"}
SENTENCE = (
    "The verdict rests on the slope alone; what follows asks the same data in other ways. "
    "Jonckheere–Terpstra and the permutation test compare trials of one seed and one setting only and assume "
    "no shape: they ask whether size matters in some seed, the slope whether it does on average over seeds. "
    "The isotonic fit is the best curve that never turns. The broken stick asks for a plateau, as Arora & "
    "Zhang (2017) saw it: p is of a straight line against one break anywhere. The mixed model takes what "
    "seeds do to level and slope as random."
)


class Line(NamedTuple):
    """One way to ask. statistic: what it is called, and its value; p or the ends of a 95 % interval; what it
    says.
    """

    test: str
    statistic: str
    value: float | None
    p: float | None
    low: float | None
    high: float | None
    says: str


def growths(results: Results, verdicts: list[Verdict]) -> list[Growth]:
    """The shape behind every hypothesis about the size of a network whose slope could be estimated."""
    found = []
    for verdict in verdicts:
        if verdict.hypothesis.predictor in CAPACITIES and verdict.slope is not None:
            try:
                found.append(growth(verdict.hypothesis, results.study, results.completed))
            except Undecided:  # a slope, but nothing beside it
                continue
    return found


def proportional(one: Growth) -> str:
    """Whether growth is called near-linear, and whether it is a line at all."""
    bent = not isinstance(one.bend, str) and one.bend.found
    return near_linear(one.slope) + (", but a straight line is rejected" if bent else "")


def near_linear(slope: Slope) -> str:
    """Whether growth is called near-linear: only if the interval contains 1 and excludes 0."""
    if slope.near_linear:
        return "near-linear: the 95 % interval of the slope contains 1 and excludes 0"
    if slope.low <= 0:
        return "not called near-linear: the 95 % interval of the slope does not lie above 0"
    side = "below" if slope.high < 1 else "above"
    return f"not near-linear: the 95 % interval of the slope lies above 0 and wholly {side} 1"


def lines(one: Growth) -> list[Line]:
    """Every way to ask, in the order of the table."""
    rows = [_slope("slope of log N₂", one.slope, proportional(one))]
    rows.append(_trend("Jonckheere–Terpstra", "J", one.jonckheere))
    rows.append(_trend("permutation within seeds", "slope", one.permutation))
    rows += [_isotonic(one), _bend(one.bend)]
    if isinstance(one.mixed, str):
        rows.append(Line("mixed model", "slope", None, None, None, None, one.mixed))
    else:
        agrees = one.slope.low <= one.mixed.value <= one.slope.high
        says = f"{'inside' if agrees else 'outside'} the interval of the slope above"
        rows.append(Line("mixed model", "slope", one.mixed.value, None, one.mixed.low, one.mixed.high, says))
    for part, slope in one.parts.items():
        other = "depth" if part == "width" else "width"
        name = f"by {part}, at equal {other}"
        if isinstance(slope, str):
            rows.append(Line(name, "slope", None, None, None, None, slope))
        else:
            rows.append(_slope(name, slope, _direction(slope.low, slope.high)))
    return rows


def listing(one: Growth) -> Listing:
    """The table of one hypothesis."""
    rows = []
    for line in lines(one):
        value = f"{line.statistic} = {_signed(line.value)}" if line.value is not None else "–"
        extent = f"[{_signed(line.low)}, {_signed(line.high)}]" if line.low is not None else "–"
        rows.append([line.test, value, f"p {_p(line.p)}" if line.p is not None else extent, line.says])
    return Listing(["test", "statistic", "p or 95 % interval", "what it says"], rows)


def table(found: list[Growth]) -> pd.DataFrame:
    """One row a hypothesis and test, for `capacity.csv`."""
    rows = [{"hypothesis": one.hypothesis.name} | line._asdict() for one in found for line in lines(one)]
    return pd.DataFrame(rows, columns=["hypothesis", *Line._fields])


def title(one: Growth) -> str:
    """What grows with what."""
    return f"{one.hypothesis.name}: N₂ against {PREDICTORS[one.hypothesis.predictor]}"


def _slope(test: str, slope: Slope, says: str) -> Line:
    return Line(test, "slope", slope.value, None, slope.low, slope.high, says)


def _trend(test: str, statistic: str, trend: Trend) -> Line:
    if np.isnan(trend.p):
        return Line(test, statistic, None, None, None, None, "no seed has two sizes under one setting")
    says = "no effect is shown" if trend.p >= LEVEL else "N₂ grows" if trend.grows else "N₂ falls"
    if trend.arrangements is not None:
        drawn = f"{trend.arrangements:,} random arrangements" if trend.arrangements else "the normal law"
        says += f" (p from {drawn})"
    return Line(test, statistic, trend.statistic, trend.p, None, None, says)


def _isotonic(one: Growth) -> Line:
    first, last = (float(np.exp(value)) for value in one.steps.isotonic[[0, -1]])
    level = np.isclose(one.steps.isotonic, one.steps.isotonic[-1])
    says = f"N₂ from {number(first)} to {number(last)}"
    if level.sum() > 1:
        says += f", level from {number(np.exp(one.steps.sizes[level][0]))} parameters on"
    return Line("isotonic fit", "N₂ last / first", last / first, None, None, None, says)


def _bend(found: Bend | str) -> Line:
    if isinstance(found, str):
        return Line("broken stick", "max |t|", None, None, None, None, found)
    if not found.found:
        says = "a straight line is not rejected"
    else:
        kind = "a plateau" if found.plateau else "no plateau, but a bend"
        before, after = (f"{s.value:z.2f} [{s.low:z.2f}, {s.high:z.2f}]" for s in (found.before, found.after))
        says = f"{kind} from {number(np.exp(found.at))} parameters on: slope {before} before, {after} after"
    return Line("broken stick", "max |t|", found.statistic, found.p, None, None, says)


def _direction(low: float, high: float) -> str:
    return "N₂ grows" if low > 0 else "N₂ falls" if high < 0 else "no effect is shown"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _signed(value: Any) -> str:
    return number(value).replace("-", "−")
