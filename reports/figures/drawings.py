"""Every figure of the report with its caption."""

from __future__ import annotations

import re
from typing import NamedTuple

from reports.figures import capacity as capacity_figure
from reports.figures import curves, profiles, ruler, search_space
from reports.figures import judged as judged_figure
from reports.figures import robustness as robustness_figure
from reports.figures import searches as search_figures
from reports.figures import support as figures
from reports.figures import tau as tau_figure
from reports.figures.style import Drawing
from reports.sections import batches, modes, searches, tuning
from reports.sections.comparisons import Comparisons
from reports.sections.judged import Judged
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


Captioned = tuple[Drawing | None, str]
POINTS = (
    "A point is a trial, its bar the 95 % interval of its N₂; points of equal size stand side by side by "
    "variant. Hollow: not past the quality gate. Arrow: no pair collided, only the lower bound is known."
)


def draw(
    results: Results,
    found: list[Robustness],
    compared: Comparisons,
    labelled: list[Judged],
    growths: list[Growth],
    files: dict[str, bytes],
) -> dict[str, Shown]:
    """Draw every figure there is data for, add its files, and give captions by name."""
    drawings = _rulers(results, found) | _support(results) | _tau_curves(results) | _training(results)
    drawings |= _capacity(growths)
    drawings |= _modes(results) | _tuning(results) | _searches(results)
    drawings["profiles"] = (
        profiles.profiles(compared.across),
        "Performance profiles: the share of each variant's trials whose support size exceeds a ratio to "
        "that of held-out real images, tasks weighing the same; bands: pointwise 95 % intervals of a "
        "bootstrap over trials. A line wholly above another's is a variant with the larger support "
        "throughout.",
    )
    drawings["judgments"] = (
        judged_figure.duplicate_curves(labelled),
        "How likely people are to call a pair duplicates, by its distance: a logistic curve in log "
        "distance, fitted to every judgment (above: duplicate, below: different, middle: unsure, which "
        "the fit leaves out).",
    )
    shown = {}
    for name, (drawing, caption) in drawings.items():
        if drawing is not None:
            files[f"figures/{name}.png"], files[f"figures/{name}.svg"] = drawing
            shown[name] = Shown(name, caption, caption.split(".")[0])
    return shown


def _rulers(results: Results, found: list[Robustness]) -> dict[str, Captioned]:
    return {
        "controls": (
            ruler.recovery(results),
            "Samplers whose law is known, made of real images: true N₂, enumerated, against measured N₂ "
            f"with its 95 % interval. {ruler.coverage_in_words(results)} Points on the dashed line are "
            "measured right.",
        ),
        "robustness": (
            robustness_figure.effects(found),
            "The effect behind each hypothesis (a slope of log N₂, or the difference of the two variants "
            "furthest apart) at every τ and under every embedding, and at the study's own τ without each "
            "trial's largest cluster and without each seed, decided by the same rule; the ring is the "
            "study's own τ, under the first embedding the verdict itself. Shaded: the margin within which "
            "an effect is called none. Cross: no effect could be estimated. All points of a panel come "
            "from the same samples.",
        ),
    }


def _support(results: Results) -> dict[str, Captioned]:
    n = f"n = {many(len(results.completed), 'measured trial')}"
    return {
        "support-by-discriminator": (
            figures.support_by(results, "discriminator_params", "discriminator parameters"),
            f"Support size against discriminator size, {n}. {POINTS} The line is the held-out real images' "
            "own N₂ under the same ruler, its band the 95 % interval.",
        ),
        "support-by-train-samples": (
            figures.support_by(results, "train_samples", "training samples"),
            f"Support size against the number of training samples, {n}. {POINTS}",
        ),
        "support-by-variant": (
            figures.by_variant(results),
            f"Support size of each variant relative to held-out real images under the same ruler, {n}.",
        ),
        "quality": (
            figures.quality(results),
            f"Support size against precision, {n}. Left of the gate (shaded) few near-duplicates are a "
            "sign of noise, not of diversity.",
        ),
        "batches": (
            batches.batches(results),
            "How often a batch of s samples holds a near-duplicate pair. Points with Clopper–Pearson 95 % "
            "intervals; line: predicted from N₂ if all images were equally likely; dashed: one half.",
        ),
    }


def _capacity(growths: list[Growth]) -> dict[str, Captioned]:
    return {
        f"capacity-{k}": (
            capacity_figure.shape(one),
            f"N₂ against {PREDICTORS[one.hypothesis.predictor]}, the effects of the other varied axes taken "
            "out. Shaded: the line's pointwise 95 % interval. Dashed: the best curve that "
            "never turns. Dash-dotted, where a straight line is rejected: the broken stick.",
        )
        for k, one in enumerate(growths)
    }


