"""Samples of any model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.options import (
    Address,
    AsJson,
    EngineName,
)


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
