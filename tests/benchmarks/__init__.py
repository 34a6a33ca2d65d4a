"""Benchmarks: `python -m tests.benchmarks [NAME ...] [--json FILE]`. They assert results, never times."""
