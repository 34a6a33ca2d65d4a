"""What a LaTeX paper includes: it compiles, it is the report's numbers, and it is the same every time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from pipeline.errors import InputError
from pipeline.store.run import Run
from reports import paper
from reports.figures.paper import PRINTED
from reports.paper import latex
from reports.paper.macros import macros
from reports.paper.render import MARK
from reports.tables.results import read
from tests.engine.tools import Command
from tests.reports import synthetic
from tests.reports.test_report import contents

HOSTILE = r"\input{x} & 50 % of $y_1$ #2 {a} ~b ^c <script>alert('1')</script> `q` [z] -- é Ž τ 中"
TEX = shutil.which("pdflatex")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small study whose every free text is made to break LaTeX; two trials failed."""
    study = synthetic.study(
        question=HOSTILE,
        vary={"discriminator.width": [2, 4, 8], "seed": {"count": 3}},
        hypotheses=[synthetic.CAPACITY | {"name": HOSTILE}, synthetic.CAPACITY | {"name": "capacity"}],
    )
    return synthetic.write(
        tmp_path_factory.mktemp("runs"),
        study,
        status=lambda k, trial: "diverged" if k in (1, 5) else "completed",
        images=False,
        ladder=False,
    )


@pytest.fixture(scope="module")
def folder(hostile: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paper.build(hostile.root, str(tmp_path_factory.mktemp("papers") / "paper"))


def test_what_is_written(folder: Path) -> None:
    names = set(contents(folder))
    tables = {
        "verdicts",
        "means_by_size",
        "means_by_configuration",
        "controls",
        "robustness",
        "failures",
        "counts",
    }
    assert {f"tables/{name}.{kind}" for name in tables for kind in ("tex", "md")} <= names
    for figure in ("support-by-discriminator", "quality", "robustness"):
        assert {f"figures/{figure}.{kind}" for kind in ("pdf", "svg", "png")} <= names
    assert [path.name for path in folder.parent.iterdir()] == ["paper"]


def test_same_tables_same_bytes(hostile: Run, folder: Path, tmp_path: Path) -> None:
    # In another process, so that neither hash seeds nor drawing state are shared.
    code = f"from reports import paper; paper.build({hostile.root!r}, {str(tmp_path / 'again')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "7", "MPLBACKEND": "svg"})
    assert contents(tmp_path / "again") == contents(folder)


def test_figures_fit_a_column_and_hold_their_fonts(folder: Path) -> None:
    widths = set()
    for file in (folder / "figures").glob("*.pdf"):
        content = file.read_bytes()
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", content)
        assert box is not None
        widths.add(round(float(box[1]) / 72, 2))
        assert b"/FontFile2" in content  # TrueType, embedded
        assert b"/Type3" not in content
        assert not re.search(rb"/(CreationDate|Producer|Creator)", content)
    assert widths == {3.25, 6.75}


def test_colours_differ_in_grey() -> None:
    linear = [
        np.where((c := np.array(to_rgb(x))) > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
        for x in PRINTED
    ]
    luminance = np.array(linear) @ [0.2126, 0.7152, 0.0722]
    lightness = np.sort(116 * np.cbrt(luminance) - 16)  # CIE L*, of luminances above 0.9 %
    assert np.diff(lightness).min() > 8


@pytest.mark.skipif(TEX is None, reason="needs pdflatex")
def test_the_example_compiles_and_shows_hostile_text_as_text(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    # Every macro once, and one in a formula.
    names = re.findall(r"\\newcommand\{\\(\w+)\}", (copy / "numbers.tex").read_text())
    uses = "".join(rf"\{name}{{}} " for name in names) + rf"$\{names[4]} < 1$"
    source = (copy / "paper.tex").read_text().replace(r"\end{document}", uses + r"\end{document}")
    (copy / "paper.tex").write_text(source)
    command = [TEX or "", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    said = subprocess.run(command, cwd=copy, capture_output=True, text=True, errors="replace")
    assert said.returncode == 0, said.stdout[-2000:]
    assert "undefined" not in said.stdout
    if shutil.which("pdftotext"):
        subprocess.run(["pdftotext", "paper.pdf"], cwd=copy, check=True)
        words = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", (copy / "paper.txt").read_text()))
        for text in (r"\input{x} & 50 % of $y", "#2 {a}", "<script>alert(", "[z]", "é Ž", "U+4E2D"):
            assert text in words, text
    # What LaTeX left there is no reason to refuse the folder.
    assert (copy / "paper.aux").is_file()


def test_every_tex_file_is_balanced(folder: Path) -> None:
    for file in folder.rglob("*.tex"):
        source = "\n".join(re.sub(r"(?<!\\)%.*", "", line) for line in file.read_text().splitlines())
        bare = re.sub(r"\\\\|\\[{}$&#_%]", "", source)
        assert bare.count("{") == bare.count("}"), file
        assert bare.count("$") % 2 == 0, file
        assert "<" not in bare.replace("$<", ""), file
    table = (folder / "tables/verdicts.tex").read_text()
    rows = re.findall(r"(?m)^(?!%|\\)(.*) \\\\$", table)
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}


def test_macros_are_the_numbers_of_the_report(hostile: Run, folder: Path) -> None:
    source = (folder / "numbers.tex").read_text()
    found = dict(re.findall(r"\\newcommand\{\\(\w+)\}\{(.*)\}", source))
    assert all(re.fullmatch("[A-Za-z]+", name) for name in found)
    assert len(found) == source.count(r"\newcommand")
    results = read(hostile)
    assert found["syntheticCountsTrialsPlanned"] == "9"
    assert found["syntheticCountsTrialsFailed"] == "2"
    real = results.real["n2"].iloc[0]
    assert float(found["syntheticCountsRealNTwo"].replace("{,}", "")) == pytest.approx(real, rel=5e-3)
    small = results.completed[results.completed["discriminator_params"] == 196]
    name = "syntheticMeansBySizeOneNineSixTrials"
    assert found[name] == str(len(small))
    assert (
        f"% means_by_size: discriminator_params=196: trials = {len(small)}\n\\newcommand{{\\{name}}}"
        in source
    )


def test_macros_of_any_table() -> None:
    frame = pd.DataFrame(
        {
            "what": ["a-b", "a b", "p 0.5"],
            "value": [-0.25, 1234567.0, float("nan")],
            "low": [1e-9, 3.14159, float("inf")],
        }
    )
    found = {
        macro.name: macro.value for macro in macros("s-1", {"published": frame, "long": frame}, most_rows=3)
    }
    assert found["sOnePublishedAB"] == r"\ensuremath{-}0.250"
    assert found["sOnePublishedABA"] == "1{,}234{,}567"  # of a name that is taken
    assert found["sOnePublishedPZeroPointFive"] == "--"
    assert found["sOnePublishedABLow"] == r"1.00\ensuremath{\cdot 10^{-9}}"
    assert found["sOnePublishedPZeroPointFiveLow"] == r"\ensuremath{\infty}"
    assert macros("s", {"long": frame}, most_rows=2) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("-0.5 [-1.2, ∞]", r"$-$0.5 {[}$-$1.2, $\infty$]"),
        ("finite-support", "finite-support"),
        ("1.23·10^-5", r"1.23$\cdot 10^{-5}$"),
        ("–", "--"),
        ("a--b", "a-{}-b"),
        ("N₂ / τ", r"N$_2$ / $\tau$"),
        ("e\u0301\n\x07", "é  "),
    ],
)
def test_text_as_latex(text: str, expected: str) -> None:
    assert latex.escape(text) == expected


def test_a_folder_with_anything_else_is_left_alone(hostile: Run, tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "numbers.tex").write_text(MARK)
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something else"):
        paper.build(hostile.root, str(mine))
    assert sorted(path.name for path in mine.iterdir()) == ["numbers.tex", "thesis.tex"]


def test_the_command(birthday: Command, hostile: Run, tmp_path: Path) -> None:
    said = birthday("report", hostile.root, "--paper", tmp_path / "p", "--out", tmp_path / "r")
    assert (said.code, said.err.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
    assert "--paper and --out" in said.err
