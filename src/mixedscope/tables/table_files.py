"""One stored table: writing it, and reading it back with suspicion.

A table is checked against its schema when it is written and again when it is read, so that a chart
never has to ask whether a column is there.  The same table gives the same bytes: fixed column
order, types, compression and row groups, no pandas index, no clock.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mixedscope.core.arrow import frame_of_arrow
from mixedscope.core.errors import StoreError, suggest
from mixedscope.tables.files import atomic_write, first_line, plain, write_csv
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.table_schema import TableSchema

__all__ = ["conformed", "read_table", "schema_of", "skipped_table", "table_bytes", "write_table"]

_ROW_GROUP = 1 << 20


def write_table(
    path: str | os.PathLike[str],
    frame: pd.DataFrame,
    kind: TableSchema | str,
    *,
    formula: str,
    sha256: str,
    extra: Mapping[str, Any] | None = None,
    csv: bool = False,
) -> Path:
    """Write one Parquet table, checked against its schema.

    The frame has exactly the columns of the schema, in any order; NaN is written as null. ``kind``
    is the schema, or its name in `mixedscope.tables.schemas`. ``formula`` and ``sha256``, the
    digest of the input, are kept in the metadata, and ``extra`` as JSON under ``mixedscope.<key>``.
    With ``csv`` the same rows and columns are written beside it as CSV. Raises StoreError if the
    frame does not fit the schema or a file cannot be written.
    """
    path = Path(path)
    atomic_write(path, table_bytes(path, frame, kind, formula=formula, sha256=sha256, extra=extra))
    if csv:
        schema = schema_of(kind)
        rows = frame if schema.columns is None else frame[list(schema.columns_of(frame.columns))]
        write_csv(path.with_suffix(".csv"), rows)
    return path


def read_table(path: str | os.PathLike[str], kind: TableSchema | str) -> pd.DataFrame:
    """Read one Parquet table, checked against its schema (or the name of one).

    Its ``attrs`` hold ``schema``, ``formula``, ``sha256`` and whatever else was stored. Raises
    StoreError if the file is missing, damaged, of another kind or version, or breaks its schema.
    """
    path = Path(path)
    schema = schema_of(kind)
    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read as a Parquet table ({first_line(error)}). "
            "The file is damaged: delete it and make it again"
        ) from error
    meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    found, wanted = meta.get("mixedscope.schema"), f"{schema.kind}/{schema.version}"
    if found != wanted:
        raise StoreError(
            f"{path} is not a table of kind {wanted!r}: its mixedscope.schema is {found!r}. "
            "Make it again with this version"
        )
    if schema.columns is not None:
        got = {f.name: f.type for f in table.schema}
        columns = schema.columns_of(got)
        if list(got) != list(columns) or any(
            not _same_type(got[name], t) for name, t in columns.items()
        ):
            raise StoreError(
                f"{path} does not have the columns of {wanted!r} "
                f"({', '.join(columns)}). Delete it and make it again"
            )
        _check_content(table, schema, str(path))
    # Columns of a prepared data set are the user's.
    frame = (
        frame_of_arrow(table, spent=True) if schema.columns is None else _as_frame(table, schema)
    )
    attrs: dict[Any, Any] = {"schema": wanted}
    for key, value in meta.items():
        name = key.removeprefix("mixedscope.")
        if name == key or name == "schema":
            continue
        attrs[name] = value if name in ("formula", "sha256") else json.loads(value)
    frame.attrs = attrs
    return frame


def conformed(frame: pd.DataFrame, kind: TableSchema | str) -> pd.DataFrame:
    """Give a table as it would be read after it was written: columns in order, and their types.

    Text that may be missing is of type object, None where it is; other text is of type str. Of
    ``attrs`` all stay. Raises StoreError if the frame does not fit the schema.
    """
    schema = schema_of(kind)
    out = _as_frame(_as_arrow(frame, schema, f"table {schema.kind!r}"), schema)
    out.attrs = frame.attrs
    return out


def skipped_table(kind: TableSchema | str, study: str, reason: str) -> pd.DataFrame:
    """Stand for a table that cannot be made: its columns without rows, and why.

    ``study`` would have made it, and ``reason`` is a clause. Both are stored as
    ``mixedscope.skipped``; `read_table` gives them as ``attrs["skipped"]``, by these names.
    """
    columns = schema_of(kind).columns
    assert columns is not None
    frame = conformed(pd.DataFrame({name: [] for name in columns}), kind)
    frame.attrs["skipped"] = {"study": study, "reason": reason}
    return frame


def table_bytes(
    path: Path,
    frame: pd.DataFrame,
    kind: TableSchema | str,
    *,
    formula: str,
    sha256: str,
    extra: Mapping[str, Any] | None,
) -> bytes:
    """Give the bytes `write_table` writes."""
    schema = schema_of(kind)
    table = _as_arrow(frame, schema, str(path))
    meta = {"schema": f"{schema.kind}/{schema.version}", "formula": formula, "sha256": sha256}
    for key, value in {**(extra or {}), "skipped": frame.attrs.get("skipped")}.items():
        if value is not None:
            meta[key] = json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
    table = table.replace_schema_metadata(
        {f"mixedscope.{k}".encode(): v.encode() for k, v in meta.items()}
    )
    # Hardly two numbers of a column are the same: dictionaries of them would be larger.
    repeated = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=9,
        use_dictionary=repeated or False,
        version="2.6",
        row_group_size=_ROW_GROUP,
        data_page_version="1.0",
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def _as_frame(table: pa.Table, schema: TableSchema) -> pd.DataFrame:
    """Columns of a schema as a frame, whose types do not depend on whether a text is missing."""
    frame = pd.DataFrame(table.to_pandas(ignore_metadata=True))
    for name, type_ in schema.columns_of(table.column_names).items():
        if pa.types.is_string(type_) and name not in schema.required:
            values = table.column(name).to_numpy(zero_copy_only=False)
            frame[name] = pd.Series(values, dtype=object)
    return frame


def _as_arrow(frame: pd.DataFrame, schema: TableSchema, where: str) -> pa.Table:
    """Cast to the schema; a column too many or too few is an error, never dropped or filled."""
    names = [str(c) for c in frame.columns]
    if len(set(names)) != len(names):
        raise StoreError(f"{where}: two columns of the table have the same name")
    if schema.columns is None:
        try:
            return pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise StoreError(f"{where}: {first_line(error)}") from error
    columns = schema.columns_of(names)
    for name in names:
        if name not in columns:
            raise StoreError(
                f"{where}: a table of kind {schema.kind!r} has no column {name!r}."
                f"{suggest(name, columns)}"
            )
    arrays = []
    for name, type_ in columns.items():
        if name not in names:
            raise StoreError(f"{where}: the table of kind {schema.kind!r} lacks column {name!r}")
        try:
            arrays.append(_column(frame[name], type_))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise StoreError(
                f"{where}: column {name!r} cannot be stored as {type_}: {first_line(error)}"
            ) from error
    table = pa.table(arrays, schema=pa.schema(list(columns.items())))
    _check_content(table, schema, where)
    return table


def _column(values: pd.Series, type_: pa.DataType) -> pa.Array:
    if pa.types.is_string(type_) and isinstance(values.dtype, pd.StringDtype):
        return pa.array(values, from_pandas=True).cast(type_)
    if pa.types.is_string(type_):
        cells = [None if _is_null(v) else str(v) for v in values.tolist()]
        return pa.array(cells, type=type_)
    if pa.types.is_list(type_):
        lists = [None if _is_null(v) else np.asarray(v, dtype=np.float64) for v in values.tolist()]
        return pa.array(lists, type=type_)
    if values.dtype == object:
        values = values.infer_objects()
    return pa.Array.from_pandas(values).cast(type_)


def _check_content(table: pa.Table, schema: TableSchema, where: str) -> None:
    for name in schema.required:
        if table.column(name).null_count:
            raise StoreError(f"{where}: column {name!r} has nulls, and may have none")
    for name, allowed in (schema.values or {}).items():
        if name not in table.column_names:  # of generalised models alone
            continue
        for value in table.column(name).unique().to_pylist():
            if value is not None and value not in allowed:
                raise StoreError(
                    f"{where}: column {name!r} holds {value!r}, expected one of "
                    f"{', '.join(sorted(allowed))}"
                )


def schema_of(kind: TableSchema | str) -> TableSchema:
    """Find the schema of a kind of table by its name; a schema is its own.

    Raises StoreError if there is no such kind.
    """
    if isinstance(kind, TableSchema):
        return kind
    if kind not in SCHEMAS:
        raise StoreError(f"there is no kind of table {kind!r}.{suggest(kind, SCHEMAS)}")
    return SCHEMAS[kind]


def _same_type(a: pa.DataType, b: pa.DataType) -> bool:
    # Parquet renames the item field of a list, which is no difference.
    if pa.types.is_list(a) and pa.types.is_list(b):
        return bool(a.value_type == b.value_type)
    return bool(a == b)


def _is_null(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
