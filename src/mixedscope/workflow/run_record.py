"""Which configuration a results folder belongs to, kept beside what Snakemake keeps of its runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mixedscope.core.errors import ConfigError
from mixedscope.tables.files import atomic_write, read_json
from mixedscope.workflow.plan import Plan

__all__ = ["RECORD", "check_owner", "last_configuration", "record_run"]

#: Paths of files do not belong into results, which are the same bytes on every machine.
RECORD = Path(".snakemake/mixedscope.json")

_KINDS = {"datasets": "data set", "models": "model", "sweeps": "sweep"}


def check_owner(
    plan: Plan,
    files: Iterable[str | os.PathLike[str]],
    *,
    record: Path = RECORD,
    results: Path = Path("results"),
) -> str | None:
    """See to it that no configuration replaces what another one has made, unless by name it may.

    ``record`` is what `record_run` wrote. Gives what is shared and will show this configuration
    only, where another was run before. Raises ConfigError if a name means something else in the
    other one.
    """
    if not record.is_file() or not results.is_dir():
        return None
    known = read_json(record)
    own = _names(files)
    taken: dict[str, list[str]] = {}
    for name, digest in _meanings(plan).items():
        stored = known["names"].get(name)
        if stored is not None and stored["files"] != own and stored["meaning"] != digest:
            kind, _, short = name.partition(".")
            taken.setdefault(_shown(stored["files"]), []).append(f"{_KINDS[kind]} {short!r}")
    if taken:
        told = "; ".join(f"{', '.join(names)} of {other}" for other, names in taken.items())
        raise ConfigError(
            f"{results}/ holds what {_shown(own)} means otherwise and would replace: {told}.\n"
            "Give them other names, or this run a folder of its own (--directory <folder>). "
            f"To have them replaced delete {record}."
        )
    if known["last"] != own:
        return (
            f"{results}/index.html and the charts of all models were made from "
            f"{_shown(known['last'])} and will show {_shown(own)} only; "
            f"{results}/pages/ keeps the pages of both. --directory keeps runs apart."
        )
    return None


def record_run(
    plan: Plan, files: Iterable[str | os.PathLike[str]], *, record: Path = RECORD
) -> None:
    """Write down which configuration is run, and what its names mean."""
    own = _names(files)
    names = read_json(record)["names"] if record.is_file() else {}
    for name, digest in _meanings(plan).items():
        names[name] = {"files": own, "meaning": digest}
    content = {"last": own, "names": names}
    atomic_write(record, json.dumps(content, ensure_ascii=False, indent=1).encode())


def last_configuration(record: Path = RECORD) -> list[str]:
    """Name the files of the configuration that was run last; none if that was the default.

    Raises ConfigError if one of them is gone.
    """
    files: list[str] = read_json(record)["last"] if record.is_file() else []
    for file in files:
        if not Path(file).is_file():
            raise ConfigError(
                f"The last run was of {file}, which is gone: give the configuration of the run "
                "with --configfile."
            )
    return [os.path.abspath(file) for file in files]


def _meanings(plan: Plan) -> dict[str, str]:
    """What each data set, model and sweep is, as digests: settings, and content of files."""
    config = plan.config
    found: dict[str, object] = {
        f"datasets.{name}": [plan.parameters["datasets"][name], plan.source_digests[name]]
        for name in config.datasets
    }
    sections: Mapping[str, Mapping[str, object]] = {
        "models": config.models,
        "sweeps": config.sweeps,
    }
    for section, entries in sections.items():
        for name, entry in entries.items():
            found[f"{section}.{name}"] = entry.model_dump()  # type: ignore[attr-defined]
    return {
        name: hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
        for name, what in found.items()
    }


def _names(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Paths of files; of those in the working folder relative to it, as it may be moved."""
    here = Path.cwd()
    paths = [Path(os.path.abspath(file)) for file in files]
    return [str(p.relative_to(here) if p.is_relative_to(here) else p) for p in paths]


def _shown(files: Sequence[str]) -> str:
    return " + ".join(files) or "the default configuration"
