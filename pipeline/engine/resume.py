"""What an earlier driver left: nothing more to do, or trials in the middle of their training."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.engine.cohorts import Cohort
from pipeline.engine.plan import data_key
from pipeline.errors import InputError
from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.training import BACK_ENDS, Interrupted, interrupted
from pipeline.trial import TrialConfig

log = logging.getLogger(__name__)
# Bytes that hold a checkpoint's header, unless its curves are very long: the rest may be hundreds of MB.
HEADER = 2**20


def nothing_left(study: Study, trials: Sequence[TrialConfig], target: Run) -> bool:
    """Whether the run has everything that this very study asks for, seen without its data."""
    try:
        if target.study != study:
            return False
    except InputError:  # no run yet, or none that can be read
        return False
    ends = target.table("trials", ["trial_id", "status"])
    if not {trial.id for trial in trials} <= set(ends["trial_id"]):
        return False
    # Of every data set, unless `birthday verify` took them out.
    controls = sum(name.endswith(f"-{study.controls_id()}") for name in target.measurements())
    if controls < len({data_key(trial) for trial in trials}):
        return False
    completed = set(ends.loc[ends["status"] == "completed", "trial_id"])
    rows = target.table("collisions", ["trial_id", "embedding", "tau_rule", "samples"])
    rows = rows[(rows["tau_rule"] == study.measure.tau_rule()) & (rows["samples"] == study.measure.samples)]
    return all(
        completed <= set(rows.loc[rows["embedding"] == name, "trial_id"])
        for name in study.measure.embedding_names()
    )


def under_way(target: Run, trials: Sequence[TrialConfig]) -> tuple[list[Cohort], list[TrialConfig]]:
    """Cohorts of these trials whose training is kept in the store, as they were, and the trials in none.

    Checkpoints of which a trial has ended are dropped; those of trials that are not wanted now stay.
    """
    left, done = {trial.id: trial for trial in trials}, target.done()
    cohorts: list[Cohort] = []
    for key in target.checkpoints():
        of = _header(target, key)
        if of is not None and all(trial in left for trial in of.trials) and of.back_end in BACK_ENDS:
            members = tuple(left.pop(trial) for trial in of.trials)
            cohorts.append(Cohort(members, BACK_ENDS[of.back_end]))
        elif of is None or not done.isdisjoint(of.trials):
            target.drop_checkpoint(key)
    return cohorts, list(left.values())


def _header(target: Run, key: str) -> Interrupted | None:
    """What a checkpoint is of; None where it is gone or damaged."""
    error: ValueError | None = None
    for most in HEADER, None:
        content = target.checkpoint(key, most)
        if content is None:
            return None
        try:
            return interrupted(content)
        except ValueError as damage:
            error = damage
    log.warning("checkpoint %s: is not used: %s", key, error)
    return None
