"""What a study will cost, predicted from the arithmetic of one training step."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.networks.parameters import trained
from pipeline.systems import Batch, Players, make_system
from pipeline.trial import TrialConfig

# Seconds of one update of a player beyond its arithmetic, and the arithmetic that small convolutions reach,
# fitted to DCGANs on 8x8 to 28x28 images on one core of a 2.6 GHz Xeon (AVX-512). Good for a factor of two on
# other CPU cores.
SECONDS_PER_UPDATE = 2.2e-3
FLOPS_PER_SECOND = 5.5e10
# Of no system's warm-up.
ORDINARY_STEP = 499


class _Sizes:
    """A trial, equal to others that do the same operations: real numbers are weights and rates, never sizes,
    and of them only whether they are zero can matter.
    """

    def __init__(self, trial: TrialConfig) -> None:
        self.trial = trial
        self._key = repr(_without_reals(trial.model_dump(exclude={"seed"})))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sizes) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _without_reals(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_reals(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_without_reals(own) for own in value]
    return bool(value) if isinstance(value, float) else value


def flops_per_step(trial: TrialConfig, sample_shape: tuple[int, ...]) -> float:
    """Floating-point operations of one ordinary training step: forward and backward passes of all its moves,
    counted on tensors without memory.
    """
    return _counted(_Sizes(trial), sample_shape)


# A search over an average's decay or a penalty's weight has a new shape with each suggestion; counting takes
# a tenth of a second.
@functools.lru_cache(maxsize=1000)
def _counted(sizes: _Sizes, sample_shape: tuple[int, ...]) -> float:
    trial = sizes.trial
    game = make_system(trial, sample_shape)
    rows = trial.training.batch_size * game.pack
    with torch.device("meta"):
        players: Players = {
            name: {**dict(network.named_parameters()), **dict(network.named_buffers())}
            for name, network in game.networks.items()
        }
        batch = Batch(
            torch.empty(rows, *sample_shape),
            torch.empty(rows, game.latent_dim),
            torch.empty(rows, dtype=torch.int64),
            {name: torch.empty(rows, *draw.shape) for name, draw in game.draws.items()},
            torch.empty(()),
        )

    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]
    with torch.device("meta"), counter:
        for name in game.turns(ORDINARY_STEP) if game.moves else ():
            moved, loss_of = game.moves[name]
            tensors = [tensor for player in moved for tensor in trained(players[player])]
            torch.autograd.grad(loss_of(players, batch), tensors)
    return float(counter.get_total_flops())


class _NoModules:
    """In place of the counter's tracker of modules, whose hooks `torch.autograd.grad` refuses."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def predicted_seconds(trial: TrialConfig, sample_shape: tuple[int, ...]) -> float:
    """Training time of a trial on one CPU core."""
    game = make_system(trial, sample_shape)
    if not game.moves:
        return 0.0
    # A penalty differentiates twice, which doubles the calls of the discriminator's updates.
    twice = trial.objective is not None and trial.objective.name == "wgan_gp"
    twice = twice or trial.regularizers.r1 > 0 or trial.regularizers.dragan > 0
    turns = game.turns(ORDINARY_STEP)
    updates = len(turns) + (turns.count("discriminator") if twice else 0)
    step = updates * SECONDS_PER_UPDATE + flops_per_step(trial, sample_shape) / FLOPS_PER_SECOND
    return trial.training.steps * step
