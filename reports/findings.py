"""Everything that is concluded from a run's tables, computed once for page, paper and tables."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports import csv_tables
from reports.sections import capacity, comparisons, judged
from reports.sections.comparisons import Comparisons
from reports.sections.judged import Judged
from reports.statistics.growth import Growth
from reports.statistics.robustness import Robustness, robustness
from reports.statistics.verdicts import decide
from reports.tables.results import Results


class Findings(NamedTuple):
    """verdicts: by hypothesis, under every ruler; of a search's run none, since tuned trials decide nothing.
    labelled: what people said of pairs, by embedding.
    """

    verdicts: list[Robustness]
    growths: list[Growth]
    compared: Comparisons
    labelled: list[Judged]


def find(results: Results) -> Findings:
    """Decide and compare."""
    study = results.study
    hypotheses = [] if study.searches else study.hypotheses
    verdicts = [decide(hypothesis, study, results.completed) for hypothesis in hypotheses]
    return Findings(
        verdicts=[robustness(verdict, results) for verdict in verdicts],
        growths=capacity.growths(results, verdicts),
        compared=comparisons.compare(results, verdicts),
        labelled=judged.judged(results),
    )


def tables(results: Results, found: Findings) -> dict[str, bytes]:
    """Name -> CSV of what was derived from the run's tables."""
    more: dict[str, pd.DataFrame] = comparisons.tables(found.compared)
    return csv_tables.csv_files(results, found.verdicts, more | {"capacity": capacity.table(found.growths)})
