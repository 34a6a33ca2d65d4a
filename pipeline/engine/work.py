"""What happens to a cohort on a worker: train, sample, measure, and always end as rows."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from pipeline.datasets import DataSet
from pipeline.engine.cohorts import Cohort
from pipeline.engine.keeping import Keeping, Stopped
from pipeline.engine.measure import Rows, Ruler, Subject, extend, measure, quality
from pipeline.engine.mode_counter import ModeCounter
from pipeline.engine.stopping import stoppable
from pipeline.networks.parameters import count
from pipeline.store.run import Run
from pipeline.study_options import ResourceOptions
from pipeline.systems import Players, System, make_system
from pipeline.training import (
    REFERENCE,
    BackEnd,
    Member,
    Trained,
    exact_float32,
    first_players,
    forget_peak_memory,
    owned,
    peak_memory_bytes,
    sample,
    settled,
    train_cohort,
)
from pipeline.trial import TrialConfig

# Held-out images that a conditional system is given one at a time.
CONDITIONS = 4


class Context(NamedTuple):
    """What the trials on one data set share; sent to each machine once. run: the root of the run whose store
    keeps the state of training; None keeps none.
    """

    data: DataSet
    rulers: list[Ruler]
    threads: int
    device: str
    commit: str
    modes: ModeCounter | None = None
    run: str | None = None


class Failure(NamedTuple):
    """Why a trial has no result."""

    status: str
    error: str


class Finished(NamedTuple):
    """A trial's end: its status, rows for every table, and the weights of its players if it got as far."""

    trial: TrialConfig
    status: str
    tables: Rows
    weights: bytes | None = None
    error: str | None = None

    @property
    def trial_id(self) -> str:
        return self.trial.id


class Ended(NamedTuple):
    """The end of a task: trials that finished (all of them, unless the task was asked to end), and keys of
    checkpoints that nobody needs once their rows are in the store.
    """

    finished: list[Finished]
    kept: tuple[str, ...] = ()


def run_cohort(context: Context, cohort: Cohort) -> Ended:
    """Train a cohort, together where its back end can, and measure each trial. Whatever goes wrong in one
    becomes its row with status and reason. Asked to end, it keeps the state of what it trains and returns
    what has finished.
    """
    trials, finished = cohort.trials, []
    groups = [list(trials)] if cohort.back_end.together else [[trial] for trial in trials]
    with stoppable() as stop:
        keeping = Keeping(None if context.run is None else Run(context.run), stop)
        forget_peak_memory(torch.device(context.device))
        for group in groups:
            with contextlib.suppress(Stopped):
                finished += _carried_out(context, group, cohort.back_end, keeping)
            if stop.asked:
                break
    return Ended(finished, tuple(keeping.used))


def _carried_out(
    context: Context, trials: Sequence[TrialConfig], back_end: BackEnd, keeping: Keeping
) -> list[Finished]:
    started = datetime.now(UTC)
    clock = time.perf_counter()
    chosen = [context.data.subset(trial.train_samples, trial.seed) for trial in trials]
    with exact_float32(context.threads):
        members = [Member(trial, rows) for trial, rows in zip(trials, chosen, strict=True)]
        results = _trained(context, members, back_end, keeping)
        return [
            _finished(context, member, result, started, clock)
            for member, result in zip(members, results, strict=True)
        ]


def _trained(
    context: Context, members: list[Member], back_end: BackEnd, keeping: Keeping
) -> list[Trained | Failure]:
    """Each member's training. What a cohort cannot do its halves try, and what a back end cannot do alone,
    the reference: a failure is always a trial's own.
    """
    results: list[Trained | Failure] = []

    def work() -> None:
        data, device = context.data, torch.device(context.device)
        results.extend(
            train_cohort(members, data.train, data.held_out, device, data.train_labels, back_end, keeping)
        )

    failure = _guard(work)
    if failure is None:
        return results
    if len(members) > 1:
        half = len(members) // 2
        parts = members[:half], members[half:]
        return [result for part in parts for result in _trained(context, part, back_end, keeping)]
    return [failure] if back_end == REFERENCE else _trained(context, members, REFERENCE, keeping)


