"""Plans of studies: from a fit and its rows, or from the specification of a simulation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.errors import DataError, ModelError
from mixedscope.core.seeds import generator
from mixedscope.data.layout import largest_layout
from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.data.simulation_spec import read_spec
from mixedscope.design.design_of_rows import design_of_rows
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.formula.parse import parse_formula
from mixedscope.formula.tree import names_in
from mixedscope.inference.bootstrap.draws import estimated_truth
from mixedscope.inference.bootstrap.other_data import objective_for
from mixedscope.inference.estimates.simulated import Truth
from mixedscope.inference.power.planned_rows import (
    REPLICATES,
    offset_of,
    parent_of,
    planned_rows,
    without_some,
)
from mixedscope.inference.power.planned_size import check_rows, rows_grown
from mixedscope.inference.power.study import LinearPlan, with_effects

__all__ = [
    "Grown",
    "columns_of_groups",
    "layouts_differ",
    "planned_fit",
    "planned_simulation",
    "simulated",
    "theta_of",
    "thinned",
    "units_of",
]

Floats = NDArray[np.float64]


def columns_of_groups(formula: str, *, alone: bool = False) -> list[str]:
    """Columns that the grouping factors of a formula are made of, or that are factors ``alone``."""
    terms = [t for t in parse_formula(formula).random if not alone or len(t.factors) == 1]
    return list(dict.fromkeys(name for term in terms for name in term.factors))


def columns_of_fixed(formula: str) -> list[str]:
    """Columns that the fixed effects of a formula are made of."""
    terms = parse_formula(formula).fixed.terms
    return list(dict.fromkeys(n.name for t in terms for f in t.factors for n in names_in(f)))


def _columns_of(formula: str) -> int:
    """Columns of the fixed and of the random effects of a formula, about."""
    read = parse_formula(formula)
    return len(read.fixed.terms) + sum(len(term.terms) for term in read.random) + len(read.random)


class Grown:
    """Rows of a pilot that grow to those of a planned study.

    Parameters
    ----------
    rows : DataFrame
    formula : str
    """

    def __init__(self, rows: pd.DataFrame, formula: str) -> None:
        self.rows = rows
        self._groups, self._fixed = columns_of_groups(formula), columns_of_fixed(formula)
        self._parents = columns_of_groups(formula, alone=True)
        # Of columns that are factors beside others alone: `class` of `school/class`.
        self._beside = {
            name: [other for other in term.factors if other in self._parents]
            for term in parse_formula(formula).random
            for name in term.factors
            if name not in self._parents
        }
        self._columns = rows.shape[1] + _columns_of(formula)

    def to(self, sizes: Mapping[str, int]) -> pd.DataFrame:
        """Rows of a study of these sizes; raises ModelError if they do not fit into memory."""
        around = {name: self._around(name) for name in sizes if name != REPLICATES}
        check_rows(rows_grown(self.rows, sizes, around), self._columns)
        return planned_rows(self.rows, sizes, self._groups, self._fixed, around)

    def _around(self, name: str) -> str | None:
        """The factor that the levels of another lie within, whether their names say so or not."""
        beside = self._beside.get(name)
        if beside:
            return max(beside, key=lambda other: self.rows[other].nunique())
        return parent_of(self.rows, name, self._parents)


def planned_fit(
    objective: SearchableObjective,
    theta: Floats,
    rows: pd.DataFrame,
    *,
    weights: str | ArrayLike | None,
    effects: Mapping[str, float] | None,
    hypotheses: Any,
    test: str,
    reml: bool,
    level: float,
    missing: float,
) -> LinearPlan:
    """Plan studies whose rows are made of those of a fit, or of others that are given.

    ``objective`` and ``theta`` (k,): the fit and its estimates. ``missing``: share of the rows that
    is lost at random.
    """
    system = objective.system
    design = system.design
    grown = Grown(rows, design.formula)
    found = estimated_truth(objective, theta)
    true = Truth(with_effects(found.beta, system.fixed_names, effects), found.sigma, found.theta)

    def made(sizes: Mapping[str, int], seed: int) -> tuple[SearchableObjective, Truth]:
        own = thinned(grown.to(sizes), missing, seed)
        offset = offset_of(own, design.training)
        there = design_of_rows(
            design, own, weights=weights, offset=offset, what="the planned study"
        )
        return objective_for(system, there, true, reml=reml, what="The planned rows"), true

    return LinearPlan(made, hypotheses, test, reml, level, lambda sizes: missing > 0.0)


def units_of(spec: Mapping[str, Any]) -> list[str]:
    """Units of a specification, by name."""
    units = spec.get("units")
    return list(units) if isinstance(units, Mapping) else []


def resized(spec: Mapping[str, Any], sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Give a specification with these sizes of units, or replicates, and this seed."""
    own = copy.deepcopy(dict(spec)) | {"seed": seed}
    for name, size in sizes.items():
        if name == REPLICATES:
            own["replicates"] = size
        elif isinstance(unit := own["units"][name], Mapping):
            own["units"] = {**own["units"], name: {**unit, "n": size}}
        else:
            own["units"] = {**own["units"], name: size}
    return own


