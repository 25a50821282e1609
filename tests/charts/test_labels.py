"""Labels and units of variables: the same picture under other names."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mixedscope as ms
from mixedscope import charts
from mixedscope.charts.common.labels import (
    labelled,
    labelled_options,
    term_title,
    variable_title,
    variable_words,
)
from mixedscope.charts.common.options import Options
from mixedscope.charts.common.render import Figure, to_spec
from mixedscope.charts.common.sheet import sheet
from mixedscope.charts.registry import PUBLIC
from mixedscope.core.errors import ModelError
from mixedscope.workflow.config.model import load_config

sys.path.append(str(Path(__file__).parents[1] / "pictures"))

from picture_cases import CASES, FULL

#: As long as the names, so that nothing moves.
LABELS = {"y": "Y", "x": "X", "g": "G"}
FEW = ("shrinkage", "means-along")


def told(drawn: Any, back: dict[str, str]) -> str:
    """A specification as text, with some words for others; data sets are named by their content."""
    spec = dict(spec_of(drawn))
    sets = spec.pop("datasets")
    text = json.dumps(spec, sort_keys=True, ensure_ascii=False)
    for place, name in enumerate(dict.fromkeys(re.findall("|".join(sets), text))):
        text = text.replace(name, str(place)) + json.dumps(sets[name], ensure_ascii=False)
    words = "|".join(back) or "(?!)"
    return re.sub(rf"(?<!\w)({words})(?![\w(])", lambda match: back[match[1]], text)


def spec_of(drawn: Any) -> dict[str, Any]:
    return to_spec(drawn.chart if isinstance(drawn, Figure) else drawn)


@pytest.mark.parametrize(
    "case",
    [
        n if n in FEW else pytest.param(n, marks=pytest.mark.exhaustive)
        for n in CASES
        # Of what many models or fits are compared by, there is no variable.
        if not n.startswith(("sweep", "phases", "race", "ladder"))
    ],
)
def test_a_chart_with_labels_is_the_chart_with_other_words(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = told(CASES[case](), {})

    def on_sheet(make: Any, **_: Any) -> Any:
        with sheet(labels=LABELS):
            return make()

    monkeypatch.setattr("mixedscope.charts.public.on_sheet", on_sheet)
    found = told(CASES[case](), {label: name for name, label in LABELS.items()})
    assert found == plain
    if case in FEW:
        assert told(CASES[case](), {}) != plain


def test_axes_say_units_and_coefficients_those_of_the_response_per_variable() -> None:
    info = {
        "response": "time",
        "variables": {"days": {"kind": "numeric"}, "drug": {"kind": "categorical"}},
    }
    with sheet(labels={"Reaction": "time"}, units={"Reaction": "ms", "days": "d"}):
        assert variable_title("time") == "time (ms)"
        assert variable_words("days") == "days, d"
        assert variable_title("drug") == "drug"
        assert term_title("(Intercept)", info) == "(Intercept) (ms)"
        assert term_title("days", info) == "days (ms/d)"
        assert term_title("drugB", info) == "drugB (ms)"
        assert term_title("drugB:days", info) == "drugB:days (ms/d)"
        # Nothing is known of what a function makes of a variable.
        assert term_title("log(days)", info) == "log(days)"
    assert term_title("days", info) == "days"


def test_levels_of_a_labelled_factor_follow_its_label() -> None:
    rows = pd.DataFrame(
        {
            "y": [1.0, 2.5, 3.0, 4.2, 5.9, 6.1, 7.3, 8.8],
            "d": list("abababab"),
            "g": list("wwxxyyzz"),
        }
    )
    fit = ms.lmer("y ~ d + (1 | g)", rows)
    with sheet(labels={"d": "dose", "g": "d"}):
        told = labelled(fit.tables)
    assert told.info["fixed_names"] == ["(Intercept)", "dose b"]
    assert told.info["formula"] == fit.tables.info["formula"]
    assert told.modes["group"].unique().tolist() == ["d"]
    assert told.modes["level"].tolist() == fit.tables.modes["level"].tolist()
    assert fit.tables.modes["group"].unique().tolist() == ["g"]


@pytest.mark.parametrize(
    ("chart", "asked", "understood"),
    [
        ("zeta", ["sd", "db", "sd (Intercept) | g"], ["sd", "dose b", "sd (Intercept) | d"]),
        # What is asked for by a label, or has none, is left as it is.
        ("zeta", ["dose b", "sigma", "sdb"], ["dose b", "sigma", "sdb"]),
        ("coefficients", ["db", "(Intercept)"], ["dose b", "(Intercept)"]),
        ("dumbbell", "(Intercept)", "(Intercept)"),
        ("caterpillar", "mode", "mode"),
        ("trace", "sd", "sd"),
    ],
)
def test_options_name_terms_as_the_data_do(chart: str, asked: Any, understood: Any) -> None:
    rows = pd.DataFrame(
        {
            "y": [1.0, 2.5, 3.0, 4.2, 5.9, 6.1, 7.3, 8.8],
            "d": list("abababab"),
            "g": list("wwxxyyzz"),
        }
    )
    fit = ms.lmer("y ~ d + (1 | g)", rows)
    options: type[Options] = PUBLIC[chart].options
    name = next(n for n in ("parameters", "terms", "term", "order") if n in options.model_fields)
    given = options.of({name: asked})
    with sheet(labels={"d": "dose", "g": "d"}):
        found = labelled_options(given, ([fit.tables],))
    assert getattr(found, name) == understood
    assert getattr(given, name) == asked


@pytest.mark.parametrize(
    ("labels", "words"),
    [({"x": "speed", "y": "speed"}, "'x' and 'y' have the same label"), ({"x": " "}, "is empty")],
)
def test_labels_tell_variables_apart(labels: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=words):
        charts.trace(FULL, labels=labels)
    path = tmp_path / "config.yaml"
    text = (Path(__file__).parents[2] / "config/small.yaml").read_text("utf-8")
    config = text.replace("charts:", f"charts:\n  labels: {json.dumps(labels)}", 1)
    path.write_text(config, "utf-8")
    with pytest.raises(Exception, match=words):
        load_config(path)


def test_errors_that_name_labels_say_whose_they_are() -> None:
    with pytest.raises(ModelError, match=r"speed.*By the labels given, 'speed' is x"):
        charts.caterpillar(FULL, group="g", order="z", labels={"x": "speed", "y": "way"})
    with pytest.raises(ModelError, match=r"'driver' is g") as caught:
        charts.shrinkage(FULL, "h", labels={"g": "driver", "y": "way"})
    assert "way" not in str(caught.value)
    # Either name is understood.
    for group in ("g", "driver"):
        charts.shrinkage(FULL, group, labels={"g": "driver"})
