"""What a job needs besides its environment: the pipeline's own code and the study file."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError

PACKAGES = ("pipeline", "cluster", "reports")
STUDY = "study.yaml"
LARGEST_BYTES = 100 * 2**20  # what Ray's job server accepts


@contextlib.contextmanager
def working_dir(study_file: Path) -> Iterator[Path]:
    """A temporary directory with the packages and `study.yaml`. Raises InputError if it is too large."""
    source = Path(__file__).resolve().parents[1]
    names = shipped(source)
    size = zip_bytes([(STUDY, study_file), *((name, source / name) for name in names)])
    if size > LARGEST_BYTES:
        raise InputError(
            f"{study_file}: the upload has {size / 2**20:.0f} MiB; "
            f"Ray accepts {LARGEST_BYTES / 2**20:.0f} MiB"
        )
    with tempfile.TemporaryDirectory(prefix="birthday-") as scratch:
        folder = Path(scratch)
        shutil.copyfile(study_file, folder / STUDY)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        yield folder


def shipped(source: Path) -> list[str]:
    """The packages' files under `source`, sorted: modules, and the data that `pyproject.toml` names.

    Where the packages are installed, that file is absent and no other data lies in them.
    """
    project = source / "pyproject.toml"
    data: dict[str, list[str]] = {package: ["**/*"] for package in PACKAGES}
    if project.exists():
        data = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]
    found = {file for package in PACKAGES for file in (source / package).rglob("*.py")}
    for package, patterns in data.items():
        folder = source / package.replace(".", "/")
        found |= {file for pattern in patterns for file in folder.glob(pattern)}
    return sorted(
        str(file.relative_to(source)) for file in found if file.is_file() and "__pycache__" not in file.parts
    )


def zip_bytes(files: list[tuple[str, Path]]) -> int:
    """The size of Ray's archive of files under these names: it stores them without compressing."""
    headers = 30 + 46  # of every file, once before its content and once in the directory at the end
    return 22 + sum(headers + 2 * len(name.encode()) + file.stat().st_size for name, file in files)
