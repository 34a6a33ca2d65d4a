"""Carrying out a study: plan minus done, through an engine, into the store and its mirror."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from pipeline.engine.cohorts import Arriving, Backlog, Cohort, Shape, by_shape, packed, shape_key
from pipeline.engine.control_subjects import subject_id
from pipeline.engine.cost import predicted_seconds
from pipeline.engine.embedders import fitted
from pipeline.engine.engines import ATTEMPTS, Engine, Inline, Task
from pipeline.engine.measure import Rows, extend
from pipeline.engine.mode_counter import mode_counter
from pipeline.engine.pace import Pace
from pipeline.engine.plan import commit, data_key, load_data
from pipeline.engine.ray_settings import settle
from pipeline.engine.resume import nothing_left, under_way
from pipeline.engine.ruler import rulers
from pipeline.engine.stopping import stoppable
from pipeline.engine.tuning import Tuned, choice_of, choices
from pipeline.engine.work import (
    Context,
    Finished,
    device_of,
    lost,
    measure_trial,
    run_cohort,
)
from pipeline.errors import InputError
from pipeline.progress import Progress, Silent
from pipeline.store.run import Run
from pipeline.study import ResourceOptions, Study
from pipeline.tracking import Companion
from pipeline.training import exact_float32
from pipeline.trial import TrialConfig, content_hash


def run(
    study: Study,
    runs: str | Path = "runs",
    *,
    engine: str = "ray",
    address: str | None = None,
    limit: int | None = None,
    data_root: Path | None = None,
    mirror: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Carry out what is missing of a study and return its run, `runs/<study name>`.

    engine: `ray` (a local one, or the cluster at `address`) or `inline`. limit: at most this many trials now.
    mirror: write to MLflow too. Raises InputError before anything is written if the study cannot be carried
    out; a trial's failure is a row and no error.
    """
    if study.searches:
        raise InputError(f"study {study.study!r}: is a search's: go on with `birthday search`, or rename it")
    trials = study.trials()
    target = Run(f"{str(runs).rstrip('/')}/{study.study}")
    watch = progress or Silent()
    with Companion(target) if mirror else contextlib.nullcontext() as companion:
        if nothing_left(study, trials, target):
            watch.start(study.study, len(trials), len(trials))
            with target.writing():  # sweeps away what a killed driver left
                watch.finish()
            if companion:
                companion.start()
            return target
        bench = prepare(study, trials, engine, address, data_root, target)
        # The engine first: a study that cannot start leaves nothing behind.
        wanted = any(bench.left(target))
        with started(engine, study.resources, address, wanted) as worker, target.writing():
            missing, again = bench.left(target)  # anew, since another driver may have been at work until now
            bench.save_controls(target)  # first: who finds this study finds its controls
            target.save_study(study)
            if companion:
                companion.start()
            watch.start(study.study, len(trials), len(trials) - len(missing))
            try:
                for finished in bench.train(missing[:limit], worker, target):
                    watch.advance(finished)
                bench.measure(again, worker, target)
            finally:
                watch.finish()
    return target


def measure(
    run_path: str | Path,
    study: Study,
    *,
    engine: str = "ray",
    address: str | None = None,
    data_root: Path | None = None,
) -> int:
    """Measure a run's trained generators under `study.measure`; trains nothing. Returns how many.

    Rows of other protocols stay. The run's study takes over the new protocol, so its report shows it.
    """
    target = Run(run_path)
    before = target.study
    if study.model_copy(update={"measure": before.measure, "controls": before.controls}) != before:
        raise InputError(
            "--set: only measure.… and controls.… can change without training; use `birthday run`"
        )
    bench = prepare(study, study.trials(), engine, address, data_root, target)
    with started(engine, study.resources, address, bool(bench.left(target)[1])) as worker, target.writing():
        again = bench.left(target)[1]
        bench.save_controls(target)
        target.save_study(study)
        bench.measure(again, worker, target)
    return len(again)


