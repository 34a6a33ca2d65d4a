"""`birthday`: parses, calls, prints. Heavy packages are imported by the command that needs them."""

from pipeline.cli.app import app, main

# In the order in which `birthday --help` lists them.
from pipeline.cli import studies, runs, results, samples, cluster, lists  # isort: skip

__all__ = ["app", "cluster", "lists", "main", "results", "runs", "samples", "studies"]
