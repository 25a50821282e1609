"""What the way from complete to no pooling says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.shrinkage.levels import number, share
from mixedscope.charts.kinds.shrinkage.references import (
    confounded_in,
    missing_limit,
    reference_of,
)
from mixedscope.charts.kinds.shrinkage.words import NO_LIMIT, joined
from mixedscope.core.vocabulary import INFINITE
from mixedscope.tables.store import FitTables

__all__ = ["ZOOM", "Path", "least_error", "pooling_caption", "pooling_title", "reference_key"]

#: The error is drawn up to this multiple of that of the fit: far ends would hide the rest.
ZOOM: Final = 3.0

# A path that half a decade of s lengthens by no more than this share has come to its end.
_NEGLIGIBLE: Final = 0.01
# A share of the error below this is none.
_SAME: Final = 0.0005


class Path:
    """The stored path of one fit.

    Parameters
    ----------
    fit : FitTables
    beside : sequence of FitTables
        Fits drawn beside it, which have the same references.

    Attributes
    ----------
    fit : FitTables
    has_family : bool
    groups : list of str
        Grouping factors in the order of the formula.
    s : (m,) array
        From 0 upwards.
    at_fit : int
        Position of s = 1.
    edf : dict
        Degrees of freedom along s, of every grouping factor and, under None, of the whole fit.
    compared : dict
        What the modes of every grouping factor end at, as in shrinkage plots.
    confounded : tuple of str
        Grouping factors that least squares cannot tell apart.
    """

    def __init__(self, fit: FitTables, beside: Sequence[FitTables] = ()) -> None:
        self.fit = fit
        self.info = fit.info
        self.scale = fit.require("shrinkage_scale")
        self.errors = fit.require("shrinkage_error")
        self.groups = [str(term["group"]) for term in fit.info["random"]]
        self.s = self.scale["s"].to_numpy(dtype=float)
        self.at_fit = int(np.abs(self.s - 1.0).argmin())
        self.edf: dict[str | None, Any] = {None: self.scale["edf"].to_numpy(dtype=float)}
        own = np.array(self.scale["edf_groups"].tolist(), dtype=float)
        self.edf |= {group: own[:, i] for i, group in enumerate(self.groups)}
        self.has_family = is_generalized(fit.info)
        self.compared = {
            g: "within_group" if self.has_family else reference_of([fit, *beside], g)
            for g in self.groups
        }
        self.confounded = confounded_in(fit)
        self.modes = self._with_ends(fit)

    def _with_ends(self, fit: FitTables) -> pd.DataFrame:
        """Put the references at s = infinity; a level without one has no end."""
        path = fit.require("shrinkage_path")
        last = np.isinf(path["s"])
        if self.has_family:
            return path[~last | path["mode"].notna()].reset_index(drop=True)
        keys = ["group", "level", "term"]
        known = fit.require("modes")
        known = known[known["within_group"].notna()]
        column = known["group"].map(self.compared)
        known = known.assign(
            mode=known["joint_limit"].where(column == "joint_limit", known["within_group"])
        )
        ends = path.loc[last, ["s", *keys]].merge(known[[*keys, "mode"]], on=keys)
        return pd.concat([path[~last], ends[path.columns]], ignore_index=True)

    @property
    def has_truth(self) -> bool:
        """Whether the data are simulated."""
        return len(self.errors) > 0

    @property
    def varies(self) -> bool:
        """Whether there is anything to scale."""
        return bool(self.scale["edf"].iloc[-1] > self.scale["edf"].iloc[0] + 1e-9)

    def terms(self, group: str) -> list[str]:
        """Names of the terms of a grouping factor."""
        own = next(term for term in self.info["random"] if term["group"] == group)
        return [str(name) for name in own["names"]]

    def error(self, group: str | None) -> pd.DataFrame:
        """Error of a factor's contribution, or of the fitted values, along s."""
        own = self.errors[self.errors["term"].isna()]
        chosen = own["group"].isna() if group is None else own["group"] == group
        return own[chosen].sort_values("s").reset_index(drop=True)


def pooling_title(paths: Sequence[Path]) -> str:
    """Say where the first fit stands between complete and no pooling, and how well that is."""
    title = _standing(paths[0])
    if len(paths) == 1:
        return title
    return f"{structure_label(paths[0].info).capitalize()}: {title[0].lower()}{title[1:]}"


def _standing(path: Path) -> str:
    if not path.varies:
        groups = joined(path.groups)
        return f"Nothing to scale: the fit leaves no variance between levels of {groups}"
    if path.has_truth:
        own = path.error(None)
        best = float(path.s[least_error(own)])
        excess = _excess(own, path.at_fit)
        if excess < _SAME:
            return (
                "Against the truth, no scaling of Λ would make the fitted values err even "
                f"{share(_SAME)} less"
            )
        return (
            f"Against the truth, fitted values err least with Λ times {number(best, 2)}; "
            f"the fit errs {number(100 * excess, 2)}\u00a0% more"
        )
    parts = [
        f"{number(path.edf[g][path.at_fit])} of {number(path.edf[g][-1])} "
        f"{'degrees of freedom ' if g == path.groups[0] else ''}on {g}"
        for g in path.groups
    ]
    if path.confounded:
        apart = joined(path.confounded)
        return f"As far as the data tell {apart} apart, the fit spends {joined(parts)}"
    return f"Between complete and no pooling, the fit spends {joined(parts)}"


