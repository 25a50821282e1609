"""The ladder of structures of one model: every rung, the tests between rungs, and their axes.

Of generalised models effective degrees of freedom, and what statistics are compared with, are those
of the working linear model at the modes, of the poorer fit in tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.estimates.common_probes import (
    Known,
    error_of_difference,
    known_alike,
)
from mixedscope.inference.estimates.estimates import information_criteria
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.leverage import told_degrees
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.principal import principal_axes
from mixedscope.inference.ladder.bootstrap_test import Fitted, bootstrap_draws, bootstrap_p_values
from mixedscope.inference.ladder.compare import compare_structures, nested_pairs
from mixedscope.inference.ladder.likelihood_ratio import Reference, reference
from mixedscope.optimize.estimated import EstimatedObjective

__all__ = ["Rung", "bootstrap_of", "ladder_tables"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rung:
    """One fit of a ladder.

    Attributes
    ----------
    info : mapping
        The content of ``fit.json``.
    optimizer : str
        What the ladder calls its optimiser.
    objective : SearchableObjective or LaplaceObjective
    theta : (k,) array
        The estimates: all that was searched.
    seconds : float or None
        Spent in evaluations.
    """

    info: Mapping[str, Any]
    optimizer: str
    objective: Any
    theta: Floats
    seconds: float | None = None

    @property
    def estimation(self) -> Estimation:
        """What answers for the objective."""
        return estimation_of(self.objective)

    @property
    def structure(self) -> str:
        """Name of the covariance structure."""
        return str(self.info["structure"])


def ladder_tables(
    rungs: Sequence[Rung], *, bootstrap: pd.DataFrame | None = None, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Set the fits of one model side by side, all structures by all optimisers.

    Tests take their distributions from the fits of the first optimiser; ``bootstrap`` are draws of
    `bootstrap_of`, and ``seed`` is that of simulated weights. Gives ``structures``, ``tests``,
    ``components`` and ``structures_timing``, as stored. Raises ModelError if there is nothing to
    compare, or the fits are not of one model, criterion and data set.
    """
    compare_structures([rung.info for rung in rungs])  # complains before anything is computed
    rungs, known = _brought_together(rungs)
    infos = [rung.info for rung in rungs]
    degrees = [_degrees(rung) for rung in rungs]
    names = [rung.optimizer for rung in rungs]
    return {
        "structures": _with_errors(
            compare_structures(infos, optimizers=names, degrees=degrees), known
        ),
        "tests": _tests(rungs, known, bootstrap, seed),
        "components": pd.DataFrame([row for rung in rungs for row in _components(rung)]),
        "structures_timing": pd.DataFrame(
            {
                "model": [rung.info["model"] for rung in rungs],
                "structure": [rung.structure for rung in rungs],
                "optimizer": names,
                "seconds": pd.Series([rung.seconds for rung in rungs], dtype=float),
            }
        ),
    }


def bootstrap_of(rungs: Sequence[Rung], draws: Sequence[int], *, seed: int) -> pd.DataFrame:
    """Draw the bootstrap of every test between the fits of the first optimiser.

    ``draws`` are numbers from 0; see `mixedscope.inference.ladder.bootstrap_test.bootstrap_draws`.
    Empty if nothing is nested.
    """
    first = [rung for rung in rungs if rung.optimizer == rungs[0].optimizer]
    fits = {rung.structure: Fitted(rung.objective, rung.theta) for rung in first}
    pairs = [
        (first[i].structure, first[j].structure)
        for i, j, _, _ in nested_pairs([rung.info for rung in first])
    ]
    if not pairs:
        columns = ("poorer", "richer", "draw", "statistic", "failed")
        return pd.DataFrame({name: [] for name in columns})
    return bootstrap_draws(fits, pairs, draws, seed=seed)


def _degrees(rung: Rung) -> float | None:
    """Effective degrees of freedom; none where sigma vanishes, or nothing is factorised."""
    try:
        if rung.estimation.is_generalized:
            rung.objective.reset()
            terms = rung.objective.effective_degrees(rung.theta)
            return float(rung.objective.n_fixed + sum(float(own.sum()) for own in terms))
        factors = rung.objective.system.standard_factors(rung.theta)
        return told_degrees(rung.objective, factors)[2].total
    except UnsuitedError:
        return None


def _brought_together(rungs: Sequence[Rung]) -> tuple[Sequence[Rung], list[Known] | None]:
    """Rungs whose objectives are of the same random probes, and how well they are known.

    None of exact objectives, which stay as they are.
    """
    if not any(isinstance(rung.objective, EstimatedObjective) for rung in rungs):
        return rungs, None
    known = known_alike(
        [(r.objective, r.theta, float(r.info["objective"]), r.info["certificate"]) for r in rungs]
    )
    out = []
    for rung, own in zip(rungs, known, strict=True):
        info = rung.info
        if own.value != info["objective"]:
            found = information_criteria(rung.objective, own.value)
            info = {**info, "objective": own.value} | {k: v for k, v in found.items() if k in info}
        out.append(replace(rung, info=info))
    return out, known


