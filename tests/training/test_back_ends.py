"""Every back end trains what the reference trains: all systems, objectives and regularisers, in cohorts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.networks import parameters
from pipeline.training import (
    BACK_ENDS,
    REFERENCE,
    BackEnd,
    Member,
    Trained,
    available,
    cohort,
    exact_float32,
    feed,
    loop,
    sample,
    signature,
    start,
    train_cohort,
)
from pipeline.trial import TrialConfig
from tests.systems.games import CPU, DCGAN, MLP

RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8)
LARGER = RNG.integers(0, 256, (60, 3, 16, 16)).astype(np.uint8)
POINTS = RNG.standard_normal((60, 2)).astype(np.float32)
LABELS = RNG.integers(0, 10, 60)
GAN = {"objective": {"name": "nonsaturating"}}
ENCODER = {"name": "dcgan", "width": 4, "normalization": "none"}
RESNET = {
    "generator": {"name": "resnet", "width": 4, "latent_dim": 5},
    "discriminator": {"name": "resnet", "width": 4},
}
OTHERS = ["traced", "stacked"]
# Without CUDA a captured program runs as it is, from the buffers that a graph would read.
ON_GPUS = ["stacked+unfolded", "traced+captured", "stacked+captured", "stacked+unfolded+captured"]

CASES: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    **{
        objective: (DIGITS, {**DCGAN, "objective": {"name": objective}})
        for objective in (
            "minimax",
            "nonsaturating",
            "measuring_function",
            "lsgan",
            "relativistic_average",
            "wgan_clip",
            "wgan_gp",
            "hinge",
        )
    },
    **{
        name: (DIGITS, {**DCGAN, **GAN, "regularizers": {name: value}})
        for name, value in {"r1": 1.0, "dragan": 10.0, "spectral_norm": True, "instance_noise": 0.1}.items()
    },
    **{
        f"{system['name'] if isinstance(system, dict) else system} of {what}": (
            data,
            {**networks, **GAN, "system": system},
        )
        for system in (
            "pacgan",
            {"name": "unrolled", "unrolling": 2},
            {"name": "mix", "components": 2},
            {"name": "ensemble", "components": 2},
            "minibatch_discrimination",
            "feature_matching",
            "infogan",
        )
        for what, data, networks in (("images", DIGITS, DCGAN), ("points", POINTS, MLP))
    },
    "bigan": (DIGITS, {**DCGAN, **GAN, "system": {"name": "bigan", "encoder": ENCODER}}),
    "veegan": (
        POINTS,
        {**MLP, "system": {"name": "veegan", "encoder": {"name": "mlp", "width": 16}}},
    ),
    "vae": (DIGITS, {"generator": DCGAN["generator"], "system": {"name": "vae", "encoder": ENCODER}}),
    "stacked": (
        DIGITS,
        {
            **DCGAN,
            **GAN,
            "system": {"name": "stacked", "encoder": ENCODER, "features": 8, "encoder_steps": 2},
        },
    ),
    "lapgan": (LARGER, {**DCGAN, **GAN, "system": {"name": "lapgan", "levels": 1, "width": 4}}),
    "srgan": (
        LARGER,
        {
            "discriminator": DCGAN["discriminator"],
            **GAN,
            "system": {"name": "srgan", "width": 4, "blocks": 1, "latent_dim": 3},
        },
    ),
    "dae": (DIGITS, {"system": {"name": "dae", "width": 8, "chain": 4}}),
    "flow of images": (DIGITS, {"system": {"name": "flow", "width": 8, "couplings": 2}}),
    "flow of points": (POINTS, {"system": {"name": "flow", "width": 8, "couplings": 2}}),
    "resnet": (LARGER, {**RESNET, "objective": {"name": "hinge"}}),
    "5x5 kernels": (
        LARGER,
        {
            "generator": {**DCGAN["generator"], "kernel": 5},
            "discriminator": {**DCGAN["discriminator"], "kernel": 5},
            "objective": {"name": "wgan_gp"},
        },
    ),
    "wgan_gp of points": (POINTS, {**MLP, "objective": {"name": "wgan_gp"}}),
    "rmsprop": (POINTS, {**MLP, **GAN, "training": {"optimizer": "rmsprop"}}),
    "ema": (DIGITS, {**DCGAN, **GAN, "training": {"ema": 0.9}}),
}


def trials(parts: dict[str, Any], count: int = 3, **training: Any) -> list[TrialConfig]:
    """Seeds of one shape; the last with other rates."""
    usual = {"steps": 4, "batch_size": 8, "ticks": 2, **training, **parts.get("training", {})}
    document = {"dataset": {"name": "digits"}, "train_samples": 60, **parts}
    found = []
    for seed in range(count):
        rates = {"generator_lr": 1e-3, "betas": [0.4, 0.99]} if seed == count - 1 else {}
        found.append(TrialConfig.model_validate({**document, "training": {**usual, **rates}, "seed": seed}))
    assert len({signature(trial) for trial in found}) == 1
    return found


def members(found: list[TrialConfig]) -> list[Member]:
    """Each with a training set of its own order."""
    return [Member(trial, np.random.default_rng(trial.seed).permutation(60)) for trial in found]


def trained(found: list[TrialConfig], data: np.ndarray, back_end: BackEnd) -> list[Trained]:
    with exact_float32(1):
        return train_cohort(members(found), data, data, CPU, LABELS, back_end)


def distance(one: Trained, other: Trained) -> float:
    """The largest difference of parameters."""
    return max(
        float((tensor - other.players[player][name]).detach().abs().max())
        for player, tree in one.players.items()
        for name, tensor in tree.items()
    )


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Training in double precision, where rounding cannot hide or excuse a difference."""
    first, owned = parameters.initialise, feed.owned

    def to_network(samples: Tensor) -> Tensor:
        return samples.double() * (2 / 255) - 1 if samples.dtype == torch.uint8 else samples.double()

    def doubled(array: np.ndarray, device: torch.device) -> Tensor:
        tensor = owned(array, device)
        return tensor.double() if tensor.is_floating_point() else tensor

    def initialise(*arguments: Any) -> Any:
        return {
            name: tensor.detach().double().requires_grad_(tensor.requires_grad)
            for name, tensor in first(*arguments).items()
        }

    for room in (feed, start, loop, cohort):
        if hasattr(room, "owned"):
            monkeypatch.setattr(room, "owned", doubled)
        if hasattr(room, "to_network"):
            monkeypatch.setattr(room, "to_network", to_network)
    monkeypatch.setattr(parameters, "initialise", initialise)
    # Programs are traced in one precision.
    cohort._program.cache_clear()
    yield
    cohort._program.cache_clear()


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("case", CASES)
def test_every_back_end_equals_the_reference(case: str) -> None:
    data, parts = CASES[case]
    found = trials(parts)
    expected = trained(found, data, REFERENCE)
    for name in [*OTHERS, *(ON_GPUS if case in ("wgan_gp", "nonsaturating") else [])]:
        for ours, theirs in zip(trained(found, data, BACK_ENDS[name]), expected, strict=True):
            assert (ours.status, ours.steps_done, ours.error) == ("completed", 4, None)
            assert (ours.back_end, ours.cohort) == (name, 3)
            assert distance(ours, theirs) < 1e-7, name
            assert ours.players.keys() == theirs.players.keys()
            assert [point[:2] for point in ours.curves] == [point[:2] for point in theirs.curves]
            np.testing.assert_allclose(
                [point.value for point in ours.curves],
                [point.value for point in theirs.curves],
                rtol=1e-6,
                atol=1e-9,
                err_msg=name,
            )


