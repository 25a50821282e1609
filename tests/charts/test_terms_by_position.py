"""Terms are asked for by name or by position, wherever a chart has terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.common.render import Figure
from mixedscope.charts.registry import PUBLIC
from mixedscope.core.errors import ModelError


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 9)
    frame = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=108), "z": rng.normal(size=108)})
    effects = rng.normal(size=(12, 3))[g]
    columns = np.column_stack([np.ones(108), frame["x"], frame["z"]])
    frame["y"] = (columns * (1.0 + effects)).sum(axis=1) + rng.normal(size=108)
    return ms.LinearMixedModel("y ~ 1 + x + z + (1 + x + z | g)", frame).fit()


def spec(drawn: Any) -> Any:
    return drawn.spec if isinstance(drawn, Figure) else drawn.to_dict()


SEVERAL = ["shrinkage", "caterpillar", "qqcaterpillar", "splom", "motion", "lens", "coefficients"]


def test_every_chart_with_terms_is_here() -> None:
    found = {name for name, of in PUBLIC.items() if "terms" in of.options.model_fields}
    assert found == set(SEVERAL)
    single = {name for name, of in PUBLIC.items() if "term" in of.options.model_fields}
    assert single == {"dumbbell", "panels"}


@pytest.mark.parametrize("name", SEVERAL)
def test_positions_are_those_of_the_names(fit: ms.Fit, name: str) -> None:
    draw: Callable[..., Any] = getattr(ms.charts, name)
    positions = [np.int64(2), 0] if name == "shrinkage" else [2, 0]
    assert spec(draw(fit, terms=positions)) == spec(draw(fit, terms=["z", "(Intercept)"]))
    with pytest.raises(ModelError, match=r"position 3 of .+: positions are 0 to 2, for \(Interc"):
        draw(fit, terms=[3, 0])
    with pytest.raises(ModelError, match=r"position -1 of "):
        draw(fit, terms=[-1, 0])
    with pytest.raises(ModelError, match="listed twice: x"):
        draw(fit, terms=["x", 1])
    with pytest.raises(ModelError, match="names or positions"):
        draw(fit, terms=[0.5, 1])


def test_a_single_term_goes_by_position_too(fit: ms.Fit) -> None:
    assert spec(ms.charts.dumbbell(fit, term=1)) == spec(ms.charts.dumbbell(fit, term="x"))
    assert spec(ms.charts.panels(fit, term=2)) == spec(ms.charts.panels(fit, term="z"))
    by = [spec(ms.charts.caterpillar(fit, order=order)) for order in (2, "z")]
    assert by[0] == by[1]
    with pytest.raises(ModelError, match="position 7"):
        ms.charts.caterpillar(fit, order=7)


def test_columns_of_a_table_go_by_position_too() -> None:
    table = pd.DataFrame({"a": range(9), "name": list("abcdefghi"), "b": np.arange(9.0) ** 2})
    assert spec(ms.charts.splom(table, terms=[1, 0])) == spec(
        ms.charts.splom(table, terms=["b", "a"])
    )


def test_positions_stay_where_variables_have_labels(fit: ms.Fit) -> None:
    labels = {"x": "dose", "z": "time"}
    drawn = [ms.charts.shrinkage(fit, terms=terms, labels=labels) for terms in ([2, 1], ["z", "x"])]
    assert spec(drawn[0]) == spec(drawn[1])
    assert spec(ms.charts.panels(fit, term=1, labels=labels))
