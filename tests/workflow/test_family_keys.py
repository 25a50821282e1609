"""Keys of models whose response has a family: what goes together, and what is of linear models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixedscope.charts.registry import CHARTS, MODEL_CHARTS, chart_kind
from mixedscope.core.errors import ConfigError
from mixedscope.families.registry import FAMILIES
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.workflow.config.families import LINEAR_ALONE, is_of_families
from mixedscope.workflow.config.model import ModelConfig, json_schema, validate_config
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
COUNTS = "y ~ x + (1 + x | g)"
TRIALS = "cbind(y, n) ~ x + (1 | g)"


def content(charts: Any = None, linear: bool = False, **model: Any) -> dict[str, Any]:
    models = {"m": {"dataset": "d", "formula": COUNTS, "family": "poisson", **model}}
    if linear:
        models["linear"] = {"dataset": "d", "formula": COUNTS}
    return {
        "datasets": {"d": {"source": "d.csv"}},
        "models": models,
        **({} if charts is None else {"charts": charts}),
    }


def fault(*arguments: Any, **model: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate_config(content(*arguments, **model))
    assert "an error" in str(caught.value)
    return str(caught.value).split("\n", 1)[1].strip()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"family": "poison"}, ["models.m.family", "'poisson'"]),
        ({"family": "gaussian"}, ["models.m.family", "leave family out"]),
        ({"link": "lgo"}, ["models.m.link", "'log'"]),
        ({"link": "logit"}, ["models.m.link", "'poisson'", "log, identity, sqrt"]),
        ({"information": "expekted"}, ["models.m.information"]),
        ({"quadrature": 0}, ["models.m.quadrature"]),
        (
            {"family": "nbinom1", "information": "expected"},
            ["models.m.information", "'nbinom1'", "leave it out"],
        ),
        ({"formula": TRIALS}, ["models.m.formula", "family: binomial", "'poisson'"]),
        ({"formula": TRIALS, "family": None}, ["models.m.formula", "family: binomial"]),
        ({"family": None, "link": "log"}, ["models.m", "'link' belongs to a family"]),
        ({"family": None, "quadrature": 3}, ["models.m", "'quadrature' belongs to a family"]),
        ({"criterion": "REML"}, ["models.m", "criterion", "Leave it out"]),
        ({"solver": "sparse"}, ["models.m", "solver: sparse is of linear models"]),
        ({"solver": "iterative", "quadrature": 3}, ["models.m", "solver: iterative", "quadrature"]),
        ({"tests": {"df": "satterthwaite"}}, ["models.m.tests.df", "give none, or leave it out"]),
        ({"table": {"intervals": "satterthwaite"}}, ["models.m.table.intervals", "wald, profile"]),
        ({"influence": {"method": "fixed"}}, ["models.m.influence.method", "newton or exact"]),
        (
            {"criterion": "REML", "sigma": 1.0, "unidentified": "allow"},
            ["models.m", "criterion", "sigma", "unidentified", "Leave them out"],
        ),
    ],
)
def test_what_does_not_go_with_a_family_is_one_message(model: dict[str, Any], words: Any) -> None:
    text = fault(**model)
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("key", LINEAR_ALONE)
def test_what_is_made_of_linear_models_alone_is_refused_by_name(key: str) -> None:
    text = fault(**{key: {}})
    assert text == (
        f"models.m: made of linear models alone, not of the family 'poisson': {key}. Leave it out"
    )


def test_keys_of_a_family_are_those_of_the_library() -> None:
    """Whatever a family is called elsewhere, its fit and its runs are those of one name."""
    config = validate_config(
        content(family="Bernoulli", link="probit", information="expected", quadrature=7)
    )
    plan = make_plan(content(family="Bernoulli", link="probit", quadrature=7, criterion="ml"))
    assert config.models["m"].family == "binomial"
    assert plan.parameters["models"]["m"] == {
        "dataset": "d", "formula": COUNTS, "criterion": "ML", "contrasts": {}, "weights": None,
        "family": "binomial", "link": "probit", "quadrature": 7,
    }  # fmt: skip


def test_tests_are_for_large_samples_and_tests_between_structures_are_drawn() -> None:
    plan = make_plan(content(tests=True, bootstrap=True, structures=["full", "zerocorr"]))
    assert InferencePlan(plan).settings("tests", "m")["df"] == "none"
    assert plan.bootstrap_files("m")
    assert InferencePlan(plan).bootstrap_files("d", "m")


def test_a_linear_model_has_no_key_more_than_before() -> None:
    models = make_plan(content(linear=True)).parameters["models"]
    assert not {"family", "link", "information", "quadrature"} & set(models["linear"])


def test_schema_and_documentation_name_every_family_and_link() -> None:
    model = json_schema()["$defs"]["ModelConfig"]["properties"]
    assert set(FAMILIES) <= set(json.dumps(model["family"]).replace('"', " ").split()) | set(
        model["family"].get("examples", ())
    )
    readme = (ROOT / "config/README.md").read_text("utf-8")
    described = ModelConfig.model_fields["family"].description or ""
    for family in FAMILIES.values():
        assert f"`{family.name}`" in readme
        assert family.name in described
        assert all(f"`{link}`" in readme for link in family.links)


@pytest.fixture
def linear_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the study of checks were of linear models alone."""
    monkeypatch.setitem(STUDIES, "check", replace(STUDIES["check"], families=False))


@pytest.mark.usefixtures("linear_check")
def test_charts_of_linear_models_alone_are_left_out_where_all_are_drawn() -> None:
    charts = make_plan(content(linear=True, structures=["full", "zerocorr"])).charts()
    drawn = {c if c in MODEL_CHARTS else chart_kind(c).name for c in charts["m"]}
    every = {**CHARTS, **MODEL_CHARTS}
    assert drawn
    assert all(is_of_families(every[name]) for name in drawn)
    assert "check" not in charts["m"]
    assert "check" in charts["linear"]


@pytest.mark.usefixtures("linear_check")
@pytest.mark.parametrize("key", ["kinds", "studies"])
def test_what_no_model_can_show_is_refused_where_it_is_named(key: str) -> None:
    name = "check" if key == "kinds" else "reference"
    charts = {"kinds": [name]} if key == "kinds" else {"studies": {name: {}}}
    text = fault(charts)
    assert text == (
        f"charts.{key}: {name!r} is made of linear models alone, and every model here has a "
        "family: leave it out"
    )
    # Where a linear model has it, it is drawn of that one.
    plan = make_plan(content(charts, linear=True))
    if key == "kinds":
        assert plan.charts() == {"m": [], "linear": ["check"]}
