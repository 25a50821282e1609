"""Steps that tell how accurate structures are: simulations in batches, and cross-validation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.inference.accuracy.simulated_errors import SimulatedErrors
    from mixedscope.inference.estimates.stored import StoredFit
    from mixedscope.tables.table_schema import TableSchema

__all__ = ["crossvalidation", "efficiency", "efficiency_batch"]


def efficiency_batch(
    *,
    fits: Sequence[str],
    blocks: Sequence[int],
    seed: int,
    key: str,
    draws: str | os.PathLike[str],
    refits: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Draw some blocks of responses from the first fit, and refit them by all structures.

    ``fits``: ``fit.json`` of every structure. ``key``: what the batch is made of, kept with it: see
    `mixedscope.workflow.efficiency_plan`. ``draws``, ``refits``, ``timing``: the tables of errors,
    of how refits ended, and of seconds.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.tables.kinds.efficiency import (
        EFFICIENCY_DRAWS,
        EFFICIENCY_REFITS,
        EFFICIENCY_TIMING,
    )
    from mixedscope.tables.table_files import write_table

    loaded = _load(fits)
    first = loaded[0]
    named = {"formula": first.info["formula"], "sha256": first.info["dataset"]["sha256"]}
    try:
        tables = _errors(loaded, seed).blocks(blocks)
    except UnsuitedError as error:
        schemas = (EFFICIENCY_TIMING, EFFICIENCY_REFITS, EFFICIENCY_DRAWS)
        tables = _skipped("efficiency", schemas, str(error))
    write_table(timing, tables["efficiency_timing"], EFFICIENCY_TIMING, **named)
    write_table(refits, tables["efficiency_refits"], EFFICIENCY_REFITS, **named)
    told = {"batch": {"key": key}}
    write_table(draws, tables["efficiency_draws"], EFFICIENCY_DRAWS, **named, extra=told)
    if len(tables["efficiency_refits"]):
        print(tables["efficiency_refits"].groupby(["structure", "status"], sort=False).size())


def efficiency(
    *,
    fits: Sequence[str],
    count: int,
    seed: int,
    draws: Sequence[str],
    refits: Sequence[str],
    timings: Sequence[str],
    output: str | os.PathLike[str],
) -> None:
    """Gather the batches of a model, and sum them up.

    ``fits``: ``fit.json`` of every structure. ``count``: draws wanted; batches may hold more.
    ``draws``, ``refits``, ``timings``: written by `efficiency_batch`. ``output``:
    ``efficiency.parquet``; the other tables are written beside it, all as CSV too.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.inference.accuracy.efficiency import efficiency_summary, gather_draws
    from mixedscope.tables.kinds.efficiency import (
        EFFICIENCY,
        EFFICIENCY_DRAWS,
        EFFICIENCY_REFITS,
        EFFICIENCY_TIMING,
    )
    from mixedscope.tables.table_files import read_table, write_table

    schemas = (EFFICIENCY, EFFICIENCY_DRAWS, EFFICIENCY_REFITS, EFFICIENCY_TIMING)
    loaded = _load(fits)
    first = loaded[0]
    parts = [
        {
            "efficiency_draws": read_table(a, EFFICIENCY_DRAWS),
            "efficiency_refits": read_table(b, EFFICIENCY_REFITS),
            "efficiency_timing": read_table(c, EFFICIENCY_TIMING),
        }
        for a, b, c in zip(draws, refits, timings, strict=True)
    ]
    skipped = [t.attrs["skipped"] for part in parts for t in part.values() if "skipped" in t.attrs]
    if skipped:
        tables = _skipped("efficiency", schemas, str(skipped[0]["reason"]))
    else:
        tables = gather_draws(parts, count)
        try:
            errors = _errors(loaded, seed)
            tables["efficiency"] = efficiency_summary(errors, tables["efficiency_draws"])
        except UnsuitedError as error:
            tables |= _skipped("efficiency", (EFFICIENCY,), str(error))
    for schema in schemas:
        write_table(
            Path(output).with_name(f"{schema.kind}.parquet"),
            tables[schema.kind],
            schema,
            formula=first.info["formula"],
            sha256=first.info["dataset"]["sha256"],
            csv=True,
        )


def crossvalidation(
    *,
    data: str | os.PathLike[str],
    model: Mapping[str, Any],
    structures: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
    output: str | os.PathLike[str],
) -> None:
    """Predict parts of the data from the rest by every structure.

    ``data``: a file written by `mixedscope.workflow.steps.prepare`. ``model``: ``formula``,
    ``criterion``, ``family``, ``contrasts`` and ``weights`` of the model. ``settings``: ``by``,
    ``schemes`` and ``folds``. ``output``: ``crossvalidation.parquet``; the other tables are written
    beside it, all as CSV too.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.design.spec import ModelSpec
    from mixedscope.inference.accuracy.crossvalidation import LinearScores, crossvalidation_tables
    from mixedscope.inference.accuracy.family_scores import FamilyScores
    from mixedscope.tables.kinds.crossvalidation import (
        CROSSVALIDATION,
        CROSSVALIDATION_FITS,
        CROSSVALIDATION_GROUPS,
    )
    from mixedscope.tables.kinds.data import DATA
    from mixedscope.tables.table_files import read_table, write_table

    schemas = (CROSSVALIDATION, CROSSVALIDATION_GROUPS, CROSSVALIDATION_FITS)
    frame = read_table(data, DATA)
    specs = {structure: ModelSpec.of(model, structure=structure) for structure in structures}
    designs = {structure: spec.design(frame) for structure, spec in specs.items()}
    first = specs[structures[0]]
    try:
        scores = LinearScores(first.reml) if first.family is None else FamilyScores(specs)
        tables = crossvalidation_tables(designs, frame, **settings, seed=seed, scores=scores)
    except UnsuitedError as error:
        tables = _skipped("crossvalidation", schemas, str(error))
    for schema in schemas:
        write_table(
            Path(output).with_name(f"{schema.kind}.parquet"),
            tables[schema.kind],
            schema,
            formula=first.formula,
            sha256=frame.attrs["sha256"],
            csv=True,
        )
    if len(tables["crossvalidation"]):
        print(tables["crossvalidation"].to_string())


def _skipped(study: str, schemas: Sequence[TableSchema], reason: str) -> dict[str, pd.DataFrame]:
    """Stand for tables that cannot be made, and say so."""
    from mixedscope.core.wording import mid_sentence
    from mixedscope.tables.table_files import skipped_table

    print(f"The study {study} is left out: {mid_sentence(reason.rstrip('.'))}.")
    return {schema.kind: skipped_table(schema, study, reason) for schema in schemas}


def _load(fits: Sequence[str]) -> list[StoredFit]:
    """Load fits; the first is the one that is drawn from."""
    from mixedscope.inference.estimates.stored import open_fit

    return [open_fit(Path(path).parent) for path in fits]


def _errors(loaded: Sequence[StoredFit], seed: int) -> SimulatedErrors:
    """What is measured."""
    from mixedscope.inference.accuracy.simulated_errors import Candidate, SimulatedErrors

    candidates = [Candidate(str(f.info["structure"]), f.objective, f.theta) for f in loaded]
    return SimulatedErrors(candidates, seed=seed)
