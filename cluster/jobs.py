"""Start, list, find and stop jobs on a Ray head."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.head import Head, find_head
from pipeline.errors import InputError

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

# Ray kills a stopped job after 3 s; a driver needs longer to let its trials end and to write their rows.
STOP_SECONDS = 60
STOP_VARIABLE = "RAY_JOB_STOP_WAIT_TIME_S"
KILL_SECONDS = 15.0  # what Ray may need, beyond that, to kill a job and to say so
REASON_LINES = 12


class JobFailed(Exception):
    """A job ended and did not succeed; the message gives the reason in at most a screen."""


def connect(address: str) -> JobSubmissionClient:
    """A client for the job server behind a dashboard's address. Raises InputError within seconds."""
    return client_of(find_head(address))


def client_of(head: Head) -> JobSubmissionClient:
    """A client for the head's job server. Raises InputError if Ray's own settings forbid it."""
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in ("ray", "ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with _without("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # both would override the address
            return JobSubmissionClient(head.url, headers=dict(head.headers))
    except AuthenticationError:  # RAY_AUTH_MODE=token here, while the cluster asks for none
        raise InputError(
            f"RAY_AUTH_MODE=token: no token is found, and {head.url} wants none; unset it"
        ) from None


def start(
    client: JobSubmissionClient,
    name: str,
    command: str,
    folder: Path,
    metadata: dict[str, str],
    variables: dict[str, str],
) -> tuple[str, bool]:
    """Run `command` in a copy of `folder`, unless a job of this name waits or runs already.

    metadata: texts that `list_jobs` gives back. variables: the job's environment beside that of its node.
    Returns the job's id (the name; name-2, name-3, ... once it is used up) and whether it was started now.
    """
    running, unused = _running(client, name)
    if running:
        return running, False
    environment = {
        "working_dir": str(folder),
        "env_vars": {STOP_VARIABLE: str(STOP_SECONDS), **variables},
    }
    try:
        job = client.submit_job(
            entrypoint=command, submission_id=unused, runtime_env=environment, metadata=metadata
        )
    except RuntimeError as error:
        running, _ = _running(client, name)  # somebody may have been faster
        if running:
            return running, False
        raise JobFailed(
            f"the head refuses job {unused}: {str(error).strip().splitlines()[-1][:500]}"
        ) from None
    return job, True


def list_jobs(client: JobSubmissionClient) -> list[JobDetails]:
    """The jobs of the cluster's job server, the oldest first; drivers started otherwise are none."""
    found = [job for job in client.list_jobs() if job.submission_id]
    return sorted(found, key=lambda job: job.start_time or 0)


def find_job(client: JobSubmissionClient, text: str) -> JobDetails:
    """The job meant by an id, a beginning that only one id has, or the study of one unfinished job.

    Raises InputError, naming what there is, if none or several are meant.
    """
    jobs = {str(job.submission_id): job for job in list_jobs(client)}
    if text in jobs:
        return jobs[text]
    same = [
        name
        for name, job in jobs.items()
        if (job.metadata or {}).get("study") == text and not job.status.is_terminal()
    ]
    meant = same if len(same) == 1 else [name for name in jobs if name.startswith(text)]
    if len(meant) == 1:
        return jobs[meant[0]]
    if meant:
        raise InputError(f"job {text}: may be any of {', '.join(meant[-10:])}")
    there = f"there are {', '.join(list(jobs)[-10:])}" if jobs else "there is none"
    raise InputError(f"job {text}: is not on this cluster; {there}")


def stop(client: JobSubmissionClient, job: JobDetails, tell: Callable[[str], None]) -> None:
    """Ask a job to end and wait until it has; `tell` gets lines for people. JobFailed if it does not."""
    name = str(job.submission_id)
    if job.status.is_terminal():
        tell(f"job {name} had ended before: {job.status}")
        return
    patience = _stop_seconds(job)
    began = time.monotonic()
    client.stop_job(name)
    tell(f"stopping job {name}: its driver has {patience} s to end its trials and to write their rows")
    while not (info := client.get_job_info(name)).status.is_terminal():
        if time.monotonic() - began > patience + KILL_SECONDS:
            raise JobFailed(f"job {name} was told to stop {patience + KILL_SECONDS:.0f} s ago and goes on")
        time.sleep(0.3)
    took = time.monotonic() - began
    killed = ", killed: what was under way is lost" if took > patience else ""
    tell(f"job {name} {info.status} after {took:.0f} s{killed}")


def reason(job: str, status: str, message: str) -> str:
    """Why a job failed, as a terminal of 80 columns shows it at once.

    Of a command that ran, whose log is known, that is its last line; of one that never did, Ray's message.
    """
    first, *rest = lines_of(message) or ["no reason given"]
    ran = re.search(r"failed with exit code (-?\d+)", first)
    if ran is None:
        return "\n".join([f"job {job} {status}: {first}", *(f"  {line}" for line in rest[-REASON_LINES:])])
    last = rest[-1].strip() if rest else "it wrote nothing"
    advice = ""
    if ran[1] == "127" or last.startswith(("ModuleNotFoundError", "ImportError")):
        advice = (
            "; install the pipeline for the head's Python, or name another with --python (cluster/README.md)"
        )
    return f"job {job} {status} (exit code {ran[1]}): {last}{advice}"


def lines_of(message: str) -> list[str]:
    """The lines of a job's message that say something.

    Ray quotes the log's end there, in which its own announcement may come after what a quick command wrote.
    """
    lines = (line.rstrip()[:300] for line in message.splitlines())
    return [line for line in lines if line and not line.startswith("Running entrypoint for job ")]


def _stop_seconds(job: JobDetails) -> int:
    told = ((job.runtime_env or {}).get("env_vars") or {}).get(STOP_VARIABLE, "")
    return int(told) if told.isdigit() else 3


def _running(client: JobSubmissionClient, name: str) -> tuple[str | None, str]:
    """The unfinished job of this name, if any, and the first id that is free."""
    used = {job.submission_id: job.status for job in list_jobs(client)}
    candidate, number = name, 1
    while candidate in used:
        if not used[candidate].is_terminal():
            return candidate, candidate
        number += 1
        candidate = f"{name}-{number}"
    return None, candidate


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
