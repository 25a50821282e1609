"""Steps that tell what follows from a fit: tests, influence, profiles, bootstraps, tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.inference.diagnostics.influence import Influence
    from mixedscope.inference.diagnostics.units import Units
    from mixedscope.inference.estimates.stored import StoredFit
    from mixedscope.tables.store import FitTables
    from mixedscope.tables.table_schema import TableSchema

__all__ = ["fit_bootstrap", "fit_bootstrap_batch", "influence", "profile", "table", "tests"]


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
        method = None
        if stored.info.get("family") is not None:
            from mixedscope.inference.generalized import parameter_covariance
            from mixedscope.inference.hypotheses.wald import Wald

            covariance = parameter_covariance(stored.objective, stored.theta)
            endless = stored.info["certificate"].get("at_infinity", ())
            method = Wald(stored.objective, stored.theta, covariance, endless)
        return [effect_tests(stored.objective, stored.theta, **settings, method=method)]

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

    unidentified = stored.info["certificate"].get("unidentified", ())

    def make() -> list[pd.DataFrame]:
        method = settings["method"]
        found: list[Influence]
        if stored.info.get("family") is not None:
            from mixedscope.inference.diagnostics.generalized_influence import (
                generalized_influence,
            )

            found = [
                generalized_influence(stored.objective, stored.theta, own, method) for own in units
            ]
        else:
            found = [
                influence_of(stored.objective, stored.theta, own, method, unidentified)
                for own in units
            ]
        return [_together(f.table for f in found), _together(f.parameters for f in found)]

    files = {Path(output).with_name(f"{s.kind}.parquet"): s for s in schemas}
    _write_made("influence", stored, files, make)


def _units(stored: StoredFit, by: str | None) -> Units:
    """What is left out at a time; ModelError if there is no such factor or column."""
    from mixedscope.formula.parse import parse_formula
    from mixedscope.inference.diagnostics.units import by_level, by_observation
    from mixedscope.workflow.naming import naming

    design = stored.objective.system.design
    if by is None:
        return by_observation(design, stored.frame.index[design.rows])
    used = stored.frame.iloc[design.rows]
    names = [n for n in parse_formula(stored.info["formula"]).variables if n in used.columns]
    with naming(stored.info, "influence.by"):
        return by_level(design, {name: used[name] for name in names}, by)


def profile(
    *,
    fit: str | os.PathLike[str],
    estimates: Sequence[str],
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
) -> None:
    """Profile the parameters of a stored fit.

    ``fit``: ``fit.json``. ``estimates``: tables of estimates of all structures of the model: what
    one of the others has and this one has not is left out. ``settings``: ``profile`` of the model
    in the configuration. ``output``: ``profile.parquet``; beside it are written
    ``profile_intervals``, as CSV too, what pictures show, and where there are pairs their contours.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.profiles.drawn import PAIRED, PICTURED, contour_tables
    from mixedscope.inference.profiles.profile import (
        LEVELS,
        PAIR_LEVELS,
        Profile,
        make_pairs,
        make_profile,
        to_stored,
    )
    from mixedscope.inference.profiles.profiler import Profiler
    from mixedscope.tables.kinds.estimates import ESTIMATES
    from mixedscope.tables.kinds.profile import PROFILE, PROFILE_INTERVALS, PROFILE_PAIRS
    from mixedscope.tables.schemas import SCHEMAS
    from mixedscope.tables.table_files import read_table

    stored = open_fit(Path(fit).parent)
    own = stored.tables.require("estimates")
    level = settings["level"]
    others = _names_of(read_table(path, ESTIMATES) for path in estimates)

    @cache
    def profiler() -> Any:
        if stored.info.get("family") is None:
            return Profiler(stored.objective, stored.theta, own)
        from mixedscope.inference.profiles.generalized import GeneralizedProfiler

        return GeneralizedProfiler(stored.objective, stored.theta, own)

    @cache
    def wanted() -> list[str] | None:
        names = settings["parameters"]
        return names and [name for name in names if _has(profiler(), name, others)]

    @cache
    def followed() -> Profile:
        if wanted() == []:
            raise UnsuitedError("this fit has none of the parameters that are to be profiled")
        return make_profile(profiler(), own, wanted(), more=(*LEVELS, level))

    def make() -> list[pd.DataFrame]:
        found = followed()
        ends = found.confint(level)
        drawn = [make() for make in found.pictured().values()]
        return [to_stored(found.table), ends.assign(level=level), *drawn]

    def make_contours() -> list[pd.DataFrame]:
        pairs = settings["pairs"]
        if pairs is True:
            labels = [p.label for p in profiler().parameters(wanted())]
            pairs = list(combinations(labels, 2))
        tables, reason = [], "this fit has none of the pairs of parameters"
        for pair in pairs:
            if not all(_has(profiler(), name, others) for name in pair):
                continue
            try:
                tables.append(to_stored(make_pairs(profiler(), pair, PAIR_LEVELS, 48)))
            except UnsuitedError as error:
                reason = str(error)
                print(f"{' and '.join(pair)}: {reason}")
        if not tables:
            raise UnsuitedError(reason)
        together = _together(tables)
        # Pairs may be of parameters that are not profiled by themselves.
        names = [name for name in dict.fromkeys(chain(*pairs)) if _has(profiler(), name, others)]
        alone = make_profile(profiler(), own, names)
        drawn = contour_tables(alone.table, together)
        together.attrs["parameters"] = tables[0].attrs["parameters"]
        return [together, *(drawn[name] for name in PAIRED)]

    directory = Path(output).parent
    kinds = (PROFILE, PROFILE_INTERVALS, *(SCHEMAS[name] for name in PICTURED))
    files = {directory / f"{schema.kind}.parquet": schema for schema in kinds}
    _write_made("profile", stored, files, make)
    if settings["pairs"]:
        kinds = (PROFILE_PAIRS, *(SCHEMAS[name] for name in PAIRED))
        files = {directory / f"{schema.kind}.parquet": schema for schema in kinds}
        _write_made("profile", stored, files, make_contours)


