r"""What data tell about covariance parameters, by blocks: expected information and its kin.

The weighted response has covariance ``sigma**2 V``, ``V = I + sum Z_f (I x G_f) Z_f'`` over the
grouping factors f. A direction E changes the covariance G_f of one factor. With ``S = inv(V)`` and
X an orthonormal basis of the fixed effects, Kenward & Roger (1997, Biometrics 53, 983-997) need

* ``P[E] = -X'S (dV) S X``, ``Q[E, F] = X'S (dV_E) S (dV_F) S X``, both (r, r), and
* ``T[E, F] = tr(S dV_E S dV_F)``,

for all pairs of directions, the residual variance among them. With ``K = Z'S Z`` and ``C = Z'S X``
all are sums over levels: ``P = -sum_l C_l' E C_l``, ``Q = (E C)' K (F C)``, and T sums products of
entries of K, a Gram matrix of its columns. The residual variance follows from the others by Euler's
identity ``I = V - sum Z_f G_f Z_f'``.

K has as many rows as there are random effects. For the factor with most of them it is
block-diagonal less a product of narrow matrices, ``K_11 = D - U inv(N) U'``, N having the size of
all other factors together, so that nothing of the size of the first is ever formed: the cost is
that of a factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.system import ProfiledSystem

__all__ = ["Direction", "Information", "information"]

Floats = NDArray[np.float64]

#: Bytes of dense blocks up to which they are formed.
_MOST_BYTES: Final = 4 * 2**30

#: Precision of a fixed effect, over that without random effects, up to which it is but rounding.
_LOST: Final = 1e-13


@dataclass(frozen=True)
class Direction:
    """A change of the covariance of one grouping factor.

    Attributes
    ----------
    factor : int
        Position of the grouping factor.
    matrix : (k, k) array
        Symmetric; for the engine's columns, over sigma squared.
    """

    factor: int
    matrix: Floats


@dataclass(frozen=True)
class Information:
    """Moments of directions, the residual variance last: m of them and one.

    Everything is for sigma = 1 and in terms of the orthonormal basis of the fixed effects.

    Attributes
    ----------
    p : (m + 1, r, r) array
    q : (m + 1, m + 1, r, r) array
    t : (m + 1, m + 1) array
    phi : (r, r) array
        Covariance ``inv(X'S X)`` of the coefficients.
    products : list of (q, k, r) arrays
        ``C`` of every grouping factor.
    traces : (m,) array
        ``tr(S dV)`` of the directions.
    degrees : int
        n - r.
    """

    p: Floats
    q: Floats
    t: Floats
    phi: Floats
    products: list[Floats]
    traces: Floats
    degrees: int

    @property
    def expected(self) -> Floats:
        """Twice the expected information under REML, ``tr(P dV P dV)``, (m + 1, m + 1)."""
        weighted = self.phi @ self.p
        crossed = np.einsum("iab,jba->ij", weighted, weighted)
        made = self.t - 2.0 * np.einsum("ab,ijba->ij", self.phi, self.q) + crossed
        return np.asarray(0.5 * (made + made.T))

    @property
    def relative(self) -> Floats:
        """The same of covariances over sigma squared, sigma being estimated too, (m, m).

        What the directions share with V itself, whose size sigma is, is no information.
        """
        own = self.traces + np.einsum("ab,iba->i", self.phi, self.p[:-1])
        return np.asarray(self.expected[:-1, :-1] - np.outer(own, own) / self.degrees)


def information(
    system: ProfiledSystem, factors: Sequence[Floats], directions: Sequence[Direction]
) -> Information:
    """Form the moments of directions at a covariance.

    ``factors`` (k, k): relative covariance factors for the engine's columns, or any other roots of
    the covariances. Raises UnsuitedError if the factors but the largest have so many random effects
    that blocks do not fit into memory, FloatingPointError if nothing but rounding is left of what
    the data tell of a fixed effect.
    """
    blocks = _Blocks(system, factors)
    covariances = [factor @ factor.T for factor in factors]
    # The covariances themselves are directions too: the residual variance is the whole without
    # them.
    own = [Direction(f, covariance) for f, covariance in enumerate(covariances)]
    every = [*directions, *own]
    m = len(directions)
    changed = [np.einsum("ab,qbr->qar", d.matrix, blocks.c[d.factor]) for d in every]
    p = np.array(
        [
            -np.einsum("qar,qas->rs", blocks.c[d.factor], change)
            for d, change in zip(every, changed, strict=True)
        ]
    )
    q = blocks.quadratic([d.factor for d in every], changed)
    t = blocks.traces(every)
    single = np.array([blocks.trace(d) for d in every])
    precision = blocks.precision
    # I = V - sum of Z G Z', in each place of a direction.
    r = precision.shape[0]
    if not np.linalg.eigvalsh(precision).min(initial=1.0) > _LOST:
        raise FloatingPointError("The precision of the fixed effects is lost to rounding.")
    p0 = -precision - p[m:].sum(axis=0)
    q0 = -p[:m] - q[m:, :m].sum(axis=0)
    q00 = -p0 - (-p[m:].sum(axis=0) - q[m:, m:].sum(axis=(0, 1)))
    t0 = single[:m] - t[m:, :m].sum(axis=0)
    whole = system.n - single[m:].sum()
    t00 = whole - (single[m:].sum() - t[m:, m:].sum())
    all_p = np.concatenate([p[:m], p0[None]])
    all_q = np.empty((m + 1, m + 1, r, r))
    all_q[:m, :m] = q[:m, :m]
    all_q[m, :m] = q0
    all_q[:m, m] = q0.transpose(0, 2, 1)
    all_q[m, m] = q00
    all_t = np.empty((m + 1, m + 1))
    all_t[:m, :m] = t[:m, :m]
    all_t[m, :m] = all_t[:m, m] = t0
    all_t[m, m] = t00
    return Information(
        all_p, all_q, all_t, np.linalg.inv(precision), blocks.c, single[:m], system.n - r
    )


class _Blocks:
    """``K = Z'S Z`` and ``C = Z'S X`` of a system at one covariance, by blocks.

    The factor with most random effects comes first; all others make one dense rest.
    """

    def __init__(self, system: ProfiledSystem, factors: Sequence[Floats]) -> None:
        from scipy.linalg import cho_factor, cho_solve
        from scipy.sparse import block_diag, bsr_matrix, csr_matrix, hstack

        sizes = [f.n_levels * f.size for f in system.factors]
        self.first = int(np.argmax(sizes))
        self.rest = [i for i in range(len(sizes)) if i != self.first]
        self.shapes = [(f.n_levels, f.size) for f in system.factors]
        self.starts = np.cumsum([0, *(sizes[i] for i in self.rest)])
        n_rest, n_first = int(self.starts[-1]), sizes[self.first]
        if 8 * n_rest * (4 * n_first + 5 * n_rest) > _MOST_BYTES:
            raise UnsuitedError(
                f"the expected information of a model with {n_first} random effects of one "
                f"grouping factor and {n_rest} of the others would take more than "
                f"{_MOST_BYTES / 2**30:.0f} GB of memory"
            )
        levels, k = self.shapes[self.first]
        basis = system.fixed_part(np.eye(system.n_fixed)).T
        z = [_sparse_columns(system, i) for i in range(len(sizes))]
        one = z[self.first]
        factor = factors[self.first]
        own = factor @ factor.T
        grams = self._own_products(system)
        # inv(I + A G) A is Z'S Z of the first factor alone, without any difference.
        shrink = np.linalg.inv(np.eye(k) + grams @ own)
        self.d = shrink @ grams
        self.d = 0.5 * (self.d + self.d.transpose(0, 2, 1))
        first_basis = np.asarray(one.T @ basis)
        shrunk = np.einsum("lab,lbr->lar", shrink, first_basis.reshape(levels, k, -1))
        weighted = np.einsum("ab,lbr->lar", own, shrunk).reshape(n_first, -1)
        c1 = shrunk.reshape(n_first, -1)
        precision = np.eye(system.n_fixed) - first_basis.T @ weighted
        c_rest = np.empty((0, system.n_fixed))
        self.y = self.u = np.empty((n_first, 0))
        self.k_first_rest = np.empty((n_first, 0))
        self.k_rest = np.empty((0, 0))
        self.u_sparse = csr_matrix((n_first, 0))
        if self.rest:
            others = hstack([z[i] for i in self.rest], format="csr")
            between = (one.T @ others).tocsr()
            indptr, indices = np.arange(levels + 1), np.arange(levels)
            spread = bsr_matrix((shrink, indices, indptr)).tocsr()
            inner = bsr_matrix((own @ shrink, indices, indptr)).tocsr()
            u0 = spread @ between
            w0 = (others.T @ others).toarray() - (between.T @ (inner @ between)).toarray()
            w0 = 0.5 * (w0 + w0.T)
            lam = block_diag(
                [np.kron(np.eye(self.shapes[i][0]), factors[i]) for i in self.rest]
                if n_rest <= 64
                else [block_diag([factors[i]] * self.shapes[i][0]) for i in self.rest],
                format="csr",
            )
            self.u_sparse = (u0 @ lam).tocsr()
            w = np.asarray((lam.T @ w0.T).T)  # w0 @ lam
            middle = np.eye(n_rest) + np.asarray(lam.T @ w)
            root = cho_factor(0.5 * (middle + middle.T), lower=True)
            self.u = self.u_sparse.toarray()
            self.y = np.ascontiguousarray(cho_solve(root, self.u.T).T)
            self.inverse = cho_solve(root, np.eye(n_rest))
            self.k_first_rest = u0.toarray() - self.y @ w.T
            self.k_rest = w0 - w @ cho_solve(root, w.T)
            self.k_rest = 0.5 * (self.k_rest + self.k_rest.T)
            rest_basis = np.asarray(others.T @ basis) - np.asarray(between.T @ weighted)
            solved = cho_solve(root, np.asarray(lam.T @ rest_basis))
            c1 = c1 - self.u @ solved
            c_rest = rest_basis - w @ solved
            precision = precision - np.asarray(lam.T @ rest_basis).T @ solved
        self.precision = 0.5 * (precision + precision.T)
        self.c: list[Floats] = [np.empty(0)] * len(sizes)
        self.c[self.first] = c1.reshape(levels, k, -1)
        for i, a, b in zip(self.rest, self.starts[:-1], self.starts[1:], strict=True):
            self.c[i] = c_rest[a:b].reshape(*self.shapes[i], -1)
        # Diagonal blocks of what is taken from D.
        rows_y = self.y.reshape(levels, k, -1)
        rows_u = self.u.reshape(levels, k, -1)
        self.taken = np.matmul(rows_y, rows_u.transpose(0, 2, 1))

    def _own_products(self, system: ProfiledSystem) -> Floats:
        """Cross-products (q, k, k) of the columns of the first factor within its levels."""
        factor = system.factors[self.first]
        k = factor.size
        products = (factor.z[:, :, None] * factor.z[:, None, :]).reshape(len(factor.z), -1)
        return system.sums_by_level(self.first, products).reshape(-1, k, k)

    def _part(self, i: int) -> slice:
        """Where a factor stands in the rest."""
        at = self.rest.index(i)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))

    def _times(self, target: int, source: int, columns: Floats) -> Floats:
        """``K[target, source]`` times columns (q k, c) of one factor."""
        if target != self.first and source != self.first:
            return np.asarray(self.k_rest[self._part(target), self._part(source)] @ columns)
        if target != self.first:
            return np.asarray(self.k_first_rest[:, self._part(target)].T @ columns)
        if source != self.first:
            return np.asarray(self.k_first_rest[:, self._part(source)] @ columns)
        levels, k = self.shapes[self.first]
        width = columns.shape[1]
        own = np.einsum("lab,lbc->lac", self.d, columns.reshape(levels, k, width))
        return np.asarray(own.reshape(levels * k, width) - self.y @ (self.u.T @ columns))

    def quadratic(self, places: Sequence[int], changed: Sequence[Floats]) -> Floats:
        """``Q`` (m, m, r, r) of all pairs: ``changed`` (q, k, r) are E C of a factor each."""
        m, r = len(places), changed[0].shape[2]
        out = np.empty((m, m, r, r))
        flat = [c.reshape(c.shape[0] * c.shape[1], r) for c in changed]  # r may be 0
        for source in dict.fromkeys(places):
            own = [j for j in range(m) if places[j] == source]
            columns = np.hstack([flat[j] for j in own])
            for target in dict.fromkeys(places):
                moved = self._times(target, source, columns)
                for i in (i for i in range(m) if places[i] == target):
                    made = (flat[i].T @ moved).reshape(r, len(own), r)
                    out[i, own] = made.transpose(1, 0, 2)
        return out

    def traces(self, directions: Sequence[Direction]) -> Floats:
        """``T`` (m, m) of all pairs of directions."""
        m = len(directions)
        out = np.empty((m, m))
        grams: dict[tuple[int, int], Floats] = {}
        for i, one in enumerate(directions):
            for j, other in enumerate(directions[: i + 1]):
                a, b = sorted((one.factor, other.factor))
                if (a, b) not in grams:
                    grams[a, b] = self._gram(a, b)
                first, second = (one, other) if one.factor == a else (other, one)
                out[i, j] = out[j, i] = np.einsum(
                    "ab,cd,acbd->", first.matrix, second.matrix, grams[a, b], optimize=True
                )
        return out

    def trace(self, direction: Direction) -> float:
        """``tr(S dV)``: sums of the diagonal blocks of K."""
        i = direction.factor
        levels, k = self.shapes[i]
        if i == self.first:
            blocks = (self.d - self.taken).sum(axis=0)
        else:
            own = self.k_rest[self._part(i), self._part(i)].reshape(levels, k, levels, k)
            blocks = np.einsum("lalb->ab", own)
        return float(np.vdot(blocks, direction.matrix))

    def _gram(self, i: int, j: int) -> Floats:
        """``sum over levels l, m of K[la, mc] K[lb, md]``, array (k, k', k, k') by a, c, b, d."""
        (p, k), (q, h) = self.shapes[i], self.shapes[j]
        if i == j == self.first:
            return self._gram_first()
        if self.first not in (i, j):
            block = self.k_rest[self._part(i), self._part(j)]
        elif i == self.first:
            block = self.k_first_rest[:, self._part(j)]
        else:
            block = self.k_first_rest[:, self._part(i)].T
        columns = block.reshape(p, k, q, h).transpose(0, 2, 1, 3).reshape(p * q, k * h)
        return np.asarray(columns.T @ columns).reshape(k, h, k, h)

    def _gram_first(self) -> Floats:
        """The same of ``D - U inv(N) U'``, whose product is never formed."""
        levels, k = self.shapes[self.first]
        d = self.d.reshape(levels, k * k)
        taken = self.taken.reshape(levels, k * k)
        crossed = d.T @ taken
        out = (d.T @ d - crossed - crossed.T).reshape(k, k, k, k)
        if self.rest:
            u = [self.u_sparse[a::k] for a in range(k)]
            between = [[(u[a].T @ u[b]).toarray() for b in range(k)] for a in range(k)]
            solved = [[self.inverse @ block @ self.inverse for block in row] for row in between]
            for a, b, c, e in np.ndindex(k, k, k, k):
                out[a, c, b, e] += np.vdot(solved[a][b], between[c][e])
        return np.asarray(out)


def _sparse_columns(system: ProfiledSystem, position: int) -> Any:
    """The engine's columns of a grouping factor as a sparse matrix (n, q k)."""
    from scipy.sparse import csr_matrix

    factor = system.factors[position]
    k = factor.size
    columns = factor.codes[:, None] * k + np.arange(k)
    starts = np.arange(system.n + 1) * k
    made = (np.ascontiguousarray(factor.z).ravel(), columns.ravel(), starts)
    return csr_matrix(made, shape=(system.n, factor.n_levels * k))
