"""What is uploaded: enough to run, measure, report and review, and nothing else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import cluster.package
from cluster.package import shipped, working_dir, zip_bytes
from pipeline.errors import InputError
from tests.engine.tools import TINY

ROOT = Path(__file__).parents[2]
DATA = ("pipeline/review/page", "reports/templates")  # whole folders that are read at run time


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "a study.yaml"
    path.write_text(TINY)
    return path


def test_the_upload_is_the_packages_and_the_study(study_file: Path) -> None:
    with working_dir(study_file) as folder:
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert (folder / "study.yaml").read_text() == TINY
    assert not folder.exists()
    wanted = {
        str(p.relative_to(ROOT))
        for name in ("pipeline", "cluster", "reports")
        for p in (ROOT / name).rglob("*.py")
    }
    wanted |= {str(p.relative_to(ROOT)) for name in DATA for p in (ROOT / name).rglob("*") if p.is_file()}
    assert wanted | {"study.yaml", "cluster/constraints.txt"} <= files
    assert {name.split("/")[0] for name in files} == {"pipeline", "cluster", "reports", "study.yaml"}
    assert not [name for name in files if "__pycache__" in name or "reports/published/" in name]


def test_the_upload_makes_reports_and_has_the_review_page(
    study_file: Path, reference: Path, tmp_path: Path
) -> None:
    code = (
        "import reports.render, pipeline.review as r, pathlib, sys;"
        "print(reports.__file__, r.__file__);"
        "print(reports.render.build(sys.argv[1], sys.argv[2]));"
        "print(sorted(p.name for p in (pathlib.Path(r.__file__).parent / 'page').iterdir()))"
    )
    with working_dir(study_file) as folder:
        command = [sys.executable, "-c", code, str(reference), str(tmp_path / "report")]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    where, _, page = ran.stdout.splitlines()
    assert where == f"{folder}/reports/__init__.py {folder}/pipeline/review/__init__.py"
    assert "tiny" in (tmp_path / "report" / "index.html").read_text()
    assert page == "['review.css', 'review.html', 'review.js']"


def test_an_installed_package_ships_what_is_installed(tmp_path: Path) -> None:
    for name in ("pipeline/a.py", "pipeline/page/x.html", "reports/__pycache__/a.pyc", "numpy/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert shipped(tmp_path) == ["pipeline/a.py", "pipeline/page/x.html"]


def test_the_size_is_that_of_rays_archive(study_file: Path) -> None:
    names = shipped(ROOT)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:  # as Ray does, without compression
        for name in names:
            archive.write(ROOT / name, name)
    assert zip_bytes([(name, ROOT / name) for name in names]) == len(sink.getvalue())


def test_an_upload_that_ray_would_refuse(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.package, "LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="Ray accepts"), working_dir(study_file):
        pass
