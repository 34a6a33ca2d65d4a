"""A search from beginning to end: ask, train, tell, and write what was found into the run."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import optuna

from pipeline.engine.engines import Engine
from pipeline.engine.execute import Bench, prepare, started
from pipeline.errors import InputError
from pipeline.progress import Progress, Silent
from pipeline.scores import Tables
from pipeline.search.findings import (
    Suggestion,
    best_of,
    best_study,
    importance_rows,
    suggestion_rows,
    suggestions,
)
from pipeline.search.hunt import Hunt
from pipeline.search.proposals import Numbered, Settings, database, journal, pruner
from pipeline.store.run import BEST_FILE, Run
from pipeline.store.tables import Row
from pipeline.study import LONGEST_NAME, SEARCHING, Study
from pipeline.tracking import Companion
from pipeline.trial import TrialConfig, content_hash

JOURNAL = "optuna.journal"
# Names the run in databases, which several runs may share.
TOKEN = "search.token"
# The tables that a suggestion's worth is read from.
READ = ("trials", "quality", "modes", "curves")
# Seconds after which whoever looks at the run meanwhile sees its suggestions as they are.
SAVED_EVERY = 10.0


class Search(NamedTuple):
    """What a search found. best_study: path of a study at the best settings, on fresh seeds."""

    suggestions: list[Suggestion]
    best_study: str


def search(
    study: Study,
    runs: str | Path = "runs",
    *,
    trials: int | None = None,
    engine: str = "ray",
    address: str | None = None,
    data_root: Path | None = None,
    storage: str | None = None,
    resume: bool = False,
    mirror: bool = True,
    progress: Progress | None = None,
) -> Search:
    """Carry out or go on with a search in `runs/<study name>-search`, until `trials` suggestions have ended
    in every group of `search.each`.

    storage: the URL of a database that Optuna keeps its part in; by default a journal in the run. resume:
    there must be something to go on with. mirror: write to MLflow too. Raises InputError if the study has no
    search, or if no suggestion of a group succeeded.
    """
    options = study.search
    if options is None:
        raise InputError(f"study {study.study!r}: has no search: block")
    most = LONGEST_NAME - len(SEARCHING)
    if len(study.study) > most:
        raise InputError(f"study: {study.study!r}: must have at most {most} characters to be searched for")
    searched = study.model_copy(update={"study": f"{study.study}{SEARCHING}"})
    target = Run(f"{str(runs).rstrip('/')}/{searched.study}")
    if not target.files.local and storage is None:
        raise InputError(f"--runs {runs}: a journal needs a local disk; name a database with --storage")
    if resume:
        _ = target.study  # raises where there is none
    bench = prepare(
        searched, [study.resolve(s) for s in [*study.groups(), *study.corners()]],
        engine, address, data_root, target,
    )  # fmt: skip
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    remote = database(storage) if storage else None
    with (
        Companion(target) if mirror else contextlib.nullcontext() as companion,
        started(engine, searched.resources, address) as worker,
        target.writing(),
    ):
        kept = remote or journal(f"{target.files.path}/{JOURNAL}")
        groups, tuners = study.groups(), []
        for group in groups:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                tuners.append(
                    optuna.create_study(
                        study_name=study_name(study, group),
                        storage=kept,
                        sampler=Numbered(options.sampler),
                        pruner=pruner(options.pruner, options.seeds),
                        directions=[objective.towards for objective in options.objective],
                        load_if_exists=True,
                    )
                )
        if storage:
            _claim(tuners, target)
        target.save_study(searched)
        bench.save_controls(target)
        if companion:
            companion.start()
        wanted, watch = trials or options.trials, progress or Silent()
        # The run may hold trials of another search, too, of before its definition was changed.
        asked = {
            trial
            for group, tuner in zip(groups, tuners, strict=True)
            for one in tuner.get_trials(deepcopy=False)
            for trial in study.resolve({**group, **one.params}).with_seeds(range(options.seeds))
        }
        # At most: of suggestions that are ended early fewer seeds are trained.
        watch.start(searched.study, len(groups) * wanted * options.seeds, len(asked & target.done()))
        try:
            _carry_out(study, groups, tuners, wanted, bench, worker, target, watch)
        finally:
            watch.finish()
            _save(study, groups, tuners, target)
        return _concluded(study, groups, tuners, target)


def _concluded(
    study: Study, groups: Sequence[Settings], tuners: Sequence[optuna.Study], target: Run
) -> Search:
    """Choose every group's best and write the study that measures them."""
    assert study.search is not None
    found = [suggestions(group, tuner) for group, tuner in zip(groups, tuners, strict=True)]
    best = [one for group in found if (one := best_of(study.search, group))]
    if len(best) < len(groups):
        within = " within the constraints" if study.search.constraints else ""
        raise InputError(f"{target.root}: no suggestion succeeded{within}; `birthday status` says why")
    target.files.replace(BEST_FILE, best_study(study, found, best).yaml().encode())
    return Search([one for group in found for one in group], f"{target.root}/{BEST_FILE}")


