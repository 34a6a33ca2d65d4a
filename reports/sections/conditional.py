"""Support given one input: what a conditional generator makes of a single held-out image."""

from __future__ import annotations

from reports.sections.listing import Listing, first
from reports.tables.protocols import primary
from reports.tables.results import Results
from reports.words import interval, number

SENTENCE = (
    "A conditional system makes samples from an input, here a held-out image made small. Elsewhere every "
    "sample has an input of its own; here all samples of a row share one, so that N₂ counts what the "
    "generator adds to it. A deterministic generator has N₂ = 1 given its input."
)


def listing(results: Results) -> Listing:
    """A row for each trial and input, primary protocol; empty where no system is conditional."""
    rows = results.under(primary(results.study))
    rows = rows[rows["source"] == "conditional"].merge(
        results.facts[["trial_id", "variant", "seed"]], on="trial_id"
    )
    rows, note = first(rows, "the others are in the run's table collisions")
    return Listing(
        ["variant", "seed", "held-out image", "samples", "C", "N₂ given it", "95 % interval"],
        [
            [str(r["variant"]), str(r["seed"]), f"{int(r['parameter'])}", f"{int(r['samples']):,}"]
            + [f"{int(r['collisions']):,}", number(r["n2"]), interval(r["n2_low"], r["n2_high"])]
            for _, r in rows.iterrows()
        ],
        note,
    )
