"""How far a run is, in lines for people: what is done, what failed, who is writing."""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from pipeline.store.run import Run

FAILURES = 10


def lines(run_path: str) -> list[str]:
    """Raises InputError if it is no run."""
    run = Run(run_path)
    study = run.study
    planned = {trial.id for trial in study.trials()}
    ends = run.arrow("trials", ["trial_id", "status", "error", "finished_at"])
    by_id = dict(zip(ends["trial_id"].to_pylist(), ends["status"].to_pylist(), strict=True))
    counts = Counter(status for trial, status in by_id.items() if trial in planned)
    done = counts.total()
    told = [f"{study.study}: {done} of {len(planned)} trials done, {len(planned) - done} missing"]
    told += [f"  {status}: {count}" for status, count in sorted(counts.items())]
    if len(by_id) > done:
        told.append(f"  beside the plan (a search's suggestions, an earlier version): {len(by_id) - done}")
    failed = ends.filter(pc.not_equal(ends["status"], "completed")).sort_by("finished_at")
    failures = [row for row in failed.to_pylist() if row["trial_id"] in planned]
    told += [f"  {row['trial_id']} {row['status']}: {row['error']}" for row in failures[-FAILURES:]]
    lease = run.lease()
    told.append(f"writing: {lease.who()}" if lease is not None and lease.held() else "nobody is writing")
    checkpoints = run.checkpoints()
    if checkpoints:
        told.append(f"checkpoints of trials under way: {len(checkpoints)}")
    return told