class Bench(NamedTuple):
    """A study's data sets and rulers, ready for trials."""

    study: Study
    contexts: dict[str, Context]
    controls: dict[str, Rows]
    fitted: dict[str, bytes]  # files, by key, of what was fitted just now

    def left(self, target: Run) -> tuple[list[TrialConfig], list[TrialConfig]]:
        """The study's trials without an end, and those trained but not measured under its protocol."""
        rows, ends = target.table("collisions"), target.table("trials")
        rows = rows[rows["samples"] == self.study.measure.samples]
        measured = set(zip(rows["trial_id"], rows["embedding_id"], rows["tau_rule"], strict=True))
        done, completed = set(ends["trial_id"]), set(ends.loc[ends["status"] == "completed", "trial_id"])
        trials = self.study.trials()

        def lacks(trial: TrialConfig) -> bool:
            rulers = self.contexts[data_key(trial)].rulers
            return any((trial.id, r.embedding.id, rule) not in measured for r in rulers for rule in r.taus)

        return [t for t in trials if t.id not in done], [t for t in trials if t.id in completed and lacks(t)]

    def train(self, trials: list[TrialConfig], worker: Engine, target: Run) -> Iterator[list[Finished]]:
        """Train and measure trials; yields those whose rows are in the store by then.

        Asked to end, it stores what still finishes and raises KeyboardInterrupt.
        """
        # Of all trials of the study, so that a resumed one is trained as it began.
        planned = [t for t in self.study.trials() if data_key(t) in self.contexts]
        known = {t.id for t in planned}
        everyone = [*planned, *(t for t in trials if t.id not in known)]
        found = choices(everyone, self.contexts, self.study.resources, worker, target)
        pace = Pace(found, self._training_seconds)
        for shape, alike in by_shape(trials).items():
            pace.predict(shape, alike[0])
        begun, rest = under_way(target, trials)
        fresh = packed(rest, lambda shape: choice_of(found[shape]), worker.slots, pace)
        yield from self._stored(Backlog(itertools.chain(begun, fresh)), pace, worker, target)
        if {trial.id for trial in everyone} <= target.done():
            _drop_checkpoints(target)

    def train_as_asked(
        self,
        due: Callable[[], Sequence[TrialConfig]],
        expected: Sequence[TrialConfig],
        worker: Engine,
        target: Run,
    ) -> Iterator[list[Finished]]:
        """The same of trials that become known by and by, until none is under way and none due.

        due: called after each yield; what to train now. expected: trials of the shapes that will be most, and
        as many: a back end is measured where that pays for all of them.
        """
        found = choices(expected, self.contexts, self.study.resources, worker, target)
        pace = Pace(found, self._training_seconds)
        resumed = False

        def pack(trials: Sequence[TrialConfig]) -> Iterator[Cohort]:
            nonlocal resumed
            unknown = [trial for trial in trials if shape_key(trial) not in found]
            found.update(choices(unknown, self.contexts, self.study.resources, worker, target))
            for shape, alike in by_shape(trials).items():
                pace.predict(shape, alike[0])
            begun: list[Cohort] = []
            if not resumed:
                begun, trials = under_way(target, trials)
                resumed = True
            fresh = packed(trials, lambda shape: choice_of(found[shape]), worker.slots, pace)
            return itertools.chain(begun, fresh)

        yield from self._stored(Backlog(Arriving(due, pack)), pace, worker, target)
        _drop_checkpoints(target)

    def _stored(self, backlog: Backlog, pace: Pace, worker: Engine, target: Run) -> Iterator[list[Finished]]:
        """Carry out a backlog; yields what is in the store by then."""
        with stoppable() as stop:
            for finished, kept in self._carried_out(backlog, worker):
                for end in finished:
                    row, shape = end.tables["trials"][0], shape_key(end.trial)
                    row["predicted_seconds"] = pace.predict(shape, end.trial)
                    pace.learn(shape, row.get("device_seconds"))
                _save(target, finished)
                for key in kept:
                    target.drop_checkpoint(key)
                if finished:
                    yield finished
        if stop.asked:
            raise KeyboardInterrupt

    def _training_seconds(self, trial: TrialConfig) -> float:
        """What training trials of this one's shape is predicted to take."""
        return predicted_seconds(trial, self.contexts[data_key(trial)].data.sample_shape)

    def _carried_out(self, backlog: Backlog, worker: Engine) -> Iterator[tuple[list[Finished], list[str]]]:
        """Trials that ended, with the checkpoints that this makes useless. What a lost worker had is tried
        again in halves, down to single trials, and what a leaving node gives back as it was.
        """
        shared = {key: worker.share(context) for key, context in self.contexts.items()}

        def task(cohort: Cohort) -> Task:
            first = cohort.trials[0]
            return Task(first.id, shared[data_key(first)], (cohort,), attempts(cohort), len(cohort.trials))

        for batch in worker.run(run_cohort, map(task, backlog)):
            finished: list[Finished] = []
            kept: list[str] = []
            for done in batch:
                (cohort,) = done.task.arguments
                if done.lost and len(cohort.trials) > 1:
                    backlog.again(cohort.halves(done.attempts))
                elif done.lost:
                    (trial,) = cohort.trials
                    tries = cohort.tried + done.attempts
                    finished.append(
                        lost(self.contexts[data_key(trial)], trial, done.reason, done.lost, tries)
                    )
                else:
                    ended = {end.trial.id for end in done.value.finished}
                    left = tuple(trial for trial in cohort.trials if trial.id not in ended)
                    if left:
                        backlog.again([cohort._replace(trials=left)])
                    else:
                        kept += done.value.kept
                    for end in done.value.finished:
                        end.tables["trials"][0]["attempts"] = cohort.tried + done.attempts
                    finished += done.value.finished
            yield finished, kept

    def measure(self, trials: list[TrialConfig], worker: Engine, target: Run) -> None:
        """Measure trained trials under the study's protocol."""
        shared = {key: worker.share(context) for key, context in self.contexts.items()}
        tasks = (Task(t.id, shared[data_key(t)], (t, _weights(target, t))) for t in trials)
        with stoppable() as stop:
            for batch in worker.run(measure_trial, tasks):
                tables: Rows = {}
                for done in batch:
                    if done.lost or done.value.error:
                        raise InputError(
                            f"trial {done.task.key}: could not be measured: {done.reason or done.value.error}"
                        )
                    extend(tables, done.value.tables)
                keys = content_hash(sorted(done.task.key for done in batch))
                target.save_measurement(f"{keys}-{self.study.measure_id()}", tables)
        if stop.asked:
            raise KeyboardInterrupt

    def save_controls(self, target: Run) -> None:
        """Put the rows of real images and controls into the store, and fitted embeddings beside it."""
        for key, content in self.fitted.items():
            target.save_embedding(key, content)
        for key, tables in self.controls.items():
            name = f"{self.contexts[key].data.fingerprint}-{self.study.controls_id()}"
            target.save_measurement(name, tables)


