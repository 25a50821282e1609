"""How a test of fixed effects is referred to a distribution: what every method has to answer."""

# The methods are documented where the base class `Approximation` declares them.
# ruff: noqa: D102

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.leverage import DIGITS

__all__ = ["Approximation", "JointTest", "Normal", "Residual", "f_tail", "lost"]

Floats = NDArray[np.float64]

#: Eigenvalues of correlations of contrasts, relative to their sum, that count as zero: lmerTest's
#: number, far from both rounding and what data give.
_ZERO: Final = float(np.sqrt(np.finfo(float).eps))

#: Relative error of a precision up to which degrees of freedom are worth telling.
_DIGITS: Final = 1e-5

#: Standard errors of contrasts that differ by more than this factor are of different units.
_DIFFER: Final = 1e4


@dataclass(frozen=True)
class JointTest:
    """A test of several contrasts together.

    Attributes
    ----------
    statistic : float
        F, scaled where the method scales it, or chi-squared where `den_df` is infinite and the
        method is that of the normal distribution.
    num_df : int
        How many contrasts are linearly independent.
    den_df : float
    p_value : float
    """

    statistic: float
    num_df: int
    den_df: float
    p_value: float


class Approximation(ABC):
    """Small-sample behaviour of the fixed effects of one fit.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        The estimates.

    Attributes
    ----------
    name : str
        As users ask for it.
    beta : (r,) array
    covariance : (r, r) array
        Of the fixed effects, adjusted where the method adjusts it.
    """

    name: ClassVar[str]

    beta: Floats
    covariance: Floats

    def __init__(self, objective: ProfiledObjective, theta: Floats) -> None:
        evaluation = objective.evaluate(theta)
        if not evaluation.rounding <= DIGITS:
            raise lost()
        self.objective, self.theta = objective, theta
        self.knows_sigma = objective.system.design.sigma is not None
        self.beta = evaluation.beta
        self.sigma = evaluation.sigma
        self.covariance = objective.system.beta_covariance(evaluation.sigma)

    @abstractmethod
    def degrees(self, rows: Floats) -> Floats:
        """Degrees of freedom (c,) of contrasts (c, r), one by one."""

    @abstractmethod
    def joint(self, rows: Floats, values: Floats) -> JointTest:
        """Test that contrasts (c, r) have these values (c,), all of them together."""

    def remark(self, rows: Floats) -> str:
        """What has to be said of a test of contrasts (c, r); empty if nothing."""
        return ""

    def errors(self, rows: Floats) -> Floats:
        """Standard errors (c,) of contrasts (c, r); NaN where an adjusted variance is negative."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.einsum("cr,rs,cs->c", rows, self.covariance, rows))

    def statistics(self, rows: Floats, values: Floats) -> Floats:
        """t, or z, (c,) of contrasts (c, r) against values (c,), one by one."""
        return np.asarray((rows @ self.beta - values) / self.errors(rows))

    def _check_digits(self, precision: Floats) -> None:
        """Refuse to go on if ``X' inv(V) X`` (r, r) for the basis is not what the engine has."""
        back = self.objective.system.r_inverse * self.sigma
        differ = precision @ np.linalg.solve(back, np.linalg.solve(back, self.covariance).T)
        if not np.abs(differ - np.eye(len(precision))).max(initial=0.0) <= _DIGITS:
            raise lost()

    def _axes(self, rows: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Contrasts that are uncorrelated (c', r), their variances (c',), and what is left of each.

        The last, (c',), are the differences between estimates and values. Dependent contrasts give
        fewer. They are the eigenvectors of the covariance of the contrasts as given, as lmerTest
        has them; of contrasts over their standard errors, where these differ so much that the
        smallest would be lost.
        """
        covariance = rows @ self.covariance @ rows.T
        errors = np.sqrt(np.diag(covariance))
        correlations = covariance / (errors[:, None] * errors)
        rank = int((np.linalg.eigvalsh(correlations) > _ZERO * len(rows)).sum())
        differ = errors.max() > _DIFFER * errors.min()
        scale = errors if differ else np.ones(len(rows))
        sizes, vectors = np.linalg.eigh(covariance / (scale[:, None] * scale))
        axes = vectors[:, ::-1][:, :rank].T / scale
        return axes @ rows, sizes[::-1][:rank], axes @ (rows @ self.beta - values)


def f_tail(statistic: float, num_df: float, den_df: float) -> float:
    """Probability of a larger F, chi-squared over its degrees of freedom if the others are endless.

    SciPy's F has no endless ones.
    """
    from scipy.stats import chi2, f

    if np.isinf(den_df):
        return float(chi2.sf(num_df * statistic, num_df))
    return float(f.sf(statistic, num_df, den_df))


def lost() -> UnsuitedError:
    """Give the error of a fit whose residuals leave no digits to a test."""
    return UnsuitedError(
        "The residual standard deviation all but vanishes beside the random effects: what the data "
        "tell about variances is lost to rounding, and with it degrees of freedom. Ask for "
        "df='none'."
    )


class Residual(Approximation):
    """t and F with observations less fixed effects as degrees of freedom, whatever the contrast."""

    name = "residual"

    def __init__(self, objective: ProfiledObjective, theta: Floats) -> None:
        super().__init__(objective, theta)
        if self.knows_sigma:
            raise UnsuitedError(
                "sigma is known, and no degrees of freedom are left to estimate it by: ask for "
                "df='none', or for those of the random effects, df='satterthwaite'."
            )

    def degrees(self, rows: Floats) -> Floats:
        system = self.objective.system
        return np.full(len(rows), float(system.n - system.n_fixed))

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        _, sizes, left = self._axes(rows, values)
        q = len(sizes)
        statistic = float((left**2 / sizes).sum() / q)
        df = float(self.degrees(rows[:1])[0])
        return JointTest(statistic, q, df, f_tail(statistic, q, df))


class Normal(Approximation):
    """z and chi-squared, as in large samples."""

    name = "none"

    def degrees(self, rows: Floats) -> Floats:
        return np.full(len(rows), np.inf)

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        from scipy.stats import chi2

        _, sizes, left = self._axes(rows, values)
        q = len(sizes)
        statistic = float((left**2 / sizes).sum())
        return JointTest(statistic, q, np.inf, float(chi2.sf(statistic, q)))
