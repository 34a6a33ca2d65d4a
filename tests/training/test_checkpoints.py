"""Training that is stopped and gone on with elsewhere ends with the same numbers, to the last bit."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from pipeline.training import (
    BACK_ENDS,
    REFERENCE,
    BackEnd,
    Checkpoint,
    Trained,
    course_key,
    decode,
    encode,
    exact_float32,
    feed,
    interrupted,
    train,
    train_cohort,
)
from pipeline.training.checkpoint import checkpoint_of, tree_of
from pipeline.trial import TrialConfig
from tests.systems.games import CPU, DCGAN, MLP
from tests.training.test_back_ends import CASES, DIGITS, GAN, LABELS, POINTS, members, trials

# Ticks are at 3 and 6.
SHORT = {"steps": 6, "ticks": 2}
MORE: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "mix by softmax, averaged": (
        POINTS,
        {
            **MLP,
            **GAN,
            "system": {"name": "mix", "components": 2, "weights": "softmax"},
            "training": {"ema": 0.9},
        },
    ),
    "pacgan by rmsprop, averaged": (
        DIGITS,
        {**DCGAN, **GAN, "system": "pacgan", "training": {"optimizer": "rmsprop", "ema": 0.9}},
    ),
    "r1 with instance noise": (DIGITS, {**DCGAN, **GAN, "regularizers": {"r1": 1.0, "instance_noise": 0.1}}),
}
EVERY = {**CASES, **MORE}
OFTEN = ("nonsaturating", "wgan_gp", "spectral_norm", "mix of points", "stacked", "ema")


class Stopped(Exception):
    """What a worker that must leave raises once its state is safe."""


class Keeps:
    """A keeper of files; stops training when it has been asked so and so often, over all processes."""

    def __init__(self, *stops: int) -> None:
        self.stops, self.asked = list(stops), 0
        self.files: dict[str, bytes] = {}

    def load(self, key: str) -> Checkpoint | None:
        return decode(self.files[key]) if key in self.files else None

    def due(self) -> bool:
        self.asked += 1
        return self.asked in self.stops

    def save(self, key: str, checkpoint: Checkpoint) -> None:
        self.files[key] = encode(checkpoint)
        raise Stopped


def trained(
    found: list[TrialConfig], data: np.ndarray, back_end: BackEnd, keeper: Any = None
) -> list[Trained]:
    """Gone on with until no stop is left."""
    while True:
        try:
            with exact_float32(1):
                return train_cohort(members(found), data, data, CPU, LABELS, back_end, keeper)
        except Stopped:
            continue


def differences(ours: Sequence[Trained], theirs: Sequence[Trained]) -> list[str]:
    """Where they differ in as much as a bit."""
    found = []
    for k, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for name in ("status", "error", "steps_done", "shown", "back_end", "cohort"):
            if getattr(one, name) != getattr(other, name):
                found.append(f"{k}: {name}")
        if [p[:2] for p in one.curves] != [p[:2] for p in other.curves]:
            found.append(f"{k}: points")
        elif not np.array_equal(
            [p.value for p in one.curves], [p.value for p in other.curves], equal_nan=True
        ):
            found.append(f"{k}: curves")
        assert [(p, list(tree)) for p, tree in one.players.items()] == [
            (p, list(tree)) for p, tree in other.players.items()
        ]
        found += [
            f"{k}: {player}/{name}"
            for player, tree in one.players.items()
            for name, tensor in tree.items()
            if fingerprint(tensor) != fingerprint(other.players[player][name])
        ]
    return found


def fingerprint(tensor: torch.Tensor) -> tuple[Any, ...]:
    numbers = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
    return tensor.dtype, tensor.shape, numbers.numpy().tobytes()


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """To the bit, strides included."""
    there = [
        {path: (t.stride(), fingerprint(t)) for path, t in checkpoint.tensors.items()}
        for checkpoint in (one, other)
    ]
    return there[0] == there[1] and one.state == other.state


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws come in threes, so that stops fall on, before and after a chunk's end."""
    monkeypatch.setattr(feed, "CHUNK", 3)


def stops_of(back_end: BackEnd, count: int, steps: int) -> list[int]:
    """In each course: after its first step, at a tick, at an odd step, at the last."""
    courses = 1 if back_end.stacked or back_end.captured else count
    return [course * steps + k for course in range(courses) for k in (1, 3, 5, steps)]


