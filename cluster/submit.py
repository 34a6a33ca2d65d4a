"""`birthday submit`: a study as a Ray job. The driver runs on the cluster and outlives this process."""

from __future__ import annotations

import shlex
from pathlib import Path

from cluster.head import find_head
from cluster.jobs import connect, follow, start
from cluster.package import STUDY, working_dir
from pipeline.errors import InputError
from pipeline.study import Study
from pipeline.trial import content_hash


def submit(
    study_file: Path,
    address: str,
    runs: str,
    overrides: list[str],
    wait: bool = True,
    python: str | None = None,
) -> str:
    """Run a study on the cluster whose dashboard is at `address`; a job that already does so is joined.

    `runs` is an absolute path that every node sees, or a URL; `overrides` are `dotted.key=value` texts;
    `python` is the interpreter on the head. With `wait`, the job's log is copied to stdout until it ends.
    Returns the job's id. Raises InputError before anything is uploaded, JobFailed if the job fails.
    """
    study = Study.load(study_file, overrides)
    if not runs.startswith("/") and "://" not in runs:
        raise InputError(
            f"--runs {runs}: must be an absolute path or a URL: "
            "a job's working directory is thrown away with everything in it"
        )
    head = find_head(address)
    client = connect(head)
    with working_dir(study_file) as folder:
        name = job_name(study, runs)
        job, started = start(client, name, entrypoint(python or head.python(), runs, overrides), folder)
    print(
        f"{'started' if started else 'joined'} job {job} at {head.url}; it goes on without this command",
        flush=True,
    )
    if wait:
        follow(client, job)
    return job


def job_name(study: Study, runs: str) -> str:
    """The same for the same resolved study and the same place for its results."""
    return f"{study.study}-{content_hash([study.yaml(), runs])[:8]}"


def entrypoint(python: str, runs: str, overrides: list[str]) -> str:
    """The job's shell command, relative to its working directory."""
    words = [python, "-m", "pipeline.cli", "run", STUDY, "--runs", runs, "--address", "auto"]
    return shlex.join(words + [word for text in overrides for word in ("--set", text)])
