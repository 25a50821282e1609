"""Tests of what a fit says: contrasts and terms of its fixed effects, and its random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.api.marginal_means import Means, check_means
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.hypotheses.dropped_terms import fixed_deletions, random_deletions
from mixedscope.inference.hypotheses.methods import approximation
from mixedscope.inference.hypotheses.tables import anova_table, contrast_table, joint_table
from mixedscope.inference.means.marginal_means import linear_means
from mixedscope.inference.means.reference_grid import reference_grid

__all__ = ["FitHypotheses"]


class FitHypotheses(FitNumbers[M]):
    """Which effects of a fit are more than chance.

    Small samples are dealt with by ``df``:

    * ``satterthwaite``: t and F with Satterthwaite's degrees of freedom, as lmerTest has them; of
      fits by maximum likelihood too, whose variances are too small in small samples, as the remark
      says. At a singular fit a variance of zero is taken as known, and the remark says so.
    * ``kenward-roger``: covariance, degrees of freedom and scale of F by Kenward and Roger (1997),
      as pbkrtest has them; of REML fits only.
    * ``residual``: as many degrees of freedom as observations less fixed effects.
    * ``none``: z and chi-squared, as in large samples.
    """

    @door()
    def test(
        self,
        hypotheses: Any,
        *,
        df: str = "satterthwaite",
        joint: bool = True,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Test hypotheses about the fixed effects.

        Parameters
        ----------
        hypotheses : str, list of str, mapping, DataFrame or array_like
            ``"x1 = x2, x3 = 0"``: sums of coefficients times numbers, with names as in
            :meth:`fixed_effects` (in backticks or without), against a number (0 if none is given)
            or other coefficients. ``{"x1": 1, "x2": -1}``: one contrast, or several by label; a
            table with a column for each coefficient, and labels in its index; an array with a
            column for each of the fixed effects in their order. The text is read, never run.
        df : str
            See above.
        joint : bool
            Whether all are tested together, or each by itself, with estimate and interval.
        level : float
            Coverage of the intervals.

        Returns
        -------
        pandas.DataFrame
            Together, one row: ``hypothesis``, ``num_df``, ``den_df``, ``statistic`` (F, or
            chi-squared of ``none``), ``p_value``, ``remark``. One by one: ``hypothesis``,
            ``estimate`` of the contrast, the ``value`` it is tested against, ``std_error``, ``df``,
            ``lower``, ``upper``, ``statistic`` (t, or z), ``p_value``, ``remark``.

        Raises
        ------
        FormulaError
            If a text cannot be read, or names an unknown coefficient; it points at the character.
        ModelError
            If a contrast is unknown, zero, not estimable or contradicts others, or there are no
            such degrees of freedom.
        UnsuitedError
            If the method cannot serve this fit.

        Examples
        --------
        >>> fit.test("MachineB = MachineC", joint=False)  # doctest: +SKIP
        """
        contrasts = contrasts_of(self._profiled, hypotheses)
        method = approximation(df, self._profiled, self.theta)
        if joint:
            return ResultTable(joint_table(method, contrasts))
        return ResultTable(contrast_table(method, contrasts, level))

    @door()
    def anova(self, *, type: str | int = "III", df: str = "satterthwaite") -> pd.DataFrame:
        """Test every term of the fixed effects.

        Parameters
        ----------
        type : {"I", "II", "III"}, or 1, 2, 3
            Each term after those before it; after all that do not contain it; or by itself, as SAS
            and lmerTest define them. What they test does not depend on contrasts and units of
            variables; Satterthwaite's degrees of freedom of several contrasts at once may, in later
            digits, of types I and II, as lmerTest's.
            Numeric variables stay where they are zero: centre them where that means nothing.
        df : str
            See above.

        Returns
        -------
        pandas.DataFrame
            ``term``, ``num_df``, ``den_df``, ``statistic`` (F, or chi-squared of ``none``),
            ``p_value``, ``remark``; a row for each term but the intercept. A term whose effects the
            data do not tell from those of others has ``num_df`` 0 and no test.

        Raises
        ------
        ModelError
            If there is no such type, or there are no such degrees of freedom.
        UnsuitedError
            If the method cannot serve this fit.
        """
        return ResultTable(anova_table(self._profiled, self.theta, type=type, df=df))

    @door()
    def drop1(self) -> pd.DataFrame:
        """Leave out each term of the fixed effects, by likelihood ratio.

        Terms whose variables are all in another term stay, as in R. All models are fitted by
        maximum likelihood, of REML fits too.

        Returns
        -------
        pandas.DataFrame
            The model itself (``<none>``), then a row for each term: ``term``, ``dof`` and
            ``objective`` of the model without it, ``aic``, ``statistic``, ``df``, ``p_value``,
            ``distribution``, ``remark``.
        """
        return ResultTable(fixed_deletions(self.model.profiled(reml=False), self.theta))

    @door()
    def ranova(self, *, draws: int = 100_000, seed: int = 0) -> pd.DataFrame:
        """Leave out each random effect that the others do not need, by likelihood ratio.

        Of ``(1 + x | g)`` the slope, of ``(1 + x || g)`` intercept and slope, of ``(1 | g)`` the
        whole, as lmerTest's ``ranova``, which refers all of them to chi-squared distributions as
        if variances could be negative: here the boundary counts.

        Parameters
        ----------
        draws : int
            A single variance is referred to a distribution that is simulated so many times:
            exact if it is the only one, otherwise that of the model with it alone (Greven et al.
            2008, as RLRsim).
        seed : int
            Of simulated distributions.

        Returns
        -------
        pandas.DataFrame
            The model itself (``<none>``), then a row for each: ``term``, ``dof`` and ``objective``
            of the model without it, by the criterion of this fit, ``aic``, ``statistic``, ``df``,
            ``p_value``, ``distribution``, bounds ``p_low`` and ``p_high`` (where the smaller model
            is singular they differ, and there is no ``p_value``), ``p_error`` of simulated values,
            ``remark``.
        """
        found = random_deletions(self._profiled, self.theta, draws=draws, seed=seed)
        return ResultTable(found)

    @door()
    def means(
        self,
        of: Sequence[str],
        *,
        by: Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        weights: str = "equal",
        df: str = "satterthwaite",
        level: float = 0.95,
    ) -> Means:
        """Estimated marginal means, and effects over a grid, with intervals.

        Means of what the fixed effects predict over a grid of all levels of all factors, numeric
        variables at their mean: as emmeans of R has them. Offsets are not added.

        Parameters
        ----------
        of : str or sequence of str
            Columns of the data that the fixed effects use: means of each of their combinations.
            A number is taken at 25 values over its range.
        by : str or sequence of str, optional
            Columns within whose combinations means are compared.
        at : mapping, optional
            Values of numbers, or levels of factors, in place of those: ``{"x": [0, 1]}``.
        weights : {"equal", "proportional"}
            How levels count that are averaged over: alike, or by how many rows have their
            combination, whatever the weights of rows (emmeans' ``weights`` of these names).
        df : str
            See above.
        level : float
            Coverage of the intervals.

        Returns
        -------
        Means
            With :attr:`~mixedscope.api.marginal_means.Means.table` and
            :meth:`~mixedscope.api.marginal_means.Means.pairs`.

        Raises
        ------
        ModelError
            If a name is no variable of the fixed effects, or a value none of its levels.
        UnsuitedError
            If the method cannot serve this fit.

        Examples
        --------
        >>> fit.means("Machine").pairs(adjust="holm")  # doctest: +SKIP
        """
        inside = check_means(of, by, at)
        design = self.model.design
        # As the model has them, and only the rows used.
        frame = self.model.data.iloc[design.rows].reset_index(drop=True)
        grid = reference_grid(design, frame, asked=[*of, *inside], at=at or {})
        means = linear_means(self._profiled.system, grid, of, inside, weights)
        return Means(approximation(df, self._profiled, self.theta), means, level)
