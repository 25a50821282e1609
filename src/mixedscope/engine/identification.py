r"""Which variances and correlations the data cannot tell apart, from the design alone.

The marginal covariance of the data is linear in the covariances of the random effects and the
residual variance, :math:`V = \sum_p c_p M_p`, and the likelihood depends on V alone (under REML on
:math:`QVQ`, Q being the projection off the fixed effects). A direction of c with
:math:`\sum_p c_p Q M_p Q = 0` therefore changes nothing, whatever the response: the null space of
the matrix of :math:`\mathrm{tr}(Q M_p Q M_q)`, formed here from the products of columns within
pairs of levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.undetermined import NOTHING, Entries, slopes_of, told
from mixedscope.engine.untangle import OWN

if TYPE_CHECKING:
    from mixedscope.engine.group_effects import GroupEffects
    from mixedscope.engine.system import ProfiledSystem

__all__ = ["count_unidentified", "shares_residual", "unidentified"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Eigenvalues up to this, of a matrix of unit diagonal, are rounding.
_NULL: Final = 1e-10

#: Products of columns within levels formed at a time.
_AT_A_TIME: Final = 1 << 22

#: Length of a step, relative to the covariances, by which a direction is tried.
_STEP: Final = 1e-3


def count_unidentified(system: ProfiledSystem, *, reml: bool) -> int:
    """Count the variance parameters, sigma among them, that no response would determine.

    Parameters
    ----------
    system : ProfiledSystem
    reml : bool
        Under the restricted likelihood.

    Returns
    -------
    int
        How many fewer the distributions of the data have than the model, wherever a fit ends.
    """
    return len(_null_directions(system, reml=reml)[2])


def shares_residual(system: ProfiledSystem, *, reml: bool) -> bool:
    """Whether any part of the residual variance may be counted as that of random effects."""
    degrees = system.n - (len(system.basis.kept) if reml else 0)
    # Fewer random effects leave some of the residuals to themselves.
    if sum(len(term.design.levels) * term.size for term in system.terms) < degrees:
        return False
    return any(abs(step[-1]) > NOTHING for step in _null_directions(system, reml=reml)[2])


def unidentified(system: ProfiledSystem, theta: Floats, *, reml: bool) -> list[dict[str, Any]]:
    """Find standard deviations and correlations that the data do not determine.

    Parameters
    ----------
    system : ProfiledSystem
    theta : (k,) array
        Where a fit ended. Directions that lead out of the parameter space there in both ways,
        as where the variances of which only the sum is determined are all zero, do not count.
    reml : bool
        Under the restricted likelihood.

    Returns
    -------
    list of dict
        ``parameters``, a list of ``kind`` (``sd``, ``correlation``, ``sigma``, ``theta``),
        ``group``, ``term``, ``term2``; ``reason``, in words. Empty where all are determined.
    """
    terms = system.terms
    columns, entries, steps = _null_directions(system, reml=reml)
    if not steps:
        return []
    return told(terms, columns, entries, _feasible(terms, theta, entries, steps))


def _null_directions(
    system: ProfiledSystem, *, reml: bool
) -> tuple[list[Floats], list[Entries], list[Floats]]:
    """Columns, free covariances, and changes of these and of sigma that change nothing else."""
    columns = [_columns(term, system.root_weights) for term in system.terms]
    entries = [_entries(term, c) for term, c in zip(system.terms, columns, strict=True)]
    gram, sizes = _gram(system, entries, reml=reml)
    # What is known of sigma leaves no direction to it.
    own = np.ones((1, 1 if system.design.sigma is None else 0))
    slopes = _direct_sum([e.slopes for e in entries] + [own])
    # An entry that is nothing but rounding of what it would be without fixed effects is nothing.
    lengths = np.sqrt(np.maximum(np.einsum("pi,p,pi->i", slopes, sizes, slopes), 1e-300))
    scaled = slopes / lengths
    values, vectors = np.linalg.eigh(scaled.T @ gram @ scaled)
    null = vectors[:, values <= _NULL]
    if null.shape[1] == 0:
        return columns, entries, []
    directions = _sparse(null).T / lengths
    directions /= np.abs(directions).max(axis=1, keepdims=True)
    return columns, entries, [slopes @ d for d in directions]


def _columns(term: GroupEffects, root_weights: Floats) -> Floats:
    """Columns of the data (n, k) in units of their root mean square, weighted."""
    return np.asarray(term.design.Z * root_weights[:, None] / term.column_scale)


def _entries(term: GroupEffects, given: Floats) -> Entries:
    """Free covariances of a grouping factor of columns (n, k); see `Entries`."""
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
        part_slopes = slopes_of(structure)[0]
        # M of a pair (c, c) is that of a column with itself twice.
        part_slopes[np.equal(*structure.free_pairs)] *= 0.5
        blocks.append(part_slopes)
    return Entries(columns, back, rows, cols, _direct_sum(blocks))


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


def _gram(system: ProfiledSystem, entries: list[Entries], *, reml: bool) -> tuple[Floats, Floats]:
    """Give ``tr(Q M_p Q M_q)`` of all free covariances and sigma, and its diagonal without Q."""
    q = system.basis.q if reml else np.zeros((system.n, 0))
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
    e: Entries, f: Entries, a: Ints, b: Ints, count: int, w: Floats, v: Floats
) -> tuple[Floats, Floats]:
    """Traces of ``M_p M_q`` and of ``M_p P M_q``, P onto the fixed effects, of two factors."""
    cells, place = np.unique(a * count + b, return_inverse=True)
    products = np.empty((len(cells), e.columns.shape[1], f.columns.shape[1]))
    for i, column in enumerate(e.columns.T):
        for j, other in enumerate(f.columns.T):
            products[:, i, j] = np.bincount(place, weights=column * other, minlength=len(cells))
    plain = np.einsum("xij,xkl->ikjl", products, products)
    ends = np.empty_like(products)
    size = max(1, _AT_A_TIME // max(1, w.shape[2] * (w.shape[1] + v.shape[1])))
    for at in range(0, len(cells), size):
        own = cells[at : at + size]
        ends[at : at + size] = np.einsum("xir,xjr->xij", w[own // count], v[own % count])
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
    rest[np.abs(rest) < NOTHING] = 0.0
    return rest.T


def _feasible(
    terms: tuple[GroupEffects, ...], theta: Floats, entries: list[Entries], steps: list[Floats]
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
            left = [s for s in left if np.linalg.matrix_rank([*found, s], NOTHING) > len(found)]
            break
        else:
            return found


def _along(here: list[Floats], entries: list[Entries], steps: list[Floats]) -> list[Floats]:
    """Bring each covariance as nearly as steps allow to a direction in their span."""
    span = np.linalg.qr(np.array(steps).T)[0]
    out = []
    first = 0
    for covariance, e in zip(here, entries, strict=True):
        whole = np.zeros(len(span))
        whole[first : first + len(e.rows)] = covariance[e.rows, e.cols] / (1.0 + (e.rows == e.cols))
        first += len(e.rows)
        near = span @ (span.T @ whole)
        if np.abs(near).max() > NOTHING:
            out.append(near / np.abs(near).max())
    return out


def _moved(here: list[Floats], entries: list[Entries], step: Floats) -> list[Floats]:
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