@pytest.mark.soak
@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("name", ["traced+compiled", "stacked+compiled"])
@pytest.mark.parametrize("case", ["nonsaturating", "wgan_gp", "r1", "unrolled of points", "spectral_norm"])
def test_compiled_programs_equal_the_reference_too(case: str, name: str) -> None:
    """Second derivatives among them, which compiled code has been known to drop."""
    data, parts = CASES[case]
    found = trials(parts)
    for ours, theirs in zip(
        trained(found, data, BACK_ENDS[name]), trained(found, data, REFERENCE), strict=True
    ):
        assert (ours.back_end, ours.status) == (name, "completed")
        assert distance(ours, theirs) < 1e-7


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize(
    "case",
    [
        "wgan_gp",
        *(pytest.param(c, marks=pytest.mark.soak) for c in ("nonsaturating", "mix of points", "bigan", "r1")),
    ],
)
def test_a_hundred_steps_in_float64_stay_equal(case: str) -> None:
    data, parts = CASES[case]
    found = trials(parts, steps=100)
    expected = trained(found, data, REFERENCE)
    for name in ("traced", "stacked", "stacked+unfolded"):
        for ours, theirs in zip(trained(found, data, BACK_ENDS[name]), expected, strict=True):
            assert distance(ours, theirs) < 1e-6, name


@pytest.mark.parametrize(
    ("case", "back_end", "tolerance"),
    [
        # The same kernels in the same order: the same bits.
        ("pacgan of points", "traced", 0.0),
        ("wgan_gp of points", "traced", 0.0),
        ("infogan of points", "traced", 0.0),
        ("wgan_gp of points", "stacked", 1e-5),
        ("wgan_gp", "traced", 1e-5),
        ("wgan_gp", "stacked", 1e-5),
    ],
)
def test_a_hundred_steps_in_float32_stay_within_the_stated_tolerance(
    case: str, back_end: str, tolerance: float
) -> None:
    data, parts = CASES[case]
    found = trials(parts, steps=100)
    pairs = zip(trained(found, data, BACK_ENDS[back_end]), trained(found, data, REFERENCE), strict=True)
    for ours, theirs in pairs:
        assert distance(ours, theirs) <= tolerance


