"""The subjects that tables show one by one: real images, controls, and a few generators chosen by rule."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.sections import sources
from reports.sections.pictures import chosen, describe
from reports.tables.protocols import primary, under
from reports.tables.results import Results


class Subject(NamedTuple):
    """Whose samples, by name and as in the tables; `row` is its row of `collisions`, primary protocol."""

    name: str
    source: str
    trial_id: str
    row: pd.Series

    def own(self, rows: pd.DataFrame) -> pd.DataFrame:
        """This subject's part of a table."""
        return rows[(rows["source"] == self.source) & (rows["trial_id"] == self.trial_id)]


def rows(results: Results, table: str) -> pd.DataFrame:
    """A measured table's rows of all these subjects, primary protocol."""
    shown = [subject.trial_id for subject in generated(results)]
    return under(results.measured(table, shown), primary(results.study))


def not_generated(results: Results) -> list[Subject]:
    """Held-out images, training images and the controls, as far as the primary protocol measured them."""
    parts = sources.subjects(results.under(primary(results.study)))
    firsts = [part.iloc[0] for part in parts]
    return [Subject(sources.name(row), row["source"], row["trial_id"], row) for row in firsts]


def generated(results: Results) -> list[Subject]:
    """The completed trial of `pictures.chosen` for each discriminator size."""
    trials = chosen(results, per_variant=False)
    return [Subject(describe(row), "generated", row["trial_id"], row) for _, row in trials.iterrows()]
