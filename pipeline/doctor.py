"""`birthday doctor`: what this machine has, what it lacks, and the next thing to do about each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SMALL_DISK, SMALL_MEMORY, SMALL_SHM = 5.0, 4.0, 2.0  # GiB


@dataclass(frozen=True)
class Check:
    """One finding. `ok` is None where nothing is wrong but more could be had; `advice` says how then, too."""

    name: str
    ok: bool | None
    found: str
    advice: str = ""


def checks(runs: Path = Path("runs"), data_root: Path | None = None) -> list[Check]:
    """Every check, in the order to read them. Starts nothing and downloads nothing; takes about two seconds.

    `runs` is where results would go, `data_root` where image sets lie (default: `BIRTHDAY_DATA`).
    """
    return [
        _python(),
        *_packages(),
        *_torch(),
        _cores(),
        _memory(),
        _disk(runs),
        _shared_memory(),
        _cluster(),
        *_datasets(data_root),
    ]


def _python() -> Check:
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("Python", ok, platform.python_version(), "" if ok else "install Python 3.11, 3.12 or 3.13")


def _packages() -> Iterator[Check]:
    try:
        requirements = importlib.metadata.requires("birthday") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("birthday", False, "not installed", "in its checkout: pip install -e '.[train]'")
        return
    for requirement in requirements:
        name, extra = re.split(r"[^\w.-]", requirement)[0], re.search(r'extra == "([\w-]+)"', requirement)
        if extra and extra[1] != "train":
            continue
        try:
            yield Check(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            advice = "to run studies: pip install 'birthday[train]'" if extra else "pip install birthday"
            yield Check(name, False, "not installed", advice)


def _torch() -> Iterator[Check]:
    if importlib.util.find_spec("torch") is None:
        return
    try:
        import torch
    except (ImportError, OSError) as error:  # a library it links to is missing
        advice = "pip install --force-reinstall 'birthday[train]'"
        yield Check("torch import", False, str(error), advice)
        return
    yield Check("torch threads", True, f"{torch.get_num_threads()} of {os.cpu_count()} logical cores")
    if not torch.cuda.is_available():
        cuda = torch.version.cuda
        step = f"install a driver for CUDA {cuda}" if cuda else "install a CUDA build of torch"
        yield Check("GPU", None, "none usable", f"the CPU will do; for an NVIDIA GPU in this machine {step}")
        return
    for i in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(i)
        yield Check(f"GPU {i}", True, f"{device.name}, {_gib(device.total_memory)}")
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    yield Check("bf16", True, f"{'in' if bf16 else 'not in'} the GPU's hardware")


def _cores() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("CPU cores", True, f"{usable} usable of {os.cpu_count()}")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    ok = total >= SMALL_MEMORY * 2**30
    advice = "" if ok else "run fewer trials at once: --set resources.cpus=2"
    return Check("memory", ok or None, _gib(total), advice)


def _disk(runs: Path) -> Check:
    folder = runs.absolute()
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Check("runs directory", False, f"{folder} cannot be written", "choose another with --runs DIR")
    free = shutil.disk_usage(folder).free
    ok = free >= SMALL_DISK * 2**30
    advice = "" if ok else "free some, or choose another directory with --runs DIR"
    return Check("runs directory", ok, f"{_gib(free)} free at {folder}", advice)


def _shared_memory() -> Check:
    path = Path("/dev/shm")
    if not path.is_dir():
        return Check("/dev/shm", None, "absent", "Ray keeps objects on disk instead: nothing to do")
    free = shutil.disk_usage(path).free
    ok = free >= SMALL_SHM * 2**30
    advice = "Ray's object store is slow on less than 2 GiB; in a container: --shm-size=4g"
    return Check("/dev/shm", ok or None, f"{_gib(free)} free", "" if ok else advice)


def _cluster() -> Check:
    address = os.environ.get("RAY_ADDRESS", "")
    if not address:
        advice = "studies run on this machine; for a cluster see cluster/README.md"
        return Check("Ray cluster", None, "RAY_ADDRESS is not set", advice)
    if address in ("auto", "local"):
        return Check("Ray cluster", True, f"RAY_ADDRESS={address}")
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return Check("Ray cluster", True, f"RAY_ADDRESS={address} answers")
    except ValueError:
        return Check("Ray cluster", False, f"RAY_ADDRESS={address}", "must be HOST:PORT, e.g. head:6379")
    except OSError as error:
        found = f"RAY_ADDRESS={address} does not answer ({error.strerror or error})"
        return Check("Ray cluster", False, found, "start the head (`ray start --head`), or unset RAY_ADDRESS")


def _datasets(data_root: Path | None) -> Iterator[Check]:
    named = os.environ.get("BIRTHDAY_DATA")
    root = data_root or (Path(named) if named else None)
    if root is not None and not root.is_dir():
        yield Check("BIRTHDAY_DATA", False, f"{root} is no directory", "set it to the image sets' directory")
    try:
        from pipeline.datasets import available
    except ImportError as error:
        advice = "pip install 'birthday[train]'"
        yield Check("data sets", False, f"cannot be looked for: {error}", advice)
        return
    for name, description, where in available(root):
        missing = where.startswith("not ")  # "not found: the reason"
        advice = "to use it: name the directory of the image sets in BIRTHDAY_DATA" if missing else ""
        yield Check(f"data: {name}", None if missing else True, f"{description}: {where}", advice)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