@pytest.mark.parametrize("back_end", ["traced", "stacked"])
@pytest.mark.parametrize("case", ["wgan_gp of points", "wgan_gp"])
def test_a_trial_is_the_same_alone_and_in_any_cohort(case: str, back_end: str) -> None:
    data, parts = CASES[case]
    found = trials(parts, 5, steps=60)
    together = trained(found, data, BACK_ENDS[back_end])
    for others in ([2], [2, 3], [4, 0, 2]):
        again = trained([found[k] for k in others], data, BACK_ENDS[back_end])
        for k, ours in zip(others, again, strict=True):
            limit = 0.0 if back_end == "traced" else 1e-6
            assert distance(ours, together[k]) <= limit


@pytest.mark.parametrize(
    ("back_end", "lost"),
    [
        ("traced", [1]),
        ("stacked", [1]),
        ("stacked", [0, 3]),
        ("stacked", [0, 1, 2, 3]),
        ("stacked+captured", [0, 1, 3]),
    ],
)
def test_members_that_diverge_do_not_touch_the_others(back_end: str, lost: list[int]) -> None:
    """One of four is dragged along, two of four have the cohort repacked, three, all."""
    data, parts = CASES["wgan_gp of points"]
    found = trials(parts, 4, steps=40, ticks=8)
    huge = {"generator_lr": 1e30, "discriminator_lr": 1e30}
    mixed = [
        t.model_copy(update={"training": t.training.model_copy(update=huge)}) if k in lost else t
        for k, t in enumerate(found)
    ]
    ours = trained(mixed, data, BACK_ENDS[back_end])
    alone = trained(mixed, data, REFERENCE)
    for k, (end, expected) in enumerate(zip(ours, alone, strict=True)):
        assert (end.status, end.steps_done, end.error) == (
            expected.status,
            expected.steps_done,
            expected.error,
        )
        assert [point[:2] for point in end.curves] == [point[:2] for point in expected.curves]
        assert end.status == ("diverged" if k in lost else "completed")
        if k not in lost:
            assert distance(end, expected) < 1e-5


def test_samples_come_from_the_members_own_generators() -> None:
    data, parts = CASES["nonsaturating"]
    found = trials(parts)
    ours, expected = trained(found, data, BACK_ENDS["stacked"]), trained(found, data, REFERENCE)
    with exact_float32(1):
        drawn = [
            [sample(end.system, end.players, 50, trial.id) for end, trial in zip(ends, found, strict=True)]
            for ends in (ours, expected)
        ]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-5)
    assert np.abs(drawn[0][0] - drawn[0][1]).max() > 0.01


def test_only_rates_seeds_and_sample_counts_may_differ_in_a_cohort() -> None:
    _, parts = CASES["nonsaturating"]
    (base,) = trials(parts, 1)
    document = base.model_dump(mode="json", exclude_defaults=True)

    def changed(**top: Any) -> str:
        training = {**document["training"], **top.pop("training", {})}
        return signature(TrialConfig.model_validate({**document, **top, "training": training}))

    large = signature(base.model_copy(update={"train_samples": 5000}))
    assert large == signature(base.model_copy(update={"train_samples": 300, "seed": 9}))
    assert large != signature(base)  # fewer samples than are watched
    assert signature(base) == changed(training={"discriminator_lr": 0.1, "betas": [0.1, 0.2]}, seed=4)
    assert signature(base) != changed(training={"steps": 9})
    assert signature(base) != changed(training={"optimizer": "rmsprop"})
    assert signature(base) != changed(discriminator={"name": "dcgan", "width": 5})
    assert signature(base) != changed(objective={"name": "wgan_gp", "penalty": 1.0})


def test_back_ends_by_device() -> None:
    assert [b.name for b in available("cpu")] == [
        "reference",
        "traced",
        "stacked",
        "traced+compiled",
        "stacked+compiled",
    ]
    assert all(b.captured or b == REFERENCE for b in available("cuda"))
    assert {name: b.name for name, b in BACK_ENDS.items()} == {name: name for name in BACK_ENDS}


def test_bfloat16_is_coarser_and_only_where_asked() -> None:
    data, parts = CASES["wgan_gp"]
    exact, coarse = (
        trained(trials(parts, precision=precision), data, BACK_ENDS["stacked"])[0]
        for precision in ("float32", "bfloat16")
    )
    (reference, *_) = trained(trials(parts, precision="bfloat16"), data, REFERENCE)
    assert all(tensor.dtype == torch.float32 for tree in coarse.players.values() for tensor in tree.values())
    # Another precision is another trial, so its numbers start elsewhere: losses of the same back ends compare.
    assert exact.status == coarse.status == reference.status == "completed"
    first = [
        next(p.value for p in end.curves if p.metric == "discriminator_loss") for end in (coarse, reference)
    ]
    assert first[0] == pytest.approx(first[1], rel=0.05)
    assert first[0] != pytest.approx(first[1], rel=1e-6)
