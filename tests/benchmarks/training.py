"""GAN steps per second of every back end, alone and for cohorts, beside plain PyTorch, torch.func and HFTA's fusion.

All of one case run in turns on one thread (CPU) or one device. Ours draw every batch from the trials' own streams and
record curves, here at the default rate of 20 ticks in 2,000 steps; the peers do neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch

from pipeline.engine.cost import flops_per_step
from pipeline.networks import parameters
from pipeline.networks.dcgan import halvings
from pipeline.seeds import stream
from pipeline.systems import make_system
from pipeline.training import BackEnd, Member, available, exact_float32, train_cohort
from pipeline.training.feed import CHUNK, to_network
from pipeline.training.start import WATCHED
from pipeline.trial import TrialConfig
from tests.benchmarks import fused
from tests.benchmarks.plain import Gan
from tests.benchmarks.timing import Figure, alternate, load, ratios

NAME = "training"
BATCH, SAMPLES, REPEATS, STEPS_PER_TICK = 64, 1000, 3, 100
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# Seconds that one timing should take.
SECONDS = 1.5


class Case(NamedTuple):
    """GANs of one width on square images, or on points of the plane (size 0), and how many at once."""

    size: int
    channels: int
    width: int
    objective: str
    counts: tuple[int, ...]

    def __str__(self) -> str:
        shape = f"DCGAN {self.size}x{self.size}x{self.channels}" if self.size else "MLP on points"
        return f"{shape} width {self.width} {self.objective}"

    @property
    def latent_dim(self) -> int:
        return 100 if self.size else 2


CPU_CASES = [
    Case(0, 1, 128, "nonsaturating", (1, 4, 16, 64)),
    Case(0, 1, 32, "nonsaturating", (1, 4, 16, 64, 256)),
    Case(8, 1, 16, "nonsaturating", (1, 4, 16, 64)),
    Case(8, 1, 16, "wgan_gp", (1, 8)),
    Case(32, 3, 16, "nonsaturating", (1, 4)),
    Case(32, 3, 64, "nonsaturating", (1, 4)),
    Case(32, 3, 128, "nonsaturating", (1,)),
    Case(32, 3, 16, "wgan_gp", (1, 4)),
    Case(64, 3, 16, "nonsaturating", (1,)),
    Case(64, 3, 64, "nonsaturating", (1,)),
]
GPU_CASES = [
    Case(size, channels, width, objective, (1, 4, 16, 64, 256))
    for size, channels, widths, objective in (
        (0, 1, (128,), "nonsaturating"),
        (32, 3, (16, 32, 64, 128), "nonsaturating"),
        (64, 3, (16, 64, 128), "nonsaturating"),
        (32, 3, (16, 64), "wgan_gp"),
    )
    for width in widths
]


def run() -> Iterator[Figure]:
    """Every case, then the same trials by the engine and by Ray Tune."""
    with exact_float32(1):
        rate = _product_rate()
        for case in CPU_CASES if DEVICE.type == "cpu" else GPU_CASES:
            for count in case.counts:
                yield from _compare(case, count, rate)


def _compare(case: Case, count: int, rate: float) -> Iterator[Figure]:
    samples = _samples(case)
    floats = to_network(torch.from_numpy(samples)).to(DEVICE)
    levels = halvings(case.size) if case.size else 0
    gan = Gan(case.size, case.channels, case.width, case.latent_dim, levels, case.objective)
    check_same(_trial(case, 1, 0), gan, floats[:BATCH].cpu())
    fused.check_same(gan, floats[:BATCH].cpu())
    gan = gan.to(DEVICE)
    # Enough of the cheap ones that what is drawn ahead is used.
    steps = max(3 if case.size else CHUNK // 2, round(SECONDS * gan.train(floats, 3, BATCH) / count))
    found: dict[str, list[float]] = {}

    def peer(train: Callable[..., float], done: int = steps) -> Callable[[], float]:
        return lambda: train(floats, done, BATCH)

    calls: dict[str, Callable[[], float]] = {"plain loop": peer(gan.train, steps * count)}
    if count > 1:
        calls["vmap"] = peer(fused.Vmapped(gan, count).train)
        calls["HFTA"] = peer(fused.Fused(gan, count).train)
    for back_end in available(DEVICE.type):
        wasteful = count > 1 and not back_end.stacked and not back_end.captured
        if not wasteful and not (back_end.compiled and case.size > 8):
            calls[back_end.name] = _ours(case, count, steps, samples, back_end)

    def timed(name: str) -> Callable[[], None]:
        return lambda: found.setdefault(name, []).append(calls[name]())

    for call in calls.values():
        call()  # tracing, compiling, first touches
    alternate({name: timed(name) for name in calls}, REPEATS)
    flops = flops_per_step(_trial(case, 1, 0), samples.shape[1:])
    others = ("plain loop", "vmap", "HFTA")
    for name, speeds in found.items():
        if name != "plain loop":
            share = f"{flops * median(speeds) / rate:.0%} of the product rate"
            yield Figure(
                NAME,
                f"{case}, {count} at once",
                f"peer {name}" if name in others else name,
                "GAN steps/s",
                median(speeds),
                "plain PyTorch loop, one after another",
                median(found["plain loop"]),
                **ratios(speeds, found["plain loop"]),
                target=share,
                load=load(),
            )


def _ours(case: Case, count: int, steps: int, samples: np.ndarray, back_end: BackEnd) -> Callable[[], float]:
    members = [Member(_trial(case, steps, seed), np.arange(SAMPLES)) for seed in range(count)]
    # A short run has a tick as well: it looks at as many samples as keeps the cost per step what it is by default.
    watched = max(1, min(WATCHED, WATCHED * steps // STEPS_PER_TICK))

    def call() -> float:
        with mock.patch("pipeline.training.start.WATCHED", watched):
            ends = train_cohort(members, samples, samples, DEVICE, None, back_end)
        assert all(end.status == "completed" and end.steps_done == steps for end in ends)
        return count * steps / sum(end.seconds for end in ends)

    return call


def check_same(trial: TrialConfig, gan: Gan, real: torch.Tensor) -> None:
    """Both have the same parameters, and from the same values compute the same samples and judgments."""
    game = make_system(trial, tuple(real.shape[1:]))
    cpu = torch.device("cpu")
    players = {
        name: parameters.initialise(network, stream(trial.id, name), cpu)
        for name, network in game.networks.items()
    }
    for name, module in {"generator": gan.generator, "discriminator": gan.discriminator}.items():
        assert parameters.count(game.networks[name]) == parameters.count(module)
        missing, unexpected = module.load_state_dict(players[name], strict=False)
        assert not unexpected
        assert all("running_" in key or "num_batches" in key for key in missing)
    latents = torch.ones(BATCH, gan.latent_dim)
    with torch.no_grad():
        torch.testing.assert_close(gan.generator(latents), game.generate(players, latents))
        judged = parameters.apply(game.networks["discriminator"], players["discriminator"], real)
        torch.testing.assert_close(gan.discriminator(real), judged)


def _samples(case: Case) -> np.ndarray:
    rng = np.random.default_rng(0)
    if case.size == 0:
        return rng.standard_normal((SAMPLES, 2)).astype(np.float32)
    return rng.integers(0, 256, (SAMPLES, case.channels, case.size, case.size), dtype=np.uint8)


def _trial(case: Case, steps: int, seed: int) -> TrialConfig:
    network = {"name": "dcgan" if case.size else "mlp", "width": case.width}
    depth = {} if case.size else {"depth": 2}
    generator = {**network, **depth, "latent_dim": case.latent_dim}
    if not case.size:
        generator["normalization"] = "none"
    return TrialConfig.model_validate(
        {
            "dataset": {
                "name": "digits" if case.size else "gaussian_ring"
            },  # a name only: the samples come from here
            "generator": generator,
            "discriminator": {**network, **depth},
            "objective": {"name": case.objective},
            "train_samples": SAMPLES,
            "training": {"steps": steps, "batch_size": BATCH, "ticks": max(1, steps // STEPS_PER_TICK)},
            "seed": seed,
        }
    )


def _product_rate() -> float:
    """Floating-point operations per second of one large float32 product."""
    a = torch.randn(2048, 2048, device=DEVICE)
    seconds = alternate({"product": lambda: (a @ a).sum().item()}, 10)["product"].wall
    return 2 * 2048**3 / min(itertools.islice(seconds, 1, None))
