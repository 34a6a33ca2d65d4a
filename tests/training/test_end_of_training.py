"""Back ends round differently and training amplifies it: in the end they must still be the same within seed noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.datasets import load
from pipeline.options import Digits
from pipeline.training import BACK_ENDS, REFERENCE, BackEnd, Member, exact_float32, sample, train_cohort
from pipeline.trial import TrialConfig
from tests.systems.games import CPU

SEEDS, COHORT = 24, 8


def ends(objective: str, back_end: BackEnd) -> dict[str, np.ndarray]:
    """Of every seed: the last values of all curves, and what its samples are like."""
    data = load(Digits(name="digits"), None)
    trials = [
        TrialConfig.model_validate(
            {
                "dataset": {"name": "digits"},
                "generator": {"name": "dcgan", "width": 8, "latent_dim": 16},
                "discriminator": {"name": "dcgan", "width": 8},
                "objective": {"name": objective},
                "train_samples": 500,
                "training": {"steps": 400, "batch_size": 32, "ticks": 4},
                "seed": seed,
            }
        )
        for seed in range(SEEDS)
    ]
    members = [Member(trial, data.subset(500, trial.seed)) for trial in trials]
    rows: list[dict[str, float]] = []
    with exact_float32(1):
        for k in range(0, SEEDS, COHORT):
            for trial, end in zip(
                trials[k : k + COHORT],
                train_cohort(members[k : k + COHORT], data.train, data.held_out, CPU, None, back_end),
                strict=True,
            ):
                images = sample(end.system, end.players, 500, trial.id).reshape(500, -1)
                last = {point.metric: point.value for point in end.curves if point.step == 400}
                distances = np.linalg.norm(images[:250] - images[250:], axis=1)
                looks = {"brightness": images.mean(), "spread": images.std(0).mean()}
                rows.append(last | looks | {"distance": float(np.median(distances))})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.soak
@pytest.mark.parametrize("objective", ["nonsaturating", "wgan_gp"])
def test_back_ends_end_alike_over_seeds(objective: str) -> None:
    expected = ends(objective, REFERENCE)
    for name in ("traced", "stacked"):
        found = ends(objective, BACK_ENDS[name])
        unlike = {}
        for metric, values in found.items():
            theirs = expected[metric]
            # Two samples of one law, and no shift in pairs of one seed; Bonferroni over both and all metrics.
            p = min(stats.ks_2samp(values, theirs).pvalue, stats.ttest_rel(values, theirs).pvalue)
            if p < 0.01 / (2 * len(found)):
                unlike[metric] = p
        assert not unlike, name


@pytest.mark.soak
def test_the_comparison_would_notice_another_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seeds with rates 1.3 times as high are told apart."""
    expected = ends("nonsaturating", REFERENCE)
    monkeypatch.setattr(
        "pipeline.training.descent.learning_rate",
        lambda player, o: 1.3 * (o.discriminator_lr if player.startswith("d") else o.generator_lr),
    )
    found = ends("nonsaturating", BACK_ENDS["stacked"])
    ps = [stats.ttest_rel(found[metric], expected[metric]).pvalue for metric in found]
    assert min(ps) < 0.01 / (2 * len(found))
