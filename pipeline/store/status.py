"""How far a run is, in lines for people: what is done, what failed, who is writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipeline.store.run import Run
from pipeline.study import Study

FAILURES = 10


def lines(run_path: str) -> list[str]:
    """Raises InputError if it is no run."""
    run = Run(run_path)
    study = run.study
    table = run.arrow("trials", ["trial_id", "status", "error", "finished_at"])
    # Times as numbers: as Python's they would take longer than all else here.
    table = table.set_column(3, "finished_at", table["finished_at"].cast(pa.int64()))
    if study.searches:
        ends = table.to_pylist()
        states = run.arrow("suggestions", ["state"])["state"].to_pylist()
        told = [f"{study.study}: {len(states)} suggestions", *_counted(states)]
        told += [f"{len(ends)} trials", *_counted(end["status"] for end in ends)]
    else:
        ends, told = _planned(study, table)
    failed = sorted((e for e in ends if e["status"] != "completed"), key=lambda end: end["finished_at"] or 0)
    told += [f"  {end['trial_id']} {end['status']}: {end['error']}" for end in failed[-FAILURES:]]
    lease = run.lease()
    told.append(f"writing: {lease.who()}" if lease is not None and lease.held() else "nobody is writing")
    checkpoints = run.checkpoints()
    if checkpoints:
        told.append(f"checkpoints of trials under way: {len(checkpoints)}")
    return told


def _planned(study: Study, table: pa.Table) -> tuple[list[dict[str, Any]], list[str]]:
    """The ends of the trials that the study plans, and lines on them."""
    planned = study.by_id.keys()
    ends = [end for end in table.to_pylist() if end["trial_id"] in planned]
    told = [f"{study.study}: {len(ends)} of {len(planned)} trials done, {len(planned) - len(ends)} missing"]
    told += _counted(end["status"] for end in ends)
    if table.num_rows > len(ends):
        told.append(f"  beside the plan (an earlier version): {table.num_rows - len(ends)}")
    return ends, told


def _counted(states: Iterable[str]) -> list[str]:
    return [f"  {state}: {count}" for state, count in sorted(Counter(states).items())]
