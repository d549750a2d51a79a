"""Tables of scores as Parquet, a file for each partition, all of one schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from medgen.files import replacing


def write_part(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all: numbers as float64, decisions as booleans that may be missing, all else as text.

    What a type is never depends on the rows, so that a part in which a column is empty has the types of all others.
    """
    import pyarrow
    from pyarrow import parquet

    fields, columns = [], []
    for name in map(str, table.columns):
        values = table[name]
        if pd.api.types.is_bool_dtype(values.dtype):
            fields.append(pyarrow.field(name, pyarrow.bool_()))
            columns.append(pyarrow.array([None if pd.isna(value) else bool(value) for value in values], pyarrow.bool_()))
        elif pd.api.types.is_numeric_dtype(values.dtype):
            fields.append(pyarrow.field(name, pyarrow.float64()))
            columns.append(pyarrow.array(values.to_numpy(dtype="float64"), pyarrow.float64()))
        else:
            fields.append(pyarrow.field(name, pyarrow.string()))
            texts = [None if pd.isna(value) else str(value).encode(errors="backslashreplace").decode() for value in values]
            columns.append(pyarrow.array(texts, pyarrow.string()))
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.table(columns, schema=pyarrow.schema(fields)), temporary)


def read_part(path: Path) -> pd.DataFrame:
    """Return a table that `write_part` wrote, with its decisions as `decide` makes them."""
    from pyarrow import parquet

    table: pd.DataFrame = parquet.read_table(path).to_pandas()
    if "abnormal" in table:
        missing = table["abnormal"].isna().any()
        table["abnormal"] = table["abnormal"].astype("boolean" if missing else bool)
    return table


def give_one_schema(paths: Sequence[Path]) -> None:
    """Add to each part the columns that only others have, such as the times of videos, so that all can be read as one table."""
    import pyarrow
    from pyarrow import parquet

    schemas = [parquet.read_schema(path) for path in paths]
    every = pyarrow.unify_schemas(sorted(dict.fromkeys(schemas), key=len, reverse=True))
    for path, schema in zip(paths, schemas, strict=True):
        if schema != every:
            table = parquet.read_table(path)
            columns = [
                table[field.name] if field.name in schema.names else pyarrow.nulls(len(table), field.type) for field in every
            ]
            with replacing(path) as temporary:
                parquet.write_table(pyarrow.table(columns, schema=every), temporary)
