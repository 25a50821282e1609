r"""Which variances and correlations the data cannot tell apart, from the design alone.

The marginal covariance of the data is linear in the covariances of the random effects and the
residual variance, :math:`V = \sum_p c_p M_p`, and the likelihood depends on V alone (under REML on
:math:`QVQ`, Q being the projection off the fixed effects). A direction of c with
:math:`\sum_p c_p Q M_p Q = 0` therefore changes nothing, whatever the response: the null space of
the matrix of :math:`\mathrm{tr}(Q M_p Q M_q)`, formed here from the products of columns within
pairs of levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.untangle import OWN

if TYPE_CHECKING:
    from mixedscope.engine.objective import ProfiledObjective
    from mixedscope.engine.random_term import RandomTerm

__all__ = ["unidentified"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Eigenvalues up to this, of a matrix of unit diagonal, are rounding.
_NULL: Final = 1e-10

#: Entries of a null direction up to this are rounding.
_NOTHING: Final = 1e-6

#: Length of a step, relative to the covariances, by which a direction is tried.
_STEP: Final = 1e-3


@dataclass(frozen=True)
class _Entries:
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


def unidentified(objective: ProfiledObjective, theta: Floats) -> list[dict[str, Any]]:
    """Find standard deviations and correlations that the data do not determine.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        Where a fit ended. Directions that lead out of the parameter space there in both ways,
        as where the variances of which only the sum is determined are all zero, do not count.

    Returns
    -------
    list of dict
        ``parameters``, a list of ``kind`` (``sd``, ``correlation``, ``sigma``), ``group``,
        ``term``, ``term2``; ``reason``, in words. Empty where all are determined.
    """
    system = objective.system
    terms = system.terms
    columns = [_columns(term, system.root_weights) for term in terms]
    entries = [_entries(term, c) for term, c in zip(terms, columns, strict=True)]
    gram, sizes = _gram(objective, entries)
    slopes = _direct_sum([e.slopes for e in entries] + [np.ones((1, 1))])
    # An entry that is nothing but rounding of what it would be without fixed effects is nothing.
    lengths = np.sqrt(np.maximum(np.einsum("pi,p,pi->i", slopes, sizes, slopes), 1e-300))
    scaled = slopes / lengths
    values, vectors = np.linalg.eigh(scaled.T @ gram @ scaled)
    null = vectors[:, values <= _NULL]
    if null.shape[1] == 0:
        return []
    directions = _sparse(null).T / lengths
    directions /= np.abs(directions).max(axis=1, keepdims=True)
    steps = [slopes @ d for d in directions]
    return _told(terms, columns, entries, _feasible(terms, theta, entries, steps))


def _columns(term: RandomTerm, root_weights: Floats) -> Floats:
    """Columns of the data (n, k) in units of their root mean square, weighted."""
    return np.asarray(term.design.Z * root_weights[:, None] / term.column_scale)


def _entries(term: RandomTerm, given: Floats) -> _Entries:
    """Free covariances of a grouping factor of columns (n, k); see `_Entries`."""
    columns = given.copy()
    back = np.eye(term.size)
    rows, cols = term.free_entries
    blocks = []
    for part, structure in zip(term.design.parts, term.structures, strict=True):
        own = list(part.columns)
        n_free = len(structure.free_pairs[0])
        if structure.name == "full" and len(own) > 1:
            columns[:, own], back[np.ix_(own, own)] = _orthogonal(columns[:, own])
        if n_free == structure.n_theta:
            blocks.append(np.eye(n_free))
            continue
        # In general position: at an end of the parameter space slopes vanish by symmetry.
        places = np.arange(structure.n_theta)
        theta = structure.identity + 0.1 + 0.3 * np.abs(np.sin(1.0 + places))
        factor = structure.factor(theta)
        halves = [d @ factor.T for d in structure.derivatives(theta)]
        free = structure.free_pairs
        blocks.append(np.array([(h + h.T)[free] for h in halves]).T)
    return _Entries(columns, back, rows, cols, _direct_sum(blocks))


def _orthogonal(columns: Floats) -> tuple[Floats, Floats]:
    """Orthogonal columns (n, k), zero for those that depend on others, and the way back (k, k)."""
    out = columns.copy()
    mixing = np.eye(columns.shape[1])
    for j in range(columns.shape[1]):
        for _ in range(2):  # twice is enough
            for i in range(j):
                square = float(out[:, i] @ out[:, i])
                if square > 0.0:
                    share = float(out[:, i] @ out[:, j]) / square
                    out[:, j] -= share * out[:, i]
                    mixing[i, j] += share
        if np.linalg.norm(out[:, j]) <= OWN * np.linalg.norm(columns[:, j]):
            out[:, j] = 0.0
        else:
            size = float(np.sqrt(np.mean(out[:, j] ** 2)))
            out[:, j] /= size
            mixing[j, j] = size
    # columns = out @ mixing, so that effects b of the columns are mixing @ b of the others.
    return out, np.asarray(np.linalg.inv(mixing), dtype=float)


def _gram(objective: ProfiledObjective, entries: list[_Entries]) -> tuple[Floats, Floats]:
    """Give ``tr(Q M_p Q M_q)`` of all free covariances and sigma, and its diagonal without Q."""
    system = objective.system
    q = system.basis.q if objective.reml else np.zeros((system.n, 0))
    codes = [term.design.codes for term in system.terms]
    counts = [len(term.design.levels) for term in system.terms]
    shadows = [
        _level_sums(e.columns, q, c, m) for e, c, m in zip(entries, codes, counts, strict=True)
    ]
    first = np.cumsum([0] + [len(e.rows) for e in entries])
    last = int(first[-1])
    out = np.zeros((last + 1, last + 1))
    sizes = np.zeros(last + 1)
    inner = []
    for a, e in enumerate(entries):
        own = slice(first[a], first[a + 1])
        squares = np.einsum("ni,nj->ij", e.columns, e.columns)
        within = np.einsum("lir,ljs->ijrs", shadows[a], shadows[a])
        whole = within + within.swapaxes(2, 3)
        inner.append(whole[e.rows, e.cols])
        traces = 2.0 * squares - np.einsum("ijrr->ij", whole)
        out[own, last] = out[last, own] = traces[e.rows, e.cols]
    for a, e in enumerate(entries):
        for b, f in enumerate(entries[: a + 1]):
            plain, shadow = _between(e, f, codes[a], codes[b], counts[b], shadows[a], shadows[b])
            block = plain - 2.0 * shadow + np.einsum("prs,qrs->pq", inner[a], inner[b])
            here, there = slice(first[a], first[a + 1]), slice(first[b], first[b + 1])
            out[here, there], out[there, here] = block, block.T
            if a == b:
                sizes[here] = plain.diagonal()
    out[last, last] = system.n - q.shape[1]
    sizes[last] = system.n
    return out, sizes


def _level_sums(columns: Floats, q: Floats, codes: Ints, count: int) -> Floats:
    """Sums of products of columns (n, k) and basis (n, r) per level, (count, k, r)."""
    out = np.empty((count, columns.shape[1], q.shape[1]))
    for i, column in enumerate(columns.T):
        for r, other in enumerate(q.T):
            out[:, i, r] = np.bincount(codes, weights=column * other, minlength=count)
    return out


def _between(
    e: _Entries, f: _Entries, a: Ints, b: Ints, count: int, w: Floats, v: Floats
) -> tuple[Floats, Floats]:
    """Traces of ``M_p M_q`` and of ``M_p P M_q``, P onto the fixed effects, of two factors."""
    cells, place = np.unique(a * count + b, return_inverse=True)
    products = np.empty((len(cells), e.columns.shape[1], f.columns.shape[1]))
    for i, column in enumerate(e.columns.T):
        for j, other in enumerate(f.columns.T):
            products[:, i, j] = np.bincount(place, weights=column * other, minlength=len(cells))
    plain = np.einsum("xij,xkl->ikjl", products, products)
    ends = np.einsum("xir,xjr->xij", w[cells // count], v[cells % count])
    shadow = np.einsum("xij,xkl->ikjl", products, ends)

    def paired(t: Floats) -> Floats:
        rows, cols, others, last = e.rows[:, None], e.cols[:, None], f.rows, f.cols
        # M of a pair (c, d) is the sum over levels of z_c z_d' + z_d z_c'.
        return np.asarray(
            t[rows, cols, others, last] + t[rows, cols, last, others]
            + t[cols, rows, others, last] + t[cols, rows, last, others]
        )  # fmt: skip

    return paired(plain), paired(shadow)


def _direct_sum(blocks: list[Floats]) -> Floats:
    out = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    row = col = 0
    for block in blocks:
        out[row : row + block.shape[0], col : col + block.shape[1]] = block
        row, col = row + block.shape[0], col + block.shape[1]
    return out


def _sparse(null: Floats) -> Floats:
    """Span the columns (m, d) by ones with as many zeros as elimination gives, (m, d)."""
    rest = null.T.copy()
    for i in range(len(rest)):
        at = np.abs(rest[i:]).max(axis=0)
        pivot = int(at.argmax())
        swap = i + int(np.abs(rest[i:, pivot]).argmax())
        rest[[i, swap]] = rest[[swap, i]]
        rest[i] /= rest[i, pivot]
        for j in range(len(rest)):
            if j != i:
                rest[j] -= rest[j, pivot] * rest[i]
    rest[np.abs(rest) < _NOTHING] = 0.0
    return rest.T


def _feasible(
    terms: tuple[RandomTerm, ...], theta: Floats, entries: list[_Entries], steps: list[Floats]
) -> list[Floats]:
    """Those of the directions along which a step, one way or the other, keeps covariances."""
    here = []
    for term, e in zip(terms, entries, strict=True):
        factor = term.factor(theta[term.theta]) * term.column_scale[:, None]
        forward = np.linalg.inv(e.back) @ factor
        here.append(forward @ forward.T)
    found: list[Floats] = []
    # At a singular covariance a step may be possible along that covariance only.
    left = [*steps, *_along(here, entries, steps)]
    while True:
        for step in left:
            for sign in (1.0, -1.0):
                moved = _moved(here, entries, sign * step)
                if all(np.linalg.eigvalsh(m)[0] >= -1e-9 for m in moved):
                    break
            else:
                continue
            here = moved
            found.append(step)
            # What found directions add up to is told with them.
            left = [s for s in left if np.linalg.matrix_rank([*found, s], _NOTHING) > len(found)]
            break
        else:
            return found


def _along(here: list[Floats], entries: list[_Entries], steps: list[Floats]) -> list[Floats]:
    """Bring each covariance as nearly as steps allow to a direction in their span."""
    span = np.linalg.qr(np.array(steps).T)[0]
    out = []
    first = 0
    for covariance, e in zip(here, entries, strict=True):
        whole = np.zeros(len(span))
        whole[first : first + len(e.rows)] = covariance[e.rows, e.cols] / (1.0 + (e.rows == e.cols))
        first += len(e.rows)
        near = span @ (span.T @ whole)
        if np.abs(near).max() > _NOTHING:
            out.append(near / np.abs(near).max())
    return out


def _moved(here: list[Floats], entries: list[_Entries], step: Floats) -> list[Floats]:
    out = []
    first = 0
    length = _STEP * max(1e-3, *(float(np.abs(h).max()) for h in here))
    for covariance, e in zip(here, entries, strict=True):
        own = step[first : first + len(e.rows)] * length
        first += len(e.rows)
        change = np.zeros_like(covariance)
        change[e.rows, e.cols] = change[e.cols, e.rows] = own
        # A diagonal entry of M counts twice, as c = d.
        change[np.diag_indices(len(change))] *= 2.0
        out.append(covariance + change)
    return out


def _told(
    terms: tuple[RandomTerm, ...],
    columns: list[Floats],
    entries: list[_Entries],
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
            change[np.abs(change) < _NOTHING * max(float(np.abs(change).max()), 1e-300)] = 0.0
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
        if abs(step[-1]) > _NOTHING:
            named.append(("sigma", None, None, None))
            moved.append(("residual", "", float(step[-1])))
        if named:
            reason = "; ".join(dict.fromkeys(reasons))
            found.append(_Told(named, reason, [{(g, c): size for g, c, size in moved}]))
    return _joined(_linked(found), terms)


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


def _joined(found: list[_Told], terms: tuple[RandomTerm, ...]) -> list[dict[str, Any]]:
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


def _combined(moves: list[dict[tuple[str, str], float]], terms: tuple[RandomTerm, ...]) -> str:
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
    if int((lengths > _NOTHING * lengths[0]).sum()) < len(moved) - 1:
        return f"only combinations of the variances of {_listed(names)} are determined"
    # What no direction changes is a sum in which each variance has this weight.
    weights = right[-1] / right[-1][np.abs(right[-1]).argmax()]
    if float(weights.min()) < _NOTHING:
        return f"only one combination of the variances of {_listed(names)} is determined"
    article = "the" if float(weights.min()) >= 1.0 - _NOTHING else "a weighted"
    return f"only {article} sum of the variances of {_listed(names)} is determined"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _dependent(term: RandomTerm, columns: Floats) -> tuple[set[int], set[int]]:
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
        tied |= {own[j] for j in np.flatnonzero(np.abs(null).max(axis=0, initial=0.0) > _NOTHING)}
    return zero, tied
