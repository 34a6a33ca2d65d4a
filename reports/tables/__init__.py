"""The tables of a run, read for the report."""
