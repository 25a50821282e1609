"""Steps that make data, fits, studies of fits and races of optimisers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["fit", "prepare", "race", "study"]


def prepare(
    *, spec: Mapping[str, Any], output: str | os.PathLike[str], source: str | None = None
) -> None:
    """Read or simulate a data set, prepare it and store it.

    ``spec``: an entry of ``datasets`` of the configuration. ``output``: a Parquet file; its
    metadata says where the data come from. ``source``: SHA-256 of the file they are read from, as
    the run was planned. Raises DataError if they cannot be read or prepared, or the file has
    changed since the run was planned.
    """
    from mixedscope.core.errors import DataError
    from mixedscope.data.prepare import prepare_dataset
    from mixedscope.data.sources import source_digest
    from mixedscope.design.variables import column_words
    from mixedscope.tables.kinds.data import DATA
    from mixedscope.tables.table_files import write_table

    prepared = prepare_dataset(spec, directory=Path.cwd())
    digest = source_digest(spec["source"], Path.cwd()) if "source" in spec else None
    if source not in (None, digest):
        raise DataError(
            f"The data file {spec['source']} has changed since this run was planned: run again."
        )
    write_table(
        output,
        prepared.frame,
        DATA,
        formula="",
        sha256=prepared.description["sha256"],
        extra={"description": {**prepared.description, "file_sha256": digest}},
    )
    for note in [*prepared.description["notes"], *column_words(prepared.frame)]:
        print(note)
    print(f"{len(prepared.frame)} rows, {len(prepared.frame.columns)} columns -> {output}")


def fit(
    *,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    name: str,
    model: Mapping[str, Any],
    structure: str,
    optimizer: Mapping[str, Any],
    seed: int,
    keyframes: int,
) -> None:
    """Fit one model and store the fit with all its tables.

    ``data``: a file written by `prepare`. ``output``: ``fit.json``; the other files are written
    beside it, estimates and modes as CSV too. ``name``: name of the model. ``model``: ``formula``,
    ``criterion``, ``contrasts`` and ``weights`` of the model. ``structure``: name of the covariance
    structure. ``optimizer``: an entry of ``optimizers`` of the configuration. ``seed``: for
    optimisers that draw random numbers. ``keyframes``: into how many parts the path of the
    conditional modes is cut (see `mixedscope.inference.estimates.modes.keyframes`).
    """
    from mixedscope.api import summary
    from mixedscope.core.errors import warn_of
    from mixedscope.design.spec import ModelSpec
    from mixedscope.engine.making import objective_of
    from mixedscope.inference.estimates.fit_tables import fit_tables
    from mixedscope.optimize.driver import minimize
    from mixedscope.tables.files import write_csv
    from mixedscope.tables.kinds.data import DATA
    from mixedscope.tables.store import write_fit
    from mixedscope.tables.table_files import read_table

    frame = read_table(data, DATA)
    spec = ModelSpec.of(model, structure=structure)
    objective = objective_of(spec, frame)
    warn_of(objective.system.design.notes)
    with objective.limited_threads():
        result = minimize(
            objective,
            optimizer=optimizer["backend"],
            settings=optimizer["settings"] or None,
            max_evaluations=optimizer["max_evaluations"],
            max_seconds=optimizer["max_seconds"],
            polish=optimizer["polish"],
            announce=True,
            seed=seed,
        )
    tables = fit_tables(
        objective,
        result,
        spec,
        name=name,
        source=frame.attrs,
        sha256=frame.attrs["sha256"],
        keyframe_parts=keyframes,
    )
    directory = Path(output).parent
    # The fit refers to its data instead of copying them.
    tables.info["dataset"]["file"] = Path(os.path.relpath(data, directory)).as_posix()
    write_fit(directory, tables)
    for table in ("estimates", "modes"):
        write_csv(directory / f"{table}.csv", tables.require(table))
    print(summary.text(tables.info, tables.require("estimates")))


def study(*, fit: str | os.PathLike[str], studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Study a stored fit and store what was found beside it.

    Of studies that cannot be made of this fit the tables hold no rows, and the reason.

    ``fit``: ``fit.json``; the tables are written beside it. ``studies``: settings by name of study,
    see `mixedscope.inference.studies.registry`.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.core.wording import mid_sentence
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.studies.making import study_tables
    from mixedscope.inference.studies.registry import STUDIES
    from mixedscope.inference.studies.studied_fit import StudiedFit
    from mixedscope.tables.store import write_fit
    from mixedscope.tables.table_files import skipped_table

    directory = Path(fit).parent
    stored = open_fit(directory, tables=("trace",))
    studied = StudiedFit.of(stored)
    made = stored.tables.studies
    for name, settings in studies.items():
        try:
            made.update(study_tables(studied, name, settings))
        except UnsuitedError as error:
            made.update({t: skipped_table(t, name, str(error)) for t in STUDIES[name].tables})
            print(f"The study {name} is left out: {mid_sentence(str(error).rstrip('.'))}.")
    write_fit(directory, stored.tables, only=list(made))


def race(
    *,
    data: str | os.PathLike[str],
    model: Mapping[str, Any],
    race: Mapping[str, Any],
    seed: int,
    output: str | os.PathLike[str],
    ends: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Let optimisers race on one objective, each from several starts.

    ``data``: a file written by `prepare`. ``model``: ``formula``, ``criterion``, ``contrasts`` and
    ``weights`` of the model. ``race``: ``structure``, ``optimizers`` (entries of the configuration
    by name) and ``starts``. ``seed``: from which the starts are drawn. ``output``, ``ends``,
    ``timing``: the tables of all evaluations, of where each ended, and of seconds; as CSV beside
    them.
    """
    from mixedscope.core.errors import warn_of
    from mixedscope.design.spec import ModelSpec
    from mixedscope.engine.making import objective_of
    from mixedscope.inference.searches.race import Entrant
    from mixedscope.inference.searches.race import race as run_race
    from mixedscope.tables.kinds.data import DATA
    from mixedscope.tables.kinds.race import RACE, RACE_ENDS, RACE_TIMING
    from mixedscope.tables.table_files import read_table, write_table

    frame = read_table(data, DATA)
    entrants = [
        Entrant(
            name, entry["backend"], entry["settings"], entry["polish"], entry["max_evaluations"]
        )
        for name, entry in race["optimizers"].items()
    ]
    spec = ModelSpec.of(model, structure=race["structure"])
    objective = objective_of(spec, frame)
    notes = objective.system.design.notes
    warn_of(notes)
    print("".join(f"{note}\n" for note in notes), end="")  # for the log, which shows no warnings
    tables = run_race(objective, entrants, starts=race["starts"], seed=seed)
    sha256 = frame.attrs["sha256"]
    for schema, path in ((RACE, output), (RACE_ENDS, ends), (RACE_TIMING, timing)):
        write_table(
            path, tables[schema.kind], schema, formula=spec.formula, sha256=sha256, csv=True
        )