def _finished(
    context: Context, member: Member, result: Trained | Failure, started: datetime, clock: float
) -> Finished:
    """Measure what a member's training gave, if it gave anything. clock: when its cohort started."""
    trial = member.trial
    row: dict[str, Any] = {}
    tables: Rows = {}
    weights: bytes | None = None
    measuring = time.perf_counter()
    if isinstance(result, Trained):
        row = {
            "status": result.status,
            "error": result.error,
            "steps_done": result.steps_done,
            "images_per_second": result.images_per_second,
            "train_seconds": result.seconds,
            "back_end": result.back_end,
            "cohort_size": result.cohort,
            "discriminator_params": _params(result.system, result.system.discriminators),
            "generator_params": _params(result.system, result.system.generators),
        }
        curves = [{"trial_id": trial.id, **point._asdict()} for point in result.curves]
        tables["curves"] = curves
        weights = _pack(result.players)
        game, players = result.system, result.players
        if result.status == "completed":
            failure = _guard(lambda: tables.update(_measured(context, trial, game, players, member.rows)))
            if failure:
                # Rows of a trial that did not finish would look like results.
                row, tables = row | failure._asdict(), {"curves": curves}
        row["measure_seconds"] = time.perf_counter() - measuring
        row["device_seconds"] = row["train_seconds"] + row["measure_seconds"]
    else:
        row = result._asdict()
    finished = {
        **_identity(trial),
        **row,
        "attempts": 1,
        "wall_seconds": time.perf_counter() - clock,
        "peak_memory_bytes": peak_memory_bytes(torch.device(context.device)),
        **environment(context),
        "started_at": started,
        "finished_at": datetime.now(UTC),
    }
    return Finished(
        trial, finished["status"], {**tables, "trials": [finished]}, weights, finished.get("error")
    )


def measure_trial(context: Context, trial: TrialConfig, weights: bytes) -> Finished:
    """Measure a trained trial again, under another protocol. Rows without a `trials` row."""
    tables: Rows = {}

    def work() -> None:
        chosen = context.data.subset(trial.train_samples, trial.seed)
        with exact_float32(context.threads):
            game = make_system(trial, context.data.sample_shape)
            tables.update(_measured(context, trial, game, _unpack(weights, context.device), chosen))

    failure = _guard(work)
    if failure:
        return Finished(trial, failure.status, {}, error=failure.error)
    return Finished(trial, "completed", tables)


def lost(context: Context, trial: TrialConfig, reason: str, status: str, attempts: int) -> Finished:
    """The row of a trial whose workers died."""
    now = datetime.now(UTC)
    row = {
        **_identity(trial),
        "status": status,
        "error": reason,
        "attempts": attempts,
        **environment(context),
        "started_at": now,
        "finished_at": now,
    }
    return Finished(trial, status, {"trials": [row]}, error=reason)


def device_of(resources: ResourceOptions) -> str:
    """Where trials with such resources are trained."""
    return "cuda" if resources.gpus else "cpu"


def device_name(device: str, threads: int) -> str:
    """What a trial runs on, here."""
    if device == "cpu":
        return f"cpu ({threads} threads)"
    # Where a cluster's driver sees none, the trial was lost and the GPU with it.
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cuda"


def environment(context: Context) -> dict[str, Any]:
    """Where and with what a row was made."""
    return {
        "device": device_name(context.device, context.threads),
        "host": socket.gethostname(),
        "versions": _versions(),
        "commit": context.commit,
        "data_fingerprint": context.data.fingerprint,
    }


