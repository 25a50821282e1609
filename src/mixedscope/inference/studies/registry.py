"""What is studied about a fit once it is there: how it was found, and what it does.

A study turns a fit into tables. Adding one takes a function ``(fit, **settings) -> tables``,
one line of `STUDIES` and the schemas of its tables.

The registry is plain data: modules are named and loaded when a study is made, so that the workflow
is planned without them, and a job depends on those of its own studies alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mixedscope.core.errors import ModelError, suggest

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["STUDIES", "Study", "check_settings", "present_name", "settings_of"]


@dataclass(frozen=True)
class Study:
    """One entry of the registry.

    Attributes
    ----------
    module : str
        Where its function is.
    function : str
        ``(fit, **settings) -> {table: DataFrame}``; its keyword-only parameters are the
        settings.
    tables : tuple of str
        The tables that it makes.
    costly : bool
        Takes longer than the rest together: a job of its own, for the fits that need it.
    families : bool
        Can be made of generalised models too.
    """

    module: str
    function: str
    tables: tuple[str, ...]
    costly: bool = False
    families: bool = False

    @property
    def run(self) -> Callable[..., dict[str, pd.DataFrame]]:
        """Its function, loaded when it is asked for."""
        run: Callable[..., dict[str, pd.DataFrame]]
        run = getattr(import_module(self.module), self.function)
        return run


_STUDIES: Final = "mixedscope.inference.studies"

#: Studies in the order in which they are made.
STUDIES: Final[dict[str, Study]] = {
    "landscape": Study(
        f"{_STUDIES}.landscape",
        "landscape_study",
        ("landscape", "landscape_panels", "landscape_outlines", "landscape_points"),
        costly=True,
        families=True,
    ),
    "motion": Study(f"{_STUDIES}.motion", "modes_study", ("modes_every",), families=True),
    "parameters": Study(
        f"{_STUDIES}.parameters", "parameter_study", ("parameters",), families=True
    ),
    "stopping": Study(
        f"{_STUDIES}.stopping", "stopping_study", ("stopping", "accuracy"), families=True
    ),
    "ledger": Study(
        f"{_STUDIES}.ledger", "ledger_study", ("ledger", "ledger_terms"), families=True
    ),
    "pooling": Study(
        f"{_STUDIES}.pooling",
        "pooling_study",
        ("shrinkage_path", "shrinkage_scale", "shrinkage_error"),
        families=True,
    ),
    "principal": Study(
        f"{_STUDIES}.principal",
        "principal_study",
        ("principal", "principal_loadings", "principal_levels"),
        families=True,
    ),
    "lens": Study(f"{_STUDIES}.lens", "lens_study", ("lens", "lens_kept"), families=True),
    "panels": Study(
        f"{_STUDIES}.panels",
        "panels_study",
        ("panels", "panels_axes", "panels_lines", "panels_points"),
        families=True,
    ),
    "residuals": Study(
        f"{_STUDIES}.residuals",
        "residuals_study",
        (
            "residuals_points",
            "residuals_qq",
            "residuals_contours",
            "residuals_bins",
            "residuals_groups",
            "residuals_numbers",
        ),
        families=True,
    ),
    "check": Study(
        f"{_STUDIES}.check",
        "check_study",
        (
            "check_density",
            "check_effects",
            "check_terms",
            "check_collinearity",
            "check_numbers",
        ),
        families=True,
    ),
    "mode_distribution": Study(
        f"{_STUDIES}.mode_distribution",
        "mode_distribution_study",
        ("mode_errors", "mode_quantiles", "mode_normality"),
        families=True,
    ),
    "mode_correlations": Study(
        f"{_STUDIES}.mode_correlations",
        "mode_correlations_study",
        ("mode_correlations",),
        families=True,
    ),
    "reference": Study(
        f"{_STUDIES}.reference", "reference_study", ("reference_modes", "reference_estimates")
    ),
}


#: Names that studies had, which configurations and callers may still use.
_FORMER: Final = {"shrinkage_path": "pooling"}


def present_name(name: str) -> str:
    """The name of a study that may be called by one that it had before."""
    return _FORMER.get(name, name)


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a study with their defaults."""
    return {
        p.name: p.default
        for p in inspect.signature(STUDIES[name].run).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def check_settings(name: str, settings: Mapping[str, Any]) -> Study:
    """Find a study and check its settings, but for what depends on a fit.

    Raises
    ------
    ModelError
        If there is no such study, it has no such setting, or a setting cannot have this value.
    """
    name = present_name(name)
    if name not in STUDIES:
        raise ModelError(
            f"There is no study {name!r}.{suggest(name, STUDIES)} Known are: {', '.join(STUDIES)}."
        )
    study = STUDIES[name]
    if not settings:
        return study
    known = settings_of(name)
    for key in settings:
        if key not in known:
            raise ModelError(
                f"The study {name!r} has no setting {key!r}.{suggest(key, known)} "
                f"Known are: {', '.join(known) or 'none'}."
            )
    from mixedscope.core.arguments import check_arguments  # which loads what plans do not need

    check_arguments(study.run, settings)
    return study