def assert_continues(case: str, name: str, count: int = 2) -> None:
    data, parts = EVERY[case]
    found, back_end = trials(parts, count, **SHORT), BACK_ENDS[name]
    stops = stops_of(back_end, count, 6)
    keeper = Keeps(*stops)
    ours = trained(found, data, back_end, keeper)
    assert differences(ours, trained(found, data, back_end)) == []
    assert ours[0].status == "completed"
    # No step was done twice, and every stop was one.
    assert keeper.asked == max(stops)
    assert set(keeper.files) == {course_key([trial.id for trial in found], name, "cpu")}


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("case", "name"),
    [
        # A trial alone is traced as a cohort is.
        pytest.param(case, name, marks=() if name != "traced" or case in OFTEN else pytest.mark.soak)
        for case in EVERY
        for name in ("reference", "traced", "stacked")
    ],
)
def test_training_goes_on_where_it_stopped(case: str, name: str) -> None:
    assert_continues(case, name)


@pytest.mark.soak
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "name", ["traced+compiled", "stacked+compiled", "stacked+unfolded", "stacked+unfolded+captured"]
)
@pytest.mark.parametrize("case", ["nonsaturating", "wgan_gp", "mix of points", "unrolled of points", "ema"])
def test_compiled_and_unfolded_programs_go_on_too(case: str, name: str) -> None:
    assert_continues(case, name, 3)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("case", ["wgan_gp", "rmsprop"])
@pytest.mark.parametrize("name", ["stacked", "traced+captured", "stacked+captured"])
def test_members_with_other_rates_and_courses_side_by_side(case: str, name: str) -> None:
    """Three members, of which the last has rates of its own; without CUDA nothing is captured, but courses
    take turns and updates read from their buffers.
    """
    assert_continues(case, name, 3)


@pytest.mark.parametrize("name", ["reference", "traced", "stacked"])
def test_over_several_chunks_of_draws(name: str) -> None:
    data, parts = CASES["wgan_gp of points"]
    found = trials(parts, 2, steps=90, ticks=4)
    keeper = Keeps(7, 33, 71)
    ours = trained(found, data, BACK_ENDS[name], keeper)
    assert differences(ours, trained(found, data, BACK_ENDS[name])) == []
    assert keeper.asked == (90 if name == "stacked" else 180)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("reference", [1]),
        ("traced", [0]),
        ("stacked", [1]),
        ("stacked", [0, 3]),
        ("stacked", [0, 1, 2]),
        ("stacked+captured", [0, 1, 3]),
        ("traced+captured", [0]),
    ],
)
def test_members_that_have_diverged_stay_so(name: str, lost: list[int]) -> None:
    """At step 5; one of four is dragged along, of two and three the cohort is repacked."""
    data, parts = CASES["wgan_gp of points"]
    huge = {"generator_lr": 1e30, "discriminator_lr": 1e30}
    found = [
        t.model_copy(update={"training": t.training.model_copy(update=huge)}) if k in lost else t
        for k, t in enumerate(trials(parts, 4, steps=20, ticks=4))
    ]
    keeper = Keeps(3, 7, 10, 11, 16)
    ours = trained(found, data, BACK_ENDS[name], keeper)
    assert differences(ours, trained(found, data, BACK_ENDS[name])) == []
    assert [end.status for end in ours] == ["diverged" if k in lost else "completed" for k in range(4)]
    assert not any(stop > keeper.asked for stop in keeper.stops)


@pytest.mark.parametrize("name", ["reference", "traced"])
def test_what_has_been_trained_is_not_trained_again(name: str) -> None:
    data, parts = CASES["nonsaturating"]
    found = trials(parts, 3, **SHORT)
    keeper = Keeps(8)
    with pytest.raises(Stopped), exact_float32(1):
        train_cohort(members(found), data, data, CPU, LABELS, BACK_ENDS[name], keeper)
    (content,) = keeper.files.values()
    state = decode(content).state
    assert (list(state["ends"]), list(state["under_way"])) == (["0"], ["1"])
    assert state["under_way"]["1"]["step"] == 2
    assert interrupted(content) == ([trial.id for trial in found], name, 8, 18)
    seconds = state["seconds"]
    assert seconds[0] > 0
    assert seconds[1] > 0
    assert seconds[2] == 0
    ours = trained(found, data, BACK_ENDS[name], keeper)
    assert keeper.asked == 18
    if name == "reference":
        assert ours[0].seconds == seconds[0]
        assert ours[1].seconds > seconds[1]
    else:  # a cohort shares its time
        assert ours[0].seconds == ours[1].seconds > sum(seconds) / 3


