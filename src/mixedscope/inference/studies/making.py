"""Making a study of a fit by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.studies.registry import check_settings
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["study_tables"]

#: Why studies cannot be made of generalised models.
_LINEAR: Final = {
    "reference": (
        "of other models fixed effects are searched, and do not follow from theta; their modes are "
        "compared with linearised or within_group estimates"
    ),
}
_OTHERWISE: Final = "what it computes is not there for a model with a family"


def study_tables(
    fit: StudiedFit, name: str, settings: Mapping[str, Any] | None = None
) -> dict[str, pd.DataFrame]:
    """Make one study of a fit.

    Parameters
    ----------
    fit : StudiedFit
    name : str
        A key of `mixedscope.inference.studies.registry.STUDIES`.
    settings : mapping, optional

    Returns
    -------
    dict of str to pandas.DataFrame
        By name of table.

    Raises
    ------
    ModelError
        If there is no such study, or it has no such setting.
    UnsuitedError
        If the study cannot be made of this fit.
    """
    study = check_settings(name, settings or {})
    if fit.estimation.is_generalized and not study.families:
        raise UnsuitedError(
            f"The study {name!r} is of linear models: {_LINEAR.get(name, _OTHERWISE)}"
        )
    try:
        return study.run(fit, **(settings or {}))
    except EVALUATION_ERRORS as error:
        raise UnsuitedError(
            f"The study {name!r} needs numbers that cannot be computed near this fit "
            f"({str(error).rstrip('.')}); its certificate says whether it is degenerate"
        ) from error
