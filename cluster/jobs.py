"""Start, find and follow jobs on a Ray head."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.head import Head
from pipeline.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# Ray kills a stopped job after 3 s; a driver needs longer to let its trials end and to write their rows.
STOP_SECONDS = 60
SILENCE_SECONDS = 60.0  # a log stream this quiet is opened anew: it may have died without a word
LOST_SECONDS = 60.0
REASON_LINES = 12


class JobFailed(Exception):
    """A job ended and did not succeed; the message gives the reason in at most a screen."""


def connect(head: Head) -> JobSubmissionClient:
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


def start(client: JobSubmissionClient, name: str, command: str, folder: Path) -> tuple[str, bool]:
    """Run `command` in a copy of `folder`, unless a job of this name waits or runs already.

    Returns the job's id (the name; name-2, name-3, ... once it is used up) and whether it was started now.
    """
    running, unused = _find(client, name)
    if running:
        return running, False
    environment = {"working_dir": str(folder), "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}}
    try:
        return client.submit_job(entrypoint=command, submission_id=unused, runtime_env=environment), True
    except RuntimeError as error:
        running, _ = _find(client, name)  # somebody may have been faster
        if running:
            return running, False
        raise JobFailed(
            f"the head refuses job {unused}: {str(error).strip().splitlines()[-1][:500]}"
        ) from None


def follow(client: JobSubmissionClient, job: str) -> None:
    """Copy the job's log to stdout until it ends. Raises JobFailed unless it succeeded."""
    log = _Log(client, job)
    lost_since: float | None = None
    while True:
        try:
            info = client.get_job_info(job)
            if not info.status.is_terminal():
                log.copy()
        except (OSError, RuntimeError) as error:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > LOST_SECONDS:
                raise JobFailed(f"lost contact with the head ({error}); job {job} may go on") from None
        else:
            lost_since = None
            if info.status.is_terminal():
                log.copy_rest()
                if info.status != "SUCCEEDED":
                    raise JobFailed(_reason(job, str(info.status), info.message or ""))
                return
        time.sleep(1)


class _Log:
    """A job's log on its way to stdout, every character once however often the stream breaks."""

    def __init__(self, client: JobSubmissionClient, job: str) -> None:
        self.client, self.job = client, job
        self.printed = 0

    def copy(self) -> None:
        """Print what comes until the stream ends. Raises OSError or RuntimeError if it breaks."""
        from aiohttp import ClientError

        try:
            asyncio.run(self._copy())
        except ClientError as error:
            raise OSError(str(error)) from error

    def copy_rest(self) -> None:
        """Print what a finished job wrote after its stream broke."""
        with contextlib.suppress(OSError, RuntimeError):  # the job's end is known, its log a courtesy
            self._print(self.client.get_job_logs(self.job), 0)

    async def _copy(self) -> None:
        position = 0  # every stream starts with the first line
        stream = self.client.tail_job_logs(self.job)
        with contextlib.suppress(StopAsyncIteration, TimeoutError):
            while True:
                chunk = await asyncio.wait_for(anext(stream), SILENCE_SECONDS)
                self._print(chunk, position)
                position += len(chunk)

    def _print(self, text: str, position: int) -> None:
        print(text[max(0, self.printed - position) :], end="", flush=True)
        self.printed = max(self.printed, position + len(text))


def _find(client: JobSubmissionClient, name: str) -> tuple[str | None, str]:
    """The unfinished job of this name, if any, and the first id that is free."""
    used = {job.submission_id: job.status for job in client.list_jobs() if job.submission_id}
    candidate, number = name, 1
    while candidate in used:
        if not used[candidate].is_terminal():
            return candidate, candidate
        number += 1
        candidate = f"{name}-{number}"
    return None, candidate


def _reason(job: str, status: str, message: str) -> str:
    """What a terminal of 80 columns shows at once."""
    first, *rest = [line[:300] for line in message.splitlines() if line.strip()] or ["no reason given"]
    return "\n".join([f"job {job} {status}: {first}", *(f"  {line}" for line in rest[-REASON_LINES:])])


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
