r"""The Kenward-Roger adjustment: covariance, degrees of freedom and scale of F in small samples.

Kenward & Roger (1997, Biometrics 53, 983-997): the covariance of the fixed effects is enlarged by
what estimating the covariance parameters adds to it,

.. math:: \Phi_A = \Phi + 2 \Phi \Bigl( \sum_{ij} W_{ij} (Q_{ij} - P_i \Phi P_j - R_{ij} / 4)
          \Bigr) \Phi,

with W the inverse of the expected information under REML, and the first two moments of the Wald
statistic are matched to a scaled F (their section 3). As in pbkrtest (Halekoh & Hojsgaard 2014, J.
Stat. Softw. 59(9)) for covariances that are linear in their parameters, where R is zero. For curved
structures R is kept, their parameters being variances, correlations and loadings, as in the
paper of 1997 and in SAS; the amendment of 2009 is not made.
"""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.hypotheses.approximation import Approximation, JointTest, f_tail, lost
from mixedscope.inference.hypotheses.directions import TermDirections, term_directions
from mixedscope.inference.hypotheses.information import Direction, information

__all__ = ["FLAT", "KenwardRoger"]

Floats = NDArray[np.float64]

#: Eigenvalues of the information, parameters having unit information each, that count as zero.
FLAT: Final = 1e-10

#: Variance of the statistic, over that with known variances, less one, that is but rounding.
_EXACT: Final = 1e-13


class KenwardRoger(Approximation):
    """t and F with adjusted covariance and degrees of freedom by Kenward and Roger."""

    name = "kenward-roger"

    def __init__(self, objective: ProfiledObjective, theta: Floats) -> None:
        super().__init__(objective, theta)
        if not objective.reml:
            raise UnsuitedError(
                "The Kenward-Roger adjustment is one of REML fits, and this one is by maximum "
                "likelihood: fit again with model.fit(reml=True), or ask for df='satterthwaite'."
            )
        system = objective.system
        terms = [term_directions(term, theta[term.theta]) for term in system.terms]
        directions = [
            Direction(position, matrix)
            for position, made in enumerate(terms)
            for matrix in made.first
        ]
        try:
            found = information(system, system.standard_factors(theta), directions)
        except UnsuitedError as error:
            raise UnsuitedError(
                f"The Kenward-Roger adjustment is not to be had, for {error}: ask for "
                'df="satterthwaite", which needs none of it.'
            ) from error
        except FloatingPointError as error:
            raise lost() from error
        self._check_digits(np.asarray(np.linalg.inv(found.phi)))
        # The residual variance comes last, and is no parameter where it is known.
        m = len(directions) + (not self.knows_sigma)
        expected, p, q = found.expected[:m, :m], found.p[:m], found.q[:m, :m]
        size = np.sqrt(np.diag(expected))
        size = np.where(size > 0.0, size, 1.0)
        values, vectors = np.linalg.eigh(expected / (size[:, None] * size))
        known = values > FLAT * values[-1]
        w = 2.0 * (vectors[:, known] / values[known]) @ vectors[:, known].T
        self._w = w / (size[:, None] * size)
        weighted = p @ found.phi
        inner = np.einsum("ij,ijrs->rs", self._w, q)
        inner -= np.einsum("ij,irs,jsu->ru", self._w, weighted, p, optimize=True)
        inner -= 0.25 * _curvature(terms, found.products, self._w)
        added = 2.0 * found.phi @ inner @ found.phi
        back = system.r_inverse * self.sigma
        # What the engine has of the covariance stays, only what is added comes from here.
        self._plain = self.covariance
        self.covariance = self._plain + back @ (0.5 * (added + added.T)) @ back.T
        # phi P_i phi, in units of the fixed effects.
        self._moved = back @ (found.phi @ weighted) @ back.T

    def degrees(self, rows: Floats) -> Floats:
        return np.array([self._moments(row[None])[1] for row in rows])

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        # Independent contrasts: the test does not depend on the basis that they are.
        axes, _, left = self._axes(rows, values)
        scaling, df = self._moments(axes)
        inner = axes @ self.covariance @ axes.T
        statistic = float(scaling * left @ np.linalg.solve(inner, left) / len(axes))
        return JointTest(statistic, len(axes), df, f_tail(statistic, len(axes), df))

    def _moments(self, rows: Floats) -> tuple[float, float]:
        """Scale of F and denominator degrees of freedom for contrasts (q, r)."""
        q = len(rows)
        middle = np.linalg.inv(rows @ self._plain @ rows.T)
        # tr(Theta phi P_i phi ...) by way of matrices (q, q).
        own = middle @ (rows @ self._moved @ rows.T)
        traces = np.einsum("iaa->i", own)
        a1 = float(traces @ self._w @ traces)
        a2 = float(np.einsum("ij,iab,jba->", self._w, own, own, optimize=True))
        if a2 == 0.0:  # nothing that is estimated matters
            return 1.0, np.inf
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1.0) * a1 - (q + 4.0) * a2) / ((q + 2.0) * a2)
        d = 3.0 * q + 2.0 * (1.0 - g)
        c1, c2, c3 = g / d, (q - g) / d, (q + 2.0 - g) / d
        v0, v1, v2 = 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b
        if abs(v0) < 1e-10:
            v0 = 0.0
        expectation = 1.0 / (1.0 - a2 / q)
        rho = (1.0 / q) * v0 * ((1.0 - a2 / q) / v1) ** 2 / v2
        excess = q * rho - 1.0
        if abs(excess) <= _EXACT:  # what is estimated moves the contrast by no more than rounding
            return 1.0, np.inf
        df = 4.0 + (q + 2.0) / excess
        # Towards two degrees of freedom the scale tends to zero over zero; pbkrtest's choice.
        scaling = 1.0 if abs(df - 2.0) < 0.01 else df / (expectation * (df - 2.0))
        return scaling, df


def _curvature(terms: list[TermDirections], products: list[Floats], w: Floats) -> Floats:
    """``sum W_ij R_ij`` (r, r), ``R_ij = X'S (d2 Sigma) S X`` by levels."""
    r = products[0].shape[2]
    total = np.zeros((r, r))
    at = 0
    for made, c in zip(terms, products, strict=True):
        own = slice(at, at + len(made.first))
        at = own.stop
        if made.second is not None:
            matrix = np.einsum("ij,ijab->ab", w[own, own], made.second)
            total += np.einsum("qar,ab,qbs->rs", c, matrix, c, optimize=True)
    return total
