"""The stored tables: their schemas, writing them, and reading them back with suspicion.

One fit is one directory: ``fit.json``, up to five Parquet tables (``trace``, ``estimates``,
``modes``, ``modes_trace``, ``timing``) and those of its studies.  `mixedscope.tables.schemas` is
the one place that knows their columns; a table is checked against it when it is written and again
when it is read, so that a chart never has to ask whether a column is there.

The same tables give the same bytes: fixed column order, types, compression and row groups, no
pandas index, no clock.  Every file is written under a temporary name and renamed, so that a
reader sees the whole file or none.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mixedscope.core.errors import StoreError, UnsuitedError, suggest
from mixedscope.tables.files import (
    atomic_write,
    first_line,
    json_bytes,
    plain,
    read_json,
    write_json,
)
from mixedscope.tables.schemas import SCHEMAS, TableSchema

__all__ = [
    "SCHEMAS",
    "FitTables",
    "TableSchema",
    "atomic_write",
    "read_fit",
    "read_json",
    "read_table",
    "skipped_table",
    "write_fit",
    "write_json",
    "write_table",
]

#: The Parquet tables of one fit; the attribute of `FitTables` and the stem of the file.
FIT_TABLES = ("trace", "estimates", "modes", "modes_trace", "timing")

#: The tables that studies of a fit add to it.
STUDY_TABLES = tuple(name for name, schema in SCHEMAS.items() if schema.study)

#: Version of ``fit.json``, its ``schema`` key.
FIT_SCHEMA = "fit/1"

_FIT_KEYS = (
    "schema",
    "model",
    "formula",
    "structure",
    "dataset",
    "criterion",
    "dimensions",
    "optimizer",
    "objective",
    "loglik",
    "dof",
    "aic",
    "aicc",
    "bic",
    "sigma",
    "singular",
    "certificate",
    "versions",
)

_ROW_GROUP = 1 << 20
_STUDY_HINT = ", studies=True"


@dataclass
class FitTables:
    """Everything known about one fit, as tables.

    Attributes
    ----------
    info : dict
        What ``fit.json`` holds.
    trace, estimates, modes, modes_trace, timing : pandas.DataFrame or None
        Columns as in ``SCHEMAS``; None where not computed or not stored yet.
    studies : dict of str to pandas.DataFrame
        What `mixedscope.inference.studies.registry` found, by name of table.
    """

    info: dict[str, Any]
    trace: pd.DataFrame | None = None
    estimates: pd.DataFrame | None = None
    modes: pd.DataFrame | None = None
    modes_trace: pd.DataFrame | None = None
    timing: pd.DataFrame | None = None
    studies: dict[str, pd.DataFrame] = field(default_factory=dict)

    def get(self, name: str) -> pd.DataFrame | None:
        """Give a table by name, or None where it has not been computed or stored."""
        if name in STUDY_TABLES:
            return self.studies.get(name)
        frame: pd.DataFrame | None = getattr(self, name)
        return frame

    def skipped(self, studies: Collection[str]) -> str | None:
        """Say why one of these studies could not be made of this fit; None if all were."""
        for frame in self.studies.values():
            why = frame.attrs.get("skipped")
            if why is not None and why["study"] in studies:
                return str(why["reason"])
        return None

    def require(self, name: str) -> pd.DataFrame:
        """Give a table, or say which one is missing.

        Parameters
        ----------
        name : str
            One of `FIT_TABLES` or `STUDY_TABLES`.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        StoreError
            If the table has not been computed or stored.
        UnsuitedError
            If it cannot be made of this fit; says why.
        """
        frame = self.get(name)
        if frame is not None and "skipped" in frame.attrs:
            raise UnsuitedError(str(frame.attrs["skipped"]["reason"]))
        if frame is None:
            label = self.info.get("model") or self.info.get("formula", "?")
            raise StoreError(
                f"the fit of {label!r} has no table {name!r}: {name}.parquet was not written. "
                f"Write it with fit.save(directory{_STUDY_HINT if name in STUDY_TABLES else ''}), "
                "or rerun the workflow"
            )
        return frame


def skipped_table(kind: str, study: str, reason: str) -> pd.DataFrame:
    """Stand for a table that cannot be made: its columns without rows, and why.

    Parameters
    ----------
    kind : str
        A key of ``SCHEMAS``.
    study : str
        What would have made it.
    reason : str
        A clause. Both are stored as ``mixedscope.skipped``; `read_table` gives them as
        ``attrs["skipped"]``, by these names.

    Returns
    -------
    pandas.DataFrame
    """
    columns = _schema(kind).columns
    assert columns is not None
    frame = pd.DataFrame({name: [] for name in columns})
    frame.attrs["skipped"] = {"study": study, "reason": reason}
    return frame


# -- whole fits --------------------------------------------------------------------------------


def write_fit(
    directory: str | os.PathLike[str],
    tables: FitTables,
    *,
    formula: str | None = None,
    sha256: str | None = None,
    only: Iterable[str] | None = None,
) -> list[Path]:
    """Write one fit into a directory, made if need be.

    Where a fit is written anew, tables of studies of the one before are removed.

    Parameters
    ----------
    directory : path
    tables : FitTables
    formula, sha256 : str, optional
        Model formula and digest of the input, for the metadata of each table; by default those
        of ``tables.info``.
    only : iterable of str, optional
        A subset of ``fit``, `FIT_TABLES` and `STUDY_TABLES`; by default everything that there is.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    StoreError
        If a table does not fit its schema, was asked for and is None, or cannot be written.
        Every table is checked before the first file is touched.
    """
    directory = Path(directory)
    parts = ("fit", *FIT_TABLES, *STUDY_TABLES)
    if only is None:
        chosen = [p for p in parts if p == "fit" or tables.get(p) is not None]
    else:
        chosen = list(only)
        for name in chosen:
            if name not in parts:
                raise StoreError(f"a fit has no part {name!r}.{suggest(name, parts)}")
    info = tables.info
    formula = str(info.get("formula", "")) if formula is None else formula
    if sha256 is None:
        sha256 = str((info.get("dataset") or {}).get("sha256") or "")
    payloads: dict[Path, bytes] = {}
    for name in chosen:
        if name == "fit":
            path = directory / "fit.json"
            _check_info(info, path)
            payloads[path] = json_bytes(info)
            continue
        path = directory / f"{name}.parquet"
        extra = (
            {"theta_names": info.get("theta_names"), "beta_names": info.get("fixed_names")}
            if name == "trace"
            else None
        )
        frame = tables.get(name)
        if frame is None:
            frame = tables.require(name)  # says what is missing
        payloads[path] = _table_bytes(
            path, frame, name, formula=formula, sha256=sha256, extra=extra
        )
    for path, payload in payloads.items():
        atomic_write(path, payload)
    if "fit" in chosen:
        # What was studied was the fit that this one takes the place of.
        for name in STUDY_TABLES:
            if name not in chosen:
                (directory / f"{name}.parquet").unlink(missing_ok=True)
    return list(payloads)


def read_fit(directory: str | os.PathLike[str]) -> FitTables:
    """Read one fit; tables that were not stored are None.

    Parameters
    ----------
    directory : path
        A directory written by `write_fit`.

    Returns
    -------
    FitTables

    Raises
    ------
    StoreError
        If ``fit.json`` is missing, a file is damaged, or a table belongs to another fit.
    """
    directory = Path(directory)
    path = directory / "fit.json"
    if not path.is_file():
        raise StoreError(f"{directory} holds no fit: there is no fit.json in it")
    info = read_json(path)
    if not isinstance(info, dict):
        raise StoreError(f"{path} is not a fit: expected a JSON object. Delete it and fit again")
    _check_info(info, path)
    tables = FitTables(info)
    sha256 = (info.get("dataset") or {}).get("sha256") or ""
    for name in (*FIT_TABLES, *STUDY_TABLES):
        file = directory / f"{name}.parquet"
        if not file.exists():
            continue
        frame = read_table(file, name)
        for key, mine in (("formula", info["formula"]), ("sha256", sha256)):
            if frame.attrs[key] != mine:
                raise StoreError(
                    f"{file} belongs to another fit: its {key} is {frame.attrs[key]!r}, "
                    f"fit.json beside it has {mine!r}. Fit the model again"
                )
        if name in STUDY_TABLES:
            tables.studies[name] = frame
        else:
            setattr(tables, name, frame)
    return tables


def _check_info(info: Mapping[str, Any], path: Path) -> None:
    missing = [k for k in _FIT_KEYS if k not in info]
    if missing:
        raise StoreError(f"{path}: fit information lacks {', '.join(map(repr, missing))}")
    if info["schema"] != FIT_SCHEMA:
        raise StoreError(
            f"{path} has schema {info['schema']!r}, this version knows {FIT_SCHEMA!r}. "
            "Fit the model again, or use the mixedscope that wrote it"
        )


# -- single tables -----------------------------------------------------------------------------


def write_table(
    path: str | os.PathLike[str],
    frame: pd.DataFrame,
    kind: str,
    *,
    formula: str,
    sha256: str,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write one Parquet table, checked against its schema.

    Parameters
    ----------
    path : path
    frame : pandas.DataFrame
        Exactly the columns of ``SCHEMAS[kind]``, in any order.  NaN is written as null.
    kind : str
        A key of ``SCHEMAS``.
    formula, sha256 : str
        Model formula and digest of the input, kept in the file's metadata.
    extra : mapping, optional
        More metadata, stored as JSON under ``mixedscope.<key>``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    StoreError
        If the frame does not fit the schema or the file cannot be written.
    """
    path = Path(path)
    atomic_write(path, _table_bytes(path, frame, kind, formula=formula, sha256=sha256, extra=extra))
    return path


