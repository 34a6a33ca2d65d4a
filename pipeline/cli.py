"""`birthday`: parses, calls, prints. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import InputError
from pipeline.study import SEARCHING, Study

app = typer.Typer(
    name="birthday",
    help="Do GANs learn the distribution? Run studies of generators' support size and report on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_commands = typer.Typer(help="Bring data sets to this machine.", no_args_is_help=True)
app.add_typer(data_commands, name="data")
# Only a terminal has a width to fit into.
out = Console(width=None if sys.stdout.isatty() else 10_000)

StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study file, e.g. studies/quickstart.yaml.")
]
RunPath = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's directory or URL, e.g. runs/quickstart.")
]
Runs = Annotated[str, typer.Option("--runs", metavar="DIR", help="Where runs are kept: DIR/<study name>/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study; may be repeated."),
]
EngineName = Annotated[
    str, typer.Option("--engine", help="ray (this machine's cores, or --address) or inline.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", envvar="RAY_ADDRESS", help="HOST:PORT of a running Ray head, or auto."),
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of image sets [default: $BIRTHDAY_DATA].")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="The same study shrunk to a smoke run, <study name>-quick.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Run at most this many trials now.")]
Dashboard = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="The cluster's dashboard, http://HEAD:8265.",
    ),
]
JobName = Annotated[
    str,
    typer.Argument(metavar="JOB", help="A job's id, its beginning, or the study of one unfinished job."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Mirror = Annotated[
    bool,
    typer.Option(
        "--mlflow/--no-mlflow", help="Mirror the tables to MLflow: MLFLOW_TRACKING_URI, else DIR/mlflow.db."
    ),
]


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        app()
    except InputError as error:
        print(f"birthday: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of a KeyboardInterrupt
            print("birthday: stopped; the same command goes on where this one ended", file=sys.stderr)
        raise


def _load(file: Path, overrides: list[str] | None, quick: bool = False) -> Study:
    study = Study.load(file, overrides)
    return study.quick() if quick else study


@app.command()
def plan(
    study_file: StudyFile,
    runs: Runs = "runs",
    price: Annotated[
        float | None,
        typer.Option(
            "--price-per-hour", min=0, help="Of a GPU, or of a core where trials need none; any currency."
        ),
    ] = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
) -> None:
    """Show the trials, axes and predicted cost of a study; runs nothing."""
    from pipeline.engine.design import detectable
    from pipeline.engine.outlook import lines, of_search, outlook
    from pipeline.engine.plan import load_data
    from pipeline.store.run import Run

    study = _load(study_file, overrides, quick)
    trials = study.trials()
    ends = [*study.groups(), *study.corners()] if study.search else []  # checked as by a search
    data = load_data([*trials, *map(study.resolve, ends)], data_root)
    print(f"{study.study}: {study.question}")
    _show(("axis", "values"), study.outline())
    embeddings = ", ".join(study.measure.embedding_names())
    print(
        f"{len(trials)} trials; "
        f"measured: {study.measure.samples} samples each, {embeddings}, {study.measure.tau_rule()}"
    )
    found = outlook(trials, data, study.resources, Run(f"{runs.rstrip('/')}/{study.study}"))
    for line in lines(found, study.resources, price):
        print(line)
    for line in of_search(study, data, Run(f"{runs.rstrip('/')}/{study.study}{SEARCHING}"), price):
        print(line)
    for line in detectable(study, trials, data):
        print(line)


@app.command()
def run(
    study_file: StudyFile,
    runs: Runs = "runs",
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    limit: Limit = None,
    data_root: DataRoot = None,
    quick: Quick = False,
    mlflow: Mirror = True,
) -> None:
    """Carry out what is missing of a study; the same command again resumes it."""
    from pipeline.engine.execute import run as execute
    from pipeline.progress import for_terminal

    study = _load(study_file, overrides, quick)
    finished = execute(
        study,
        runs,
        engine=engine,
        address=address,
        limit=limit,
        data_root=data_root,
        mirror=mlflow,
        progress=for_terminal(),
    )
    print(f"tables: {finished.root}")
    if mlflow:
        from pipeline.tracking import place

        with contextlib.suppress(InputError):  # an object store without a server: said meanwhile
            print(f"mlflow: {place(finished).look}")
    print(f"next:   birthday report {finished.root}")


@app.command()
def tune(
    study_file: StudyFile,
    runs: Runs = "runs",
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
) -> None:
    """Time the ways to train each shape of trial; runs in DIR then take the fastest."""
    from pipeline.engine.execute import tune as measure_back_ends
    from pipeline.engine.tuning import table

    study = _load(study_file, overrides, quick)
    found = measure_back_ends(study, runs, engine=engine, address=address, data_root=data_root)
    print(next(iter(found.values())).device)
    _show(
        ("shape", "trials", "back end", "at once", "steps/s", "speed-up", "chosen"),
        table(found, study.trials()),
    )


@app.command()
def status(run_path: RunPath) -> None:
    """Count a run's trials: planned, finished by status, missing; the last failures; who is writing."""
    from pipeline.store.status import lines

    for line in lines(run_path):
        print(line)