def test_one_trial_alone_has_the_key_of_a_cohort_of_one() -> None:
    data, parts = CASES["ema"]
    (trial,) = trials(parts, 1, **SHORT)
    rows = members([trial])[0].rows
    keeper = Keeps(5)
    with exact_float32(1):
        with pytest.raises(Stopped):
            train(trial, data[rows], data, CPU, LABELS[rows], keeper)
        ours = train(trial, data[rows], data, CPU, LABELS[rows], keeper)
    assert keeper.asked == 6
    assert differences([ours], trained([trial], data, REFERENCE)) == []
    # From the same file, in a cohort: the last step is done again and nothing else.
    keeper.stops = [7]
    with pytest.raises(Stopped), exact_float32(1):
        train_cohort(members([trial]), data, data, CPU, LABELS, REFERENCE, keeper)
    assert keeper.asked == 7


def test_without_moves_nothing_is_asked() -> None:
    found = [
        TrialConfig.model_validate({"system": "kde", "dataset": {"name": "digits"}, "train_samples": 60})
    ]
    keeper = Keeps(1)
    ours = trained(found, POINTS, BACK_ENDS["stacked"], keeper)
    assert differences(ours, trained(found, POINTS, REFERENCE)) == []
    assert (keeper.asked, keeper.files) == (0, {})


def goes_on(case: str, name: str, folder: str) -> None:
    """In a process of its own: from the file there to the end, whose digest is printed."""
    data, parts = EVERY[case]
    found = trials(parts, 3, **SHORT)
    keeper = Keeps()
    for file in Path(folder).iterdir():
        keeper.files[file.name] = file.read_bytes()
    print(digest(trained(found, data, BACK_ENDS[name], keeper)), keeper.asked)


def digest(ends: Sequence[Trained]) -> str:
    content = [
        (
            end.curves,
            end.status,
            end.shown,
            [(p, n, fingerprint(t)) for p, tree in end.players.items() for n, t in tree.items()],
        )
        for end in ends
    ]
    return hashlib.sha256(repr(content).encode()).hexdigest()


@pytest.mark.parametrize(
    ("case", "name"), [("spectral_norm", "reference"), ("wgan_gp", "traced"), ("mix of points", "stacked")]
)
def test_another_process_goes_on(case: str, name: str, tmp_path: Path) -> None:
    data, parts = EVERY[case]
    found, keeper = trials(parts, 3, **SHORT), Keeps(4)
    with pytest.raises(Stopped), exact_float32(1):
        train_cohort(members(found), data, data, CPU, LABELS, BACK_ENDS[name], keeper)
    for key, content in keeper.files.items():
        (tmp_path / key).write_bytes(content)
    code = f"from {__name__} import goes_on; goes_on({case!r}, {name!r}, {str(tmp_path)!r})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    steps = 6 if name == "stacked" else 18
    assert said.split() == [digest(trained(found, data, BACK_ENDS[name])), str(steps - 4)]


