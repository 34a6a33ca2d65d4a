"""Where a verdict holds: every hypothesis decided again at every tau of the ladder, under every embedding,
without each trial's largest cluster, and without each seed.

The verdict itself stays that of the study's first embedding and own tau rule, which were stated beforehand.
The others share its samples: they show what the choice of ruler did, and are no further evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from pipeline.study import Hypothesis
from reports.statistics.variations import Variation, variations
from reports.statistics.verdicts import Decision, Verdict, decide
from reports.tables.protocols import Protocol, primary, protocols, rungs
from reports.tables.results import Results
from reports.words import number


class Cell(NamedTuple):
    """One ruler's verdict. tau: in the embedding's units (of several data sets the median). rung: the tau
    rule as it is shown. own: whether it is the study's own tau rule.
    """

    protocol: Protocol
    rung: str
    tau: float
    own: bool
    verdict: Verdict


class Robustness(NamedTuple):
    """A hypothesis under every ruler that measured some trial, by embedding and then by tau, and with part
    of the data left out. seeds: of all trials.
    """

    verdict: Verdict
    cells: list[Cell]
    variations: Sequence[Variation] = ()
    seeds: int = 0

    def embeddings(self) -> list[str]:
        """In the study's order."""
        return list(dict.fromkeys(cell.protocol.embedding for cell in self.cells))

    def under(self, embedding: str) -> list[Cell]:
        """One embedding's cells, tau ascending."""
        return [cell for cell in self.cells if cell.protocol.embedding == embedding]


def robustness(verdict: Verdict, results: Results) -> Robustness:
    """The verdict's hypothesis decided by the same rule under each of the study's rulers."""
    shown, order = rungs(results.study), results.study.measure.embedding_names()
    cells = []
    for protocol in protocols(results.study):
        rows = results.under(protocol)
        rows = rows[rows["source"] == "generated"]
        if len(rows):
            own = protocol.tau_rule == primary(results.study).tau_rule
            again = _decide(verdict.hypothesis, results, protocol)
            tau = float(rows["tau"].median())
            cells.append(Cell(protocol, shown[protocol.tau_rule], tau, own, again))
    cells.sort(key=lambda cell: (order.index(cell.protocol.embedding), cell.tau))
    seeds = int(results.completed["seed"].nunique())
    return Robustness(verdict, cells, variations(verdict, results), seeds)


def in_words(found: Robustness) -> str:
    """For which tau the verdict holds under each embedding, and whether the embeddings agree."""
    if not found.cells:
        return "No trial was measured: there is nothing to compare."
    parts = [_holds(found.under(name), name, found.verdict.decision) for name in found.embeddings()]
    sentence = f"{found.verdict.decision.capitalize()} {'; '.join(parts)}."
    own = {cell.protocol.embedding: cell.verdict.decision for cell in found.cells if cell.own}
    if len(own) > 1:
        agree = len(set(own.values())) == 1
        sentence += f" At the study's own τ rule the embeddings {'agree' if agree else 'do not agree'}: "
        sentence += ", ".join(f"{decision} under {name}" for name, decision in own.items()) + "."
    return " ".join([sentence, *_left_out(found)])


class Effect(NamedTuple):
    """What a verdict rests on, with its 95 % interval: a slope, or a difference of log N2. of: which."""

    of: str
    value: float
    low: float
    high: float
    trials: int


def effect(verdict: Verdict, stated: Verdict) -> Effect | None:
    """A verdict's slope; of variants the pair that is furthest apart in the verdict as stated."""
    if verdict.slope is not None:
        slope = verdict.slope
        return Effect("slope", slope.value, slope.low, slope.high, slope.trials)
    plain, reference = (one.comparison and one.comparison.plain for one in (verdict, stated))
    if not plain or not reference:
        return None
    pair = plain.pair(*reference.furthest[:2])
    if pair is None:
        return None
    of = f"log N₂, {pair.first} − {pair.second}"
    return Effect(of, pair.value, pair.low, pair.high, plain.levels.trials)


def table(found: list[Robustness]) -> pd.DataFrame:
    """One row a hypothesis and ruler or part left out, for `robustness.csv`."""
    columns = ["hypothesis", "embedding", "tau_rule", "tau", "own", "left_out", "verdict", "reason"]
    columns += ["effect", "value", "low", "high", "trials"]
    columns += ["gated_slope", "gated_low", "gated_high", "gated_trials"]
    rows = []
    for one in found:
        decided: list[tuple[list[Any], Verdict]] = []
        decided += [([*c.protocol, c.tau, c.own, None], c.verdict) for c in one.cells]
        decided += [([*v.protocol, None, True, v.left_out], v.verdict) for v in one.variations]
        for where, verdict in decided:
            gated = verdict.gated
            row = [one.verdict.hypothesis.name, *where, verdict.decision, verdict.reason]
            row += effect(verdict, one.verdict) or [None] * 5
            row += [gated.value, gated.low, gated.high] if gated else [None] * 3
            rows.append([*row, verdict.gated_trials])
    return pd.DataFrame(rows, columns=columns)


def _decide(hypothesis: Hypothesis, results: Results, protocol: Protocol) -> Verdict:
    return decide(hypothesis, results.study, results.completed_under(protocol))


def _left_out(found: Robustness) -> list[str]:
    """What becomes of the verdict without the largest clusters, and without a seed."""
    decision = found.verdict.decision
    clusters = [one for one in found.variations if not one.left_out.startswith("seed")]
    seeds = [one for one in found.variations if one.left_out.startswith("seed")]
    sentences = [
        f"Without each trial's {one.left_out} under {one.protocol.embedding}: {one.verdict.decision}."
        for one in clusters
    ]
    flips = [
        f"{one.verdict.decision} without {one.left_out}" for one in seeds if one.verdict.decision != decision
    ]
    if seeds:
        most = f" (each of the {len(seeds)} that move the effect most)" if len(seeds) < found.seeds else ""
        sentences.append(
            f"Leaving out one seed of {found.seeds}{most}: {', '.join(flips) or f'always {decision}'}."
        )
    return sentences


def _holds(cells: list[Cell], embedding: str, decision: Decision) -> str:
    ranges = _ranges(cells, decision)
    if not ranges:
        found = sorted({cell.verdict.decision for cell in cells})
        return f"at no τ under {embedding} ({' or '.join(found)} at all {len(cells)} τ)"
    spans = [
        f"from {number(first.tau)} to {number(last.tau)}" if first is not last else f"at {number(first.tau)}"
        for first, last in ranges
    ]
    held = sum(cell.verdict.decision == decision for cell in cells)
    rest = sorted({cell.verdict.decision for cell in cells} - {decision})
    share = "at all" if held == len(cells) else f"{held} of"
    elsewhere = f", {' or '.join(rest)} elsewhere" if rest else ""
    return f"for τ {' and '.join(spans)} under {embedding} ({share} {len(cells)} τ{elsewhere})"


def _ranges(cells: list[Cell], decision: Decision) -> list[tuple[Cell, Cell]]:
    """First and last of each run of neighbouring cells with this decision."""
    found: list[tuple[Cell, Cell]] = []
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.verdict.decision == decision:
            if found and before is found[-1][1]:
                found[-1] = (found[-1][0], cell)
            else:
                found.append((cell, cell))
    return found
