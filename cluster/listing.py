"""Jobs as people and programs read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails

COLUMNS = ("job", "study", "status", "started", "took", "run", "message")
USUAL = ("Job is currently running.", "Job finished successfully.", "Job was intentionally stopped.")


def record(job: JobDetails) -> dict[str, Any]:
    """What is known of a job; times are seconds since 1970, or None."""
    known = job.metadata or {}
    return {
        "job": job.submission_id,
        "study": known.get("study"),
        "status": str(job.status),
        "started": _seconds(job.start_time),
        "ended": _seconds(job.end_time),
        "run": known.get("run"),
        "message": job.message,
    }


def row(found: dict[str, Any], now: float) -> tuple[str, ...]:
    """A record's cells under COLUMNS; messages that only repeat the status are left out."""
    began, ended = found["started"], found["ended"]
    started = "" if began is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    took = "" if began is None else _duration((now if ended is None else ended) - began)
    lines = [line.strip() for line in (found["message"] or "").splitlines() if line.strip()]
    # Of a failed job's log the last line says most.
    message = "" if not lines or lines[0] in USUAL else lines[-1][:120]
    return (found["job"], found["study"] or "", found["status"], started, took, found["run"] or "", message)


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _duration(seconds: float) -> str:
    hours, rest = divmod(max(0, int(seconds)), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
