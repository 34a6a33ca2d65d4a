"""A job's log, copied to stdout."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from cluster.jobs import JobFailed, reason

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

SILENCE_SECONDS = 60.0  # a log stream this quiet is opened anew: it may have died without a word
LOST_SECONDS = 60.0


def show(client: JobSubmissionClient, job: str, lines: int | None = None) -> None:
    """Print what a job has written so far, or its last `lines`."""
    _Log(client, job).copy_now(lines)


def follow(client: JobSubmissionClient, job: str, lines: int | None = None) -> None:
    """Print a job's log until it ends, from its start or from its last `lines` on.

    Raises JobFailed unless the job succeeded.
    """
    log = _Log(client, job)
    if lines is not None:
        log.copy_now(lines)
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
                log.copy_now()
                if info.status != "SUCCEEDED":
                    raise JobFailed(reason(job, str(info.status), info.message or ""))
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

    def copy_now(self, lines: int | None = None) -> None:
        """Print what there is and has not been printed, or the last lines of it."""
        with contextlib.suppress(OSError, RuntimeError):  # a job that never started has no log
            text = self.client.get_job_logs(self.job)
            if lines is not None:
                whole = text.splitlines(keepends=True)
                self.printed = sum(map(len, whole[: max(0, len(whole) - lines)]))
            self._print(text, 0)

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
