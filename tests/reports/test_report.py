"""The whole report: the same bytes twice, self-contained, complete, and sensible where almost nothing is
there.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.store.run import Run
from reports import render
from reports.explorer import inline
from reports.figures import drawings, style, support
from reports.tables.results import read
from tests.reports import synthetic

SECTIONS = [
    *["answer", "verdicts", "support", "capacity", "variants", "ceiling", "tau", "quality", "confound"],
    *["papers", "protocol", "clusters", "judgments", "training", "controls", "samples", "duplicates"],
    *["robustness", "failures", "trials", "measure", "provenance", "cost"],
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def text_of(html: str) -> str:
    """The words a reader sees."""
    words = re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]+>", " ", html)
    return re.sub(r"\s+", " ", words)


def test_same_tables_same_bytes(troubled: Run, page: Path, tmp_path: Path) -> None:
    # In another process, so that neither hash seeds nor drawing state are shared.
    code = f"from reports.render import build; build({troubled.root!r}, {str(tmp_path / 'again')!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "5", "MPLBACKEND": "svg"})
    assert contents(tmp_path / "again") == contents(page)


def test_what_is_written(page: Path) -> None:
    files = contents(page)
    assert {
        "index.html",
        "report.md",
    } <= set(files)
    tables = [name for name in files if name.startswith("tables/")]
    names = ["capacity", "ceiling", "confound", "contrasts", "hypotheses", "improvement", "papers"]
    assert tables == [f"tables/{name}.csv" for name in [*names, "results", "robustness"]]
    for name in (
        "controls",
        "robustness",
        "tau-pixels",
        "batches",
        "judgments",
        "support-by-discriminator",
        "support-by-train-samples",
        "quality",
        "curves-wgan_gp",
    ):
        assert files[f"figures/{name}.png"].startswith(b"\x89PNG")
    assert any(name.startswith("figures/pair-") for name in files)
    assert any(name.startswith("figures/cluster-") for name in files)
    assert not [p for p in page.parent.iterdir() if p.name.startswith(".report")]


def test_sections_in_order(page: Path) -> None:
    html = (page / "index.html").read_text()
    assert re.findall(r'<section id="(\w+)">', html) == SECTIONS
    ids = re.findall(r"\bid=\"([^\"]+)\"", html)
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    html = (page / "index.html").read_text()
    visible = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "data:", html)
    own = re.search(r"(?s)<script>(.*?)</script>", visible)
    assert own is not None
    assert "://" not in visible.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert inline.policy(own[1]) in html.replace("&#39;", "'")
    assert "@import" not in visible
    for link in re.findall(r'(?:src|href)="([^"]+)"', visible):
        here = link.startswith("#") and f'id="{link[1:]}"' in visible
        assert link == "data:" or here or (page / link).is_file(), link


def test_markdown_points_at_files_that_exist(page: Path) -> None:
    markdown = (page / "report.md").read_text()
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", markdown)
    assert links
    assert all((page / link).is_file() for link in links)
    for block in re.findall(r"(?m)(?:^\|.*\|\n)+", markdown):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_failures_gate_and_censored_trials_are_named(page: Path) -> None:
    words = text_of((page / "index.html").read_text())
    assert (
        "40 trials planned; in the store: 35 completed, 1 diverged, 1 failed, 1 lost, 1 out of memory; 1 "
        "missing." in words
    )
    assert "4 trials did not complete, 1 planned not in the store" in words
    assert "not a number &lt;step 40&gt;" in words
    assert "noise has no duplicates either" in words
    assert "no collision" in words
    assert re.search(r"\d+ without any collision", words)
    for decision in re.findall(r'class="badge">(\w+)<', (page / "index.html").read_text()):
        assert decision in ("supported", "refuted", "inconclusive")


def test_csv_round_trip(troubled: Run, page: Path) -> None:
    read = pd.read_csv(page / "tables" / "results.csv", dtype=str).set_index("trial_id")
    own = {"source": ["generated"], "tau_rule": ["real_quantile(0.001)"]}
    for table, columns, where in (
        ("trials", ["discriminator_params", "steps_done"], None),
        ("collisions", ["collisions", "n2", "n2_high", "largest_cluster_mass"], own),
        ("quality", ["precision", "kid"], {"source": ["generated"]}),
    ):
        stored = troubled.table(table, where=where).set_index("trial_id")
        for column in columns:
            written = read[column].dropna().astype(float).sort_index()
            expected = stored[column].dropna().astype(float).sort_index()
            pd.testing.assert_series_equal(written, expected, check_exact=True)


def test_digest_is_of_the_csv_files(page: Path) -> None:
    whole = b"".join(p.read_bytes() for p in sorted((page / "tables").iterdir()))
    assert hashlib.sha256(whole).hexdigest() in (page / "index.html").read_text()


def test_verdicts_as_csv(page: Path) -> None:
    verdicts = pd.read_csv(page / "tables/hypotheses.csv")
    assert list(verdicts["hypothesis"]) == ["capacity", "sample_count"]
    assert verdicts["low"].lt(verdicts["slope"]).all()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures: drawing takes most of the time."""
    for draw in ("draw_measured", "draw_concluded"):
        monkeypatch.setattr(drawings, draw, lambda *_: {})


def build(run: Run) -> str:
    return text_of((render.build(run.root) / "index.html").read_text())


