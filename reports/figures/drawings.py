"""Every figure of the report with its caption."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from reports.figures import capacity as capacity_figure
from reports.figures import cells, curves, profiles, ruler, search_space
from reports.figures import judged as judged_figure
from reports.figures import robustness as robustness_figure
from reports.figures import searches as search_figures
from reports.figures import support as figures
from reports.figures import tau as tau_figure
from reports.figures.encoder import Encoder
from reports.figures.style import Drawing, Files
from reports.findings import Findings
from reports.sections import batches, modes, searches, tuning
from reports.sections.searches import Searched
from reports.statistics.growth import Growth
from reports.statistics.robustness import Robustness
from reports.tables.results import Results
from reports.words import PREDICTORS, many, number


class Shown(NamedTuple):
    """A figure as the templates see it; `name` is its file's without the ending."""

    name: str
    caption: str
    alt: str


# Name, what is drawn if anything, caption.
Captioned = tuple[str, Drawing | None, str]
LOOKS = (
    "points of equal size stand side by side by variant. Hollow: not past the quality gate. Arrow: no pair "
    "collided, only the lower bound is known."
)
TRIALS = f"A point is a trial, its bar the 95 % interval of its N₂; {LOOKS}"
SETTINGS = (
    "A point is the median over the seeds of one setting, its bar the 95 % interval of that median (of fewer "
    f"than six seeds their range), a trial without a collision counting as the largest; {LOOKS}"
)


def draw_measured(results: Results, encoder: Encoder) -> dict[str, str]:
    """Add every figure of what was measured, for which no conclusions are needed; captions by name."""
    return _add(encoder, _support(results), _tau_curves(results), _training(results), _modes(results))


def draw_concluded(results: Results, found: Findings, encoder: Encoder) -> dict[str, str]:
    """Add every other figure there is data for; captions by name."""
    return _add(
        encoder,
        _rulers(results, found.verdicts),
        _capacity(found.growths),
        _tuning(results),
        _searches(results),
        _compared(found),
    )


def shown(captions: dict[str, str], encoded: dict[str, Files]) -> dict[str, Shown]:
    """The figures in which something was drawn."""
    return {
        name: Shown(name, caption, caption.split(".")[0])
        for name, caption in captions.items()
        if encoded[name]
    }


def paths(encoded: dict[str, Files]) -> dict[str, bytes]:
    """The figures' files by path."""
    return {
        f"figures/{name}.{kind}": content
        for name, files in encoded.items()
        for kind, content in files.items()
    }


def _add(encoder: Encoder, *figures: Iterator[Captioned]) -> dict[str, str]:
    captions = {}
    for name, drawing, caption in chain(*figures):
        if drawing is not None:
            captions[name] = caption
            encoder.add(name, drawing)
    return captions


def _compared(found: Findings) -> Iterator[Captioned]:
    yield (
        "profiles",
        profiles.profiles(found.compared.across),
        "Performance profiles: the share of each variant's trials whose support size exceeds a ratio to "
        "that of held-out real images, tasks weighing the same; bands: pointwise 95 % intervals of a "
        "bootstrap over trials. A line wholly above another's is a variant with the larger support "
        "throughout.",
    )
    yield (
        "judgments",
        judged_figure.duplicate_curves(found.labelled),
        "How likely people are to call a pair duplicates, by its distance: a logistic curve in log "
        "distance, fitted to every judgment (above: duplicate, below: different, middle: unsure, which "
        "the fit leaves out).",
    )


def _rulers(results: Results, found: list[Robustness]) -> Iterator[Captioned]:
    yield (
        "controls",
        ruler.recovery(results),
        "Samplers whose law is known, made of real images: true N₂, enumerated, against measured N₂ "
        f"with its 95 % interval. {ruler.coverage_in_words(results)} Points on the dashed line are "
        "measured right.",
    )
    yield (
        "robustness",
        robustness_figure.effects(found),
        "The effect behind each hypothesis (a slope of log N₂, or the difference of the two variants "
        "furthest apart) at every τ and under every embedding, and at the study's own τ without each "
        "trial's largest cluster and without a seed, decided by the same rule; the ring is the "
        "study's own τ, under the first embedding the verdict itself. Shaded: the margin within which "
        "an effect is called none. Cross: no effect could be estimated. All points of a panel come "
        "from the same samples.",
    )


def _support(results: Results) -> Iterator[Captioned]:
    n = f"n = {many(len(results.completed), 'measured trial')}"
    points = TRIALS if cells.points(results).rows is results.completed else SETTINGS
    yield (
        "support-by-discriminator",
        figures.support_by(results, "discriminator_params", "discriminator parameters"),
        f"Support size against discriminator size, {n}. {points} The line is the held-out real images' "
        "own N₂ under the same ruler, its band the 95 % interval.",
    )
    yield (
        "support-by-train-samples",
        figures.support_by(results, "train_samples", "training samples"),
        f"Support size against the number of training samples, {n}. {points}",
    )
    yield (
        "support-by-variant",
        figures.by_variant(results),
        f"Support size of each variant relative to held-out real images under the same ruler, {n}.",
    )
    yield (
        "quality",
        figures.quality(results),
        f"Support size against precision, {n}. Left of the gate (shaded) few near-duplicates are a "
        "sign of noise, not of diversity.",
    )
    yield (
        "batches",
        batches.batches(results),
        "How often a batch of s samples holds a near-duplicate pair. Points with Clopper–Pearson 95 % "
        "intervals; line: predicted from N₂ if all images were equally likely; dashed: one half.",
    )


