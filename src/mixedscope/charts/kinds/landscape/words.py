"""What a landscape says, in words made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.numerals import number, told_gap
from mixedscope.charts.common.probe_band import probe_error, probe_sentence_of_points
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.tables.store import FitTables

__all__ = ["landscape_caption", "landscape_title", "parameter_words"]


def parameter_words(kind: str, group: str | None, name: str) -> list[str]:
    """Name a parameter on an axis, the grouping factor on a line of its own."""
    if kind in ("beta", "dispersion"):
        # A fixed effect, or log(size): of no grouping factor.
        return [name]
    if kind == "theta":
        return [f"θ {name.removeprefix(f'{group}.')}", str(group)]
    if kind == "sd":
        return [f"SD of {name}", str(group)]
    if kind == "loading":
        return [f"loading of {name}", str(group)]
    if " ~ " in name:
        return [f"correlation {name.replace(' ~ ', ', ')}", str(group)]
    return [f"correlation of {name}", str(group)]


def _searched(info: Mapping[str, Any]) -> int:
    """How many parameters were searched: theta, of generalised models all there are."""
    count = len(info["theta_names"])
    if is_generalized(info):
        count += len(info["fixed_names"]) + bool(info.get("dispersion"))
    return count


def landscape_title(fit: FitTables) -> str:
    """Say where the minimum lies and from how high the search came.

    ``fit``: with the tables of the study ``landscape``.
    """
    points = fit.require("landscape_points")
    tried = points[(points["panel"] == points["panel"].min()) & (points["kind"] == "evaluation")]
    on_bound = _on_bound(fit)
    if on_bound:
        text = f"The best point lies on a bound, {joined(on_bound)}"
    else:
        text = "The best point lies within the bounds"
    if len(tried):
        gap = float(tried["gap"].iloc[0])
        count = len(tried)
        text += f"; the search began {told_gap(gap)} above it"
        near = tried.loc[tried["gap"] <= 1e-3, "evaluation"]
        if gap > 1e-3 and len(near):
            text += f" and came within 0.001 at evaluation {int(near.iloc[0]):,} of {count:,}"
    return text


def _on_bound(fit: FitTables) -> list[str]:
    """Parameters of the model that are zero at the optimum though their sign is a convention."""
    certificate = fit.info.get("certificate") or {}
    names = [str(name) for name in certificate.get("active_bounds") or []]
    if len(names) > 1:
        return [f"{len(names)} diagonals of Λ being 0"]
    return [f"θ {name} = 0" for name in names]


def landscape_caption(fit: FitTables) -> str:
    """Describe what the picture shows and what its numbers are."""
    panels = fit.require("landscape_panels")
    points = fit.require("landscape_points")
    first = panels.iloc[0]
    curve = bool(panels["y_name"].isna().all())
    text = [
        f"The objective of {fit.info['formula']} minus that of the best point"
        + (
            ", over the only parameter of the random effects."
            if curve
            else ", in planes of two parameters."
        )
    ]
    if not curve:
        shown = len(set(panels["x_name"]) | set(panels["y_name"]))
        total = _searched(fit.info)
        if first["scale"] == "theta" and shown < total:
            text.append(
                f"Of {total} parameters {shown} are shown."
                if first["asked"]
                else f"Of {total} parameters the {shown} shown vary most along the path."
            )
        if total > 2:
            text.append(
                "Parameters not shown are optimised at every point."
                if first["others"] == "profiled"
                else "Parameters not shown stand as at the optimum, so that points visited on the "
                "way, whose other parameters were different, lie in the plane as in projection."
            )
        if first["others"] == "profiled" or total == 2:
            text.append("The contour of 5.99, drawn bolder, bounds a 95\u00a0% likelihood region.")
        else:
            text.append(
                "The contour of 5.99, drawn bolder, is a slice of the region that the χ² "
                "distribution of two degrees of freedom gives for 95\u00a0%."
            )
        grid = sorted({(int(a), int(b)) for a, b in zip(panels["n_x"], panels["n_y"], strict=True)})
        text.append(
            "The objective was computed on a grid of "
            + joined([f"{a} × {b}" for a, b in grid])
            + " points per panel, closer together near the optimum, with cubic splines between."
        )
    else:
        text.append(_interval_words(fit, first))
    bounds = panels[["x_bound", "y_bound"]].to_numpy(dtype=float)
    if first["scale"] == "theta" and (bounds == 0.0).any():
        text.append("Dashed: the bound 0 of a diagonal of Λ; beyond it, veiled, the other sign.")
    text += _symmetry(points, curve)
    tried = points[points["kind"] == "evaluation"]
    outside = tried.loc[~tried["inside"], "evaluation"].nunique()
    if outside:
        text.append(
            f"{outside:,} of {tried['evaluation'].nunique():,} evaluations lie outside a panel and "
            "are not drawn there."
        )
    if known := probe_sentence_of_points(probe_error(fit.info)):
        text.append(known)
    return " ".join(text)


def _symmetry(points: pd.DataFrame, curve: bool) -> list[str]:
    out = []
    saddles = points[points["kind"] == "saddle"]
    tops = points[points["kind"] == "hilltop"]
    if len(saddles):
        gaps = list(dict.fromkeys(told_gap(float(g)) for g in np.sort(saddles["gap"])))
        listed = joined(gaps) if len(gaps) <= 4 else f"{gaps[0]} to {gaps[-1]}"
        out.append(
            "At a saddle, where a bounded optimiser could stop, the slope in the plane is zero by "
            f"symmetry though there is no minimum ({listed} above the best point)."
        )
    if len(tops):
        gaps = list(dict.fromkeys(told_gap(float(g)) for g in np.sort(tops["gap"])))
        listed = joined(gaps) if len(gaps) <= 4 else f"{gaps[0]} to {gaps[-1]}"
        where = "At θ = 0" if curve else "At a hilltop"
        out.append(f"{where} the slope is zero by symmetry as well, {listed} above the best point.")
    return out


def _interval_words(fit: FitTables, panel: pd.Series) -> str:
    outlines = fit.require("landscape_outlines")
    bound = panel["x_bound"] if math.isfinite(panel["x_bound"]) else -math.inf
    ends = np.sort(outlines.loc[outlines["x"] >= bound, "x"].to_numpy())
    if len(ends) == 0:
        return "The interval of 95\u00a0% is wider than the picture."
    low = "the bound" if len(ends) == 1 else number(ends[0])
    return (
        f"The 95\u00a0% likelihood interval, gaps up to 3.84, reaches from {low} to "
        f"{number(ends[-1])}."
    )