def _with_errors(table: pd.DataFrame, known: list[Known] | None) -> pd.DataFrame:
    """Add what random probes leave open: of objectives, and of what is above the smallest."""
    if known is None:
        return table
    errors = []
    for optimizer, above in zip(table["optimizer"], table.index, strict=True):
        own = table[table["optimizer"] == optimizer]
        best = int(own["objective"].idxmin())
        errors.append(0.0 if best == above else error_of_difference(known[above], known[best]))
    alone = Known(0.0, None, np.empty(0))
    return table.assign(
        objective_se=pd.Series([error_of_difference(k, alone) for k in known], dtype=float),
        above_se=pd.Series(errors, dtype=float),
        probes=pd.array([len(k.deviations) or None for k in known], dtype="Int32"),
    )


def _tests(
    rungs: Sequence[Rung],
    known: list[Known] | None,
    bootstrap: pd.DataFrame | None,
    seed: int,
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    references: dict[tuple[str, str], Any] = {}
    for optimizer in dict.fromkeys(rung.optimizer for rung in rungs):
        places = [k for k, rung in enumerate(rungs) if rung.optimizer == optimizer]
        own = [rungs[k] for k in places]
        for i, j, is_next, is_richest in nested_pairs([rung.info for rung in own]):
            poorer, richer = own[i], own[j]
            pair = (poorer.structure, richer.structure)
            if pair not in references:
                references[pair] = _reference(poorer, richer, seed)
            found = references[pair]
            # Optimisers end a hair apart: a poorer structure is no better by a rounding error.
            statistic = max(float(poorer.info["objective"] - richer.info["objective"]), 0.0)
            row: dict[str, Any] = {
                "model": poorer.info["model"],
                "optimizer": optimizer,
                "criterion": poorer.info["criterion"],
                "poorer": poorer.structure,
                "richer": richer.structure,
                "adjacent": is_next,
                "richest": is_richest,
                "parameters": found.parameters,
                "statistic": statistic,
                "reference": found.kind,
                **found.p_values(statistic),
                "dofs": None if found.exact is None else list(found.exact.dofs) or None,
                "weights": None if found.exact is None else list(found.exact.weights) or None,
                "words": found.words,
                "fewest_levels": min(len(t.design.levels) for t in richer.objective.system.terms),
            }
            drawn = dict.fromkeys(_BOOTSTRAP)
            if bootstrap is not None:
                drawn |= bootstrap_p_values(bootstrap, *pair, statistic)
            if known is not None:
                one, two = known[places[i]], known[places[j]]
                row["statistic_se"] = error_of_difference(one, two)
            rows.append(row | drawn)
    columns = [*_TEST_COLUMNS, *_BOOTSTRAP, *(["statistic_se"] if known is not None else [])]
    return pd.DataFrame([{c: row[c] for c in columns} for row in rows], columns=columns)


def _reference(poorer: Rung, richer: Rung, seed: int) -> Reference:
    """What the statistic of two rungs is compared with."""
    if not poorer.estimation.is_generalized:
        return reference(poorer.objective, poorer.theta, richer.objective, seed=seed)
    # Linear models load no families.
    from mixedscope.inference.hypotheses.generalized_ratios import (
        ComparedGeneralized,
        structure_reference,
    )

    fits = [
        ComparedGeneralized(
            formula=str(rung.info["formula"]),
            structure=rung.structure,
            objective=rung.objective,
            point=rung.theta,
            value=float(rung.info["objective"]),
            random=rung.info["random"],
        )
        for rung in (poorer, richer)
    ]
    return structure_reference(*fits, seed=seed)


_TEST_COLUMNS: Final = (
    "model", "optimizer", "criterion", "poorer", "richer", "adjacent", "richest", "parameters",
    "statistic", "reference", "p_value", "p_error", "p_low", "p_high", "p_naive", "dofs", "weights",
    "fewest_levels", "words",
)  # fmt: skip

_BOOTSTRAP: Final = (
    "bootstrap_draws", "bootstrap_failed", "bootstrap_p", "bootstrap_error", "bootstrap_zero",
)  # fmt: skip


def _components(rung: Rung) -> list[dict[str, Any]]:
    """Principal axes of the random effects; missing where the data do not determine them."""
    sigma = rung.estimation.scale_of(rung.objective.evaluate(rung.theta))
    unidentified = rung.info["certificate"].get("unidentified", ())
    open_groups = {group for _, group, _, _ in undetermined(unidentified)}
    rows = []
    for term in rung.objective.system.terms:
        told = term.group not in open_groups
        for axis in principal_axes(term, rung.theta[term.theta], sigma, told=told):
            rows.append(
                {
                    "model": rung.info["model"],
                    "structure": rung.structure,
                    "optimizer": rung.optimizer,
                    "group": term.group,
                    **axis._asdict(),
                    "terms": ", ".join(term.names),
                    "loadings": axis.loadings.tolist() if told else None,
                }
            )
    return rows
