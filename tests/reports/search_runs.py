"""Runs of searches and of best studies that no one trained, written through the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.store.run import Run
from pipeline.study import Study
from tests.reports import synthetic

RATE = "training.generator_lr"
SPACE: dict[str, Any] = {
    RATE: {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "generator.width": {"type": "int", "low": 4, "high": 64},
    "objective.name": {"type": "categorical", "values": ["hinge", "wgan_gp"]},
    "objective.penalty": {"type": "float", "low": 1, "high": 20, "when": {"objective.name": ["wgan_gp"]}},
}


def study(**search: Any) -> Study:
    """A study on points whose search has these options beside its space."""
    base = synthetic.point_study()
    document = base.model_dump(mode="json", exclude_none=True)
    document["search"] = {"space": SPACE, "objective": [{"metric": "kid"}], "seeds": 2, **search}
    return Study.parse({**document, "study": "points-search"})


def suggestion(number: int, state: str, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One suggestion; more: group, values, feasible."""
    return {"number": number, "state": state, "settings": settings, "group": {}, "values": {}} | more


def write(
    root: Path,
    study: Study,
    asked: Sequence[dict[str, Any]],
    importances: dict[str, dict[str, float]] | None = None,
) -> Run:
    """A search's run: rows of its suggestions, and of every seed's trial of those that are complete, of the
    first seed's of all others.
    """
    run = Run(root / study.study)
    assert study.search is not None
    with run.writing():
        run.save_study(study)
        for one in asked:
            trials = study.resolve({**one["group"], **one["settings"]}).with_seeds(range(study.search.seeds))
            for trial in list(trials.values())[: None if one["state"] == "complete" else 1]:
                row = {"trial_id": trial.id, "seed": trial.seed, "config": trial.model_dump_json()}
                status = "failed" if one["state"] == "fail" else "completed"
                run.save([trial.id], {"trials": [{**row, "status": status, "versions": "{}"}]})
        rows = [
            {
                "trial_id": f"{one['group']} {one['number']}",
                "search": f"points {one['group']}",
                "number": one["number"],
                "state": one["state"],
                "feasible": one.get("feasible", True),
                **{name: json.dumps(one[name]) for name in ("group", "settings", "values")},
            }
            for one in asked
        ]
        shares = [
            {
                "trial_id": f"{k} {metric} {key}",
                "search": search,
                "metric": metric,
                "key": key,
                "importance": share,
            }
            for k, search in enumerate(dict.fromkeys(row["search"] for row in rows))
            for metric, keys in (importances or {}).items()
            for key, share in keys.items()
        ]
        run.save_measurement("suggestions", {"suggestions": rows, "importances": shares})
    return run
