"""Encoded images in Parquet files, as the Hugging Face hub and our own tables keep them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.cache import Part, kept, key
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import BLOCK, in_blocks, read_square
from pipeline.datasets.places import find, fixed_split
from pipeline.errors import InputError
from pipeline.options import ParquetImages


def load_parquet_images(options: ParquetImages, data_root: Path | None) -> DataSet:
    """(n, channels, size, size) uint8: centre-cropped to a square, resized (Lanczos); labels where named.

    `path` and `held_out` each name a file, a folder whose `*.parquet` files are read in the order of their
    names, or a pattern such as `data/train-*.parquet`. The image column holds encoded images, either bytes
    or structs with a field `bytes` (Hugging Face); the label column integers. Without `held_out`, n/10 of n
    images are, but at least 500 and never more than 3n/10; which ones depends on n alone.
    Raises InputError for files that are missing or damaged, or hold no such columns.
    """
    files = _files("dataset.path", options.path, data_root)
    count = _count(files, options)
    if options.held_out is None:
        train, held_out = fixed_split(options.path, options.name, count)
        sources = {"train": (files, train), "held_out": (files, held_out)}
    else:
        others = _files("dataset.held_out", options.held_out, data_root)
        sources = {
            "train": (files, np.arange(count)),
            "held_out": (others, np.arange(_count(others, options))),
        }
    every = [file for of_part, _ in sources.values() for file in of_part]
    made = kept(key(options, every), {name: _images(options, *of_part) for name, of_part in sources.items()})
    labels = {name: _labels(options, *of_part) for name, of_part in sources.items()}
    return DataSet(options.name, made["train"], made["held_out"], labels["train"], labels["held_out"])


def _files(option: str, path: str, data_root: Path | None) -> list[Path]:
    given = Path(path)
    if "*" in given.name:
        place, pattern = find(option, str(given.parent), data_root), given.name
    else:
        place, pattern = find(option, path, data_root, "file or folder"), "*.parquet"
    files = sorted(place.glob(pattern)) if place.is_dir() else [place]
    if not files:
        raise InputError(f"{option}: {place}: holds no {pattern}")
    return files


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{file}: not a readable Parquet file: {_one_line(error)}") from None


def _count(files: list[Path], options: ParquetImages) -> int:
    """Rows in all; the schemas are checked on the way."""
    count = 0
    for file in files:
        with _opened(file) as parquet:
            schema = parquet.schema_arrow
            count += parquet.metadata.num_rows
        for option, column in (
            ("image_column", options.image_column),
            ("label_column", options.label_column),
        ):
            if column is not None and column not in schema.names:
                raise InputError(f"dataset.{option}: {column!r}: {file} has {', '.join(schema.names)}")
        kind = schema.field(options.image_column).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise InputError(
                f"dataset.image_column: {options.image_column!r}: {file} holds {kind} there; allowed: "
                "binary, or a struct with a binary field `bytes`"
            )
        if options.label_column is not None and not pa.types.is_integer(
            schema.field(options.label_column).type
        ):
            raise InputError(
                f"dataset.label_column: {options.label_column!r}: {file} holds "
                f"{schema.field(options.label_column).type} there; allowed: integers"
            )
    return count


def _images(options: ParquetImages, files: list[Path], rows: np.ndarray) -> Part:
    def read(entry: tuple[str, bytes]) -> np.ndarray:
        return read_square(entry[1], entry[0], options.size, options.channels)

    shape = (len(rows), options.channels, options.size, options.size)
    return Part(shape, np.uint8, lambda: in_blocks(_encoded(options.image_column, files, rows), read))


def _encoded(column: str, files: list[Path], rows: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """(where it is, encoded image) of the rows, ascending; rows are counted through all files."""
    begin = 0
    for file in files:
        number = begin
        for batch in _batches(file, column):
            values = batch.column(0)
            if pa.types.is_struct(values.type):
                values = values.field("bytes")
            of_batch = rows[np.searchsorted(rows, number) : np.searchsorted(rows, number + len(values))]
            for row in of_batch:
                where = f"{file}: row {row - begin}, column {column!r}"
                value = values[row - number].as_py()
                if value is None:
                    raise InputError(f"{where}: is null; every row must hold an image")
                yield where, value
            number += len(values)
        begin = number


def _labels(options: ParquetImages, files: list[Path], rows: np.ndarray) -> np.ndarray | None:
    if options.label_column is None:
        return None
    batches = [batch.column(0) for file in files for batch in _batches(file, options.label_column)]
    labels = pa.chunked_array(batches)
    if labels.null_count:
        raise InputError(
            f"dataset.label_column: {options.label_column!r}: {labels.null_count} rows hold null"
        )
    return labels.to_numpy().astype(np.int64)[rows]


def _batches(file: Path, column: str) -> Iterator[pa.RecordBatch]:
    with _opened(file) as parquet:
        try:
            yield from parquet.iter_batches(BLOCK, columns=[column])
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file}: column {column!r} cannot be read: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
