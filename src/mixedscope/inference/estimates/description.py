"""What was fitted, how, and what came out: the content of ``fit.json``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedscope.design.spec import KNOWN_SIGMA, ModelSpec
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.inference.estimates.estimates import singularity
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.tables.store import FIT_SCHEMA

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["describe", "describe_model", "fit_info"]

_LIBRARIES = ("mixedscope", "numpy", "scipy", "numba", "Py-BOBYQA", "nlopt", "pandas", "pyarrow")


@cache
def _versions() -> dict[str, str]:
    return {library: version(library) for library in _LIBRARIES}


def fit_info(
    estimation: Estimation,
    result: OptimizationResult,
    spec: ModelSpec,
    *,
    name: str | None,
    source: Mapping[Any, Any],
    sha256: str,
) -> dict[str, Any]:
    """Describe a fit whole: its model, its data, and what `describe` says.

    ``name``: what the model is called; by default as its formula. ``source``: ``attrs`` of the
    data: where they come from. ``sha256``: digest of the data. Gives the content of ``fit.json``,
    without its references and without the file of the data.
    """
    design = estimation.objective.system.design
    description = source.get("description") or {}
    said = spec.described()
    if "sigma" in said:
        said[KNOWN_SIGMA] = said.pop("sigma")
    return {
        "schema": FIT_SCHEMA,
        "model": name or spec.formula,
        **said,
        "dataset": {
            "source": description.get("source", "data frame"),
            "file_sha256": description.get("file_sha256"),
            "sha256": sha256,
            "n_filtered": description.get("n_dropped_by_filter", 0),
            "n_rows": len(design.y),
            "n_dropped": design.n_dropped,
            "n_zero_weight": design.n_zero_weight,
            **({"n_outside": design.n_outside} if spec.subset is not None else {}),
            "file": None,
        },
        **describe(estimation, result),
    }


def describe(estimation: Estimation, result: OptimizationResult) -> dict[str, Any]:
    """Describe a fit: dimensions, optimiser, estimates of the whole, certificate.

    Gives the entries of ``fit.json`` that follow from the optimisation; those that name the model
    and its data are added by the fit.
    """
    objective, evaluation = estimation.objective, result.evaluation
    theta = np.asarray(result.theta, dtype=float)
    return {
        **describe_model(objective),
        **estimation.description(),
        "optimizer": result.optimizer,
        "objective": evaluation.objective,
        **estimation.criteria(evaluation.objective),
        **estimation.found(result),
        "singular": singularity(objective, theta, unidentified=result.certificate["unidentified"]),
        "certificate": result.certificate,
        "versions": dict(_versions()),
    }


def describe_model(objective: ProfiledObjective | LaplaceObjective) -> dict[str, Any]:
    """Describe what was fitted, which is known without an optimisation."""
    system = objective.system
    design = system.design
    theta_names = [name for term in system.terms for name in term.theta_names()]
    return {
        "response": design.response,
        "variables": design.variables,
        "notes": list(design.notes),
        "dimensions": {
            "n": system.n,
            "p": len(design.x_names),
            "rank_x": len(system.fixed_names),
            "q": sum(len(t.design.levels) * t.size for t in system.terms),
            "n_theta": len(theta_names),
            "groups": {
                t.group: {"levels": len(t.design.levels), "terms": t.size} for t in system.terms
            },
        },
        "fixed_names": list(system.fixed_names),
        "dropped_coefficients": list(system.dropped_names),
        "theta_names": theta_names,
        "random": [
            {
                "group": t.group,
                "names": list(t.names),
                "parts": [
                    {
                        "columns": list(p.columns),
                        "structure": p.structure,
                        "settings": dict(p.settings),
                        "factor": p.factor,
                        "n_theta": s.n_theta,
                    }
                    for p, s in zip(t.design.parts, t.structures, strict=True)
                ],
            }
            for t in system.terms
        ],
        **(
            {"sparse": system.why_solver}
            if isinstance(system, ProfiledSystem) and system.is_sparse
            else {}
        ),
    }
