"""What is studied about a fit once it is there: how it was found, and what it does.

A study turns a fit into tables. Adding one takes a function ``(fit, **settings) -> tables``,
one line of `STUDIES` and the schemas of its tables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.inference.estimates.modes import modes_study
from mixedscope.inference.estimates.parameters import parameter_study
from mixedscope.inference.studies.landscape import landscape_study
from mixedscope.inference.studies.ledger import ledger_study
from mixedscope.inference.studies.shrinkage_path import shrinkage_path_study
from mixedscope.inference.studies.stopping import stopping_study
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["STUDIES", "Study", "check_settings", "study_tables"]


@dataclass(frozen=True)
class Study:
    """One entry of the registry.

    Attributes
    ----------
    run : callable
        ``(fit, **settings) -> {table: DataFrame}``; its keyword-only parameters are the
        settings.
    tables : tuple of str
        The tables that it makes.
    costly : bool
        Takes longer than the rest together: a job of its own, for the fits that need it.
    """

    run: Callable[..., dict[str, pd.DataFrame]]
    tables: tuple[str, ...]
    costly: bool = False


#: Studies in the order in which they are made.
STUDIES: Final[dict[str, Study]] = {
    "landscape": Study(
        landscape_study,
        ("landscape", "landscape_panels", "landscape_outlines", "landscape_points"),
        costly=True,
    ),
    "motion": Study(modes_study, ("modes_every",)),
    "parameters": Study(parameter_study, ("parameters",)),
    "stopping": Study(stopping_study, ("stopping", "accuracy")),
    "ledger": Study(ledger_study, ("ledger", "ledger_terms")),
    "shrinkage_path": Study(
        shrinkage_path_study, ("shrinkage_path", "shrinkage_scale", "shrinkage_error")
    ),
}


def study_tables(
    fit: StudiedFit, name: str, settings: Mapping[str, Any] | None = None
) -> dict[str, pd.DataFrame]:
    """Make one study of a fit.

    Parameters
    ----------
    fit : StudiedFit
    name : str
        A key of `STUDIES`.
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
            f"the study {name!r} needs numbers that cannot be computed near this fit "
            f"({str(error).rstrip('.')}); its certificate says whether it is degenerate"
        ) from error


def check_settings(name: str, settings: Mapping[str, Any]) -> Study:
    """Find a study and check the names of its settings.

    Raises
    ------
    ModelError
        If there is no such study, or it has no such setting.
    """
    if name not in STUDIES:
        raise ModelError(
            f"There is no study {name!r}.{suggest(name, STUDIES)} Known are: {', '.join(STUDIES)}."
        )
    study = STUDIES[name]
    known = [
        p.name
        for p in inspect.signature(study.run).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for key in settings:
        if key not in known:
            raise ModelError(
                f"The study {name!r} has no setting {key!r}.{suggest(key, known)} "
                f"Known are: {', '.join(known)}."
            )
    return study