def read_table(path: str | os.PathLike[str], kind: str) -> pd.DataFrame:
    """Read one Parquet table, checked against its schema.

    Parameters
    ----------
    path : path
    kind : str
        A key of ``SCHEMAS``.

    Returns
    -------
    pandas.DataFrame
        ``.attrs`` holds ``schema``, ``formula``, ``sha256`` and whatever else was stored.

    Raises
    ------
    StoreError
        If the file is missing, damaged, of another kind or version, or breaks its schema.
    """
    path = Path(path)
    schema = _schema(kind)
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
    found, wanted = meta.get("mixedscope.schema"), f"{kind}/{schema.version}"
    if found != wanted:
        raise StoreError(
            f"{path} is not a table of kind {wanted!r}: its mixedscope.schema is {found!r}. "
            "Make it again with this version"
        )
    if schema.columns is not None:
        got = {f.name: f.type for f in table.schema}
        if list(got) != list(schema.columns) or any(
            not _same_type(got[name], t) for name, t in schema.columns.items()
        ):
            raise StoreError(
                f"{path} does not have the columns of {wanted!r} "
                f"({', '.join(schema.columns)}). Delete it and make it again"
            )
        _check_content(table, schema, str(path))
    if schema.columns is None:  # a user's columns
        from mixedscope.design.frame import frame_of_arrow

        frame = frame_of_arrow(table)
    else:
        frame = table.to_pandas(ignore_metadata=True)
    attrs: dict[Any, Any] = {"schema": wanted}
    for key, value in meta.items():
        name = key.removeprefix("mixedscope.")
        if name == key or name == "schema":
            continue
        attrs[name] = value if name in ("formula", "sha256") else json.loads(value)
    frame.attrs = attrs
    return frame


