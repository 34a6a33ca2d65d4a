"""Who may write a run: the holder of the highest generation in `lease/`.

Taking over is creating the next generation's file, which only one can do, on a disk as on an object store.
The holder overwrites its own file every ten seconds; one that has not done so for a minute holds nothing any
more. Clocks of machines that share a run must agree to within half a minute. No file lock is needed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pipeline.errors import InputError
from pipeline.store.files import Files, Unreachable, reason

FOLDER = "lease"
# Seconds: how long a lease lasts, how often it is renewed, how long a look at the store is good for.
TTL, RENEW, LOOK = 60.0, 10.0, 3.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """Who holds a run, or held it. Times are seconds since 1970.

    machine: tells boots and containers apart; started: when the process began, in the kernel's ticks.
    """

    generation: int
    holder: str
    host: str
    pid: int
    machine: str
    started: str
    job: str | None
    since: float
    renewed: float
    ttl: float
    released: bool = False

    @property
    def ends(self) -> float:
        """When it ends if it is not renewed."""
        return self.renewed + self.ttl

    def held(self) -> bool:
        """Whether its holder is to be reckoned with: not released, not over, and no process of this machine
        that is gone.
        """
        gone = bool(self.machine) and self.machine == _machine() and _started(self.pid) != self.started
        return not self.released and time.time() < self.ends and not gone

    def who(self) -> str:
        """The holder in words."""
        job = f", job {self.job}" if self.job else ""
        seen = max(0.0, time.time() - self.renewed)
        since = datetime.fromtimestamp(self.since, UTC)
        return (
            f"process {self.pid} on {self.host}{job}, since {since:%Y-%m-%d %H:%M:%S} UTC, "
            f"last sign of life {seen:.0f} s ago"
        )


def current(files: Files) -> Lease | None:
    """The highest generation; None if nobody ever wrote here."""
    while True:
        generations = _generations(files)
        if not generations:
            return None
        with contextlib.suppress(FileNotFoundError):  # taken over just now
            return _decode(max(generations), files.read(_name(max(generations))))


class Held:
    """A lease that this process holds and a thread renews, until `release`."""

    def __init__(self, files: Files, lease: Lease) -> None:
        self.lease = lease
        self._files = files
        self._looked = time.monotonic()
        self._lost: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises InputError if another has taken over; looks at the store at most every few seconds."""
        if self._lost is None and time.monotonic() - self._looked > LOOK:
            self.look()
        if self._lost is not None:
            raise InputError(self._lost)

    def look(self) -> None:
        """Look at the store whether another has taken over. Raises Unreachable."""
        now = time.monotonic()
        found = current(self._files)
        if found is not None and found.generation > self.lease.generation:
            self._lost = (
                f"{self._files.root}: another process has taken over writing this run: {found.who()}; "
                "this one stops and has written nothing since"
            )
        self._looked = now

    def release(self) -> None:
        """Let others write at once."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(InputError):  # then it ends by itself
            self.look()
            if self._lost is None:
                self._put(released=True)

    def _renew(self) -> None:
        while not self._over.wait(RENEW):
            try:
                self.look()
                if self._lost is not None:
                    return
                self._put(released=False)
            except Unreachable:  # out for everybody, and said by whoever writes
                continue
            except InputError as error:
                log.warning("the lease could not be renewed: %s", error)

    def _put(self, released: bool) -> None:
        self.lease = replace(self.lease, renewed=time.time(), released=released)
        self._files.replace(_name(self.lease.generation), _encode(self.lease))


def acquire(root: str, doing: str = "writing this run") -> Held:
    """Hold the run at `root` for writing. Raises InputError naming the holder if another does.

    doing: what for, in words.
    """
    files = Files(root)
    while True:
        found = current(files)
        if found is not None and found.held():
            raise InputError(
                f"{root}: another process is {doing}: {found.who()}; wait for it or stop it "
                f"(without a further sign of life its lease ends in {found.ends - time.time():.0f} s)"
            )
        mine = _own(found.generation + 1 if found is not None else 1)
        if not files.create(_name(mine.generation), _encode(mine)):
            continue  # another was faster
        generations = _generations(files)
        if max(generations) > mine.generation:  # one that came and went in between, and another after it
            files.remove([_name(mine.generation)])
            continue
        files.remove(_name(generation) for generation in generations if generation < mine.generation)
        return Held(files, mine)


def _own(generation: int) -> Lease:
    now, pid = time.time(), os.getpid()
    return Lease(
        generation=generation,
        holder=uuid.uuid4().hex,
        host=socket.gethostname(),
        pid=pid,
        machine=_machine(),
        started=_started(pid),
        job=_job(),
        since=now,
        renewed=now,
        ttl=TTL,
    )


def _job() -> str | None:
    """The id under which this driver was submitted to a Ray cluster."""
    with contextlib.suppress(ValueError, AttributeError):
        config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
        submitted = config.get("metadata", {}).get("job_submission_id")
        if submitted:
            return str(submitted)
    return os.environ.get("RAY_JOB_ID")


def _machine() -> str:
    """This boot of this machine and this space of process ids; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks since boot; empty if there is none, or only its remains."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _name(generation: int) -> str:
    return f"{FOLDER}/{generation:08d}.json"


def _generations(files: Files) -> list[int]:
    stems = [name.removeprefix(f"{FOLDER}/").removesuffix(".json") for name in files.list(FOLDER)]
    return [int(stem) for stem in stems if stem.isdecimal()]


def _encode(lease: Lease) -> bytes:
    return json.dumps(asdict(lease), indent=1).encode()


def _decode(generation: int, content: bytes) -> Lease:
    """A file that says nothing, damaged as it must be, is nobody's."""
    try:
        return Lease(**json.loads(content))
    except (ValueError, TypeError) as error:
        log.debug("damaged lease: %s", reason(error))
        return Lease(generation, "", "", 0, "", "", None, 0.0, 0.0, 0.0, released=True)
