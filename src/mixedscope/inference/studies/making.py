"""Making a study of a fit by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.studies.registry import check_settings
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["study_tables"]


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
    try:
        return study.run(fit, **(settings or {}))
    except EVALUATION_ERRORS as error:
        raise UnsuitedError(
            f"The study {name!r} needs numbers that cannot be computed near this fit "
            f"({str(error).rstrip('.')}); its certificate says whether it is degenerate"
        ) from error
