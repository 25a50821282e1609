"""What directions that change nothing mean: which parameters they move, in names and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.untangle import OWN

if TYPE_CHECKING:
    from mixedscope.covariance.base import CovarianceStructure
    from mixedscope.engine.group_effects import GroupEffects

__all__ = ["NOTHING", "Entries", "slopes_of", "told"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Entries of a null direction up to this are rounding.
NOTHING: Final = 1e-6


@dataclass(frozen=True)
class Entries:
    """The free covariances of one grouping factor, in columns made orthogonal.

    Attributes
    ----------
    columns : (n, k) array
        Orthogonal within unstructured terms; zero where a column is in the span of others.
    back : (k, k) array
        Brings random effects of these columns to those of the columns of unit root mean square.
    rows, cols : (p,) arrays of int
    slopes : (p, m) array
        Derivatives of the free covariances by m parameters that may be chosen freely.
    """

    columns: Floats
    back: Floats
    rows: Ints
    cols: Ints
    slopes: Floats


@dataclass(frozen=True)
class _Told:
    """Parameters that directions move, the columns to blame if any, and by how much per variance.

    Attributes
    ----------
    named : list of tuple
        Kind, group, term and second term of each parameter.
    reason : str
        Empty if no column is to blame.
    moves : list of dict
        Change of each variance, by group and column, one dictionary per direction.
    """

    named: list[tuple[str | None, ...]]
    reason: str
    moves: list[dict[tuple[str, str], float]]


def told(
    terms: tuple[GroupEffects, ...],
    columns: list[Floats],
    entries: list[Entries],
    steps: list[Floats],
) -> list[dict[str, Any]]:
    """Put directions into words; those that touch the same standard deviations belong together."""
    dependent = [_dependent(term, own) for term, own in zip(terms, columns, strict=True)]
    found: list[_Told] = []
    for step in steps:
        named: list[tuple[str | None, ...]] = []
        reasons: list[str] = []
        moved: list[tuple[str, str, float]] = []
        first = 0
        for term, e, (zero, tied) in zip(terms, entries, dependent, strict=True):
            change = np.zeros((term.size, term.size))
            own = step[first : first + len(e.rows)]
            first += len(e.rows)
            change[e.rows, e.cols] = change[e.cols, e.rows] = own
            change[np.diag_indices(term.size)] *= 2.0
            change = e.back @ change @ e.back.T
            change[np.abs(change) < NOTHING * max(float(np.abs(change).max()), 1e-300)] = 0.0
            if np.any(change) or abs(step[-1]) > NOTHING:
                sigma = float(step[-1]) if abs(step[-1]) > NOTHING else 0.0
                named += [
                    ("theta", term.group, name, None) for name in _moved_theta(term, change, sigma)
                ]
            touched = [j for j in range(term.size) if np.any(change[j])]
            alone = [j for j in range(term.size) if change[j, j] != 0.0]
            named += [("sd", term.group, term.names[j], None) for j in alone]
            named += [
                ("correlation", term.group, term.names[i], term.names[j])
                for i, j in term.correlated
                if change[i, j] != 0.0 or i in alone or j in alone
            ]
            moved += [
                (term.group, term.names[j], change[j, j] / term.column_scale[j] ** 2) for j in alone
            ]
            reasons += [
                f"{term.names[j]!r} is zero in all rows ({term.group})"
                for j in touched
                if j in zero
            ]
            if any(j in tied for j in touched) and not any(j in zero for j in touched):
                listed = ", ".join(repr(term.names[j]) for j in sorted(tied))
                reasons.append(
                    f"the columns {listed} of the random effects of {term.group} depend on each "
                    "other in all rows"
                )
        if abs(step[-1]) > NOTHING:
            named.append(("sigma", None, None, None))
            moved.append(("residual", "", float(step[-1])))
        if named:
            reason = "; ".join(dict.fromkeys(reasons))
            found.append(_Told(named, reason, [{(g, c): size for g, c, size in moved}]))
    return _joined(_linked(found), terms)


def slopes_of(structure: CovarianceStructure) -> tuple[Floats, Floats]:
    """Derivatives (p, m) of free covariances by theta in general position, and the covariance."""
    # At an end of the parameter space slopes vanish by symmetry.
    places = np.arange(structure.n_theta)
    theta = structure.identity + 0.1 + 0.3 * np.abs(np.sin(1.0 + places))
    factor = structure.factor(theta)
    halves = [d @ factor.T for d in structure.derivatives(theta)]
    free = structure.free_pairs
    return np.array([(h + h.T)[free] for h in halves]).T, factor @ factor.T


def _moved_theta(term: GroupEffects, change: Floats, sigma: float) -> list[str]:
    """Theta that change where covariances (k, k) do, and sigma squared by so much."""
    names = term.theta_names()
    moved = []
    for part, structure in zip(term.design.parts, term.structures, strict=True):
        slopes, covariance = slopes_of(structure)
        own = change[np.ix_(part.columns, part.columns)]
        # Theta is of covariances over sigma squared.
        wanted = (own - sigma * covariance)[structure.free_pairs]
        step = np.linalg.lstsq(slopes, wanted, rcond=None)[0]
        size = float(np.abs(step).max(initial=0.0))
        moved += (np.abs(step) > NOTHING * max(size, 1e-300)).tolist()
    return [name for name, touched in zip(names, moved, strict=True) if touched]


def _linked(found: list[_Told]) -> list[_Told]:
    """Bring together directions that move the same variances and have no column to blame."""
    out: list[_Told] = []
    for told in found:
        if not told.reason:
            touched = set(told.moves[0])
            linked = [
                o for o in out if not o.reason and any(touched & set(move) for move in o.moves)
            ]
            out = [o for o in out if not any(o is other for other in linked)]
            for other in linked:
                told = _Told(other.named + told.named, "", other.moves + told.moves)
        out.append(told)
    return out


def _joined(found: list[_Told], terms: tuple[GroupEffects, ...]) -> list[dict[str, Any]]:
    """One entry per reason, with all the parameters it is the reason for."""
    by_reason: dict[str, list[tuple[str | None, ...]]] = {}
    for told in found:
        reason = told.reason or _combined(told.moves, terms)
        by_reason.setdefault(reason, []).extend(told.named)
    keys = ("kind", "group", "term", "term2")
    return [
        {
            "parameters": [dict(zip(keys, p, strict=True)) for p in dict.fromkeys(parameters)],
            "reason": reason,
        }
        for reason, parameters in by_reason.items()
    ]


def _combined(moves: list[dict[tuple[str, str], float]], terms: tuple[GroupEffects, ...]) -> str:
    """Say what is determined where no single column is to blame."""
    # In the order of the formula: that of the directions is decided by rounding.
    place = {
        (term.group, column): (i, j)
        for i, term in enumerate(terms)
        for j, column in enumerate(term.names)
    }
    last = (len(terms), 0)
    moved = sorted({key for move in moves for key in move}, key=lambda key: place.get(key, last))
    if not moved:
        return "only combinations of the correlations are determined"
    sizes = {term.group: term.size for term in terms}
    groups = list(dict.fromkeys(group for group, _ in moved))
    if len(groups) < len(moved):
        if len(groups) == 1:
            return f"only combinations of the variances of {groups[0]!r} are determined"
        if "residual" in groups:
            others = [repr(group) for group in groups if group != "residual"]
            return (
                "only sums of the residual variance with variances of "
                f"{_listed(others)} are determined"
            )
        return f"only the sum of the covariances of {_listed(groups)} is determined"
    names = [
        "the residual"
        if not column
        else repr(group)
        if sizes[group] == 1
        else f"{column!r} ({group})"
        for group, column in moved
    ]
    if len(names) == 1:
        return (
            f"the fixed effects take up all that {names[0]} could explain, so that the REML "
            "criterion does not depend on its variance"
        )
    table = np.array([[move.get(key, 0.0) for key in moved] for move in moves])
    _, lengths, right = np.linalg.svd(table)
    if int((lengths > NOTHING * lengths[0]).sum()) < len(moved) - 1:
        return f"only combinations of the variances of {_listed(names)} are determined"
    # What no direction changes is a sum in which each variance has this weight.
    weights = right[-1] / right[-1][np.abs(right[-1]).argmax()]
    if float(weights.min()) < NOTHING:
        return f"only one combination of the variances of {_listed(names)} is determined"
    article = "the" if float(weights.min()) >= 1.0 - NOTHING else "a weighted"
    return f"only {article} sum of the variances of {_listed(names)} is determined"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _dependent(term: GroupEffects, columns: Floats) -> tuple[set[int], set[int]]:
    """Columns of a factor that are zero, and those that depend on each other within a term."""
    zero, tied = set(), set()
    for j, column in enumerate(columns.T):
        if not column.any():
            zero.add(j)
    for part in term.design.parts:
        own = [j for j in part.columns if j not in zero]
        if len(own) < 2:
            continue
        lengths = np.linalg.norm(columns[:, own], axis=0)
        right = np.linalg.svd(columns[:, own] / lengths, full_matrices=False)[1:]
        null = right[1][right[0] <= OWN * right[0][0]]
        tied |= {own[j] for j in np.flatnonzero(np.abs(null).max(axis=0, initial=0.0) > NOTHING)}
    return zero, tied
