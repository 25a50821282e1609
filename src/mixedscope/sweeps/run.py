"""Fit the runs of one batch, one after another in one process, and tell what came of each.

Data and models are made once for the runs that share them.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataWarning, MixedscopeError
from mixedscope.data.simulate import Simulation
from mixedscope.data.true_parameters import Key, true_parameters
from mixedscope.data.truth import Truth, effects_in_model
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.making import linear_objective, linear_system, objective_of
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.estimates.estimates import singularity
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.optimize.driver import OptimizationResult, minimize
from mixedscope.optimize.problem import EVALUATION_ERRORS
from mixedscope.optimize.starts import named_start
from mixedscope.summaries.phase_columns import PHASE_COLUMNS
from mixedscope.sweeps.draws import rows_of
from mixedscope.sweeps.identity import digest
from mixedscope.sweeps.measured import measured
from mixedscope.tables.kinds.sweep_batch import SWEEP_BATCH, SWEEP_BATCH_TIMING
from mixedscope.tables.table_schema import TableSchema

__all__ = ["execute"]

Floats = NDArray[np.float64]

#: How certificates name the residual standard deviation among what is undetermined.
_SIGMA = ("sigma", None, None, None)


@dataclass
class _Prepared:
    """What runs share: rows, the simulation they come from, systems and objectives of models."""

    frame: pd.DataFrame
    simulation: Simulation | None
    origin: NDArray[np.intp] | None
    systems: dict[str, ProfiledSystem] = field(default_factory=dict)
    objectives: dict[tuple[str, bool], Any] = field(default_factory=dict)


def execute(
    specs: Sequence[Mapping[str, Any]], ids: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit every run of a batch, by specifications (`mixedscope.sweeps.grid`) with these digests.

    Gives the columns of the stored table ``sweep_batch``, a row per run, where one that could not
    be fitted has the reason as ``error`` and nulls, and those of ``sweep_batch_timing``.
    """
    rows: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    key, shared = "", None
    for run, spec in zip(ids, specs, strict=True):
        began, cpu = time.perf_counter(), time.process_time()
        row: dict[str, Any] = {"run": run}
        taken = {"seconds": np.nan, "search_seconds": np.nan}
        ready = began
        try:
            own = digest([spec["data"], spec["draw"]])
            if shared is None or own != key:
                shared, key = _Prepared(*rows_of(spec["data"], spec["draw"])), own
            estimation = estimation_of(_objective(shared, ModelSpec.of(spec["model"])))
            ready = time.perf_counter()
            result = _minimize(estimation, spec)
            taken = {"seconds": result.seconds, "search_seconds": _search_seconds(result)}
            row |= _described(estimation, result)
            truth: dict[Key, float] = {}
            if shared.simulation is not None:
                system = estimation.objective.system
                family = system.family if estimation.is_generalized else None
                truth = true_parameters(
                    shared.simulation, system.design, system.kept.tolist(), family, shared.origin
                )
                effects = effects_in_model(shared.simulation, system.design, family, shared.origin)
                row |= _against_truth(estimation, result, truth, effects)
            if "inference" in spec:
                row |= measured(estimation, result, spec["inference"], truth)
        except (MixedscopeError, *EVALUATION_ERRORS) as error:
            row = {"run": run, "error": f"{type(error).__name__}: {error}"}
        rows.append(row)
        taken |= {"model_seconds": ready - began, "cpu_seconds": time.process_time() - cpu}
        times.append({"run": run, **taken})
    return _frame(SWEEP_BATCH, rows), _frame(SWEEP_BATCH_TIMING, times)


def _objective(shared: _Prepared, spec: ModelSpec) -> Any:
    """Make the objective of a model, or take the one made before; criteria share a system."""
    key = digest({**spec.described(), "criterion": None})
    if spec.family is not None:
        if (key, False) not in shared.objectives:
            shared.objectives[key, False] = made = objective_of(spec, shared.frame)
            _warn(made.system.design.notes)
        return shared.objectives[key, False]
    if key not in shared.systems:
        design = spec.design(shared.frame)
        _warn(design.notes)
        shared.systems[key] = linear_system(design)
    if (key, spec.reml) not in shared.objectives:
        shared.objectives[key, spec.reml] = linear_objective(shared.systems[key], reml=spec.reml)
    return shared.objectives[key, spec.reml]


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=3)


def _minimize(estimation: Estimation, spec: Mapping[str, Any]) -> OptimizationResult:
    optimizer, objective = spec["optimizer"], estimation.objective
    estimation.begin()
    return minimize(
        objective,
        optimizer=optimizer["backend"],
        settings=optimizer["settings"] or None,
        start=named_start(objective, **spec["start"]),
        max_evaluations=optimizer["max_evaluations"],
        max_seconds=optimizer["max_seconds"],
        polish=optimizer["polish"],
        seed=spec["seed"],
    )


def _search_seconds(result: OptimizationResult) -> float:
    return float(max(row.seconds for row in result.trace.rows if row.stage == "search"))