@app.command()
def verify(
    run_path: RunPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move what is damaged to RUN/damaged/, to be trained again.")
    ] = False,
) -> None:
    """Check size and checksum of every file of a run; exit code 1 if one is damaged or missing."""
    from pipeline.store import verify as room
    from pipeline.store.run import load_run

    found_run = load_run(run_path)
    with found_run.holding() if repair else contextlib.nullcontext():
        found = room.examine(found_run.files)
        for line in room.lines(found):
            print(line)
        if repair:
            room.repair(found_run.files, found)
    if repair and found.damaged:
        print(f"moved to {found_run.root}/{room.DAMAGED}/; {len(found.lost)} trials will be trained again by")
        print(f"  {room.command(found_run.files)}")
    elif found.damaged:
        print(f"next:   birthday verify {found_run.root} --repair")
        raise typer.Exit(1)


@app.command()
def measure(
    run_path: RunPath,
    overrides: Overrides = None,
    engine: EngineName = "ray",
    address: Address = None,
    data_root: DataRoot = None,
) -> None:
    """Measure a run's trained generators again, e.g. --set measure.tau.quantile=1e-2; trains nothing."""
    from pipeline.documents import assign, parse_yaml
    from pipeline.engine.execute import measure as execute
    from pipeline.store.run import load_run

    document = parse_yaml(load_run(run_path).study.yaml())
    for text in overrides or []:
        assign(document, text)
    study = Study.parse(document, f"{run_path.rstrip('/')}/study.yaml")
    count = execute(run_path, study, engine=engine, address=address, data_root=data_root)
    print(f"measured {count} generators: {study.measure.tau_rule()}, {study.measure.samples} samples")
    print(f"next:   birthday report {run_path}")


