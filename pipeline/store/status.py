"""How far a run is, in lines for people: what is done, what failed, who is writing."""

from __future__ import annotations

from collections import Counter

from pipeline.store.run import Run

FAILURES = 10


def lines(run_path: str) -> list[str]:
    """Raises InputError if it is no run."""
    run = Run(run_path)
    study = run.study
    planned = study.by_id.keys()
    ends = run.arrow("trials", ["trial_id", "status", "error", "finished_at"])
    statuses = list(zip(ends["trial_id"].to_pylist(), ends["status"].to_pylist(), strict=True))
    counts = Counter(status for trial, status in statuses if trial in planned)
    done = counts.total()
    told = [f"{study.study}: {done} of {len(planned)} trials done, {len(planned) - done} missing"]
    told += [f"  {status}: {count}" for status, count in sorted(counts.items())]
    if len(ends) > done:
        told.append(f"  beside the plan (a search's suggestions, an earlier version): {len(ends) - done}")
    failed = [k for k, (trial, status) in enumerate(statuses) if status != "completed" and trial in planned]
    failures = sorted(ends.take(failed).to_pylist(), key=lambda end: str(end["finished_at"]))
    told += [f"  {end['trial_id']} {end['status']}: {end['error']}" for end in failures[-FAILURES:]]
    lease = run.lease()
    told.append(f"writing: {lease.who()}" if lease is not None and lease.held() else "nobody is writing")
    checkpoints = run.checkpoints()
    if checkpoints:
        told.append(f"checkpoints of trials under way: {len(checkpoints)}")
    return told
