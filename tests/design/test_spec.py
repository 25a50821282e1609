"""The specification of a model: one object for configuration, files, runs and users' models."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.design.spec import ModelSpec, without_defaults
from mixedscope.tables.store import read_fit
from mixedscope.workflow.config.model import ModelConfig, validate_config

FULL = ModelSpec(
    "y ~ a + (1 + x | g)",
    "zerocorr",
    {"a": "sum"},
    "w",
    "REML",
    offset="x / 2",
    subset="x < 2",
    sigma=1.5,
    unidentified="allow",
    solver="sparse",
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n, groups = 120, 12
    g = np.arange(n) % groups
    x = rng.normal(size=n)
    effects = rng.normal(size=(groups, 2))
    return pd.DataFrame(
        {
            "y": 2.0 + effects[g, 0] + (0.5 + effects[g, 1]) * x + rng.normal(size=n),
            "x": x,
            "a": np.where(np.arange(n) % 3 == 0, "u", "v"),
            "g": [f"g{i:02d}" for i in g],
            "w": rng.uniform(0.5, 2.0, size=n),
        }
    )


def test_what_is_described_is_read_back() -> None:
    assert ModelSpec.of(FULL.described()) == FULL
    more = {"family": "binomial", "link": "probit", "information": "expected", "quadrature": 7}
    of_family = ModelSpec("y ~ a + (1 | g)", **more)  # type: ignore[arg-type]
    assert ModelSpec.of(of_family.described()) == of_family
    named = [one.name for one in fields(ModelSpec)]
    assert list(FULL.described()) == [name for name in named if name not in more]
    assert set(more) <= set(of_family.described())
    plain = ModelSpec("y ~ 1 + (1 | g)")
    # Digests of runs and files of fits are what they were before there was more to say.
    assert list(plain.described()) == ["formula", "structure", "contrasts", "weights", "criterion"]
    assert ModelSpec.of(plain.described()) == plain


def test_it_does_not_change_with_what_it_was_made_from() -> None:
    contrasts = {"a": "sum"}
    spec = ModelSpec("y ~ a + (1 | g)", contrasts=contrasts)
    contrasts["b"] = "helmert"
    assert spec.contrasts == {"a": "sum"}
    with pytest.raises(AttributeError):
        spec.formula = "y ~ 1 + (1 | g)"  # type: ignore[misc]


def test_equal_ones_are_one_key_of_a_dictionary() -> None:
    assert {FULL: 1}[replace(FULL)] == 1
    assert len({FULL, replace(FULL), replace(FULL, criterion="ML")}) == 2


def test_another_criterion_is_refused() -> None:
    with pytest.raises(ModelError, match="ML or REML, not 'reml'"):
        replace(FULL, criterion="reml")  # type: ignore[arg-type]


def test_a_model_says_what_it_was_made_from(data: pd.DataFrame) -> None:
    model = ms.LinearMixedModel.of(FULL, data)
    assert model.specification(reml=True) == FULL
    assert model.specification() == replace(FULL, criterion="ML")
    assert model.with_structure("full").specification(reml=True) == replace(FULL, structure="full")


def test_a_fit_keeps_it_through_files(data: pd.DataFrame, tmp_path: Path) -> None:
    fit = ms.LinearMixedModel.of(FULL, data).fit(reml=FULL.reml)
    assert fit.spec == FULL
    fit.save(tmp_path)
    stored = read_fit(tmp_path).info
    described = FULL.described()
    # In a fit sigma is the estimate, and here what it was set to.
    assert stored["sigma"] == stored["known_sigma"] == described.pop("sigma")
    assert {name: stored[name] for name in described} == described
    loaded = ms.load_fit(tmp_path)
    assert loaded.spec == FULL
    assert loaded.model.specification(reml=loaded.reml) == FULL


def test_a_model_of_weights_by_value_has_siblings_with_the_same(data: pd.DataFrame) -> None:
    named = ms.LinearMixedModel("y ~ 1 + (1 + x | g)", data, weights="w")
    given = ms.LinearMixedModel("y ~ 1 + (1 + x | g)", data, weights=data["w"])
    theta = [0.7, 0.4]
    assert given.with_structure("zerocorr").objective(theta) == pytest.approx(
        named.with_structure("zerocorr").objective(theta), rel=1e-12
    )


def test_designs_are_those_of_the_model(data: pd.DataFrame) -> None:
    mine, theirs = FULL.design(data), ms.LinearMixedModel.of(FULL, data).design
    assert mine.x_names == theirs.x_names
    assert np.array_equal(mine.X, theirs.X)
    assert [r.parts for r in mine.random] == [r.parts for r in theirs.random]


@pytest.mark.parametrize("criterion", ["ML", "REML"])
def test_entries_of_configurations_are_read(criterion: str) -> None:
    entry: dict[str, Any] = {
        "dataset": "d",
        "formula": "y ~ a + (1 | g)",
        "criterion": criterion.lower(),
        "contrasts": {"a": "sum"},
        "weights": "w",
        "offset": "log(x)",
        "subset": "x > 1",
        "sigma": 2,
        "unidentified": "allow",
        "solver": "sparse",
    }
    config = validate_config({"datasets": {"d": {"source": "d.csv"}}, "models": {"m": entry}})
    spec = ModelSpec.of(config.models["m"].model_dump(), structure="cs")
    said = ModelSpec("y ~ a + (1 | g)", "cs", {"a": "sum"}, "w", criterion)  # type: ignore[arg-type]
    more = {"offset": "log(x)", "subset": "x > 1", "sigma": 2.0, "unidentified": "allow"} | {
        "solver": "sparse"
    }
    assert spec == replace(said, **more)  # type: ignore[arg-type]
    assert spec.reml == (criterion == "REML")


def test_what_jobs_are_told_of_a_model_does_not_grow_by_what_it_does_not_say() -> None:
    entry = {"dataset": "d", "formula": "y ~ a + (1 | g)"}
    told = without_defaults(ModelConfig.model_validate(entry).model_dump())
    assert not {"offset", "subset", "sigma", "unidentified", "solver"} & set(told)
    assert {"contrasts", "weights", "criterion"} <= set(told)


def test_models_and_configurations_say_all_of_it() -> None:
    named = {one.name for one in fields(ModelSpec)}
    linear, generalized = (
        set(inspect.signature(made).parameters)
        for made in (ms.LinearMixedModel, ms.GeneralizedLinearMixedModel)
    )
    assert named - {"criterion"} <= linear | generalized
    assert not {"family", "link", "quadrature"} & linear
    assert named - {"structure"} <= set(ModelConfig.model_fields)


def test_what_an_entry_lacks_is_not_made_up() -> None:
    told = FULL.described()
    del told["contrasts"]
    with pytest.raises(KeyError, match="contrasts"):
        ModelSpec.of(told)
