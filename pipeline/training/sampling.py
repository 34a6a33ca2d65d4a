"""Independent samples of a finished generator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.networks.normalization import BatchNorm
from pipeline.seeds import stream
from pipeline.systems import Players, System
from pipeline.training.feed import to_network
from pipeline.training.numerics import owned

# Part of the protocol: every sampling batch has this size, so rounding in a convolution cannot depend on how
# many samples were asked for, and the first 1,000 of 4,000 samples are those of 1,000.
BATCH = 500
MOMENT_BATCHES, MOMENT_BATCH = 20, 256


@torch.no_grad()
def sample(
    game: System, players: Players, count: int, trial_id: str, images: np.ndarray | None = None
) -> np.ndarray:
    """(count, *sample_shape) float32: images in [0, 1], points as they are; row i belongs to latent i of the
    trial.

    images: for a conditional system, samples (n, *sample_shape) of the data set, which are given in turn.
    The samples are independent: latents are distinct (asserted), and batch norms use fixed moments, those
    of `settled`, so no sample is coupled to another through its batch.
    """
    latents = stream(trial_id, "sampling_latents").standard_normal((count, game.latent_dim), np.float32)
    if game.latent_dim and len({row.tobytes() for row in latents}) != count:
        raise AssertionError("two samples share a latent: the random streams are broken")
    rows = np.arange(-(-count // BATCH) * BATCH) % count
    players = settled(game, players, trial_id, images)
    with _evaluating(game):
        parts = [
            _generate(game, players, latents[some], images, some).cpu()
            for some in np.split(rows, len(rows) // BATCH)
        ]
    samples = torch.cat(parts)[:count]
    return (samples.add_(1).mul_(0.5) if samples.ndim == 4 else samples).numpy()


def _generate(
    game: System, players: Players, latents: np.ndarray, images: np.ndarray | None, rows: np.ndarray
) -> Tensor:
    device = next(iter(players[game.generators[0]].values())).device
    z = owned(latents, device)
    if game.inputs is None:
        return game.generate(players, z)
    assert images is not None, "a conditional system needs images to be given"
    given = game.inputs(to_network(owned(images[rows % len(images)], device)))
    return game.generate(players, z, given)


@contextlib.contextmanager
def _evaluating(game: System) -> Iterator[None]:
    for network in game.networks.values():
        network.eval()
    try:
        yield
    finally:
        for network in game.networks.values():
            network.train()


class _Enough(Exception):
    """The last batch norm has been reached; what follows it costs time and changes no moment."""


@torch.no_grad()
def settled(game: System, players: Players, trial_id: str, images: np.ndarray | None = None) -> Players:
    """The players with fixed moments for every batch norm that `generate` uses: mean and variance of its
    input over 5,120 latents (other than those of samples), in batches normalised as in training.

    images: as for `sample`. Players that already have them are returned as they are.
    """
    norms = {
        (player, name): module
        for player, network in game.networks.items()
        for name, module in network.named_modules()
        if isinstance(module, BatchNorm)
    }
    if not norms or any(f"{name}.mean" in players.get(player, {}) for player, name in norms):
        return players
    sums: dict[tuple[str, str], list[Tensor]] = {key: [] for key in norms}
    calls, calls_in_all = 0, None

    def record(key: tuple[str, str]) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            nonlocal calls
            x = inputs[0].transpose(0, 1).flatten(1).double()
            sums[key].append(torch.stack([x.mean(1), x.square().mean(1)]))
            calls += 1
            if calls == calls_in_all:
                raise _Enough

        return hook

    handles = [module.register_forward_pre_hook(record(key)) for key, module in norms.items()]
    rng = stream(trial_id, "batch_norm_latents")
    try:
        for k in range(MOMENT_BATCHES):
            z = rng.standard_normal((MOMENT_BATCH, game.latent_dim), np.float32)
            with contextlib.suppress(_Enough):
                _generate(game, players, z, images, np.arange(k * MOMENT_BATCH, (k + 1) * MOMENT_BATCH))
            calls, calls_in_all = 0, calls
            if calls_in_all == 0:  # batch norms, but none on the generator's way
                break
    finally:
        for handle in handles:
            handle.remove()
    found = {player: dict(tree) for player, tree in players.items()}
    for (player, name), values in sums.items():
        if values:
            mean, square = torch.stack(values).mean(0)
            found[player][f"{name}.mean"] = mean.float()
            found[player][f"{name}.var"] = (square - mean.square()).clamp_min(0).float()
    return found