def _claim(tuners: Sequence[optuna.Study], target: Run) -> None:
    """Raises InputError where a search in the database is another run's: its suggestions under way would be
    taken for a killed driver's, trained twice and told twice. The lease holds for one run alone.
    """
    target.files.create(TOKEN, uuid.uuid4().hex.encode())
    token = target.files.read(TOKEN).decode()
    for tuner in tuners:
        if tuner.user_attrs.get("run") is None:
            tuner.set_user_attr("run", token)
        if tuner.user_attrs["run"] != token:
            raise InputError(
                f"--storage: its search {tuner.study_name!r} belongs to another run than {target.root}; "
                "go on with that run, or name another database"
            )


def study_name(study: Study, group: Settings) -> str:
    """What Optuna calls the search of a group. Another space, objective or anything else that changes what a
    suggestion is worth has another name.
    """
    assert study.search is not None
    search = study.search.model_dump(mode="json", exclude={"trials", "fresh_seeds", "parallel", "ordered"})
    what = content_hash([study.base.model_dump(mode="json"), study.measure_id(), search, group])
    return " ".join([f"{study.study}-search", *(f"{k}={v}" for k, v in group.items()), what[:8]])


def _save(study: Study, groups: Sequence[Settings], tuners: Sequence[optuna.Study], target: Run) -> None:
    """Write what is known of the suggestions until now, in place of what was."""
    rows: dict[str, list[Row]] = {"suggestions": [], "importances": []}
    for group, tuner in zip(groups, tuners, strict=True):
        rows["suggestions"] += suggestion_rows(study, group, tuner)
        rows["importances"] += importance_rows(study, tuner)
    target.save_measurement("suggestions", rows)


def _carry_out(
    study: Study,
    groups: Sequence[Settings],
    tuners: Sequence[optuna.Study],
    wanted: int,
    bench: Bench,
    worker: Engine,
    target: Run,
    watch: Progress,
) -> None:
    options = study.search
    assert options is not None
    embedding = study.measure.embedding_names()[0]

    def hunt(group: Settings, tuner: optuna.Study) -> Hunt:
        return Hunt(tuner, options, lambda s: study.resolve({**group, **s}), embedding, wanted)

    hunts = [hunt(group, tuner) for group, tuner in zip(groups, tuners, strict=True)]
    done, flying = target.done(), set[str]()

    def take(trial_id: str, tables: Tables) -> None:
        for one in hunts:
            one.take(trial_id, tables)

    def due() -> list[TrialConfig]:
        parallel = options.parallel or -(-worker.slots() // len(hunts))
        while True:
            waited = {key: trial for one in hunts for key, trial in one.advance(parallel).items()}
            stored = waited.keys() & done
            if not stored:
                break
            for trial_id, tables in _stored(target, stored):
                take(trial_id, tables)
        fresh = waited.keys() - flying
        flying.update(fresh)
        return [trial for key, trial in waited.items() if key in fresh]

    count = wanted * options.seeds
    expected = [t for group in groups for t in study.resolve(group).with_seeds(range(count)).values()]
    saved = time.monotonic()
    for finished in bench.train_as_asked(due, expected, worker, target):
        watch.advance(finished)
        for end in finished:
            done.add(end.trial_id)
            take(end.trial_id, end.tables)
        if time.monotonic() - saved > SAVED_EVERY:
            _save(study, groups, tuners, target)
            saved = time.monotonic()
    due()  # tells the last


def _stored(target: Run, trials: set[str]) -> list[tuple[str, Tables]]:
    """The rows of trials that are in the store."""
    return [
        (
            trial["trial_id"],
            {name: [r for r in rows if r["trial_id"] == trial["trial_id"]] for name, rows in tables.items()},
        )
        for tables in target.rows(trials, READ)
        for trial in tables["trials"]
    ]
