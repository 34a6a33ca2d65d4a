"""A suggestion's worth from rows of the tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.scores import means, score
from pipeline.search_options import SearchOptions

SPACE = {"training.generator_lr": {"type": "float", "low": 1e-4, "high": 1e-2}}


def ended(status: str = "completed", **quality: Any) -> dict[str, list[dict[str, Any]]]:
    whole = {
        "source": "generated",
        "embedding": "pixels",
        "precision": 0.5,
        "recall": 0.25,
        "kid": 0.1,
        **quality,
    }
    others = [{**whole, "source": "real", "kid": 9.0}, {**whole, "embedding": "other", "kid": 9.0}]
    trial = {"status": status, "device_seconds": 2.0, "discriminator_params": 321}
    return {"trials": [trial], "quality": [*others, whole] if status == "completed" else []}


def test_quality_is_the_generators_under_the_first_embedding() -> None:
    assert score("kid", ended(kid=0.5), "pixels") == 0.5
    assert score("discriminator_params", ended(), "pixels") == 321.0
    assert score("kid", ended("diverged"), "pixels") is None
    assert score("device_seconds", ended("diverged"), "pixels") == 2.0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), None])
def test_what_optuna_must_not_be_told_is_no_number(number: float | None) -> None:
    assert score("kid", ended(kid=number), "pixels") is None


def test_the_f_measure_is_scikit_learns() -> None:
    truth, said = [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0]  # precision 1/2, recall 1/4
    assert score("precision_recall_f", ended(), "pixels") == pytest.approx(f1_score(truth, said), rel=1e-15)
    assert score("precision_recall_f", ended(precision=0.0, recall=0.0), "pixels") == 0.0


def test_the_late_variance_is_numpys_of_the_last_quarter() -> None:
    losses = np.random.default_rng(0).normal(size=40)
    points = [{"metric": "generator_loss", "step": 10 * k, "value": v} for k, v in enumerate(losses)]
    shuffled = [points[k] for k in np.random.default_rng(1).permutation(40)]
    other = [{"metric": "discriminator_loss", "step": 0, "value": 1e9}]
    found = score("late_loss_variance", {**ended(), "curves": shuffled + other}, "pixels")
    assert found == pytest.approx(np.var(losses[-10:]), rel=1e-12)
    assert score("late_loss_variance", {**ended(), "curves": points[:1]}, "pixels") is None


def test_modes_are_the_generators() -> None:
    modes = [
        {"source": "real", "modes": 25, "reverse_kl": 0.0},
        {"source": "generated", "modes": 7, "reverse_kl": 0.5},
    ]
    assert score("modes", {**ended(), "modes": modes}, "pixels") == 7.0
    assert score("reverse_kl", {**ended(), "modes": modes}, "pixels") == 0.5


def options(*metrics: str, bound: str | None = None) -> SearchOptions:
    constraints = [{"metric": bound, "at_least": 0.5}] if bound else []
    return SearchOptions.model_validate(
        {"space": SPACE, "objective": [{"metric": m} for m in metrics], "constraints": constraints}
    )


def test_means_are_over_seeds_and_a_failed_seed_fails_them() -> None:
    good = [ended(kid=0.1), ended(kid=0.3)]
    assert means(options("kid"), good, "pixels") == {"kid": pytest.approx(0.2)}
    assert means(options("kid"), [*good, ended("lost")], "pixels") is None


def test_who_asks_for_the_share_that_finishes_gets_it_beside_the_others_mean() -> None:
    seeds = [ended(kid=0.1), ended(kid=0.3), ended("diverged"), ended("lost")]
    wanted = {"kid": pytest.approx(0.2), "finished": 0.5}
    assert means(options("kid", "finished"), seeds, "pixels") == wanted
    assert means(options("kid", bound="finished"), seeds, "pixels") == wanted
    assert means(options("kid", bound="finished"), seeds[2:], "pixels") is None
