"""Everything that is stored of a fit, made of one optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixedscope.design.spec import ModelSpec
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.description import fit_info
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.modes import keyframes
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.tables.store import FitTables

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["fit_tables"]


def fit_tables(
    objective: ProfiledObjective | LaplaceObjective,
    result: OptimizationResult,
    spec: ModelSpec,
    *,
    name: str | None,
    source: Mapping[Any, Any],
    sha256: str,
    keyframe_parts: int,
) -> FitTables:
    """Make ``fit.json`` and all tables of a fit.

    The description of `mixedscope.inference.estimates.description.fit_info` lacks the file of the
    data, which is to be said where they are stored; ``keyframe_parts`` is that of
    `mixedscope.inference.estimates.modes.keyframes`.
    """
    estimation = estimation_of(objective)
    info = fit_info(estimation, result, spec, name=name, source=source, sha256=sha256)
    trace = estimation.trace(result)
    modes = estimation.modes(result.theta)
    unidentified = info["certificate"]["unidentified"]
    tables = FitTables(
        info,
        trace=trace,
        estimates=estimation.estimates(result.theta, unidentified=unidentified),
        modes=modes,
        modes_trace=keyframes(estimation, trace, most=keyframe_parts, modes=modes),
        timing=result.trace.timing_frame(),
    )
    info["references"] = estimation.references()
    return tables
