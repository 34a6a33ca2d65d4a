"""Jobs as people and programs read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cluster.jobs import lines_of

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails

COLUMNS = ("job", "status", "started", "took", "run", "message")
SHORTEST = 20
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


def table(records: list[dict[str, Any]], now: float, width: int | None = None) -> list[str]:
    """Records as lines under a heading. Messages are cut to fit into `width`, but not shorter than SHORTEST.

    The study is not shown: its name begins the job's id and ends the run's path.
    """
    rows = [COLUMNS, *(_row(found, now) for found in records)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
    lines = []
    for *cells, message in rows:
        line = "".join(f"{cell:<{widths[k] + 2}}" for k, cell in enumerate(cells))
        if width is not None and len(message) > (room := max(SHORTEST, width - len(line))):
            message = f"{message[: room - 1]}…"
        lines.append((line + message).rstrip())
    return lines


def _row(found: dict[str, Any], now: float) -> tuple[str, ...]:
    """A record's cells under COLUMNS; of its message the last line, unless that only repeats the status."""
    began, ended = found["started"], found["ended"]
    started = "" if began is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    took = "" if began is None else _duration((now if ended is None else ended) - began)
    lines = lines_of(found["message"] or "")
    message = "" if not lines or lines[0] in USUAL else lines[-1].strip()
    return found["job"], found["status"], started, took, found["run"] or "", message


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _duration(seconds: float) -> str:
    hours, rest = divmod(max(0, int(seconds)), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