def measuring_seconds(context: Context, trial: TrialConfig) -> float:
    """What measuring a trial of this shape takes here, tried on its generators as they are at first."""
    clock = time.perf_counter()
    rows = context.data.subset(trial.train_samples, trial.seed)
    game = make_system(trial, context.data.sample_shape)
    real = owned(context.data.train[rows], torch.device(context.device))
    _measured(context, trial, game, first_players(game, trial.id, real), rows)
    return time.perf_counter() - clock


@functools.cache
def _versions() -> str:
    return json.dumps({name: version(name) for name in ("birthday", "torch", "numpy", "scipy")})


def _measured(
    context: Context, trial: TrialConfig, game: System, players: Players, trained_on: np.ndarray
) -> Rows:
    tables: Rows = {}
    count = max(ruler.samples for ruler in context.rulers)
    players = settled(game, players, trial.id, context.data.held_out)
    samples = sample(game, players, count, trial.id, context.data.held_out)
    if not np.isfinite(samples).all():
        raise FloatingPointError("the generator's samples hold NaN or infinity")
    for ruler in context.rulers:
        subject = Subject("generated", trial.id, samples, vectors=ruler.embedding(samples))
        rows = measure(subject, ruler, context.data, trained_on)
        rows["quality"] = [quality(subject, ruler, context.data, trained_on)]
        extend(tables, rows)
    if context.modes is not None:
        tables["modes"] = [context.modes.row(trial.id, "generated", samples)]
    if game.inputs is not None:
        extend(tables, _conditional(context, trial, game, players, count))
    return tables


def _conditional(context: Context, trial: TrialConfig, game: System, players: Players, count: int) -> Rows:
    """Measurements of what a conditional system makes of one held-out image, for each of a few."""
    tables: Rows = {}
    given = context.data.held_out[:CONDITIONS]
    samples = sample(game, players, count * len(given), trial.id, given)
    for k in range(len(given)):
        subject = Subject("conditional", trial.id, samples[k :: len(given)], None, k)
        for ruler in context.rulers:
            extend(tables, measure(subject, ruler, context.data))
    return tables


def _guard(work: Callable[[], None]) -> Failure | None:
    """Run; say what went wrong instead of raising."""
    try:
        work()
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        return Failure("out_of_memory", _one_line(error))
    except RuntimeError as error:  # what torch raises where the host's memory is full
        full = "can't allocate memory" in str(error)
        return Failure("out_of_memory" if full else "failed", _one_line(error))
    except FloatingPointError as error:
        return Failure("diverged", _one_line(error))
    except Stopped:
        raise
    except Exception as error:  # a trial's failure is an outcome of the study, whatever it is
        return Failure("failed", _one_line(error))
    return None


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]


def _identity(trial: TrialConfig) -> dict[str, Any]:
    return {
        "trial_id": trial.id,
        "system": trial.system.name,
        "dataset": trial.dataset.name,
        "generator": trial.generator and trial.generator.name,
        "generator_width": trial.generator and trial.generator.width,
        "latent_dim": trial.generator and trial.generator.latent_dim,
        "discriminator": trial.discriminator and trial.discriminator.name,
        "discriminator_width": trial.discriminator and trial.discriminator.width,
        "objective": trial.objective and trial.objective.name,
        "train_samples": trial.train_samples,
        "seed": trial.seed,
        "config": trial.model_dump_json(),
    }


def _params(game: System, players: tuple[str, ...]) -> int | None:
    """Trained scalars of these players together; None where there are none."""
    return sum(count(game.networks[player]) for player in players if player in game.networks) or None


def _pack(players: Players) -> bytes:
    return save_tensors(
        {
            f"{player}/{name}": tensor.detach().cpu().contiguous()
            for player, tree in players.items()
            for name, tensor in tree.items()
        }
    )


def _unpack(weights: bytes, device: str) -> Players:
    players: Players = {}
    for key, tensor in load_tensors(weights).items():
        player, name = key.split("/", 1)
        players.setdefault(player, {})[name] = tensor.to(device)
    return players