@app.command(name="measure-samples")
def measure_samples(
    samples: Annotated[
        Path, typer.Argument(metavar="SAMPLES", help="An .npy or .npz array, or a folder of images.")
    ],
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="REAL", help="Real samples of the same kind.")
    ] = None,
    tau: Annotated[
        float | None, typer.Option("--tau", min=0, help="Distance up to which a pair is a near-duplicate.")
    ] = None,
    tau_rule: Annotated[
        str | None,
        typer.Option(
            "--tau-rule",
            metavar="RULE[:QUANTILE]",
            help="real_quantile (of distances between reference samples) or augmentation (of reference "
            "images to their own shifts); by default real_quantile:0.001.",
        ),
    ] = None,
    embedding: Annotated[
        str, typer.Option("--embedding", help="A name, or a group such as '{name: timm, model: …}'.")
    ] = "pixels",
    array: Annotated[
        str | None, typer.Option("--array", metavar="NAME", help="Which array of an .npz.")
    ] = None,
    engine: EngineName = "inline",
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Measure the support size of samples from any model."""
    from pipeline.engine.execute import started
    from pipeline.engine.measure_samples import measure_samples as execute
    from pipeline.engine.measure_samples import read_embedding, read_rule, summary
    from pipeline.engine.tiles import SIDE
    from pipeline.sample_files import load_samples
    from pipeline.study_options import ResourceOptions

    options, rule = read_embedding(embedding), read_rule(tau, tau_rule, reference is not None)
    x = load_samples(samples, array)
    real = (
        None if reference is None else load_samples(reference, array if reference.suffix == ".npz" else None)
    )
    with started(engine, ResourceOptions(), address, wanted=len(x) > SIDE) as worker:
        found = execute(x, real, options, rule, worker)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for label, text in summary(found):
            print(f"{label:<22}{text}")


@app.command()
def review(
    run_path: RunPath,
    port: Annotated[int, typer.Option("--port", help="0: any free one.")] = 0,
    rater: Annotated[str | None, typer.Option("--rater", help="Name the page starts with.")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = False,
) -> None:
    """Judge pairs of images by eye, blinded, on a page served to this machine only."""
    from pipeline.review import review as serve

    serve(run_path, port=port, rater=rater, open_browser=open_browser)


@app.command()
def report(
    run_path: RunPath,
    target: Annotated[
        str | None, typer.Option("--out", help="Folder for the report [default: RUN/report].")
    ] = None,
) -> None:
    """Write the report of a run from its tables alone: HTML, Markdown, figures, CSV."""
    import reports

    print(reports.build(run_path, target) / "index.html")


@app.command(name="mirror")
def mirror_command(
    run_path: RunPath,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URI",
            help="A server or database [default: MLFLOW_TRACKING_URI, else mlflow.db beside the run].",
        ),
    ] = None,
) -> None:
    """Bring MLflow up to date with a run, from its tables alone: trials, curves, samples, and its report."""
    import reports
    from pipeline.store.run import load_run
    from pipeline.tracking import mirror, place

    found_run = load_run(run_path)
    where = place(found_run, to)
    mirror(found_run, where, lambda: {"report/index.html": reports.page(found_run)})
    print(f"mlflow: {where.look}")


@app.command()
def submit(
    study_file: StudyFile,
    address: Dashboard,
    runs: Annotated[str, typer.Option("--runs", help="An absolute path that every node sees, or a URL.")],
    overrides: Overrides = None,
    limit: Limit = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder of image sets on the head, instead of its BIRTHDAY_DATA."),
    ] = None,
    quick: Quick = False,
    mlflow: Mirror = True,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="NAME[=VALUE]",
            help="A variable for the job, e.g. MLFLOW_TRACKING_URI; without a value, the one set here; may "
            "be repeated. Nothing else of this environment travels. Who can list jobs can read it: secrets "
            "belong into the nodes' environment.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stream the job's log until it ends.")
    ] = True,
    python: Annotated[str | None, typer.Option("--python", help="Interpreter on the cluster's head.")] = None,
) -> None:
    """Run a study on a Ray cluster as a job that outlives this terminal; prints the job's id."""
    from cluster.submit import submit as send

    if data_root is not None and not data_root.is_absolute():
        raise InputError(f"--data-root {data_root}: must be an absolute path on the cluster's head")
    options = ["--limit", str(limit)] if limit else []
    options += ["--data-root", str(data_root)] if data_root else []
    options += [] if mlflow else ["--no-mlflow"]
    with _watching("a job that was started goes on; `birthday stop` would end it"):
        job = send(
            study_file,
            address,
            runs,
            overrides,
            quick=quick,
            options=options,
            variables=variables,
            wait=wait,
            python=python,
        )
    print(job)


@app.command()
def jobs(address: Dashboard, as_json: AsJson = False) -> None:
    """List a cluster's jobs, the oldest first."""
    from cluster.jobs import connect, list_jobs
    from cluster.listing import record, table

    found = [record(job) for job in list_jobs(connect(address))]
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(table(found, time.time(), out.width if sys.stdout.isatty() else None)))


@app.command()
def logs(
    job: JobName,
    address: Dashboard,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="The last lines only.")] = None,
) -> None:
    """Print a job's log."""
    from cluster.jobs import connect, find_job
    from cluster.log import follow, show

    client = connect(address)
    name = str(find_job(client, job).submission_id)
    with _watching():
        (follow if following else show)(client, name, tail)


@app.command()
def stop(job: JobName, address: Dashboard) -> None:
    """Stop a job and wait until it has ended; submitting its study again goes on where it stopped."""
    from cluster.jobs import connect, find_job
    from cluster.jobs import stop as end

    client = connect(address)
    with _watching("the job was told to stop, and does"):
        end(client, find_job(client, job), lambda line: print(line, flush=True))


