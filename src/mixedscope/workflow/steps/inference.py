"""Steps that tell what follows from a fit: tests, influence, profiles, bootstraps, tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.inference.diagnostics.units import Units
    from mixedscope.inference.estimates.stored import StoredFit
    from mixedscope.tables.table_schema import TableSchema

__all__ = ["influence", "tests"]


def tests(
    *, fit: str | os.PathLike[str], settings: Mapping[str, Any], output: str | os.PathLike[str]
) -> None:
    """Test the fixed effects of a stored fit.

    ``fit``: ``fit.json``. ``settings``: ``tests`` of the model in the configuration. ``output``:
    ``tests.parquet``; as CSV beside it too.
    """
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.hypotheses.effect_tests import effect_tests
    from mixedscope.tables.kinds.effect_tests import EFFECT_TESTS

    stored = open_fit(Path(fit).parent)

    def make() -> list[pd.DataFrame]:
        return [effect_tests(stored.objective, stored.theta, **settings)]

    _write_made("tests", stored, {Path(output): EFFECT_TESTS}, make)


def influence(
    *,
    fit: str | os.PathLike[str],
    settings: Mapping[str, Any],
    observation: str,
    output: str | os.PathLike[str],
) -> None:
    """Leave observations or groups out of a stored fit, one at a time.

    ``fit``: ``fit.json``. ``settings``: ``influence`` of the model in the configuration.
    ``observation``: what each observation is called there. ``output``: ``influence.parquet``;
    ``influence_parameters`` is written beside it, both as CSV too.
    """
    from mixedscope.inference.diagnostics.influence import influence_of
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.tables.kinds.influence import INFLUENCE, INFLUENCE_PARAMETERS

    schemas = (INFLUENCE, INFLUENCE_PARAMETERS)
    stored = open_fit(Path(fit).parent)
    units = [_units(stored, None if by == observation else by) for by in settings["by"]]

    def make() -> list[pd.DataFrame]:
        found = [
            influence_of(stored.objective, stored.theta, own, settings["method"]) for own in units
        ]
        return [_together(f.table for f in found), _together(f.parameters for f in found)]

    files = {Path(output).with_name(f"{s.kind}.parquet"): s for s in schemas}
    _write_made("influence", stored, files, make)


def _units(stored: StoredFit, by: str | None) -> Units:
    """What is left out at a time; ModelError if there is no such factor or column."""
    from mixedscope.formula.parse import parse_formula
    from mixedscope.inference.diagnostics.units import by_level, by_observation

    design = stored.objective.system.design
    if by is None:
        return by_observation(design, stored.frame.index[design.rows])
    used = stored.frame.iloc[design.rows]
    names = [n for n in parse_formula(stored.info["formula"]).variables if n in used.columns]
    with _naming(stored, "influence.by"):
        return by_level(design, {name: used[name] for name in names}, by)


# -- what these steps have in common ---------------------------------------------------------------


@contextmanager
def _naming(stored: StoredFit, key: str) -> Iterator[None]:
    """Say which key of the configuration is wrong about the model."""
    from mixedscope.core.errors import FormulaError, ModelError, UnsuitedError

    try:
        yield
    except UnsuitedError:
        raise
    except (FormulaError, ModelError) as error:
        raise ModelError(f"models.{stored.info['model']}.{key}: {error}") from error


def _write_made(
    key: str,
    stored: StoredFit,
    files: Mapping[Path, TableSchema],
    make: Callable[[], Sequence[pd.DataFrame]],
) -> None:
    """Write tables that ``make`` gives, as CSV too; of a fit that has none, none and the reason."""
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.optimize.problem import EVALUATION_ERRORS
    from mixedscope.tables.table_files import skipped_table, write_table

    try:
        with _naming(stored, key):
            made = make()
    except (UnsuitedError, *EVALUATION_ERRORS) as error:
        print(f"{key} is left out: {str(error).rstrip('.')}.")
        made = [skipped_table(schema, key, str(error)) for schema in files.values()]
    for (path, schema), table in zip(files.items(), made, strict=True):
        write_table(
            path,
            table,
            schema,
            formula=stored.info["formula"],
            sha256=stored.info["dataset"]["sha256"],
            extra={k: table.attrs[k] for k in ("parameters", "origin") if k in table.attrs},
            csv=True,
        )
        print(f"{path.name}: {len(table)} rows")


def _together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One below the other; columns that are empty in one do not decide the type of the other."""
    import pandas as pd

    parts = [table.astype(object) for table in tables]
    return pd.concat(parts, ignore_index=True)
