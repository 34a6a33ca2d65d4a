"""Other readings of the same near-duplicates, and what each of them bounds."""

from __future__ import annotations

import pandas as pd

from reports.sections.listing import Listing
from reports.sections.subjects import Subject, generated, not_generated
from reports.sections.subjects import rows as rows_of
from reports.tables.results import Results
from reports.words import interval, number

# Estimator -> its name, and what it says.
ESTIMATORS = {
    "chao1": (
        "Chao1",
        "a lower bound on the number of distinct images, rare ones included, from the clusters seen once and "
        "twice (Chao 1984). Far above N₂: a few images are much likelier than the rest.",
    ),
    "unseen_mass": (
        "unseen mass",
        "the probability that one more sample is unlike all drawn so far (Good 1953): near 0 the samples "
        "show all there is, near 1 they show next to nothing.",
    ),
    "hill_1": (
        "Hill 1",
        "the exponential of the entropy of the clusters: between N₂ and the number of distinct images. Given "
        "only where next to all mass has been seen; below the truth where what is left is rarer still.",
    ),
    "hill_2": (
        "Hill 2",
        "N₂ from the sizes of clusters in the place of pairs: lower than N₂ where near-duplicates chain into "
        "clusters whose ends are none.",
    ),
    "soft_n2": (
        "soft N₂",
        "N₂ with pairs counted by 2^(−(d/τ)²) in the place of a threshold (the Vendi score of order 2 "
        "without self-pairs): how much hangs on τ being sharp. In many dimensions the many distant pairs "
        "outweigh the near ones, and it says little.",
    ),
    "arz_bound": (
        "ARZ bound",
        "an upper bound on the support from the batches that collide, if all images are equally likely "
        "(Arora, Risteski & Zhang 2018). One likely image refutes that assumption and the bound with it.",
    ),
    "n2_precise": (
        "N₂, precise samples",
        "N₂ among the samples near some real image only: noise, which has no duplicates, cannot raise it.",
    ),
    "n2_low_any_law": (
        "N₂ at least",
        "where no pair collided at all, the 95 % lower bound on N₂ that holds for any law.",
    ),
}


def estimates(results: Results) -> Listing:
    """A row for each real set, control and one generator a discriminator size; a column an estimator."""
    rows = rows_of(results, "estimates")
    names = present(results)
    listed = []
    for subject in not_generated(results) + generated(results) if names else []:
        own = subject.own(rows).drop_duplicates("estimator").set_index("estimator")
        if len(own):
            listed.append([subject.name, _n2(subject), *(_cell(own, name) for name in names)])
    return Listing(["samples of", "N₂", *(ESTIMATORS[name][0] for name in names)], listed)


def present(results: Results) -> list[str]:
    """The estimators that the store has rows of, in the order of `ESTIMATORS`."""
    rows = rows_of(results, "estimates")
    return [name for name in ESTIMATORS if name in set(rows["estimator"])]


def _n2(subject: Subject) -> str:
    return f"{number(subject.row['n2'])} {interval(subject.row['n2_low'], subject.row['n2_high'])}"


def _cell(own: pd.DataFrame, name: str) -> str:
    if name not in own.index:
        return "–"
    row = own.loc[name]
    bounded = pd.notna(row["low"]) or pd.notna(row["high"])
    return f"{number(row['value'])} {interval(row['low'], row['high'])}" if bounded else number(row["value"])