def emptied(part: str) -> Callable[[Checkpoint], Checkpoint]:
    """The checkpoint with zeros for all tensors under such paths."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        touched = [path for path in checkpoint.tensors if part in path]
        assert touched
        zeros = {path: torch.zeros_like(checkpoint.tensors[path]) for path in touched}
        return checkpoint._replace(tensors=checkpoint.tensors | zeros)

    return change


def altered(*path: str, value: Any) -> Callable[[Checkpoint], Checkpoint]:
    def change(checkpoint: Checkpoint) -> Checkpoint:
        inner: Any = checkpoint.state["under_way"]["0"]
        for key in path[:-1]:
            inner = inner[key]
        assert inner[path[-1]] != value
        inner[path[-1]] = value
        return checkpoint

    return change


IN_BOTH = [
    ("nonsaturating", emptied("/players/")),
    ("ema", emptied("/averages/")),
    ("ema", altered("averages", "steps", value=0)),
    ("stacked", emptied("/losses/encoder")),
    ("stacked", emptied("/gradients/encoder")),
    ("spectral_norm", emptied("weight.0.u")),
    ("wgan_gp", altered("feed", "given", value=1)),
    ("wgan_gp", emptied("/waiting")),
    ("wgan_gp", emptied("/value")),
    ("wgan_gp", altered("shown", value=1)),
    ("wgan_gp", altered("step", value=1)),
]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("name", "case", "change"),
    [
        *((name, *part) for name in ("reference", "stacked") for part in IN_BOTH),
        ("reference", "nonsaturating", emptied("/exp_avg")),
        ("reference", "nonsaturating", emptied("/exp_avg_sq")),
        ("reference", "nonsaturating", emptied("/step")),
        ("reference", "rmsprop", emptied("/square_avg")),
        ("stacked", "nonsaturating", emptied("/moments/0/")),
        ("stacked", "nonsaturating", emptied("/moments/1/")),
        ("stacked", "nonsaturating", emptied("/steps/")),
        ("stacked", "rmsprop", emptied("/moments/1/")),
    ],
)
def test_every_part_of_the_state_counts(
    name: str, case: str, change: Callable[[Checkpoint], Checkpoint]
) -> None:
    """Without any of them the comparison above would fail."""

    class Forgets(Keeps):
        def load(self, key: str) -> Checkpoint | None:
            checkpoint = super().load(key)
            return checkpoint and change(checkpoint)

    data, parts = CASES[case]
    found, back_end = trials(parts, 1, **SHORT), BACK_ENDS[name]
    ours = trained(found, data, back_end, Forgets(3))
    assert differences(ours, trained(found, data, back_end))


def test_a_checkpoint_comes_back_to_the_bit() -> None:
    weights = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    thin = torch.randn(1, 1, 4, 4).contiguous(memory_format=torch.channels_last)
    tree = {
        "a": {"weights": weights, "thin": thin, "half": torch.randn(3).bfloat16()},
        "b": [torch.tensor(7), torch.tensor([True, False]), torch.empty(0, dtype=torch.int64)],
        "c": torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]),
        "d": {"f": 0.1 + 0.2, "none": None, "large": 2**64 - 1, "nan": float("inf"), "s": ["x", 1]},
        "e": torch.arange(12, dtype=torch.uint8).view(3, 4).T,
        "same": thin,
    }
    first = checkpoint_of(tree)
    content = encode(first)
    again = decode(content)
    assert same(again, first)
    assert again.tensors["a/weights"].is_contiguous(memory_format=torch.channels_last)
    back = tree_of(again, CPU)
    assert back["d"] == tree["d"]
    assert back["a"]["thin"].stride() == thin.stride()
    # What any reader of safetensors finds.
    assert torch.equal(load(content)["a/weights"], weights)


def some_checkpoint() -> bytes:
    data, parts = CASES["wgan_gp of points"]
    keeper = Keeps(5)
    with pytest.raises(Stopped), exact_float32(1):
        train_cohort(
            members(trials(parts, 2, **SHORT)), data, data, CPU, LABELS, BACK_ENDS["stacked"], keeper
        )
    (content,) = keeper.files.values()
    return content


def test_damage_is_noticed() -> None:
    content = some_checkpoint()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    places = [
        *range(16),
        *rng.integers(0, header, 300),
        *rng.integers(header, len(content), 100),
        len(content) - 1,
    ]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(ValueError, match="damaged checkpoint"):
            decode(bytes(damaged))
    for length in (0, 1, 7, 8, 9, header - 1, header, header + 1, len(content) - 1):
        with pytest.raises(ValueError, match="damaged checkpoint"):
            decode(content[:length])
    with pytest.raises(ValueError, match="damaged checkpoint"):
        decode(content + b"\0")
    for length in (0, 7, header // 2):
        with pytest.raises(ValueError, match="damaged checkpoint"):
            interrupted(content[:length])
    assert interrupted(content[:header]) == interrupted(content)
    decode(content)


def test_a_checkpoint_of_other_networks_is_refused() -> None:
    content = some_checkpoint()

    class Confused(Keeps):
        def load(self, key: str) -> Checkpoint | None:
            return decode(content)

    data, parts = CASES["wgan_gp of points"]
    wider = {**parts, "generator": {**parts["generator"], "width": 17}}
    with pytest.raises(ValueError, match="other networks"):
        trained(trials(wider, 2, **SHORT), data, BACK_ENDS["stacked"], Confused())


def test_saving_on_the_way_changes_nothing_and_is_not_changed() -> None:
    data, parts = CASES["ema"]
    found = trials(parts, 2, **SHORT)
    saved: list[tuple[Checkpoint, bytes]] = []

    class Goes(Keeps):
        def due(self) -> bool:
            return True

        def save(self, key: str, checkpoint: Checkpoint) -> None:
            saved.append((checkpoint, encode(checkpoint)))

    for name in ("reference", "stacked"):
        ours = trained(found, data, BACK_ENDS[name], Goes())
        assert differences(ours, trained(found, data, BACK_ENDS[name])) == []
    assert len(saved) == 12 + 6
    for checkpoint, content in saved:
        assert same(checkpoint, decode(content))


def test_keys_tell_trials_back_ends_and_devices_apart() -> None:
    keys = {
        course_key(["a", "b"], "stacked", "cpu"),
        course_key(["b", "a"], "stacked", "cpu"),
        course_key(["a"], "stacked", "cpu"),
        course_key(["a", "b"], "traced", "cpu"),
        course_key(["a", "b"], "stacked", "cuda"),
    }
    assert len(keys) == 5
    assert course_key(["a"], "stacked", "cpu") in keys
