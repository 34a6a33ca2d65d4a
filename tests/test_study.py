"""Study files: axes, overrides, quick mode, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import InputError, Study
from pipeline.documents import dump_yaml, parse_yaml

STUDIES = sorted((Path(__file__).parents[1] / "studies").glob("*.yaml"))
QUICKSTART = next(path for path in STUDIES if path.stem == "quickstart")
SMALL = """
study: small
question: does it work?
base:
  dataset: {name: digits}
  generator: {name: dcgan, width: 4, latent_dim: 8}
  discriminator: {name: dcgan, width: 4}
  objective: {name: nonsaturating}
  train_samples: 100
  training: {steps: 10, generator_lr: 1e-4}
vary:
  discriminator.width: [2, 4]
  seed: {count: 3}
"""


def small(change: str = "", **replace: str) -> Study:
    text = SMALL + change
    for old, new in replace.items():
        text = text.replace(old, new)
    return Study.parse(parse_yaml(text), "s.yaml")


def test_axes_multiply_with_seeds_innermost() -> None:
    trials = small().trials()
    assert [(t.discriminator.width, t.seed) for t in trials] == [
        (2, 0),
        (2, 1),
        (2, 2),
        (4, 0),
        (4, 1),
        (4, 2),
    ]
    assert len({t.id for t in trials}) == 6


def test_a_trial_found_by_its_seed_is_the_one_that_all_keys_give() -> None:
    seeds, rule = [7, 0, 3], {"discriminator.width": 2, "seed": 0}
    study = small(
        "  exclude: [{discriminator.width: 2, seed: 0}]\n",
        **{"seed: {count: 3}": f"seed: {seeds}", "train_samples: 100": "train_samples: 100\n  seed: 5"},
    )
    settings = [{"discriminator.width": width, "seed": seed} for width in (2, 4) for seed in seeds]
    expected = [study.resolve(s) for s in settings if s != rule]
    assert study.trials() == expected
    assert [t.id for t in study.trials()] == list(study.by_id) == [t.id for t in expected]
    assert [t.model_dump_json() for t in study.trials()] == [t.model_dump_json() for t in expected]


def test_numbers_like_1e_minus_4_are_numbers() -> None:
    assert small().base.training.generator_lr == 1e-4


def test_text_that_looks_like_a_number_is_read_back_as_text() -> None:
    texts = ["12345e678901", "1e5", "+3e-2", "7", "0.5", "true", "null", ".inf", "abc"]
    assert parse_yaml(dump_yaml({"ids": texts, "numbers": [1e5, 1e-7]})) == {
        "ids": texts,
        "numbers": [1e5, 1e-7],
    }


def test_zip_moves_keys_together_and_exclude_drops() -> None:
    study = small(
        "  zip:\n    - {generator.width: [4, 8], generator.latent_dim: [8, 16]}\n"
        "  exclude:\n    - {discriminator.width: 2, generator.width: 8}\n"
    )
    cells = {(t.discriminator.width, t.generator.width, t.generator.latent_dim) for t in study.trials()}
    assert cells == {(2, 4, 8), (4, 4, 8), (4, 8, 16)}
    assert study.axes()["generator.latent_dim"] == [8, 16]


def test_choosing_another_objective_drops_options_it_does_not_have() -> None:
    study = small(
        "  objective.name: [wgan_gp, hinge]\n", **{"{name: nonsaturating}": "{name: wgan_gp, penalty: 3.0}"}
    )
    kept = {t.objective.name: t.objective for t in study.trials()}
    assert kept["wgan_gp"].penalty == 3.0  # type: ignore[union-attr]
    assert not hasattr(kept["hinge"], "penalty")


def test_a_written_default_and_an_absent_one_are_the_same_trial() -> None:
    explicit = small(**{"steps: 10,": "steps: 10, discriminator_steps: 1, optimizer: adam,"})
    assert [t.id for t in explicit.trials()] == [t.id for t in small().trials()]


def test_ids_are_pinned() -> None:
    # If this fails, every stored result is orphaned: raise trial.SEMANTICS on purpose, or undo the change.
    assert small().trials()[0].id == "16774bdf54919e8f"


def test_the_resolved_study_reads_back() -> None:
    study = Study.load(QUICKSTART)
    again = Study.parse(parse_yaml(study.yaml()))
    assert [t.id for t in again.trials()] == [t.id for t in study.trials()]
    assert again == Study.parse(parse_yaml(again.yaml()))


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_loads_and_shrinks(path: Path) -> None:
    study = Study.load(path)
    quick = study.quick()
    assert quick.study == f"{study.study}-quick"
    assert 1 <= len(quick.trials()) <= len(study.trials())
    assert all(t.training.steps <= 10 for t in quick.trials())


def test_overrides_reach_dotted_axes() -> None:
    path = QUICKSTART
    study = Study.load(
        path, ["vary.discriminator.width=[3, 5]", "vary.seed.count=1", "base.training.steps=7"]
    )
    assert study.axes()["discriminator.width"] == [3, 5]
    assert study.seeds() == [0]
    assert {t.training.steps for t in study.trials()} == {7}


def test_rows_are_settings_of_several_keys() -> None:
    """What a row leaves out is the base's; other axes multiply; a quick study keeps the first and the last."""
    rows = (
        "[{discriminator.width: 3}, {system: {name: pacgan, packing: 3}, training.steps: 9}, {system: kde}]"
    )
    study = Study.load(QUICKSTART, ["hypotheses=[]", f"vary={{rows: {rows}, seed: {{count: 2}}}}"])
    trials = study.trials()
    assert [t.variant for t in trials[::2]] == ["nonsaturating", "pacgan(packing=3) + nonsaturating", "kde"]
    assert [t.training.steps for t in trials] == [1500, 1500, 9, 9, 1500, 1500]
    assert [t.discriminator and t.discriminator.width for t in trials[::2]] == [3, 16, None]
    assert study.axes()["discriminator.width"] == [3]
    assert study.outline()[1:] == [
        ("row 2", "system pacgan(packing 3), training.steps 9"),
        ("row 3", "system kde"),
        ("seed", "0, 1"),
    ]
    assert [t.system.name for t in study.quick().trials()] == ["gan", "kde"]