def _table_bytes(
    path: Path,
    frame: pd.DataFrame,
    kind: str,
    *,
    formula: str,
    sha256: str,
    extra: Mapping[str, Any] | None,
) -> bytes:
    table = _as_arrow(frame, kind, str(path))
    meta = {"schema": f"{kind}/{_schema(kind).version}", "formula": formula, "sha256": sha256}
    for key, value in {**(extra or {}), "skipped": frame.attrs.get("skipped")}.items():
        if value is not None:
            meta[key] = json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
    table = table.replace_schema_metadata(
        {f"mixedscope.{k}".encode(): v.encode() for k, v in meta.items()}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=9,
        version="2.6",
        row_group_size=_ROW_GROUP,
        data_page_version="1.0",
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def _as_arrow(frame: pd.DataFrame, kind: str, where: str) -> pa.Table:
    """Cast to the schema; a column too many or too few is an error, never dropped or filled."""
    schema = _schema(kind)
    names = [str(c) for c in frame.columns]
    if len(set(names)) != len(names):
        raise StoreError(f"{where}: two columns of the table have the same name")
    if schema.columns is None:
        try:
            return pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise StoreError(f"{where}: {first_line(error)}") from error
    for name in names:
        if name not in schema.columns:
            raise StoreError(
                f"{where}: a table of kind {kind!r} has no column {name!r}."
                f"{suggest(name, schema.columns)}"
            )
    arrays = []
    for name, type_ in schema.columns.items():
        if name not in names:
            raise StoreError(f"{where}: the table of kind {kind!r} lacks column {name!r}")
        try:
            arrays.append(_column(frame[name], type_))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise StoreError(
                f"{where}: column {name!r} cannot be stored as {type_}: {first_line(error)}"
            ) from error
    table = pa.table(arrays, schema=pa.schema(list(schema.columns.items())))
    _check_content(table, schema, where)
    return table


def _column(values: pd.Series, type_: pa.DataType) -> pa.Array:
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
        for value in table.column(name).unique().to_pylist():
            if value is not None and value not in allowed:
                raise StoreError(
                    f"{where}: column {name!r} holds {value!r}, expected one of "
                    f"{', '.join(sorted(allowed))}"
                )


def _schema(kind: str) -> TableSchema:
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