def _described(estimation: Estimation, result: OptimizationResult) -> dict[str, Any]:
    """What the optimisation found and how, as columns of ``sweep_batch``."""
    objective, point = estimation.objective, np.asarray(result.theta, dtype=float)
    system = objective.system
    estimation.begin()
    evaluation = objective.evaluate(point)
    certificate = result.certificate
    unidentified = certificate["unidentified"]
    missing = undetermined(unidentified)
    scale = estimation.scale_of(evaluation)
    spreads = _spreads(system.terms, point, scale, missing)
    errors = _standard_errors(estimation, point)
    modes, conditional = estimation.modes_at(point), estimation.mode_sds(point)
    kept = [_kept(sd, own) for sd, own in zip(spreads, conditional, strict=True)]
    singular = singularity(objective, point, unidentified=unidentified)
    ranks = [term["rank"] for term in singular]
    frame = estimation.trace(result)
    phases = frame["phase"].value_counts()
    stages = result.optimizer["stages"]
    searched = frame.index[frame["stage"] == "search"]
    values = frame["objective"].to_numpy()[searched]
    found = int(searched[int(np.nanargmin(values))])
    before = estimation.points(frame)[found]
    estimation.begin()
    searched_modes, searched_sds = estimation.modes_at(before), estimation.mode_sds(before)
    theta_names = [name for term in system.terms for name in term.theta_names()]
    has_sigma = not estimation.is_generalized and _SIGMA not in missing
    return {
        "n": system.n,
        "n_theta": len(theta_names),
        "levels": sum(len(t.design.levels) for t in system.terms),
        "objective": evaluation.objective,
        "search_objective": float(values.min(initial=np.inf, where=np.isfinite(values))),
        "evaluations": len(frame),
        "search_evaluations": stages.get("search", 0),
        "polish_evaluations": len(frame) - stages.get("search", 0),
        "certificate_gradients": result.optimizer["certificate_evaluations"],
        **{column: int(phases.get(phase, 0)) for phase, column in PHASE_COLUMNS.items()},
        "return_code": result.optimizer["return_code"],
        "verdict": certificate["verdict"],
        "newton_decrement": certificate["newton_decrement"],
        "singular": any(term["singular"] for term in singular),
        "rank": None if None in ranks else sum(ranks),
        "sigma": scale if has_sigma else np.nan,
        "theta": point[: len(theta_names)],
        "theta_names": json.dumps(theta_names, ensure_ascii=False),
        "beta": evaluation.beta,
        "beta_se": errors,
        "search_beta": frame["beta"].iloc[found],
        "search_mode_error": max(
            _largest(a - b, np.maximum(c, d))
            for a, b, c, d in zip(modes, searched_modes, conditional, searched_sds, strict=True)
        ),
        "beta_names": json.dumps(list(objective.beta_names), ensure_ascii=False),
        "terms": json.dumps(_terms(system.terms), ensure_ascii=False),
        "sd": _joined(spreads),
        "kept": _joined(kept),
        "undetermined": "; ".join(str(entry["reason"]) for entry in unidentified) or None,
    }


def _standard_errors(estimation: Estimation, point: Floats) -> Floats:
    """Those of the table of estimates, (r,)."""
    if not estimation.is_generalized:
        return estimation.standard_errors(point)
    estimates = estimation.estimates(point)
    return estimates.loc[estimates["kind"] == "beta", "std_error"].to_numpy(dtype=float)


def _largest(difference: Floats, spread: Floats) -> float:
    """Largest difference in units of its spread; one without any spread is none."""
    ratio = np.divide(np.abs(difference), spread, out=np.zeros_like(spread), where=spread > 0.0)
    return float(ratio.max())


def _terms(terms: Iterable[GroupEffects]) -> list[str]:
    return [f"{name} | {t.group}" for t in terms for name in t.names]


def _spreads(
    terms: Iterable[GroupEffects], theta: Floats, sigma: float, missing: Collection[Any]
) -> list[Floats]:
    """Standard deviations of the random effects, (k,) per grouping factor; NaN for `missing`."""
    spreads = []
    for term in terms:
        sds = sigma * np.linalg.norm(term.factor(theta[term.theta]), axis=1)
        sds[[("sd", term.group, name, None) in missing for name in term.names]] = np.nan
        spreads.append(sds)
    return spreads


def _kept(spread: Floats, conditional: Floats) -> Floats:
    """Reliability of the conditional modes, (k,): 1 - mean conditional over fitted variance.

    In a balanced model of one scalar term this is what every level keeps of its own deviation.
    """
    variance = spread**2
    mean = (conditional**2).mean(axis=0)
    kept = 1.0 - np.divide(mean, variance, out=np.ones_like(variance), where=variance > 0.0)
    return np.where(np.isnan(spread), np.nan, np.maximum(kept, 0.0))


def _against_truth(
    estimation: Estimation,
    result: OptimizationResult,
    truth: Mapping[Key, float],
    effects: Truth | None,
) -> dict[str, Any]:
    """Estimates minus what the data were made with, in the coding of the model."""
    objective, point = estimation.objective, np.asarray(result.theta, dtype=float)
    terms = objective.system.terms
    evaluation = objective.evaluate(point)
    beta = [
        estimate - truth.get(("beta", None, name, None), np.nan)
        for name, estimate in zip(objective.beta_names, evaluation.beta, strict=True)
    ]
    missing = undetermined(result.certificate["unidentified"])
    sds = _joined(_spreads(terms, point, estimation.scale_of(evaluation), missing))
    keys = [("sd", t.group, name, None) for t in terms for name in t.names]
    sd = [s - truth.get(key, np.nan) for key, s in zip(keys, sds, strict=True)]
    error = None
    if effects is not None:
        error = _joined(
            [
                np.sqrt(np.square(b - own).mean(axis=0))
                for b, own in zip(estimation.modes_at(point), effects.effects, strict=True)
            ]
        )
    return {"beta_deviation": beta, "sd_deviation": sd, "mode_rmse": error}


def _joined(parts: Iterable[Floats]) -> Floats:
    return np.concatenate(list(parts))


def _frame(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = schema.columns
    assert columns is not None
    return pd.DataFrame({c: pd.Series([row.get(c) for row in rows], dtype=object) for c in columns})
