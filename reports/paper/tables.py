"""The tables of a paper: the report's derived ones, and means over seeds."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import pandas as pd

from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMAS
from reports.paper.latex import Latex, is_number
from reports.sections import listing
from reports.sections.listing import Listing
from reports.statistics import cells
from reports.statistics.robustness import Robustness
from reports.statistics.slopes import Slope
from reports.tables.results import Results
from reports.words import EXPECTATIONS, PREDICTORS, interval, number

# A row a trial, for `birthday export`; and those that have a table of their own here.
NOT_LISTED = {*SCHEMAS, "results", "hypotheses", "robustness"}
# More rows than this nobody prints.
MOST_ROWS = 1000

CAPTIONS = {
    "capacity": "Support size against size: the slope behind each verdict, and the same asked in other ways.",
    "ceiling": "Support size by number of training samples, and that of a generator that repeats these.",
    "confound": "Each slope again at matched quality, and with quality as covariate.",
    "contrasts": "Differences of log N₂ between variants: low and high hold for all pairs at once (95 %), "
    "low90 and high90 for one (90 %).",
    "counts": "What was planned and done, and the real images' own N₂.",
    "improvement": "Probability that a trial of the first variant has the larger support, with its 95 % "
    "interval.",
    "papers": "Published support sizes, as the paper states them and calibrated, beside ours.",
}


class Table(NamedTuple):
    """name: of its files. columns: LaTeX's, of a `tabular`, or `longtable` if it may not fit on a page."""

    name: str
    caption: str
    listing: Listing

    @property
    def columns(self) -> Latex:
        """Numbers to the right, text to the left, long text in a paragraph."""
        whole = zip(*self.listing.rows, strict=True) if self.listing.rows else [[]] * len(self.listing.heads)
        return Latex("".join(_column([str(cell) for cell in column]) for column in whole))

    @property
    def environment(self) -> str:
        """LaTeX's."""
        return "tabular" if len(self.listing.rows) <= 40 else "longtable"


def tables(results: Results, found: list[Robustness], frames: dict[str, pd.DataFrame]) -> list[Table]:
    """Every table that has rows, at most MOST_ROWS of them. frames: the derived tables by name."""
    mean = "Mean over trials of log N₂, as N₂, with its 95 % interval."
    own = [
        Table("verdicts", "Each hypothesis, decided by the rule stated beforehand.", verdicts(found)),
        Table(
            "means_by_size",
            f"Support size by discriminator size, all variants together. {mean}",
            means(frames["means_by_size"]),
        ),
        Table(
            "means_by_configuration",
            f"Support size by configuration. {mean}",
            means(frames["means_by_configuration"]),
        ),
        Table("controls", "The ruler on what is known, at every τ.", listing.controls(results)),
        Table("robustness", "Every hypothesis under every ruler.", listing.rulers(found)),
        Table("failures", "Trials that did not complete.", listing.failures(results)),
    ]
    taken = {table.name for table in own} | NOT_LISTED
    own += [
        Table(name, CAPTIONS.get(name, f"{name.replace('_', ' ').capitalize()}."), plain(frame))
        for name, frame in frames.items()
        if name not in taken
    ]
    return [table for table in own if 0 < len(table.listing.rows) <= MOST_ROWS]


def derived(run: Run, results: Results, csv: dict[str, bytes]) -> dict[str, pd.DataFrame]:
    """The report's tables that are not the store's, by name, and those of means and counts.

    results: read from the run. csv: as in `csv_tables.csv_files`.
    """
    done = results.completed
    frames = {
        name: pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])
        for name, content in ((file.removesuffix(".csv"), content) for file, content in csv.items())
        if name not in SCHEMAS and name != "results"
    }
    axes = [key for key, values in results.axes.items() if values > 1 and key != "seed"]
    sizes = done[done["discriminator_params"].notna()].sort_values("discriminator_params", kind="stable")
    frames["counts"] = counts(run, results)
    frames["means_by_size"] = cells.by(sizes, ["discriminator_params"])
    distinct = done[axes].map(repr).drop_duplicates()
    frames["means_by_configuration"] = (
        cells.by(done, axes) if len(distinct) <= MOST_ROWS else distinct
    )  # never printed
    return frames


def counts(run: Run, results: Results) -> pd.DataFrame:
    """What was planned and done, and the real images' own N2, one row a number."""
    seconds = run.table("trials", ["trial_id", "device_seconds"])
    seconds = seconds[seconds["trial_id"].isin(results.trials["trial_id"])]
    found: dict[str, Any] = {
        "trials planned": results.planned,
        "trials stored": len(results.trials),
        "trials measured": len(results.completed),
        "trials failed": len(results.failed),
        "trials missing": len(results.missing),
        "samples a trial": results.study.measure.samples,
        "device hours": float(seconds["device_seconds"].sum()) / 3600,
    }
    for k, (_, row) in enumerate(results.real.iterrows()):
        data = "real" if len(results.real) == 1 else f"real {k + 1}"
        found |= {f"{data} {name}": row[name] for name in ("n2", "n2_low", "n2_high", "tau")}
    return pd.DataFrame({"quantity": list(found), "value": pd.Series(list(found.values()), dtype=object)})


def verdicts(found: list[Robustness]) -> Listing:
    """A row a hypothesis."""
    rows = []
    for verdict in (one.verdict for one in found):
        h = verdict.hypothesis
        expects = f"{EXPECTATIONS[h.expect]} {PREDICTORS[h.predictor]}"
        n = verdict.slope.trials if verdict.slope else 0
        slopes = [_slope(verdict.slope), _slope(verdict.gated)]
        rows.append([h.name, expects, *slopes, f"{n:,}", verdict.decision])
    heads = ["hypothesis", "support size", "slope (95 %)", "above the quality gate", "n", "verdict"]
    return Listing(heads, rows)


def means(frame: pd.DataFrame) -> Listing:
    """A frame of `cells.by`."""
    keys = [str(column) for column in frame if column not in cells.COLUMNS]
    rows = [
        [
            *(_cell(row[key]) for key in keys),
            str(row["trials"]),
            str(row["without_collision"]),
            number(row["n2"]),
            "–" if pd.isna(row["n2_low"]) else interval(row["n2_low"], row["n2_high"]),
            number(row["ratio_to_real"]),
            str(row["passing"]),
        ]
        for row in frame.to_dict("records")
    ]
    heads = [key.replace("_", " ") for key in keys]
    return Listing(
        [*heads, "trials", "without collision", "mean N₂", "95 % interval", "N₂ / real", "past the gate"],
        rows,
    )


def plain(frame: pd.DataFrame) -> Listing:
    """Any frame as it is."""
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return Listing([str(column).replace("_", " ") for column in frame], rows)


def _cell(value: Any) -> str:
    if isinstance(value, str | bool | list):
        return str(value)
    return f"{int(value):,}" if pd.notna(value) and float(value).is_integer() else number(value)


def _slope(slope: Slope | None) -> str:
    return f"{slope.value:z.2f} [{slope.low:z.2f}, {slope.high:z.2f}]" if slope else "–"


def _column(cells: list[str]) -> str:
    if all(map(is_number, cells)):
        return "r"
    return r">{\raggedright\arraybackslash}p{2.2in}" if max(map(len, cells), default=0) > 44 else "l"