@contextlib.contextmanager
def _watching(otherwise: str = "the job goes on; `birthday stop` would end it") -> Iterator[None]:
    """A job's failure is its reason and exit code 1; so is an end of looking on, which changes nothing."""
    from cluster.jobs import JobFailed

    try:
        yield
    except JobFailed as error:
        print(f"birthday: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print(f"birthday: {otherwise}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def search(
    study_file: StudyFile,
    runs: Runs = "runs",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Number of suggestions of each search.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a search that must be there; without it, too, if it is."),
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", help="Database of Optuna's part [default: a journal in the run]."
        ),
    ] = None,
    engine: EngineName = "ray",
    address: Address = None,
    overrides: Overrides = None,
    data_root: DataRoot = None,
    quick: Quick = False,
    mlflow: Mirror = True,
) -> None:
    """Search the study's `search:` space and write the best settings as a study of fresh seeds.

    With `search.each` every one of its values has a search of its own, and that study is then run.
    """
    from pipeline.engine.execute import run as execute
    from pipeline.progress import for_terminal
    from pipeline.search import search as find

    study = _load(study_file, overrides, quick)
    found = find(
        study,
        runs,
        trials=trials,
        engine=engine,
        address=address,
        data_root=data_root,
        storage=storage,
        resume=resume,
        mirror=mlflow,
        progress=for_terminal(),
    )
    assert study.search is not None
    rows = []
    for s in found.suggestions:
        settings = ", ".join(f"{key}={value}" for key, value in (s.group | s.settings).items())
        values = [f"{value:.4f}" for value in s.values] + [""] * (len(study.search.objective) - len(s.values))
        rows.append((str(s.number), s.state if s.feasible else f"{s.state}, infeasible", *values, settings))
    _show(("suggestion", "state", *(o.metric for o in study.search.objective), "settings"), rows)
    print(f"best:   {found.best_study}")
    if not study.search.each:
        print(f"next:   birthday run {found.best_study} --runs {runs}")
        return
    best = Study.load(found.best_study)
    target = execute(
        best,
        runs,
        engine=engine,
        address=address,
        data_root=data_root,
        mirror=mlflow,
        progress=for_terminal(),
    )
    print(f"tables: {target.root}")
    print(f"next:   birthday report {target.root}")


@app.command()
def datasets(data_root: DataRoot = None) -> None:
    """List the data sets, and where each was found."""
    from pipeline import datasets as room

    _show(("name", "what", "where"), room.available(data_root))


@data_commands.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist, fashion_mnist or cifar10.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Folder of image sets [default: $BIRTHDAY_DATA]."),
    ] = None,
) -> None:
    """Download a data set from its official source, checked and resumed; or say what to put where."""
    from pipeline.datasets.fetch import fetch as bring
    from pipeline.datasets.fetch import progress_bar

    with progress_bar() as watch:
        folder = bring(name, to, watch)
    print(folder)
    if to is not None:
        print(f"next:   --data-root {to}, or BIRTHDAY_DATA={to.absolute()}")


@app.command()
def systems() -> None:
    """List the systems a study may name: paper, what they play on, options."""
    from pipeline.options import SystemOptions, choices

    rows = []
    for name, model in choices(SystemOptions).items():
        options = [key for key in model.model_fields if key != "name"]
        what = " ".join((model.__doc__ or "").split())
        rows.append(
            (name, getattr(model, "paper", ""), getattr(model, "plays_on", ""), what, ", ".join(options))
        )
    _show(("name", "paper", "ready for", "what", "options"), rows)


@app.command()
def objectives() -> None:
    """List the objectives a study may name, with their options, and the regularisers that go with them."""
    from pipeline import options

    rows = {}
    for name, model in options.choices(options.ObjectiveOptions).items():
        fields = [f"{key}={field.default}" for key, field in model.model_fields.items() if key != "name"]
        rows[name] = " ".join([model.__doc__ or "", *(["Options:", *fields] if fields else [])])
    for name, field in options.Regularizers.model_fields.items():
        rows[f"regularizers.{name}"] = field.description or ""
    _list(rows)


@app.command()
def doctor(runs: Runs = "runs", data_root: DataRoot = None) -> None:
    """Check what is installed and usable here, and say what to do about what is missing."""
    from pipeline.doctor import checks

    marks = {True: Text("ok", "green"), False: Text("no", "red"), None: Text("-", "yellow")}
    found = checks(Path(runs), data_root)
    _show(("", "check", "found", "what to do"), ((marks[c.ok], c.name, c.found, c.advice) for c in found))
    raise typer.Exit(1 if any(check.ok is False for check in found) else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    print(json.dumps(Study.model_json_schema(), indent=2))


def _list(rows: Mapping[str, str | None]) -> None:
    _show(("name", "what"), ((name, " ".join((text or "").split())) for name, text in rows.items()))


def _show(columns: tuple[str, ...], rows: Iterable[tuple[str | Text, ...]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        # Brackets in a path or a value are no markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    out.print(table)


if __name__ == "__main__":
    main()