def _capacity(growths: list[Growth]) -> Iterator[Captioned]:
    for k, one in enumerate(growths):
        yield (
            f"capacity-{k}",
            capacity_figure.shape(one),
            f"N₂ against {PREDICTORS[one.hypothesis.predictor]}, the effects of the other varied axes taken "
            "out. Shaded: the line's pointwise 95 % interval. Dashed: the best curve that "
            "never turns. Dash-dotted, where a straight line is rejected: the broken stick.",
        )


def _modes(results: Results) -> Iterator[Captioned]:
    for dataset in dict.fromkeys(one.dataset for one in modes.reached(results)):
        yield (
            f"modes-{dataset}",
            modes.drawing(results, dataset),
            f"Modes of {dataset.replace('_', ' ')} that each variant's samples reach. A point is a trial; "
            "grey: published means, with their spread as a bar where the paper gives one; dotted: all there "
            "are.",
        )


def _tuning(results: Results) -> Iterator[Captioned]:
    yield (
        "tuning",
        tuning.drawing(results, tuning.compared(results)),
        "The tuning score of each group's setting, the best of its search, beside the same setting on "
        "fresh seeds. A diamond beyond the bar on the better side: part of it was luck.",
    )


def _searches(results: Results) -> Iterator[Captioned]:
    for k, search in enumerate(searches.searched(results)):
        yield from _course(search, k)
        yield from _space(search, k)


def _course(search: Searched, k: int) -> Iterator[Captioned]:
    worst = ""
    if search.able:
        point = [one.values for one in search.able]
        ends = [
            (min if objective.towards == "maximize" else max)(values[objective.metric] for values in point)
            for objective in search.options.objective
        ]
        worst = ", ".join(f"{m} {number(end)}" for m, end in zip(search.metrics, ends, strict=True))
    yield (
        f"search-{k}-history",
        search_figures.history(search),
        "The course of the search: what each suggestion was worth, and the best so far that keeps the "
        "constraints.",
    )
    yield (
        f"search-{k}-front",
        search_figures.front(search),
        "The Pareto front: suggestions to which no other is better in one objective and as good in the rest.",
    )
    yield (
        f"search-{k}-hypervolume",
        search_figures.hypervolume(search),
        "Hypervolume over time: how much of the objectives' space the feasible suggestions until then "
        f"dominate, measured from the worst value of each that a feasible one has ({worst}), in the "
        "product of the objectives' units.",
    )
    yield (
        f"search-{k}-importance",
        search_figures.importance(search),
        "How much each key decides whether a suggestion is among the best quarter (PED-ANOVA; "
        "conditional keys where they are proposed). Shares of 1; of few suggestions a rough guide.",
    )


def _space(search: Searched, k: int) -> Iterator[Captioned]:
    for metric in search.metrics:
        yield (
            f"search-{k}-slice-{metric}",
            search_space.slices(search, metric),
            f"Each key against {metric}. Dark: early suggestions, light: late ones. Hollow: outside the "
            "constraints. A conditional key has only the suggestions that it was proposed in.",
        )
    yield (
        f"search-{k}-contour",
        search_space.contour(search),
        f"{search.metrics[0]} over the two numbers of the space that matter most for it, interpolated "
        "between suggestions. Cross: outside the constraints.",
    )
    yield (
        f"search-{k}-parallel",
        search_space.parallel(search),
        "Every complete suggestion as a line through its settings and what they are worth. Thick: the best, "
        "or the front. Dashed: outside the constraints.",
    )


def _tau_curves(results: Results) -> Iterator[Captioned]:
    rows = tau_figure.histograms(results)
    keys = sorted(set(zip(rows["embedding"], rows["data_fingerprint"].dropna(), strict=False)))
    several = len({data for _, data in keys}) > 1
    names = results.study.measure.embedding_names()
    left_out = len(tau_figure.drawn(results)) < len(tau_figure.drawn(results, most=None))
    of = f" ({tau_figure.MOST_TRIALS} of the lowest seeds)" if left_out else ""
    for embedding, data in sorted(keys, key=lambda key: names.index(key[0])):
        yield (
            f"tau-{file_name(embedding)}" + (f"-{data}" if several else ""),
            partial(tau_figure.tau_curves, tau_figure.measured(results, embedding, data)),
            f"N₂ at every τ under {embedding}, and relative to held-out real images at the same τ. Thick: "
            f"the trial in the middle at that τ among those of a discriminator size{of}, the thin lines; "
            "points with 95 % intervals: the rungs of the ladder, each the middle trial's own. Dotted: "
            "beyond the closest pairs, where a distance is known to the width of a bin only. Brown: the "
            "study's own τ. A plateau is a finite support; a straight line is a continuum.",
        )


def _training(results: Results) -> Iterator[Captioned]:
    drawn = curves.drawn(results)
    rows = results.rows("curves", trials=list(drawn["trial_id"]))
    for variant in sorted(set(results.trials["variant"])):
        trials = int((results.trials["variant"] == variant).sum())
        own = drawn[drawn["variant"] == variant]
        yield (
            f"curves-{file_name(variant)}",
            partial(curves.training_curves, own, rows[rows["trial_id"].isin(own["trial_id"])]),
            f"Training with {variant}: losses, and the distinguishing gap on training and on held-out "
            f"images; a line is a trial (of {trials}; at most {curves.MOST_LINES} of the lowest seeds a "
            "panel). Dotted grey: did not complete.",
        )


def file_name(text: str) -> str:
    """Text as part of a file's name, e.g. `torch_hub-facebookresearch-dinov2-dinov2_vits14`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")