def simulated(spec: Mapping[str, Any], sizes: Mapping[str, int], seed: int) -> Simulation:
    """Simulate a study of these sizes; raises ModelError if its rows do not fit into memory."""
    own = resized(spec, sizes, seed)
    read = read_spec(own)
    rows, levels = largest_layout(read)
    check_rows(rows, len(levels) + len(read.covariates) + _columns_of(read.formula))
    return simulate_dataset(own)


def planned_simulation(
    spec: Mapping[str, Any],
    *,
    effects: Mapping[str, float] | None,
    hypotheses: Any,
    test: str,
    reml: bool,
    level: float,
    missing: float,
    structure: str = "full",
) -> LinearPlan:
    """Plan studies that a specification of a simulation describes, analysed by its own formula."""

    def made(sizes: Mapping[str, int], seed: int) -> tuple[SearchableObjective, Truth]:
        simulation = simulated(spec, sizes, seed)
        frame = thinned(simulation.frame, missing, seed)
        design = ModelSpec(
            str(spec["formula"]), structure=structure, contrasts=spec.get("contrasts", {})
        ).design(frame)
        system = ProfiledSystem(design)
        return SearchableObjective(system, reml=reml), _true(simulation, system, effects)

    return LinearPlan(
        made, hypotheses, test, reml, level,
        lambda sizes: missing > 0.0 or layouts_differ(spec, sizes),
    )  # fmt: skip


def thinned(rows: pd.DataFrame, missing: float, seed: int) -> pd.DataFrame:
    """Rows of which a share is missing at random."""
    if not missing:
        return rows
    kept = without_some(len(rows), missing, generator(seed, "missing rows"))
    return rows.iloc[kept].reset_index(drop=True)


def layouts_differ(spec: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether two layouts of a specification are different: their rows, or which are missing."""
    one, other = (simulated(spec, sizes, seed) for seed in (0, 1))
    if len(one.frame) != len(other.frame):
        return True
    same = np.array_equal(one.fixed.matrix, other.fixed.matrix)
    for a, b in zip(one.designs, other.designs, strict=True):
        same &= np.array_equal(a.codes, b.codes) and np.array_equal(a.Z, b.Z)
    lost, others = (s.frame.isna().any(axis=1).to_numpy() for s in (one, other))
    return not (same and np.array_equal(lost, others))


def _true(
    simulation: Simulation, system: ProfiledSystem, effects: Mapping[str, float] | None
) -> Truth:
    """The parameters of a simulation as the model has them."""
    names = system.fixed_names
    if set(names) != set(simulation.beta):
        lost = sorted(set(simulation.beta) - set(names))
        raise ModelError(
            f"The planned rows do not determine the fixed effects {', '.join(lost)}: plan rows "
            "that tell them from the others."
        )
    beta = with_effects(np.array([simulation.beta[n] for n in names]), names, effects)
    sigma = float(simulation.sigma or np.nan)
    theta = np.concatenate(
        [theta_of(term, simulation.covariance[term.group] / sigma**2) for term in system.terms]
    )
    return Truth(beta, sigma, theta)


def theta_of(term: Any, covariance: Floats) -> Floats:
    """Theta of a relative covariance (k, k) of the columns of the data."""
    theta = np.asarray(term.nearest_theta(term.standard_covariance(covariance)))
    factor = term.factor(theta)
    size = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    if not np.allclose(factor @ factor.T / np.outer(size, size),
                       covariance / np.outer(size, size), atol=1e-6):  # fmt: skip
        raise DataError(
            f"The structure of {term.group!r} has no such covariance as the specification says: "
            "write the formula so that it has."
        )
    return theta
