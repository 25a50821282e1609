"""Likelihood-ratio tests of nested fits: fixed effects, covariance structures, both together.

Fixed effects are nested if the columns of one lie in the space of the other's, however coded;
covariances as `mixedscope.inference.ladder.nesting` finds them to be, and what a statistic is
compared with comes from `mixedscope.inference.ladder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.core.wording import as_remark
from mixedscope.design.design import Design
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.common_probes import Known, error_of_difference
from mixedscope.inference.ladder.boundary import chi_squared
from mixedscope.inference.ladder.likelihood_ratio import Reference, null_reference, reference
from mixedscope.inference.ladder.nesting import is_nested
from mixedscope.inference.ladder.one_variance import has_one_variance, one_variance_p_value

__all__ = [
    "LARGE",
    "RATIO_COLUMNS",
    "ComparedFit",
    "against_none",
    "check_data",
    "compared",
    "described",
    "exact_entries",
    "fixed_formula",
    "likelihood_ratio_table",
    "referred",
    "statistic_of",
    "table_of",
]

Floats = NDArray[np.float64]

#: Columns of the table of likelihood-ratio tests.
RATIO_COLUMNS: Final = (
    "formula", "dof", "objective", "statistic", "df", "p_value", "distribution", "structure",
    "criterion", "aic", "p_low", "p_high", "p_error", "remark",
)  # fmt: skip

_TEXTS: Final = frozenset(("term", "formula", "structure", "criterion", "distribution", "remark"))

#: What columns may leave of others that they contain, as a share of their length.
_INSIDE: Final = 1e-7

#: Objective by which a richer fit may end above one that it contains, times its size over 10,000.
_SLACK: Final = 1e-4

LARGE: Final = (
    "fixed effects: chi-squared is for large samples, in small ones anova() and test() are closer"
)


@dataclass(frozen=True)
class ComparedFit:
    """A fit as a comparison of fits sees it.

    Attributes
    ----------
    formula, structure : str
    objective : SearchableObjective
        By the criterion of the fit.
    theta : (k,) array
        The estimates.
    value : float
        The objective there.
    random : sequence of mapping
        Entry ``random`` of ``fit.json``.
    known : Known, optional
        How well an objective is known that random probes estimated.
    """

    formula: str
    structure: str
    objective: SearchableObjective
    theta: Floats
    value: float
    random: Sequence[Mapping[str, Any]]
    known: Known | None = None

    @property
    def dof(self) -> int:
        """Parameters that the data determine."""
        return self.objective.n_identified

    @property
    def criterion(self) -> str:
        """ML or REML."""
        return "REML" if self.objective.reml else "ML"


def likelihood_ratio_table(fits: Sequence[ComparedFit], *, seed: int) -> pd.DataFrame:
    """Compare fits, each with the one before it, the one with fewest parameters first.

    Gives `RATIO_COLUMNS`, a row for each fit; where random probes estimated the objectives there is
    ``statistic_se`` behind ``statistic``, what they leave open of it. Raises ModelError if fits are
    not of the same data, or one does not contain the one before.
    """
    check_data(fits)
    ordered = sorted(fits, key=lambda fit: fit.dof)
    rows: list[dict[str, Any]] = []
    for place, richer in enumerate(ordered):
        row = described(richer)
        if place:
            row |= compared(ordered[place - 1], richer, seed)
        rows.append(row)
    return ratio_table(rows, [fit.known for fit in ordered])


def ratio_table(rows: Sequence[dict[str, Any]], known: Sequence[Known | None]) -> pd.DataFrame:
    """Table of rows, each compared with the one before it, and how well their objectives are known.

    Gives `RATIO_COLUMNS`, with ``statistic_se`` where random probes estimated the objectives.
    """
    if all(own is None for own in known):
        return table_of(rows, RATIO_COLUMNS)
    errors = [None, *map(_probe_error, known, known[1:])]
    told = [row | {"statistic_se": error} for row, error in zip(rows, errors, strict=True)]
    at = RATIO_COLUMNS.index("statistic") + 1
    return table_of(told, (*RATIO_COLUMNS[:at], "statistic_se", *RATIO_COLUMNS[at:]))


def _probe_error(poorer: Known | None, richer: Known | None) -> float | None:
    """Standard error that random probes leave of a statistic; None of an exact one."""
    return None if poorer is None or richer is None else error_of_difference(poorer, richer)


def against_none(fit: ComparedFit, *, draws: int, seed: int) -> pd.DataFrame:
    """Compare a fit with the same model without random effects: `RATIO_COLUMNS`, two rows.

    Of a single variance the distribution is exact, by so many draws.
    """
    objective = fit.objective
    value = objective.evaluate(np.zeros(len(objective.theta_names))).objective
    statistic = statistic_of(value, fit.value, "the model without random effects", fit.formula)
    none = described(fit) | {
        "formula": fixed_formula(objective.system.design),
        "dof": len(objective.beta_names) + (objective.system.design.sigma is None),
        "objective": value,
        "structure": "none",
    }
    none["aic"] = value + 2.0 * none["dof"]
    row = described(fit) | {"statistic": statistic, "df": fit.dof - none["dof"]}
    if has_one_variance(objective):
        row |= exact_entries(objective, statistic, draws=draws, seed=seed)
    else:
        row |= referred(null_reference(objective, seed=seed), statistic)
    return table_of([none, row], RATIO_COLUMNS)


def exact_entries(
    objective: SearchableObjective, statistic: float, *, draws: int, seed: int, of: str = ""
) -> dict[str, Any]:
    """Entries of a row for the one variance of a model, by the exact distribution.

    ``of``: what the draws are of, where that is not the model of the row.
    """
    p, error = one_variance_p_value(objective, statistic, draws=draws, seed=seed)
    return {
        "p_value": p,
        "p_low": p,
        "p_high": p,
        "p_error": error,
        "distribution": "exact",
        "remark": f"Crainiceanu & Ruppert (2004), {draws} draws{of}"
        + (", none of them as large: p is at most about this" if p * (1 + draws) < 1.5 else ""),
    }


def check_data(fits: Sequence[ComparedFit]) -> None:
    """Refuse fits whose likelihoods are not of the same data.

    Raises ModelError if rows, response, offset, weights, known sigma or criterion differ.
    """
    first = fits[0]
    for other in fits[1:]:
        one, two = first.objective.system.design, other.objective.system.design
        both = f"{first.formula!r} and {other.formula!r}"
        if len(one.y) != len(two.y):
            raise ModelError(
                f"{both} were fitted to different rows, {len(one.y)} and {len(two.y)}: their "
                "likelihoods cannot be compared. Drop rows with a missing value in any variable "
                "from the data, then fit both."
            )
        if not np.array_equal(_offset(one), _offset(two)):
            raise ModelError(f"{both} have different offsets: neither contains the other.")
        if not np.array_equal(one.y, two.y):
            raise ModelError(
                f"{both} have different responses, or the same in another order of rows: their "
                "likelihoods cannot be compared."
            )
        if not np.array_equal(
            first.objective.system.root_weights, other.objective.system.root_weights
        ):
            raise ModelError(
                f"{both} have different weights: their likelihoods cannot be compared."
            )
        if one.sigma != two.sigma:
            raise ModelError(
                f"{both} differ in the residual standard deviation that is known: fit both with "
                "it, or both without."
            )
        if first.criterion != other.criterion:
            raise ModelError(
                f"{both} were fitted by different criteria, {first.criterion} and "
                f"{other.criterion}: fit both by one, or give refit=True for maximum likelihood."
            )


def fixed_formula(design: Design) -> str:
    """Formula of the fixed effects alone."""
    terms = design.fixed.names
    has_intercept = any(not term.variables for term in design.fixed.terms)
    return f"{design.response} ~ {' + '.join([str(int(has_intercept)), *terms])}"


def _offset(design: Design) -> Floats:
    return np.zeros(len(design.y)) if design.offset is None else np.asarray(design.offset)


def compared(
    poorer: ComparedFit, richer: ComparedFit, seed: int, large: str = LARGE
) -> dict[str, Any]:
    """Entries of the row of the richer of two fits.

    ``large``: what is said of chi-squared for fixed effects.
    """
    fixed = _more_fixed(poorer, richer)
    same = is_nested(richer.random, poorer.random)
    if not is_nested(poorer.random, richer.random):
        raise ModelError(
            f"The random effects of {poorer.formula!r} ({poorer.structure}) are not found to be a "
            f"special case of those of {richer.formula!r} ({richer.structure}): there is no "
            "likelihood-ratio test between them. Compare their AIC."
        )
    if richer.dof == poorer.dof:
        raise ModelError(
            f"{poorer.formula!r} ({poorer.structure}) and {richer.formula!r} ({richer.structure}) "
            "have as many parameters that the data determine: there is nothing to test."
        )
    statistic = statistic_of(poorer.value, richer.value, poorer.formula, richer.formula)
    row: dict[str, Any] = {"statistic": statistic, "df": richer.dof - poorer.dof}
    if same:
        # Variances and fixed effects are asymptotically independent, at a boundary too.
        found = chi_squared(fixed)
        only = Reference("chi-squared", fixed, found, (found,), found, large)
        return row | referred(only, statistic)
    made = reference(poorer.objective, poorer.theta, richer.objective, fixed=fixed, seed=seed)
    out = row | referred(made, statistic)
    if fixed:
        out["remark"] = f"{out['remark']}; {large}"
    return out


def _more_fixed(poorer: ComparedFit, richer: ComparedFit) -> int:
    """How many fixed effects the richer model has more; refuses those that are not nested."""
    one, two = poorer.objective.system, richer.objective.system
    x, y = one.fixed_columns, two.fixed_columns
    same = x.shape == y.shape and np.array_equal(x, y)
    if not same:
        weighted = x * two.root_weights[:, None]
        left = np.array([two.project(column) for column in weighted.T]).reshape(x.shape[::-1])
        sizes = np.linalg.norm(weighted, axis=0)
        if (np.linalg.norm(left, axis=1) > _INSIDE * sizes).any():
            at = int((np.linalg.norm(left, axis=1) / np.maximum(sizes, 1e-300)).argmax())
            raise ModelError(
                f"The fixed effects of {poorer.formula!r} are no special case of those of "
                f"{richer.formula!r}, which cannot make {one.fixed_names[at]!r}: there is no "
                "likelihood-ratio test between them. Compare their AIC."
            )
    if poorer.objective.reml and not same:
        raise ModelError(
            f"{poorer.formula!r} and {richer.formula!r} have different fixed effects, and REML "
            "criteria of such models cannot be compared: fit both by maximum likelihood, "
            "model.fit(), or let them be refitted by it, refit=True."
        )
    return two.n_fixed - one.n_fixed


def statistic_of(poorer: float, richer: float, poorer_name: str, richer_name: str) -> float:
    """Difference of objectives; of rounding below zero, zero."""
    statistic = poorer - richer
    if statistic < -_SLACK * max(1.0, abs(richer) / 1e4):
        raise ModelError(
            f"{richer_name!r} contains {poorer_name!r}, but its fit ends {-statistic:.4g} above: "
            "it is not at its optimum (see its certificate). Fit it again, from another start."
        )
    return max(statistic, 0.0)


def referred(found: Reference, statistic: float) -> dict[str, Any]:
    """Entries of a row by a reference distribution."""
    values = found.p_values(statistic)
    if found.exact is not None:
        words = found.exact.words()
    else:
        ends = [d.words() for d in (*found.lower, found.upper) if d is not None]
        words = f"bounds: {' or '.join(dict.fromkeys(ends))}" if ends else "not known"
    return {
        **{name: values[name] for name in ("p_value", "p_error", "p_low", "p_high")},
        "distribution": words,
        "remark": as_remark(found.words),
    }


def described(fit: ComparedFit) -> dict[str, Any]:
    """Entries of a row that a fit has by itself."""
    return dict.fromkeys(RATIO_COLUMNS) | {
        "formula": fit.formula,
        "structure": fit.structure,
        "criterion": fit.criterion,
        "dof": fit.dof,
        "objective": fit.value,
        "aic": fit.value + 2.0 * fit.dof,
    }


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Set rows below each other, texts and numbers in columns of their type."""
    return pd.DataFrame(
        {
            name: pd.Series(
                [row[name] for row in rows],
                dtype=object if name in _TEXTS else int if name == "dof" else float,
            )
            for name in columns
        }
    )
