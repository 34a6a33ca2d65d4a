"""Steps per second of `pipeline.training.train` against a plain PyTorch loop of the same networks (`plain.py`).

Ours draws every batch from the trial's own streams and records curves, here at the default rate of 20 ticks in
2,000 steps; the plain loop does neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch

from pipeline.networks import parameters
from pipeline.networks.dcgan import halvings
from pipeline.seeds import stream
from pipeline.systems import make_system
from pipeline.training import exact_float32, train
from pipeline.training.feed import to_network
from pipeline.training.loop import GAP_SAMPLES
from pipeline.trial import TrialConfig
from tests.benchmarks.plain import Gan
from tests.benchmarks.timing import Figure, Times, alternate, load, ratios

NAME = "training_loop"
BATCH, LATENT, IMAGES, REPEATS, STEPS_PER_TICK = 64, 100, 1000, 5, 100


class Case(NamedTuple):
    """A DCGAN of one width on square images, and how many steps to time on one and on two threads."""

    size: int
    channels: int
    width: int
    objective: str
    steps: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.size}x{self.size}x{self.channels} width {self.width} {self.objective}"


CASES = [
    Case(8, 1, 16, "nonsaturating", (150, 40)),
    Case(32, 3, 16, "nonsaturating", (30, 30)),
    Case(32, 3, 16, "wgan_gp", (20, 20)),
    Case(32, 3, 64, "nonsaturating", (6, 6)),
]


def run() -> Iterator[Figure]:
    """Every case on one and on two threads."""
    for case in CASES:
        for threads in (1, 2):
            with exact_float32(threads):
                yield from _compare(case, threads)


def _compare(case: Case, threads: int) -> Iterator[Figure]:
    images = np.random.default_rng(0).integers(
        0, 256, (IMAGES, case.channels, case.size, case.size), dtype=np.uint8
    )
    floats = to_network(torch.from_numpy(images))
    gan = Gan(case.size, case.channels, case.width, LATENT, halvings(case.size), case.objective)
    check_same(_trial(case, 1), gan, floats[:BATCH])
    speeds: dict[str, list[float]] = {"ours": [], "plain": []}
    timed = case.steps[threads - 1]

    def ours(steps: int = timed) -> None:
        # A short run has a tick as well: it looks at as many samples as keeps the cost per step what it is by default.
        gaps = min(GAP_SAMPLES, GAP_SAMPLES * steps // STEPS_PER_TICK)
        with mock.patch("pipeline.training.loop.GAP_SAMPLES", max(1, gaps)):
            trained = train(_trial(case, steps), images, images, torch.device("cpu"))
        assert trained.steps_done == steps
        assert trained.status == "completed"
        speeds["ours"].append(trained.images_per_second / BATCH)

    def plain(steps: int = timed) -> None:
        speeds["plain"].append(gan.train(floats, steps, BATCH))

    ours(3)
    plain(3)
    for measured in speeds.values():
        measured.clear()
    times = alternate({"ours": ours, "plain": plain}, REPEATS)
    yield from _figures(case, threads, speeds, times)


def _figures(
    case: Case, threads: int, speeds: dict[str, list[float]], times: dict[str, Times]
) -> Iterator[Figure]:
    label, rival = f"{case}, {threads} thread{'s' * (threads > 1)}", "plain PyTorch loop"
    mine, other = speeds["ours"], speeds["plain"]
    yield Figure(
        NAME,
        label,
        "training",
        "steps/s",
        median(mine),
        rival,
        median(other),
        **ratios(mine, other),
        target="1x",
        load=load(),
    )
    if threads == 1:
        mine, other = ([1e3 * t / case.steps[0] for t in times[name].cpu] for name in ("ours", "plain"))
        yield Figure(
            NAME,
            label,
            "CPU time",
            "ms/step",
            median(mine),
            rival,
            median(other),
            **ratios(other, mine),
            load=load(),
        )


def check_same(trial: TrialConfig, gan: Gan, real: torch.Tensor) -> None:
    """Both have the same parameters, and from the same values compute the same samples and judgments."""
    game = make_system(trial, tuple(real.shape[1:]))
    players = {
        name: parameters.initialise(network, stream(trial.id, name), torch.device("cpu"))
        for name, network in game.networks.items()
    }
    for name, module in {"generator": gan.generator, "discriminator": gan.discriminator}.items():
        assert parameters.count(game.networks[name]) == parameters.count(module)
        missing, unexpected = module.load_state_dict(players[name], strict=False)
        assert not unexpected
        assert all("running_" in key or "num_batches" in key for key in missing)
    with torch.no_grad():
        generated = game.generate(players, torch.ones(BATCH, LATENT))
        torch.testing.assert_close(gan.generator(torch.ones(BATCH, LATENT)), generated)
        judged = parameters.apply(game.networks["discriminator"], players["discriminator"], real)
        torch.testing.assert_close(gan.discriminator(real), judged)


def _trial(case: Case, steps: int) -> TrialConfig:
    network = {"name": "dcgan", "width": case.width}
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "digits"},  # a name only: the images come from here
            "generator": {**network, "latent_dim": LATENT},
            "discriminator": network,
            "objective": {"name": case.objective},
            "train_samples": IMAGES,
            "training": {"steps": steps, "batch_size": BATCH, "ticks": max(1, steps // STEPS_PER_TICK)},
        }
    )
