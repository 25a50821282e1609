"""Pictures of fitted models.

Functions of fits take a fit, its stored tables, the directory it was saved in, or several of these
to be shown side by side, one after the other or in a list (``shrinkage(first, second, "Subject")``,
``trace([first, second])``), and read the stored tables alone. `race`, `efficiency`,
`crossvalidation`, `phases` and `ladder` take what `LinearMixedModel.race`, `mixedscope.efficiency`,
`mixedscope.cross_validate`, `mixedscope.phase_tables` and `mixedscope.ladder` made.

The functions are made from `mixedscope.charts.registry` when they are first asked for: what plans a
run reads the registry and loads nothing that draws.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from mixedscope.charts.registry import PUBLIC
from mixedscope.core.errors import suggest

__all__ = ["save", *PUBLIC]

#: Displays by the names that MixedModelsMakie.jl, lme4 and lattice give them.
_ELSEWHERE: Final = {
    "shrinkageplot": "shrinkage",
    "ranefinfo": "caterpillar",
    "dotplot": "caterpillar",
    "qqmath": "qqcaterpillar",
    "coefplot": "coefficients",
    "ridgeplot": "ridge",
    "zetaplot": "zeta",
    "densityplot": "profiledensity",
    "qqnorm": "residuals",
    "qqplot": "residuals",
    "splomaxes": "splom",
    "clevelandaxes": "panels",
    "simplelinreg": "panels",
    "xyplot": "panels",
    "check_model": "check",
}


def __getattr__(name: str) -> Any:
    # By their names: what a step reads in this package depends on nothing that draws.
    if name == "save":
        found = import_module("mixedscope.charts.common.render").save
    elif name in PUBLIC:
        found = import_module("mixedscope.charts.public").public_function(name)
    else:
        ours = _ELSEWHERE.get(name.lower().rstrip("_"))
        hint = f"; ms.charts.{ours} draws that" if ours in PUBLIC else suggest(name, __all__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
