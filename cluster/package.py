"""What a job needs besides its environment: the pipeline's own code and the study file."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError

PACKAGES = ("pipeline", "cluster", "reports")
STUDY = "study.yaml"
LARGEST_BYTES = 100 * 2**20  # what Ray's job server accepts


@contextlib.contextmanager
def working_dir(study_file: Path) -> Iterator[Path]:
    """A temporary directory with the packages' code and `study.yaml`. Raises InputError if too large."""
    source = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="birthday-") as scratch:
        folder = Path(scratch)
        shutil.copyfile(study_file, folder / STUDY)
        for package in PACKAGES:
            for file in sorted((source / package).rglob("*")):
                if file.is_file() and (file.suffix == ".py" or _is_data(file.relative_to(source))):
                    target = folder / file.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if size > LARGEST_BYTES:
            raise InputError(f"{study_file}: the upload has {size / 2**20:.0f} MiB; Ray accepts 100 MiB")
        yield folder


def _is_data(file: Path) -> bool:
    return "templates" in file.parts[:-1] or file == Path("cluster/constraints.txt")