def pooling_caption(paths: Sequence[Path], x: str) -> str:
    """Describe what is drawn, and what is special in each fit; ``x`` is one of "edf", "s"."""
    path = paths[0]
    along = (
        "the effective degrees of freedom (df) that this leaves to the factor"
        if x == "edf"
        else "s, on a log scale"
    )
    relative, beyond = "relative ", f"; open points beyond the end, {_reference_words(paths)}"
    if path.has_family:
        relative, beyond = "", _beyond(path)
    words = [
        f"Conditional modes of {path.info['formula']} when the {relative}covariance factors Λ of "
        "all grouping factors are multiplied by s: left complete pooling (s = 0, all modes zero), "
        f"at the vertical line the fit (s = 1), rightwards ever less pooling{beyond}. A line is a "
        f"level; to the right run {along}. {_end(path)}"
    ]
    if path.confounded:
        words.append(
            f"Least squares cannot tell {joined(path.confounded)} apart: the path goes on dividing "
            "effects between them in proportion to \u039b. Its end is not the absence of pooling, "
            "and the degrees of freedom are not what levels keep of their own estimates."
        )
    elif missing_limit([p.fit for p in paths]) and not path.has_family:
        words.append(NO_LIMIT)
    for group in path.groups:
        own = path.modes[path.modes["group"] == group]
        shown = own["level"].nunique()
        count = path.info["dimensions"]["groups"][group]["levels"]
        if shown < count:
            words.append(
                f"Drawn are {shown} of the {count:,} levels of {group}, evenly spaced in rank of "
                "their mode in the fit."
            )
    words += [_sentence(p, paths) for p in paths]
    return " ".join(word for word in words if word)


def _beyond(path: Path) -> str:
    """Say what stays as it is, and where the path of a generalised model leads."""
    still = ", fixed effects staying as they are"
    if len(path.groups) > 1:
        return still
    modes = path.fit.require("modes")
    endless = modes.loc[modes["own_estimate"] == INFINITE, "level"].nunique()
    own = "open points beyond the end, maximum likelihood of each level's own rows"
    some = f" (of {endless:,} levels infinite: their lines go on)" if endless else ""
    return f"{still}; {own}{some}"


def reference_key(paths: Sequence[Path]) -> str:
    """Name in a key what the modes end at."""
    if paths[0].has_family:
        return "own maximum likelihood"
    return _references(
        paths, "reference (joint limit)", "reference (own least squares)", "; {} for {}"
    )


def _reference_words(paths: Sequence[Path]) -> str:
    """Say what the modes end at."""
    limit = "the references, what levels would be without pooling (joint least-squares limit)"
    alone = "each level's own least-squares estimate (its rows alone)"
    return _references(paths, limit, alone, ", {} for {}")


def _references(paths: Sequence[Path], limit: str, alone: str, some: str) -> str:
    compared = {g: c for path in paths for g, c in path.compared.items()}
    own = [g for g, c in compared.items() if c == "within_group"]
    if not own:
        return limit
    return alone if len(own) == len(compared) else limit + some.format(alone, joined(own))


def _end(path: Path) -> str:
    """Say why the path ends where it does."""
    spent = np.sum([path.edf[g] for g in path.groups], axis=0)
    before = int(np.abs(np.log(path.s[1:] * np.sqrt(10.0) / path.s[-1])).argmin()) + 1
    added = float(spent[-1] - spent[before]) / float(spent[-1]) if spent[-1] > 0 else 0.0
    if added <= _NEGLIGIBLE:
        least = share(_NEGLIGIBLE)
        return f"The path ends where half a decade of s adds no more than {least} to them."
    return (
        f"The path ends at s = {number(float(path.s[-1]))}, where half a decade of s still adds "
        f"{share(added)} to them."
    )


def _sentence(path: Path, paths: Sequence[Path]) -> str:
    """What is special in one fit: collapsed directions, and its errors."""
    label = f"{structure_label(path.info).capitalize()}: " if len(paths) > 1 else ""
    words = []
    if not path.varies:
        return f"{label}As the fit leaves no variance, scaling it does nothing: all modes stay 0."
    collapsed = [f"{f['group']}, {f['collapsed']}" for f in path.info["singular"] if f["singular"]]
    if collapsed:
        # Of families with several factors the modes have no open points to reach.
        has_ends = not (path.has_family and len(path.groups) > 1)
        reached = ", so that these lines do not reach the open points" * has_ends
        words.append(
            f"The fit is singular ({'; '.join(collapsed)}): scaling keeps a collapsed direction "
            f"collapsed{reached}."
        )
    if path.has_truth:
        words.append(
            "Below, the data being simulated, the expected squared error given the true random "
            "effects (bold), as bias² (dashed) plus variance (dotted), mean over observations; "
            f"filled the fit, open the least, errors beyond {number(ZOOM, 2)} times that of the "
            "fit not drawn."
        )
        words.append("; ".join(_error_words(path, g) for g in (*path.groups, None)) + ".")
    if not words:
        return ""
    return label + " ".join(words)


def _error_words(path: Path, group: str | None) -> str:
    own = path.error(group)
    at, least = own.iloc[path.at_fit], least_error(own)
    name = "fitted values" if group is None else group
    return (
        f"{name} {number(at['mse'])} at the fit ({number(at['bias2'])} bias², "
        f"{number(at['variance'])} variance) and least, {number(own['mse'].iloc[least])}, at "
        f"s = {number(float(path.s[least]), 2)}"
    )


def least_error(own: pd.DataFrame) -> int:
    """Find the least error on the path.

    ``own``: as :meth:`Path.error` gives. Gives position along s.
    """
    return int(np.argmin(own["mse"].to_numpy()))


def _excess(own: pd.DataFrame, at_fit: int) -> float:
    """By what share the error of the fit exceeds the least on the path."""
    least = float(own["mse"].min())
    return float(own["mse"].iloc[at_fit]) / least - 1.0 if least > 0 else 0.0
