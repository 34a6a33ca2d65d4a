"""The source of truth: immutable Parquet tables and artifacts under one directory or object-store prefix."""