def _names_of(tables: Iterable[pd.DataFrame]) -> set[str]:
    """Names of the parameters of several fits: kinds, fixed effects, and those of profiles."""
    import pandas as pd

    from mixedscope.inference.profiles.parameters import KEY, label_of

    names = {"beta", "sigma", "sd", "correlation"}
    for table in tables:
        for row in table.loc[table["kind"] != "theta", list(KEY)].itertuples(index=False):
            key = tuple(None if pd.isna(value) else value for value in row)
            names.add(label_of(key))  # type: ignore[arg-type]
            if key[0] == "beta":
                names.add(str(key[2]))
    return names


def _has(profiler: Any, name: str, others: Collection[str]) -> bool:
    """Whether a fit has a parameter that it, or another structure, is to have.

    Raises ModelError if none has it.
    """
    from mixedscope.core.errors import ModelError, UnsuitedError

    try:
        profiler.parameters([name])
    except UnsuitedError:
        raise
    except ModelError:
        if name in others:
            print(f"{name!r} is no parameter of this fit: left out.")
            return False
        raise
    return True


def fit_bootstrap_batch(
    *,
    fit: str | os.PathLike[str],
    draws: Sequence[int],
    seed: int,
    output: str | os.PathLike[str],
) -> None:
    """Draw a part of the parametric bootstrap of a stored fit.

    ``fit``: ``fit.json``. ``draws``: the first draw, and the one after the last. ``output``: a
    Parquet file.
    """
    from mixedscope.inference.bootstrap.draws import bootstrap_part, estimated_truth, origin_of
    from mixedscope.inference.estimates.parameters import undetermined
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.tables.kinds.bootstrap import BOOTSTRAP

    stored = open_fit(Path(fit).parent)

    missing = undetermined(stored.info["certificate"].get("unidentified", ()))

    sha256 = str(stored.info["dataset"]["sha256"])

    def make() -> list[pd.DataFrame]:
        if stored.info.get("family") is not None:
            from mixedscope.inference.bootstrap.generalized import (
                GeneralizedRefitter,
                generalized_origin,
            )

            origin = generalized_origin(stored.objective, stored.theta, seed=seed, data=sha256)
            refitter = GeneralizedRefitter(stored.objective, stored.theta)
            return [refitter.part(range(*draws), origin).stored()]
        truth = estimated_truth(stored.objective, stored.theta)
        origin = origin_of(
            stored.objective, truth, seed=seed, data=sha256, undetermined=list(missing)
        )
        return [bootstrap_part(stored.objective, truth, range(*draws), origin).stored()]

    _write_made("bootstrap", stored, {Path(output): BOOTSTRAP}, make)