def test_the_ruler_is_shown_on_what_is_known_and_where_verdicts_flip(page: Path) -> None:
    words = text_of((page / "index.html").read_text())
    assert "95 % intervals that hold the truth: under pixels" in words
    assert re.search(r"Under other rulers \w+ (for|at no) τ", words)


def test_a_run_from_before_the_ladder(tmp_path: Path) -> None:
    vary = {"discriminator.width": [2, 4, 8], "seed": {"count": 3}}
    study = synthetic.study(vary=vary, hypotheses=[synthetic.CAPACITY])
    words = build(synthetic.write(tmp_path, study, ladder=False))
    assert "no histograms of distances" in words
    assert "no batches" in words
    assert "no clusters of near-duplicates" in words
    # One ruler; without the largest clusters, and without each of three seeds.
    assert "under every ruler, and with part of the data left out (5 verdicts)" in words
    assert "What people call duplicates" not in words


def test_several_embeddings_side_by_side(tmp_path: Path) -> None:
    hub = {"name": "torch_hub", "repo": "a/b", "model": "c"}
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8], "seed": {"count": 3}},
        measure={"samples": 500, "embeddings": ["pixels", hub], "tau_ladder": [1e-3, 1e-2]},
        hypotheses=[synthetic.CAPACITY],
    )
    folder = render.build(synthetic.write(tmp_path, study).root)
    assert (folder / "figures/tau-torch_hub-a-b-c.png").is_file()
    words = text_of((folder / "index.html").read_text())
    assert "Other protocols in the store" not in words
    assert "under torch_hub(a/b:c)" in words
    assert "At the study&#39;s own τ rule the embeddings" in words


def test_points_have_no_pictures(tmp_path: Path) -> None:
    words = build(synthetic.write(tmp_path, synthetic.point_study(), images=False, controls=False))
    assert "The store holds no images" in words
    assert "No control of known support" in words
    assert "no measurement of real images" in words


def test_a_study_without_anything(tmp_path: Path) -> None:
    run = Run(tmp_path / "synthetic")
    with run.writing():
        run.save_study(synthetic.study())
    words = build(run)
    assert "40 trials planned; in the store: none; 40 missing." in words
    assert "Inconclusive: there is no trial to decide by" in words
    assert "Tables without rows in this store" in words


def test_only_failures(tmp_path: Path) -> None:
    study = synthetic.study(vary={"discriminator.width": [2, 4]}, hypotheses=[synthetic.CAPACITY])
    words = build(synthetic.write(tmp_path, study, status=lambda k, trial: "diverged"))
    assert "2 diverged" in words
    assert "No completed trial was measured" in words


def test_a_single_trial_and_no_hypothesis(tmp_path: Path) -> None:
    study = synthetic.study(vary={}, hypotheses=[], controls={"finite_support": []})
    words = build(synthetic.write(tmp_path, study, precision=lambda trial: None))
    assert "states no hypothesis" in words
    assert "No stored trial of this study failed." in words
    assert "No quality was measured" in words


def test_no_collision_in_any_trial(tmp_path: Path) -> None:
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8], "seed": {"count": 3}}, hypotheses=[synthetic.CAPACITY]
    )
    words = build(synthetic.write(tmp_path, study, level=40.0))
    assert "Inconclusive: no pair collided in any trial" in words


@pytest.mark.usefixtures("undrawn")
def test_an_earlier_report_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, synthetic.study(vary={}, hypotheses=[]))
    folder = render.build(run.root)
    (folder / "stale.txt").write_text("old")
    assert render.build(run.root) == folder
    assert not (folder / "stale.txt").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not a report"):
        render.build(run.root, str(mine))
    assert (mine / "thesis.tex").read_text() == "years of work"


@pytest.mark.usefixtures("undrawn")
def test_a_run_at_a_url_needs_a_place(tmp_path: Path) -> None:
    local = synthetic.write(tmp_path, synthetic.study(vary={}, hypotheses=[]))
    remote = Run("memory://published/synthetic")
    for path in Path(local.root).rglob("*"):
        if path.is_file():
            remote.files.replace(str(path.relative_to(local.root)), path.read_bytes())
    with pytest.raises(InputError, match="--out"):
        render.build(remote.root)
    folder = render.build(remote.root, str(tmp_path / "deep/er/report"))
    assert contents(folder) == contents(render.build(local.root))


def test_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run"):
        render.build(str(tmp_path))


def test_needs_neither_torch_nor_ray() -> None:
    code = "import sys, reports; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for package in ("torch", "ray", "mlflow", "optuna", "sklearn"):
        assert f"'{package}'" not in loaded


@pytest.mark.usefixtures("undrawn")
def test_study_text_cannot_break_the_page(tmp_path: Path) -> None:
    study = synthetic.study(vary={}, hypotheses=[], question="Is <b>a|b</b> & `c` true?")
    folder = render.build(synthetic.write(tmp_path, study).root)
    assert "Is &lt;b&gt;a|b&lt;/b&gt; &amp; `c` true?" in (folder / "index.html").read_text()


def test_figures_ignore_a_users_matplotlibrc(troubled: Run, page: Path) -> None:
    import matplotlib

    results = read(troubled)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        with style.context(style.SCREEN):
            figure = support.quality(results)
            assert figure is not None
            again = style.encode(figure, style.SCREEN)
        assert matplotlib.rcParams["font.size"] == 30
    assert again["png"] == (page / "figures/quality.png").read_bytes()
