"""Study files in their quick form, from the file to a finished report, on real data; all, and whole, in `make soak`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import Study, run
from pipeline.options import ObjectiveOptions, SystemOptions, choices
from pipeline.trial import TrialConfig
from reports.render import build

# Large networks or images; every system of theirs is tested below, and every data set in `tests/datasets`.
DEAR = {
    "celeba-capacity",
    "encoders",
    "mix-gan",
    "mode-coverage-stacked-mnist",
    "objectives",
    "pyramids",
    "stacked-mnist",
    "super-resolution",
}
STUDIES = sorted((Path(__file__).parents[1] / "studies").glob("*.yaml"))
# The photographs themselves are not at hand where tests run: the same faces, already cropped and small.
OVERRIDES = {"celeba": ["base.dataset.images=aligned64"]}


def load(file: Path) -> Study:
    dataset = Study.load(file).base.dataset.name
    return Study.load(file, OVERRIDES.get(dataset, []))


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        *(pytest.param(file, 2, id=file.stem) for file in STUDIES if file.stem not in DEAR),
        *(pytest.param(file, None, id=f"{file.stem}-whole", marks=pytest.mark.soak) for file in STUDIES),
    ],
)
def test_a_study_runs_to_its_report(file: Path, limit: int | None, runs: Path, data_root: Path) -> None:
    study = load(file).quick()
    finished = run(study, runs, engine="inline", mirror=False, data_root=data_root, limit=limit)
    trials = finished.table("trials")
    assert len(trials) == (limit or len(study.trials()))
    assert set(trials["status"]) == {"completed"}, list(trials["error"].dropna())
    measured = finished.table("collisions")
    assert set(measured.loc[measured["source"] == "generated", "trial_id"]) == set(trials["trial_id"])
    page = build(str(finished.root)) / "index.html"
    assert study.question in page.read_text()


def test_every_system_and_objective_stands_in_a_study() -> None:
    trials = [trial for file in STUDIES for trial in Study.load(file).trials()]
    assert {trial.system.name for trial in trials} == set(choices(SystemOptions))
    assert {t.objective.name for t in trials if t.objective} == set(choices(ObjectiveOptions))
    for regularizer in TrialConfig.model_fields["regularizers"].default.model_dump():
        assert any(getattr(trial.regularizers, regularizer) for trial in trials), regularizer


SMALL: dict[str, dict[str, Any]] = {
    **{name: {"encoder": {}} for name in ("bigan", "ali", "veegan", "vae")},
    "stacked": {"encoder": {}, "encoder_steps": 2, "features": 8, "feature_latent_dim": 4},
    "lapgan": {"levels": 1, "width": 4},
    "srgan": {"width": 4, "blocks": 1},
    "mix": {"components": 2},
    "ensemble": {"components": 2},
    "flow": {"couplings": 2, "width": 8},
    "dae": {"width": 4, "chain": 3},
    "gaussian_mixture": {"components": 2, "factors": 2},
}
SETS: dict[str, dict[str, Any]] = {
    "images": {
        "dataset": {"name": "digits"},
        "generator": {"name": "dcgan", "width": 4, "latent_dim": 4},
        "discriminator": {"name": "dcgan", "width": 4},
    },
    "points": {
        "dataset": {"name": "gaussian_ring", "size": 2000},
        "generator": {"name": "mlp", "width": 8, "latent_dim": 4},
        "discriminator": {"name": "mlp", "width": 8},
    },
}
ENCODERS = {
    "images": {"name": "dcgan", "width": 4, "normalization": "none"},
    "points": {"name": "mlp", "width": 8},
}


def row(system: str, on: str) -> dict[str, Any]:
    """The system's row in a study, its options small."""
    options = {"name": system, **SMALL.get(system, {})}
    if "encoder" in options:
        options["encoder"] = ENCODERS[on]
    if system == "stacked":
        options["classes"] = 10 if on == "images" else 8
    if system == "lapgan":  # its coarsest images are 4x4, too small for a DCGAN
        return {"system": options, **{part: SETS["points"][part] for part in ("generator", "discriminator")}}
    return {"system": options}


@pytest.mark.parametrize("on", SETS)
def test_every_system_is_trained_sampled_and_measured_alike(on: str, runs: Path) -> None:
    """All of them in one study, with averaged generators where there is something to average."""
    systems = {name: o for name, o in choices(SystemOptions).items() if on in o.plays_on}
    study = Study.parse(
        {
            "study": "systems",
            "question": "Does every system go the same way?",
            "base": {
                **SETS[on],
                "objective": {"name": "nonsaturating"},
                "train_samples": 60,
                "training": {"steps": 3, "batch_size": 4, "ticks": 1, "ema": 0.9},
            },
            "vary": {"rows": [row(name, on) for name in systems]},
            "measure": {"samples": 100, "tau_ladder": []},
        }
    )
    finished = run(study, runs, engine="inline", mirror=False)
    trials = finished.table("trials").set_index("system")
    assert set(trials["status"]) == {"completed"}, trials["error"].dropna().to_dict()
    assert set(trials.index) == set(systems)
    adversarial = [name for name, o in systems.items() if "discriminator" in o.takes]
    assert set(trials.index[trials["discriminator_params"].notna()]) == set(adversarial)
    text = (build(str(finished.root)) / "report.md").read_text()
    assert ("## Support given one input" in text) is (on == "images")
    assert "pacgan + nonsaturating" in text
