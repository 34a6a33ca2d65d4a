"""The report's sentences: plain text, the same in HTML and Markdown."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.statistics.contrasts import Contrast
from reports.statistics.slopes import FEWEST_SEEDS, Slope
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results

PREDICTORS = {
    "log_discriminator_params": "discriminator parameters",
    "log_generator_params": "generator parameters",
    "log_train_samples": "training samples",
}
EXPECTATIONS = {"increasing": "grows with", "decreasing": "falls with", "flat": "does not depend on"}
COMPARED = {"objective": "objectives", "system": "systems", "variant": "variants"}

SUPPORT_SIZE = (
    "Two samples are near-duplicates if their distance under the embedding is at most τ. Support size is N₂ "
    "= 1/p₂, where p₂ is "
    "the probability that two independent samples of a generator are near-duplicates: the Rényi-2 effective "
    "support (Simpson's "
    "index). It is a lower bound on the number of distinct images that the generator makes, and equal to it "
    "when all of "
    "them are equally likely. Among s samples there are s(s−1)/2 pairs; C of them are near-duplicates; N₂ is "
    "estimated by "
    "pairs / C. N₂ depends on τ: it is a property of generator and ruler together. What counts is therefore "
    "the ratio to "
    "held-out real images measured with the same ruler, never a bare number."
)
NOT_CLAIMED = [
    "That N₂ is the number of distinct images: one over-likely image lowers it, however many others there "
    "are (see largest "
    "cluster, and N₂ without it, in the table of trials).",
    "That a near-duplicate under this embedding is one to a person: the embedding and τ are stated, and only "
    "ratios to real "
    "images under the same ruler are compared.",
    "That discriminator size alone was changed: a larger discriminator also trains differently. Quality is "
    "measured beside "
    "support, and a supported hypothesis must hold among trials that pass the quality gate.",
    "Anything beyond this data set, these architectures, this training length and the range of sizes shown.",
    "Correction for several hypotheses: each is decided at its own 5 % (within one, pairs of variants are "
    "corrected for).",
]


def number(value: Any) -> str:
    """Three significant digits, thousands separated; a dash for a missing value."""
    if value is None or pd.isna(value):
        return "–"
    value = float(value)
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}·10^{int(exponent)}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def interval(low: Any, high: Any) -> str:
    """A confidence interval; an unbounded side is infinity."""
    return f"[{number(low)}, {'∞' if high is None or pd.isna(high) else number(high)}]"


def many(count: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def claim(verdict: Verdict) -> str:
    """The hypothesis in words."""
    h = verdict.hypothesis
    if h.compares:
        said = "differs between" if h.expect == "different" else "is the same for all"
        margin = f" (up to a factor of {math.exp(h.margin):z.2f})" if h.margin is not None else ""
        return f"Support size {said} {COMPARED[h.predictor]}{margin}"
    margin = f" (|slope| below {h.margin:g})" if h.margin is not None else ""
    return f"Support size {EXPECTATIONS[h.expect]} the number of {PREDICTORS[h.predictor]}{margin}"


def effect(slope: Slope) -> str:
    """A slope with its interval, and what it means for a doubling of the predictor."""
    return (
        f"slope {slope.value:z.2f}, 95 % interval [{slope.low:z.2f}, {slope.high:z.2f}]; a doubling "
        f"multiplies N₂ by {doubling(slope)}"
    )


def seeds(slope: Slope) -> str:
    """What the interval takes for independent."""
    if slope.by_seed:
        return "Trials of a seed may vary together: the seeds are clusters."
    return (
        f"With {many(slope.seeds, 'seed')}, fewer than {FEWEST_SEEDS}, trials are taken as independent. "
        "Those of a seed share their training subset: if a subset favours some sizes, the interval is too "
        "short."
    )


def power(verdict: Verdict) -> str:
    """What a study of this design and this variation would find."""
    slope, margin = verdict.slope, verdict.hypothesis.margin
    assert slope is not None
    if margin is not None:
        return (
            f"a slope of 0 would be called flat in 80 % of such studies if the margin were "
            f"{slope.showable:z.2f} or more; the stated one is {margin:g}."
        )
    return (
        f"a slope of {slope.detectable:z.2f} or more would be found in 80 % of such studies (N₂ times "
        f"{number(2**slope.detectable)} for a doubling)."
    )


def doubling(slope: Slope) -> str:
    """What a doubling of the predictor multiplies N2 by, with its interval."""
    return f"{2**slope.value:z.2f} ({2**slope.low:z.2f} to {2**slope.high:z.2f})"


def ratio(pair: Contrast) -> str:
    """How many times the support of one variant is that of another."""
    return (
        f"N₂ under {pair.first} is {number(math.exp(pair.value))} times that under {pair.second}, "
        f"simultaneous 95 % interval {interval(math.exp(pair.low), math.exp(pair.high))}"
    )


def gated(verdict: Verdict) -> str:
    """What holds above the quality gate and, of variants, at matched quality."""
    n = f"n = {many(verdict.gated_trials, 'trial')}"
    if verdict.gated is not None:
        trials = many(verdict.gated.trials, "trial")
        censored = f", {verdict.gated.censored} without any collision" if verdict.gated.censored else ""
        return f"{effect(verdict.gated)} (n = {trials}{censored})."
    found = verdict.comparison
    if found is None:
        return f"no slope can be estimated ({n})."
    stated = found.plain.furthest if found.plain else None
    parts = []
    for name, one in (
        ("above the gate", found.gated),
        (f"with {' and '.join(found.matched_by)} held", found.matched),
    ):
        pair = one.pair(stated.first, stated.second) if one and stated else None
        if pair is not None:
            parts.append(f"{name}, {ratio(pair)}")
    return f"{'; '.join(parts) or 'no variants can be compared'} ({n})."


def headline(verdict: Verdict, results: Results) -> str:
    """One sentence: decision, effect, why, and what it rests on."""
    failed = len(results.failed)
    beside = f"; {many(failed, 'trial')} did not complete" if failed else "; every stored trial completed"
    if results.missing:
        beside += f", {len(results.missing)} planned not in the store"
    if verdict.comparison and verdict.comparison.plain:
        compared = verdict.comparison.plain
        return (
            f"{verdict.decision.capitalize()}: {ratio(compared.furthest)}, the pair furthest apart of "
            f"{len(compared.pairs)}. So decided because {verdict.reason} (n = "
            f"{many(compared.levels.trials, 'trial')}, {many(compared.levels.seeds, 'seed')}{beside})."
        )
    if verdict.slope is None:
        n = many(len(results.completed), "measured trial")
        return f"{verdict.decision.capitalize()}: {verdict.reason} (n = {n}{beside})."
    slope = verdict.slope
    censored = f", {slope.censored} without any collision" if slope.censored else ""
    if slope.silent:
        censored += f", {slope.silent} more left out because nothing ever collided under their setting"
    return (
        f"{verdict.decision.capitalize()}: {effect(slope)}. So decided because {verdict.reason} "
        f"(n = {many(slope.trials, 'trial')}, {many(slope.seeds, 'seed')}{censored}{beside})."
    )


def gate_sentence(results: Results) -> str:
    """What the quality gate is, and that those below it say nothing about diversity."""
    trials = results.completed
    passing = int(trials["passes_gate"].fillna(False).sum())
    below = int((trials["passes_gate"] == False).fillna(False).sum())  # noqa: E712 - three-valued
    unknown = len(trials) - passing - below
    gates = ", ".join(number(gate) for gate in sorted(set(trials["gate"].dropna()))) or "unknown"
    return (
        f"The gate is {results.study.measure.precision_gate:g} times the real images' own precision, here a "
        f"precision of {gates}. "
        f"{many(passing, 'trial passes', 'trials pass')}, {many(below, 'is', 'are')} below it"
        f"{f', {unknown} without a quality measurement' if unknown else ''}. "
        "Trials below the gate must not be read as diverse: noise has no duplicates either."
    )


def inventory(results: Results) -> str:
    """What was planned, what is there, what is not."""
    counts = results.trials["status"].value_counts().sort_index()
    by_status = ", ".join(f"{n} {str(status).replace('_', ' ')}" for status, n in counts.items()) or "none"
    sentence = f"{many(results.planned, 'trial')} planned; in the store: {by_status}; "
    sentence += f"{len(results.missing)} missing."
    if results.unmeasured:
        sentence += f" {many(results.unmeasured, 'completed trial')} not measured under the study's protocol."
    if results.strangers:
        sentence += (
            f" {many(results.strangers, 'other trial lies', 'other trials lie')} in this store, "
            "from an earlier form of the study, and left out."
        )
    return sentence


def markdown_cell(text: Any) -> str:
    """Text that cannot end a cell or start markup of its own."""
    for character, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " "), ("\r", " ")):
        text = str(text).replace(character, safe)
    return str(text)
