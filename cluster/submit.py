"""`birthday submit`: a study as a Ray job. The driver runs on the cluster and outlives this process."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from fsspec import available_protocols
from fsspec.core import split_protocol

from cluster.head import find_head
from cluster.jobs import client_of, list_jobs, start
from cluster.log import follow
from cluster.package import STUDY, working_dir
from pipeline.errors import InputError, did_you_mean
from pipeline.study import Study
from pipeline.trial import content_hash

SECRET = re.compile(r"SECRET|PASSWORD|CREDENTIAL|TOKEN$|_KEY$", re.IGNORECASE)


def submit(
    study_file: Path,
    address: str,
    runs: str,
    overrides: list[str] | None = None,
    *,
    quick: bool = False,
    options: list[str] | None = None,
    variables: list[str] | None = None,
    wait: bool = True,
    python: str | None = None,
) -> str:
    """Run a study on the cluster whose dashboard is at `address`; a job that already does so is joined.

    runs: an absolute path that every node sees, or a URL. overrides: `dotted.key=value` texts. quick: the
    study shrunk. options: further words of `birthday run`. variables: `NAME=VALUE` for the job's environment,
    or `NAME` with the value it has here. python: the interpreter on the head. With `wait`, the job's log is
    copied to stdout until it ends. Returns the job's id. Raises InputError before anything is uploaded,
    JobFailed if the job fails.
    """
    study = Study.load(study_file, overrides)
    study = study.quick() if quick else study
    _check_runs(runs)
    environment = job_environment(variables or [])
    head = find_head(address)
    head.check_versions()
    client = client_of(head)
    name, place = job_name(study, runs), f"{runs.rstrip('/')}/{study.study}"
    for job in list_jobs(client):
        known = job.metadata or {}
        if known.get("run") == place and known.get("name") != name and not job.status.is_terminal():
            raise InputError(
                f"{study_file}: job {job.submission_id} runs another version of this study in {place}; "
                "wait for it, stop it, or name another study or --runs"
            )
    words = [word for text in overrides or [] for word in ("--set", text)]
    words += [*(["--quick"] if quick else []), *(options or [])]
    command = entrypoint(python or head.python(), runs, words)
    with working_dir(study_file) as folder:
        metadata = {"study": study.study, "run": place, "name": name}
        job_id, started = start(client, name, command, folder, metadata, environment)
    print(
        f"{'started' if started else 'joined'} job {job_id} at {head.url}; it goes on without this command",
        flush=True,
    )
    if wait:
        follow(client, job_id)
    return job_id


def job_name(study: Study, runs: str) -> str:
    """The same for the same resolved study and the same place for its results."""
    return f"{study.study}-{content_hash([study.yaml(), runs.rstrip('/')])[:8]}"


def entrypoint(python: str, runs: str, options: list[str]) -> str:
    """The job's shell command, relative to its working directory."""
    words = [python, "-m", "pipeline.cli", "run", STUDY, "--runs", runs, "--address", "auto"]
    return shlex.join(words + options)


def job_environment(variables: list[str]) -> dict[str, str]:
    """Name -> value of `NAME=VALUE` and `NAME` texts. Raises InputError for an unset or a secret one.

    Whoever may list a cluster's jobs can read their environments.
    """
    found: dict[str, str] = {}
    for text in variables:
        name, given, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise InputError(f"--env {text}: must be NAME=VALUE, or NAME of a variable that is set here")
        if SECRET.search(name):
            raise InputError(
                f"--env {name}: looks like a secret, and everybody who can list jobs could read it; "
                "set it on the nodes, before `ray start`"
            )
        if not given and name not in os.environ:
            raise InputError(f"--env {name}: is not set here; name it with a value, {name}=VALUE")
        found[name] = value if given else os.environ[name]
    return found


def _check_runs(runs: str) -> None:
    """Whether the cluster lacks the package for a URL is seen there: this machine need not have it."""
    scheme = split_protocol(runs)[0] if "://" in runs else None
    if scheme is None and not runs.startswith("/"):
        raise InputError(
            f"--runs {runs}: must be an absolute path or a URL: "
            "a job's working directory is thrown away with everything in it"
        )
    known = sorted(available_protocols())
    if scheme is not None and scheme not in known:
        near = did_you_mean(scheme, known)
        raise InputError(f"--runs {runs}: {scheme}:// is no file system that fsspec knows{near}")