def fit_bootstrap(
    *,
    fit: str | os.PathLike[str],
    batches: Sequence[str],
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
) -> None:
    """Put the parts of a bootstrap together, and give intervals.

    ``fit``: ``fit.json``. ``batches``: written by `fit_bootstrap_batch`, in any order.
    ``settings``: ``interval`` and ``level``. ``output``: ``bootstrap.parquet``; beside it are
    written ``bootstrap_intervals``, as CSV too, and what pictures show.
    """
    from mixedscope.core.errors import ModelError, UnsuitedError
    from mixedscope.inference.bootstrap.result import Bootstrap
    from mixedscope.tables.kinds.bootstrap import (
        BOOTSTRAP,
        BOOTSTRAP_DENSITIES,
        BOOTSTRAP_INTERVALS,
        BOOTSTRAP_PAIRS,
        BOOTSTRAP_PARAMETERS,
        BOOTSTRAP_REGIONS,
    )
    from mixedscope.tables.store import read_fit
    from mixedscope.tables.table_files import read_table

    stored = read_fit(Path(fit).parent, only=())
    tables = [read_table(path, BOOTSTRAP) for path in batches]

    @cache
    def joined() -> Bootstrap:
        for table in tables:
            if "skipped" in table.attrs:
                raise UnsuitedError(table.attrs["skipped"]["reason"])
        return Bootstrap.joined([Bootstrap.of_stored(table) for table in tables])

    def make_intervals() -> list[pd.DataFrame]:
        level = settings["level"]
        try:
            draws = joined().from_estimates()
            made = draws.confint(level, settings["interval"]).drop(columns="drawn_from")
            return [made.assign(level=level)]
        except ModelError as error:  # too few draws converged
            raise UnsuitedError(str(error)) from error

    _write_made("bootstrap", stored, {Path(output): BOOTSTRAP}, lambda: [joined().stored()])
    path = Path(output).with_name("bootstrap_intervals.parquet")
    _write_made("bootstrap", stored, {path: BOOTSTRAP_INTERVALS}, make_intervals)

    def pictured() -> list[pd.DataFrame]:
        return [make() for make in joined().pictured(**settings).values()]

    kinds = (BOOTSTRAP_PARAMETERS, BOOTSTRAP_DENSITIES, BOOTSTRAP_PAIRS, BOOTSTRAP_REGIONS)
    files = {Path(output).with_name(f"{schema.kind}.parquet"): schema for schema in kinds}
    _write_made("bootstrap", stored, files, pictured)


def table(
    *,
    fits: Sequence[str],
    intervals: Sequence[str],
    settings: Mapping[str, Any],
    output: Sequence[str],
) -> None:
    """Set the structures of a model side by side, as papers print them.

    ``fits``: ``fit.json`` of every structure. ``intervals``: their stored intervals, where the
    method has some. ``settings``: ``table`` of the model in the configuration, its level filled in,
    with ``labels`` and ``units`` of variables. ``output``: a file in each of its formats.
    """
    from mixedscope.api.printing.columns import Column, columns_document
    from mixedscope.api.printing.formats import printed
    from mixedscope.charts.common.sheet import sheet

    method, level, stars = (settings[key] for key in ("intervals", "level", "stars"))
    columns = []
    for at, path in enumerate(fits):
        info, estimates, found, reason = _with_intervals(
            path, method, level, intervals[at] if intervals else None
        )
        remark = None if reason is None else f"no intervals: {reason.rstrip('.')}"
        name = str(info["structure"])
        with sheet(labels=settings.get("labels"), units=settings.get("units")):
            columns.append(Column(name, info, estimates, found, stars=stars, remark=remark))
    document = columns_document(columns, method, level, settings["digits"], stars)
    for kind, file in zip(settings["formats"], output, strict=True):
        printed(document, kind, file)
    print(printed(document, "text", None))