def test_columns_of_a_zip_may_repeat_but_no_setting_may() -> None:
    columns = "{system: [gan, {name: pacgan, packing: 2}], training.ema: [0.9, 0.9]}"
    assert len(Study.load(QUICKSTART, ["hypotheses=[]", f"vary={{zip: [{columns}]}}"]).trials()) == 2
    with pytest.raises(InputError, match="two combinations give the same trial"):
        Study.load(QUICKSTART, ["vary={zip: [{training.steps: [5, 5]}]}"])


def test_quick_bounds_every_number_that_costs_time() -> None:
    study = Study.load(QUICKSTART, ["hypotheses=[]", "vary={training.steps: [10, 500, 900]}"])
    quick = study.quick()
    assert {t.training.steps for t in quick.trials()} == {2, 10}  # still an axis
    assert {t.training.batch_size for t in quick.trials()} == {16}
    assert {t.train_samples for t in quick.trials()} == {1000}
    assert quick.measure.embedding_names() == study.measure.embedding_names()[:1]
    assert quick.controls.repeats == 1
    columns = "{training.ema: [0.1, 0.2, 0.3], training.steps: [500, 500, 900]}"
    zipped = Study.load(QUICKSTART, ["hypotheses=[]", f"vary={{zip: [{columns}]}}"]).quick()
    assert [(t.training.ema, t.training.steps) for t in zipped.trials()] == [(0.1, 2), (0.3, 10)]


