"""Each slope again at matched quality."""

from __future__ import annotations

import pandas as pd

from pipeline.study import Study
from reports.sections.listing import Listing
from reports.statistics.confound import Matched, confound
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results

SENTENCE = (
    "A description; the verdict's own check is the quality gate. As a covariate, quality takes out what "
    "support gained through it: what is left is what size does beyond quality. Quality comes out of "
    "training too, and is measured with error: the partial slope neither corrects the plain one nor "
    "replaces it. Of a KID below its standard error the logarithm is taken of that."
)


def by_hypothesis(results: Results, verdicts: list[Verdict]) -> dict[str, list[Matched]]:
    """For each hypothesis about a slope, the slopes at matched quality; none where none was measured."""
    trials = results.completed
    if trials[["precision", "kid"]].isna().all(axis=None):
        return {}
    study: Study = results.study
    return {
        one.hypothesis.name: confound(one, study, trials) for one in verdicts if not one.hypothesis.compares
    }


def in_words(found: list[Matched]) -> str:
    """What becomes of the slope when quality is held."""
    plain, held = found[0], found[-1]
    if plain.value is None or plain.low is None or plain.high is None:
        return f"There is no slope to compare: {plain.reason}."
    if held.value is None or held.low is None or held.high is None:
        return f"Whether the slope is one of quality cannot be said: {held.reason}."
    was, remains = plain.low > 0 or plain.high < 0, held.low > 0 or held.high < 0
    if was and not remains:
        end = "it is not shown beyond what quality explains"
    elif was:
        end = "it remains" if plain.value * held.value > 0 else "its sign turns"
    else:
        end = f"{'only the latter' if remains else 'neither'} is told apart from 0"
    said = f"{plain.value:z.2f} becomes {held.value:z.2f} [{held.low:z.2f}, {held.high:z.2f}] with {held.how}"
    return f"The slope of {said}: {end}."


def listing(found: list[Matched]) -> Listing:
    """Plain first, then everything that was matched."""
    rows = [
        [one.how, f"{one.value:z.2f}", f"[{one.low:z.2f}, {one.high:z.2f}]", str(one.trials)]
        if one.value is not None
        else [one.how, "–", one.reason, str(one.trials)]
        for one in found
    ]
    return Listing(["slope of log N₂", "value", "95 % interval", "n"], rows)


def table(found: dict[str, list[Matched]]) -> pd.DataFrame:
    """One row a hypothesis and way to match, for `confound.csv`."""
    rows = [(name, *one) for name, matched in found.items() for one in matched]
    return pd.DataFrame(rows, columns=["hypothesis", *Matched._fields])
