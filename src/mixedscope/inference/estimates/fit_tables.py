"""Everything that is stored of a fit, made of one optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixedscope.design.spec import ModelSpec
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.description import fit_info
from mixedscope.inference.estimates.estimates import estimates_table
from mixedscope.inference.estimates.modes import keyframes, modes_table
from mixedscope.inference.estimates.references import known_limit, reference_info
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.tables.store import FitTables

__all__ = ["fit_tables"]


def fit_tables(
    objective: ProfiledObjective,
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
    info = fit_info(objective, result, spec, name=name, source=source, sha256=sha256)
    trace = result.trace.frame()
    limit = known_limit(objective.system)
    modes = modes_table(objective, result.theta, limit)
    unidentified = info["certificate"]["unidentified"]
    tables = FitTables(
        info,
        trace=trace,
        estimates=estimates_table(objective, result.theta, unidentified=unidentified),
        modes=modes,
        modes_trace=keyframes(objective, trace, most=keyframe_parts, modes=modes),
        timing=result.trace.timing_frame(),
    )
    info["references"] = reference_info(objective.system, limit)
    return tables
