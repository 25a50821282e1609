"""A fit as stored tables: one directory.

It holds ``fit.json``, up to five Parquet tables (``trace``, ``estimates``, ``modes``,
``modes_trace``, ``timing``) and those of its studies.  Every file is written under a temporary
name and renamed, so that a reader sees the whole file or none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from mixedscope.core.errors import StoreError, UnsuitedError, suggest
from mixedscope.tables.files import atomic_write, json_bytes, read_json
from mixedscope.tables.fit_names import BESIDE_FIT, FIT_TABLES, kind_beside
from mixedscope.tables.kinds.estimates import ESTIMATES
from mixedscope.tables.kinds.modes import MODES, MODES_TRACE
from mixedscope.tables.kinds.timing import TIMING
from mixedscope.tables.kinds.trace import TRACE
from mixedscope.tables.late import LateTables
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.table_files import read_table, table_bytes

__all__ = ["FIT_SCHEMA", "FIT_TABLES", "FitTables", "read_fit", "write_fit"]

_SCHEMAS: Final = {s.kind: s for s in (TRACE, ESTIMATES, MODES, MODES_TRACE, TIMING)}

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
    studies : mapping of str to pandas.DataFrame
        What `mixedscope.inference.studies.registry` found, by name of table.
    """

    info: dict[str, Any]
    trace: pd.DataFrame | None = None
    estimates: pd.DataFrame | None = None
    modes: pd.DataFrame | None = None
    modes_trace: pd.DataFrame | None = None
    timing: pd.DataFrame | None = None
    studies: MutableMapping[str, pd.DataFrame] = field(default_factory=LateTables)

    def later(self, name: str, make: Callable[[], pd.DataFrame]) -> None:
        """Put in what makes a table of a study when it is asked for."""
        if not isinstance(self.studies, LateTables):
            self.studies = LateTables(self.studies)
        self.studies.later(name, make)

    def get(self, name: str) -> pd.DataFrame | None:
        """Give a table by name, or None where it has not been computed or stored."""
        if name not in FIT_TABLES:
            return self.studies.get(name)
        frame: pd.DataFrame | None = getattr(self, name)
        return frame

    def optional(self, name: str) -> pd.DataFrame | None:
        """Give a table by name; None where it is not there, or could not be made of this fit."""
        frame = self.get(name)
        return None if frame is None or "skipped" in frame.attrs else frame

    def skipped(self, studies: Collection[str]) -> str | None:
        """Say why one of these studies could not be made of this fit; None if all were."""
        for frame in self.studies.values():
            why = frame.attrs.get("skipped")
            if why is not None and why["study"] in studies:
                return str(why["reason"])
        return None

    def require(self, name: str) -> pd.DataFrame:
        """Give a table of `FIT_TABLES` or of a study, or say which one is missing.

        Raises StoreError if it has not been computed or stored, and UnsuitedError, with the reason,
        if it cannot be made of this fit.
        """
        frame = self.get(name)
        if frame is not None and "skipped" in frame.attrs:
            raise UnsuitedError(str(frame.attrs["skipped"]["reason"]))
        if frame is None:
            label = self.info.get("model") or self.info.get("formula", "?")
            raise StoreError(
                f"the fit of {label!r} has no table {name!r}: {name}.parquet was not written. "
                f"Write it with fit.save(directory{'' if name in FIT_TABLES else _STUDY_HINT}), "
                "or rerun the workflow"
            )
        return frame


def write_fit(
    directory: str | os.PathLike[str],
    tables: FitTables,
    *,
    formula: str | None = None,
    sha256: str | None = None,
    only: Iterable[str] | None = None,
) -> list[Path]:
    """Write one fit into a directory, made if need be; give the files written.

    Where a fit is written anew, what was studied and tested of the one before is removed.
    ``formula`` and ``sha256``, the digest of the input, go into the metadata of each table; by
    default those of ``tables.info``. ``only`` names some of ``fit``, `FIT_TABLES` and tables of
    studies. Every table is checked before the first file is touched: raises StoreError if one does
    not fit its schema, was asked for and is None, or cannot be written.
    """
    directory = Path(directory)
    if only is None:
        own = [name for name in FIT_TABLES if tables.get(name) is not None]
        chosen = ["fit", *own, *tables.studies]
    else:
        chosen = list(only)
        for name in chosen:
            if name not in ("fit", *FIT_TABLES) and not _is_studied(name):
                parts = ["fit", *FIT_TABLES, *filter(_is_studied, SCHEMAS)]
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
        for key in ("parameters", "origin"):
            if key in frame.attrs:
                extra = {**(extra or {}), key: frame.attrs[key]}
        kind = _SCHEMAS.get(name, name)
        payloads[path] = table_bytes(path, frame, kind, formula=formula, sha256=sha256, extra=extra)
    for path, payload in payloads.items():
        atomic_write(path, payload)
    if "fit" in chosen:
        # What was studied was the fit that this one takes the place of.
        for name in _studied(directory):
            if name not in chosen:
                (directory / f"{name}.parquet").unlink(missing_ok=True)
        for name in set(BESIDE_FIT) - set(chosen):
            for ending in ("parquet", "csv"):
                (directory / f"{name}.{ending}").unlink(missing_ok=True)
    return list(payloads)


def read_fit(directory: str | os.PathLike[str], *, only: Iterable[str] | None = None) -> FitTables:
    """Read one fit as `write_fit` stored it; tables that were not stored are None.

    ``only`` names some of `FIT_TABLES`, tables of studies, and tables beside the fit. Raises
    StoreError if ``fit.json`` is missing, a file is damaged, or a table belongs to another fit.
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
    for name in (*FIT_TABLES, *_studied(directory)) if only is None else only:
        file = directory / f"{name}.parquet"
        if not file.exists():
            continue
        frame = read_table(file, _SCHEMAS.get(name) or kind_beside(name))
        for key, mine in (("formula", info["formula"]), ("sha256", sha256)):
            if frame.attrs[key] != mine:
                raise StoreError(
                    f"{file} belongs to another fit: its {key} is {frame.attrs[key]!r}, "
                    f"fit.json beside it has {mine!r}. Fit the model again"
                )
        if name in FIT_TABLES:
            setattr(tables, name, frame)
        else:
            tables.studies[name] = frame
    return tables


def _studied(directory: Path) -> list[str]:
    """Names of the tables of studies in a directory."""
    names = sorted(path.stem for path in directory.glob("*.parquet"))
    return [name for name in names if name not in FIT_TABLES and _is_studied(name)]


def _is_studied(name: str) -> bool:
    return name in SCHEMAS and SCHEMAS[name].study


def _check_info(info: Mapping[str, Any], path: Path) -> None:
    missing = [k for k in _FIT_KEYS if k not in info]
    if missing:
        raise StoreError(f"{path}: fit information lacks {', '.join(map(repr, missing))}")
    if info["schema"] != FIT_SCHEMA:
        raise StoreError(
            f"{path} has schema {info['schema']!r}, this version knows {FIT_SCHEMA!r}. "
            "Fit the model again, or use the mixedscope that wrote it"
        )