def test_whole_blocks_can_be_set() -> None:
    study = Study.load(
        QUICKSTART,
        [
            "hypotheses=[]",
            "vary={train_samples: [5, 6]}",
            "search.space={discriminator.width: {type: int, low: 2, high: 4}}",
            "search.space.training.generator_lr={type: float, low: 1e-4, high: 1e-3}",
        ],
    )
    assert study.axes() == {"train_samples": [5, 6], "seed": [0]}
    assert study.search is not None
    assert list(study.search.space) == ["discriminator.width", "training.generator_lr"]


MISTAKES = {
    "widht: 4": ("base.discriminator.widht: unknown key", "did you mean 'width'"),
    "width: four": ("base.discriminator.width: 'four': should be a valid integer",),
    "width: -1": ("base.discriminator.width: -1", "greater than or equal to 1"),
    "width: true": ("base.discriminator.width: True",),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_the_base_name_key_value_and_what_is_allowed(mistake: str) -> None:
    with pytest.raises(InputError) as caught:
        small(**{"discriminator: {name: dcgan, width: 4}": f"discriminator: {{name: dcgan, {mistake}}}"})
    message = str(caught.value)
    assert message.startswith("s.yaml: ")
    assert "\n" not in message
    for part in MISTAKES[mistake]:
        assert part in message


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("vary.discriminator.width=[]", "an axis needs at least one value"),
        ("vary.discriminator.widht=[1]", "did you mean 'width'"),
        ("vary.objective.name=[wgan_pg]", "did you mean 'wgan_gp'"),
        ("vary.discriminator.width=3", "must be a list"),
        ("vary.discriminator.width=[2, 2]", "twice"),
        ("base.dataset.name=digit", "did you mean 'digits'"),
        ("base.system=gam", "is not one of gan"),
        ("measure.tau={rule: real_quantile, quantile: 2}", "measure.tau.quantile: 2"),
        ("measure.embeddings=[]", "measure.embeddings"),
        ("study=../escape", "study"),
        ("vary.exclude=[{generator.width: 5}]", "not a varied key"),
        ("base.system=kde", "system kde has none; leave it out"),
        ("base.objective=null", "objective: required key is missing: system gan needs it"),
        ("base.system={name: pacgan, packing: 5}", "base.system.packing: 5"),
        ("vary={rows: [3]}", "vary.rows"),
        ("vary.seed={count: 0}", "seed.count: 0"),
        ("vary.seed=[1, -2]", "vary.seed: -2: should be greater than or equal to 0"),
        ("vary.seed=[1, 2.5]", "vary.seed: 2.5: should be a valid integer"),
        ("base.training.betas=[0.5]", "base.training.betas"),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: log_generator_params, expect: increasing}]",
            "nothing under",
        ),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: log_train_samples, expect: flat}]",
            "margin is required",
        ),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: objective, expect: equal}]",
            "margin is required for expect: equal (the largest difference of log N2 called none)",
        ),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: objective, expect: flat, margin: 0.1}]",
            "expect: flat: must be one of different, equal for predictor objective",
        ),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: system, expect: different}]",
            "hypotheses.h.predictor: 'system': nothing under 'system' is varied",
        ),
        (
            "hypotheses=[{name: h, outcome: log_support, predictor: log_train_samples, expect: increasing, margin: 1.0}]",
            "margin is allowed for flat, equal and different only",
        ),
        ("resources.gpus=-1", "resources.gpus: -1"),
        ("nonsense", "KEY=VALUE"),
    ],
)
def test_mistakes_are_one_line(override: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Study.load(QUICKSTART, [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", ["support", "n2", "collisions", "ratio_to_real", "largest_cluster_mass"])
def test_a_search_never_tunes_the_support_size(metric: str) -> None:
    space = "{discriminator.width: {type: int, low: 2, high: 4}}"
    with pytest.raises(InputError, match="never the support size"):
        Study.load(QUICKSTART, [f"search={{space: {space}, objective: {{metric: {metric}}}}}"])


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b", "a: 1\na: 2", "\t", "1: 2"])
def test_a_file_that_is_no_study(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml") as caught:
        Study.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Study.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not UTF-8"):
        Study.load(tmp_path / "binary.yaml")
