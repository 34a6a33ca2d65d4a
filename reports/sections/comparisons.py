"""What is compared beside the verdicts: variants, the training set as a ceiling, quality, the papers."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.sections import ceiling, confound, papers, variants
from reports.sections.published_support import Published
from reports.statistics.ceiling import Ceiling
from reports.statistics.confound import Matched
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results


class Comparisons(NamedTuple):
    """Computed once, for page, figures and tables. ceiling and across: None in a search's run, whose trials
    were chosen.
    """

    verdicts: list[Verdict]
    across: variants.Across | None
    ceiling: Ceiling | None
    confound: dict[str, list[Matched]]
    papers: list[tuple[Published, papers.Ours]]


def compare(results: Results, verdicts: list[Verdict]) -> Comparisons:
    """Everything that the sections show."""
    chosen = results.study.searches
    return Comparisons(
        verdicts=[one for one in verdicts if one.hypothesis.compares],
        across=None if chosen else variants.across(results),
        ceiling=None if chosen else ceiling.measured(results),
        confound=confound.by_hypothesis(results, verdicts),
        papers=papers.against(results, verdicts),
    )


def tables(found: Comparisons) -> dict[str, pd.DataFrame]:
    """By name of the CSV file."""
    return variants.tables(found.across, found.verdicts) | {
        "ceiling": ceiling.table(found.ceiling or Ceiling([], "")),
        "confound": confound.table(found.confound),
        "papers": papers.table(found.papers),
    }