def _modes(results: Results) -> dict[str, Captioned]:
    datasets = dict.fromkeys(one.dataset for one in modes.reached(results))
    return {
        f"modes-{dataset}": (
            modes.drawing(results, dataset),
            f"Modes of {dataset.replace('_', ' ')} that each variant's samples reach. A point is a trial; "
            "grey: published means, with their spread as a bar where the paper gives one; dotted: all there "
            "are.",
        )
        for dataset in datasets
    }


def _tuning(results: Results) -> dict[str, Captioned]:
    found = tuning.compared(results)
    return {
        "tuning": (
            tuning.drawing(results, found),
            "The tuning score of each group's setting, the best of its search, beside the same setting on "
            "fresh seeds. A diamond beyond the bar on the better side: part of it was luck.",
        )
    }


def _searches(results: Results) -> dict[str, Captioned]:
    found: dict[str, Captioned] = {}
    for k, search in enumerate(searches.searched(results)):
        found |= _course(search, k) | _space(search, k)
    return found


def _course(search: Searched, k: int) -> dict[str, Captioned]:
    worst = ""
    if search.able:
        point = [one.values for one in search.able]
        ends = [
            (min if objective.towards == "maximize" else max)(values[objective.metric] for values in point)
            for objective in search.options.objective
        ]
        worst = ", ".join(f"{m} {number(end)}" for m, end in zip(search.metrics, ends, strict=True))
    return {
        f"search-{k}-history": (
            search_figures.history(search),
            "The course of the search: what each suggestion was worth, and the best so far that keeps the "
            "constraints.",
        ),
        f"search-{k}-front": (
            search_figures.front(search),
            "The Pareto front: suggestions to which no other is better in one objective and as good in the "
            "rest.",
        ),
        f"search-{k}-hypervolume": (
            search_figures.hypervolume(search),
            "Hypervolume over time: how much of the objectives' space the feasible suggestions until then "
            f"dominate, measured from the worst value of each that a feasible one has ({worst}), in the "
            "product of the objectives' units.",
        ),
        f"search-{k}-importance": (
            search_figures.importance(search),
            "How much each key decides whether a suggestion is among the best quarter (PED-ANOVA; "
            "conditional keys where they are proposed). Shares of 1; of few suggestions a rough guide.",
        ),
    }


def _space(search: Searched, k: int) -> dict[str, Captioned]:
    found: dict[str, Captioned] = {
        f"search-{k}-slice-{metric}": (
            search_space.slices(search, metric),
            f"Each key against {metric}. Dark: early suggestions, light: late ones. Hollow: outside the "
            "constraints. A conditional key has only the suggestions that it was proposed in.",
        )
        for metric in search.metrics
    }
    found[f"search-{k}-contour"] = (
        search_space.contour(search),
        f"{search.metrics[0]} over the two numbers of the space that matter most for it, interpolated "
        "between suggestions. Cross: outside the constraints.",
    )
    found[f"search-{k}-parallel"] = (
        search_space.parallel(search),
        "Every complete suggestion as a line through its settings and what they are worth. Thick: the best, "
        "or the front. Dashed: outside the constraints.",
    )
    return found


def _tau_curves(results: Results) -> dict[str, Captioned]:
    rows = results.measured["distances"]
    keys = sorted(set(zip(rows["embedding"], rows["data_fingerprint"].dropna(), strict=False)))
    several = len({data for _, data in keys}) > 1
    names = results.study.measure.embedding_names()
    found: dict[str, Captioned] = {}
    for embedding, data in sorted(keys, key=lambda key: names.index(key[0])):
        name = f"tau-{file_name(embedding)}" + (f"-{data}" if several else "")
        found[name] = (
            tau_figure.tau_curves(results, embedding, data),
            f"N₂ at every τ under {embedding}, and relative to held-out real images at the same τ. Thick: "
            "the trial in the middle at that τ among those of a discriminator size, the thin lines; "
            "points with 95 % intervals: the rungs of the ladder, each the middle trial's own. Dotted: "
            "beyond the closest pairs, where a distance is known to the width of a bin only. Brown: the "
            "study's own τ. A plateau is a finite support; a straight line is a continuum.",
        )
    return found


def _training(results: Results) -> dict[str, Captioned]:
    found: dict[str, Captioned] = {}
    for variant in sorted(set(results.trials["variant"])):
        trials = int((results.trials["variant"] == variant).sum())
        found[f"curves-{file_name(variant)}"] = (
            curves.training_curves(results, variant),
            f"Training with {variant}: losses, and the distinguishing gap on training and on held-out "
            f"images; a line is a trial (of {trials}; at most {curves.MOST_LINES} of the lowest seeds a "
            "panel). Dotted grey: did not complete.",
        )
    return found


def file_name(text: str) -> str:
    """Text as part of a file's name, e.g. `torch_hub-facebookresearch-dinov2-dinov2_vits14`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")
