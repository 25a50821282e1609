"""Tests of the fixed effects of a generalised model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from mixedscope.api.generalized.means import GeneralizedMeans
from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.api.marginal_means import check_means
from mixedscope.core.arguments import door
from mixedscope.core.errors import UnsuitedError
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.hypotheses.generalized_deletions import generalized_deletions
from mixedscope.inference.hypotheses.methods import df_method
from mixedscope.inference.hypotheses.tables import contrast_table, joint_table, term_table
from mixedscope.inference.hypotheses.wald import Wald
from mixedscope.inference.means.marginal_means import linear_means
from mixedscope.inference.means.reference_grid import reference_grid
from mixedscope.inference.predictions.predictions import check_choice

__all__ = ["GeneralizedHypotheses"]

#: Scales of marginal means.
SCALES: Final = ("response", "link")


class GeneralizedHypotheses(GeneralizedNumbers):
    """Which fixed effects of a fit of a generalised model are more than chance.

    By z and chi-squared, as in large samples: there is no residual variance that degrees of freedom
    could be those of. Where a coefficient has no finite estimate Wald's test says nothing, and
    :meth:`drop1` or :func:`mixedscope.lrtest` does.
    """

    @door()
    def test(
        self, hypotheses: Any, *, df: str = "none", joint: bool = True, level: float = 0.95
    ) -> pd.DataFrame:
        """Test hypotheses about the fixed effects by Wald's test.

        Parameters
        ----------
        hypotheses : str, list of str, mapping, DataFrame or array_like
            As of :meth:`mixedscope.Fit.test`: ``"x1 = x2, x3 = 0"``.
        df : {"none"}
            Degrees of freedom there are none.
        joint : bool
            Whether all are tested together, or each by itself, with estimate and interval.
        level : float
            Coverage of the intervals.

        Returns
        -------
        pandas.DataFrame
            As of :meth:`mixedscope.Fit.test`, on the scale of the linear predictor.

        Raises
        ------
        FormulaError
            If a text cannot be read, or names an unknown coefficient; it points at the character.
        ModelError
            If a contrast is unknown, zero, not estimable or contradicts others.
        UnsuitedError
            For degrees of freedom.

        Examples
        --------
        >>> fit.test("period2 = period3")  # doctest: +SKIP
        """
        _refuse_degrees(df)
        contrasts = contrasts_of(self.model.laplace, hypotheses)
        if joint:
            return ResultTable(joint_table(self._wald, contrasts))
        return ResultTable(contrast_table(self._wald, contrasts, level))

    @door()
    def anova(self, *, type: str | int = "III", df: str = "none") -> pd.DataFrame:
        """Test every term of the fixed effects by Wald's chi-squared.

        Parameters
        ----------
        type : {"I", "II", "III"}, or 1, 2, 3
            As of :meth:`mixedscope.Fit.anova`; "II" is what car's ``Anova`` has by default.
        df : {"none"}
            Degrees of freedom there are none.

        Returns
        -------
        pandas.DataFrame
            ``term``, ``num_df``, ``den_df`` (infinite), ``statistic`` (chi-squared), ``p_value``,
            ``remark``; a row for each term but the intercept.

        Raises
        ------
        ModelError
            If there is no such type.
        UnsuitedError
            For degrees of freedom.
        """
        _refuse_degrees(df)
        return ResultTable(term_table(self.model.system, type, lambda: self._wald))

    @door()
    def drop1(self) -> pd.DataFrame:
        """Leave out each term of the fixed effects, by likelihood ratio.

        Terms whose variables are all in another term stay, as in R.

        Returns
        -------
        pandas.DataFrame
            As of :meth:`mixedscope.Fit.drop1`.
        """
        found = generalized_deletions(self.model.laplace, self._point, self.objective)
        return ResultTable(found)

    @door()
    def means(
        self,
        of: Sequence[str],
        *,
        by: Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        weights: str = "equal",
        scale: str = "response",
        level: float = 0.95,
    ) -> GeneralizedMeans:
        """Estimated marginal means, and effects over a grid, with intervals.

        Means of the linear predictor over a grid of all levels of all factors, numeric variables at
        their mean, for a level whose random effects are zero: as emmeans of R has them. Offsets are
        not added.

        Parameters
        ----------
        of : str or sequence of str
        by : str or sequence of str, optional
        at : mapping, optional
        weights : {"equal", "proportional"}
            As of :meth:`mixedscope.Fit.means`.
        scale : {"response", "link"}
            Of the means: those of the linear predictor, or these brought to the response.
        level : float
            Coverage of the intervals.

        Returns
        -------
        GeneralizedMeans
            With :attr:`~mixedscope.api.generalized.means.GeneralizedMeans.table` and
            :meth:`~mixedscope.api.generalized.means.GeneralizedMeans.pairs`.

        Raises
        ------
        ModelError
            If a name is no variable of the fixed effects, or a value none of its levels.

        Examples
        --------
        >>> fit.means("period").pairs()  # doctest: +SKIP
        """
        check_choice("scale", scale, SCALES)
        inside = check_means(of, by, at)
        design = self.model.design
        frame = self.model.data.iloc[design.rows].reset_index(drop=True)
        grid = reference_grid(design, frame, asked=[*of, *inside], at=at or {})
        means = linear_means(self.model.system, grid, of, inside, weights)
        return GeneralizedMeans(self._wald, means, level, scale, self.model.family.link)

    @property
    def _wald(self) -> Wald:
        """The normal approximation of the fixed effects."""
        return Wald(self.model.laplace, self._point, self.vcov.to_numpy(), self._endless)


def _refuse_degrees(df: str) -> None:
    """Raise UnsuitedError for degrees of freedom by any method."""
    name = df_method(df)
    if name != "none":
        raise UnsuitedError(
            f"Degrees of freedom by {name!r} are those of variances that a normal response "
            "estimates; tests of a generalised model are for large samples, df='none'."
        )
