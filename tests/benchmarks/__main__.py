"""Run the named benchmarks, or all of them, and print one table."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.timing import Figure, load

COLUMNS = (
    "benchmark",
    "case",
    "quantity",
    "ours",
    "peer's",
    "unit",
    "speedup",
    "spread",
    "target",
    "peer",
    "load",
)
NAMES = ("pair_search", "training", "sweep", "overhead", "scale", "search", "mirror", "report")


def main(arguments: list[str] | None = None) -> None:
    """Parse, run one after another, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of: {', '.join(NAMES)}; all by default"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the machine there")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: is not one of {', '.join(NAMES)}")
    figures: list[Figure] = []
    # For ours and peers alike: OpenMP threads that spin lose most of their time where another process wants the core.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    start = time.perf_counter()
    for name in options.names or NAMES:
        for figure in importlib.import_module(f"tests.benchmarks.{name}").run():
            print(line(figure), file=sys.stderr, flush=True)
            figures.append(figure)
    seconds = time.perf_counter() - start
    Console(width=None if sys.stdout.isatty() else 200).print(table(figures))
    print(f"{seconds:.0f} s in all, load average {load()}, {os.cpu_count()} CPUs")
    if options.json:
        content = {"machine": machine(), "seconds": seconds, "figures": [f._asdict() for f in figures]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def line(f: Figure) -> str:
    """A figure as it is measured."""
    against = "" if f.theirs is None else f" against {f.theirs:.4g} ({f.peer})"
    return f"{f.benchmark}: {f.case}: {f.quantity}: {f.ours:.4g} {f.unit}{against}"


def table(figures: list[Figure]) -> Table:
    """All figures; `speedup` is how many times faster ours is: median and spread over rounds."""
    found = Table(*COLUMNS, box=None)
    for f in figures:
        found.add_row(
            f.benchmark,
            f.case,
            f.quantity,
            f"{f.ours:.4g}",
            "" if f.theirs is None else f"{f.theirs:.4g}",
            f.unit,
            "" if f.speedup is None else f"{f.speedup:.2f}",
            "" if f.spread is None else f"{f.spread[0]:.2f}-{f.spread[1]:.2f}",
            f.target,
            f.peer,
            f"{f.load:.1f}",
        )
    return found


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