def _with_intervals(
    fit: str, method: str | None, level: float, stored: str | None
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame | None, str | None]:
    """Information and estimates of a fit, its intervals, and why there are none."""
    import math

    from mixedscope.core.errors import UnsuitedError
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.intervals.registry import GENERALIZED_METHODS, METHODS, intervals
    from mixedscope.optimize.problem import EVALUATION_ERRORS
    from mixedscope.tables.store import read_fit
    from mixedscope.tables.table_files import read_table

    directory = Path(fit).parent
    read = read_fit(directory, only=("estimates",))
    estimates = read.require("estimates")
    if method is None:
        return read.info, estimates, None, None
    none = estimates[estimates["kind"] != "theta"].assign(lower=math.nan, upper=math.nan)
    if stored is not None:
        ends = read_table(stored, f"{method}_intervals")
        if "skipped" in ends.attrs:
            return read.info, estimates, none, str(ends.attrs["skipped"]["reason"])
        key = ["kind", "group", "term", "term2"]
        both = none[[*key, "estimate"]].merge(ends[[*key, "lower", "upper"]], how="left", on=key)
        return read.info, estimates, both, None
    opened = open_fit(directory)
    methods = METHODS if read.info.get("family") is None else GENERALIZED_METHODS
    try:
        found = intervals(
            opened.objective, opened.theta, level, estimates, method=method, settings={},
            methods=methods,
        )  # fmt: skip
    except UnsuitedError as error:
        return read.info, estimates, none, str(error)
    except EVALUATION_ERRORS as error:
        return read.info, estimates, none, _uncomputable(error)
    lacking = found[(found["kind"] == "beta") & found["lower"].isna()]
    reasons = lacking["remark"].dropna().unique() if "remark" in found.columns else ()
    return read.info, estimates, found, "; ".join(reasons) or None


# -- what these steps have in common ---------------------------------------------------------------


def _write_made(
    key: str,
    stored: StoredFit | FitTables,
    files: Mapping[Path, TableSchema],
    make: Callable[[], Sequence[pd.DataFrame]],
) -> None:
    """Write tables that ``make`` gives, as CSV too; of a fit that has none, none and the reason."""
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.optimize.problem import EVALUATION_ERRORS
    from mixedscope.tables.fit_names import WITHOUT_CSV
    from mixedscope.tables.table_files import skipped_table, write_table
    from mixedscope.workflow.naming import naming

    try:
        with naming(stored.info, key):
            made = make()
    except (UnsuitedError, *EVALUATION_ERRORS) as error:
        reason = str(error) if isinstance(error, UnsuitedError) else _uncomputable(error)
        print(f"{key} is left out: {reason.rstrip('.')}.")
        made = [skipped_table(schema, key, reason) for schema in files.values()]
    for (path, schema), table in zip(files.items(), made, strict=True):
        write_table(
            path,
            table,
            schema,
            formula=stored.info["formula"],
            sha256=stored.info["dataset"]["sha256"],
            extra={k: table.attrs[k] for k in ("parameters", "origin") if k in table.attrs},
            csv=schema.kind not in WITHOUT_CSV,
        )
        print(f"{path.name}: {len(table)} rows")


def _uncomputable(error: Exception) -> str:
    """Say that a fit is at the edge of what can be computed."""
    return (
        "it needs numbers that cannot be computed at this fit "
        f"({str(error).rstrip('.')}); its certificate says whether it is degenerate"
    )


def _together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One below the other; columns that are empty in one do not decide the type of the other."""
    import pandas as pd

    parts = [table.astype(object) for table in tables]
    return pd.concat(parts, ignore_index=True)