def prepare(
    study: Study,
    trials: list[TrialConfig],
    engine: str,
    address: str | None,
    data_root: Path | None,
    target: Run,
) -> Bench:
    """Load and check everything the trials need, fit the embeddings and lay the rulers.

    target: the run, whose labels and whose neighbours' fitted embeddings are used. Raises InputError; writes
    nothing.
    """
    cores = _enough(study.resources, engine, address)
    contexts: dict[str, Context] = {}
    controls: dict[str, Rows] = {}
    fresh: dict[str, bytes] = {}
    version = commit()
    with exact_float32(min(study.resources.cpus, cores)):
        for key, data in load_data(trials, data_root).items():
            own = [fitted(options, data, target) for options in study.measure.embeddings]
            fresh |= {f.key: f.content for f in own if f.fresh}
            found, controls[key] = rulers(study, data, [f.embedding for f in own], target.table("labels"))
            modes, file = mode_counter(data, target)
            if modes is not None:
                controls[key]["modes"] = [modes.row(subject_id(data, "real"), "real", data.held_out)]
            fresh |= dict([file] if file else [])
            contexts[key] = Context(
                data, found, study.resources.cpus, device_of(study.resources), version, modes, target.address
            )
    return Bench(study, contexts, controls, fresh)


def tune(
    study: Study,
    runs: str | Path = "runs",
    *,
    engine: str = "ray",
    address: str | None = None,
    data_root: Path | None = None,
) -> dict[Shape, Tuned]:
    """Time every back end on every shape of trial in a study, and measuring, and keep the choice for runs in
    `runs`.
    """
    trials = study.trials()
    target = Run(f"{str(runs).rstrip('/')}/{study.study}")
    bench = prepare(study, trials, engine, address, data_root, target)
    with started(engine, study.resources, address) as worker:
        found = choices(trials, bench.contexts, study.resources, worker, target, everything=True)
    return {shape: tuned for shape, tuned in found.items() if isinstance(tuned, Tuned)}


def _enough(resources: ResourceOptions, engine: str, address: str | None) -> int:
    """The cores of this machine. Raises InputError where it must carry trials and never could."""
    cores = len(os.sched_getaffinity(0))
    if engine == "inline" or address is None:
        for name, have in (("cpus", cores), ("gpus", torch.cuda.device_count())):
            wanted = getattr(resources, name)
            if wanted > have:
                raise InputError(
                    f"resources.{name}: {wanted:g}: this machine has {have}, so no trial could ever start"
                )
    return cores


def attempts(cohort: Cohort) -> int:
    """How often a task may be tried whose worker dies: a cohort twice, since it goes on from its checkpoint
    where its halves would begin anew, and halves once.
    """
    if len(cohort.trials) == 1:
        return ATTEMPTS
    return 1 if cohort.tried else 2


def _weights(target: Run, trial: TrialConfig) -> bytes:
    try:
        return target.players(trial.id)
    except FileNotFoundError as error:
        raise InputError(f"{error}: without its weights a trial cannot be measured again") from None


def _drop_checkpoints(target: Run) -> None:
    """Those of cohorts and trials that were lost: nobody is training any more."""
    for key in target.checkpoints():
        target.drop_checkpoint(key)


def _save(target: Run, finished: list[Finished]) -> None:
    tables: Rows = {}
    for end in finished:
        extend(tables, end.tables)
    weights = {end.trial_id: end.weights for end in finished if end.weights is not None}
    target.save([end.trial_id for end in finished], tables, weights)


@contextlib.contextmanager
def started(
    name: str, resources: ResourceOptions, address: str | None, wanted: bool = True
) -> Iterator[Engine]:
    """The engine of that name; where nothing is wanted of it, no Ray starts. Raises InputError."""
    if name not in ("ray", "inline"):
        raise InputError(f"--engine {name}: is not one of ray, inline")
    engine: Engine = Inline()
    if name == "ray" and wanted:
        # Imported late: a machine without Ray can still run studies inline.
        settle(address)
        from pipeline.engine.ray_engine import RayEngine

        engine = RayEngine(resources, address)
    try:
        yield engine
    finally:
        engine.close()
