"""What newcomers write, and the way out that the message names: one line, at the right place."""

from __future__ import annotations

import copy
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mixedscope.core.errors import ConfigError, DataError, FormulaError, ModelError, yaml_hint
from mixedscope.data.prepare import load_dataset, prepare_dataset
from mixedscope.design.contrasts import read_contrast
from mixedscope.design.design import build_design
from mixedscope.formula.expressions import evaluate_expression
from mixedscope.formula.parse import parse_formula
from mixedscope.workflow.config.model import load_config, validate_config

GOOD: dict[str, Any] = {
    "datasets": {"d": {"source": "d.csv"}},
    "models": {"m": {"dataset": "d", "formula": "y ~ 1 + (1 | g)"}},
}


def faults(path: str, value: Any) -> str:
    """The message about GOOD with one more key, without its first line."""
    content = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    here = content
    for key in parents:
        here = here.setdefault(key, {})
    here[last] = value
    with pytest.raises(ConfigError) as caught:
        validate_config(content)
    first, *rest = str(caught.value).splitlines()
    assert "has an error" in first
    return "\n".join(rest)


# -- formulas -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("formula", "position", "words"),
    [
        ("RT (ms) ~ x + (1 | g)", 0, "in backticks: `RT (ms)`"),
        ("y ~ Load (%) + (1 | g)", 4, "in backticks: `Load (%)`"),
        ("y ~ x + (1 | Subj. Nr)", 19, "in backticks: `Subj. Nr`"),
        ("y ~ Cognitive load + (1 | g)", 14, "in backticks: `Cognitive load`"),
        ("y ~ day 2 + (1 | g)", 8, "in backticks: `day 2`"),
        ("y ~ ordered(cond) + (1 | g)", 4, "C(x, Poly)"),
        ("y ~ as.ordered(cond) + (1 | g)", 4, "factor(x, levels"),
        ("y ~ Q('a b') + (1 | g)", 4, "backticks"),
        ("ln(y) ~ 1 + (1 | g)", 0, "log()"),
        ("y ~ s(x) + (1 | g)", 4, "ns(x, 3)"),
    ],
)
def test_formulas_of_other_programs_are_answered(formula: str, position: int, words: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(words)) as caught:
        parse_formula(formula)
    assert caught.value.position == position
    assert "\n" not in caught.value.message


def test_a_missing_operator_between_others_has_no_hint_of_names() -> None:
    for formula in ("y ~ (a) b + (1 | g)", "y ~ 2 b + (1 | g)", "y ~ `a b` c + (1 | g)"):
        with pytest.raises(FormulaError, match="operator is missing") as caught:
            parse_formula(formula)
        assert "blanks" not in caught.value.message


def test_a_misspelt_function_is_still_suggested() -> None:
    with pytest.raises(FormulaError, match="Did you mean 'sqrt'"):
        parse_formula("sqr(y) ~ 1 + (1 | g)")
    with pytest.raises(FormulaError, match="covariance structure needs"):
        parse_formula("y ~ zerocorr(x) + (1 | g)")


# -- expressions ----------------------------------------------------------------------------------
FRAME = pd.DataFrame({"x": [1.0, 8.0, 64.0], "g": list("aba"), "y": [1.0, 2.0, 4.0]})


def test_arguments_can_be_named_as_in_r() -> None:
    assert evaluate_expression("log(x, base=2)", FRAME).data.tolist() == [0, 3, 6]
    assert evaluate_expression("log(x, base = 8)", FRAME).data.tolist() == [0, 1, 2]
    assert evaluate_expression("center(x, at=1)", FRAME).data.tolist() == [0, 7, 63]
    assert evaluate_expression("round(x / 3, digits=1)", FRAME).data.tolist() == [0.3, 2.7, 21.3]


def test_named_arguments_reach_formulas() -> None:
    data = pd.concat([FRAME] * 4, ignore_index=True)
    made = build_design("y ~ log(x, base = 2) + (1 | g)", data)
    assert made.x_names == ("(Intercept)", "log(x, base = 2)")
    assert made.X[:3, 1].tolist() == [0, 3, 6]
    assert math.isclose(build_design("y ~ log(x) + (1 | g)", data).X[1, 1], math.log(8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("log(x, bse=2)", "log() takes a column and base: log(x, base = 2)"),
        ("log(x, 2, base=2)", "takes a column and base"),
        ("log(base=2)", "something between its parentheses"),
        ("sqrt(x, base=2)", "sqrt() takes no named arguments"),
        ("center(x, base=2)", "center() takes a column and at"),
    ],
)
def test_a_wrong_name_of_an_argument_is_explained(text: str, words: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(words)):
        evaluate_expression(text, FRAME)


# -- what YAML makes of words and numbers ---------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1e-6", "write 1.0e-6)"),
        ("2.5e3", "write 2.5e+3)"),
        ("1.e-6", "write 1.0e-6)"),
        ("-1E5", "write -1.0e+5)"),
        (True, "yes, on"),
        (False, "no, off"),
        ("abc", ""),
        (3, ""),
        (None, ""),
    ],
)
def test_the_hint_on_yaml_is_what_yaml_reads(value: object, words: str) -> None:
    import yaml

    hint = yaml_hint(value)
    assert (words in hint) if words else hint == ""
    if isinstance(value, str) and words:
        meant = hint.split("write ")[1].rstrip(")")
        assert isinstance(yaml.safe_load(meant), float)
        assert yaml.safe_load(meant) == float(value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("optimizers/o/settings", {"ftol": "1e-6"}, ["optimizers.o", "'ftol'", "write 1.0e-6"]),
        ("optimizers/o/max_evaluations", "1e3", ["max_evaluations", "write 1000)"]),
        ("seed", "1e3", ["seed", "write 1000)"]),
        ("datasets/d/columns", ["x", False], ["datasets.d.columns", "no, off", "quotes"]),
        ("datasets/d/rename", {"x": True}, ["datasets.d.rename.x", "yes, on"]),
        ("datasets/d/categorical", {"k": [False, "SE"]}, ["d.categorical", "'k'", "no, off"]),
        ("datasets/d/missing", [False], ["datasets.d", "missing", "quotes"]),
        ("models/m/weights", False, ["models.m.weights", "no, off"]),
        ("models/m/REML", False, ["models.m.REML", "Did you mean 'criterion'", "criterion: ML."]),
        ("models/m/reml", True, ["models.m.reml", "'criterion'", "Write criterion: REML."]),
        ("models/m/criterion", True, ["'ML' or 'REML'", "Write criterion: REML."]),
        ("models/m/criterion", False, ["'ML' or 'REML'", "Write criterion: ML."]),
        ("models/m/data", "d", ["models.m.data", "Did you mean 'dataset'"]),
        ("datasets/d/source", "a{b}/d.csv", ["datasets.d.source", "braces", "rename"]),
        ("datasets/d/sep", ";", ["datasets.d.sep", "Did you mean 'separator'"]),
        ("datasets/d/na_values", ".", ["datasets.d.na_values", "Did you mean 'missing'"]),
        ("datasets/d/dec", ",", ["datasets.d.dec", "Did you mean 'decimal'"]),
        ("models/m/contrasts", {"x": "contr.sum"}, ["models.m.contrasts", "Did you mean 'sum'"]),
    ],
)  # fmt: skip
def test_messages_of_the_configuration_name_the_way_out(
    path: str, value: Any, words: list[str]
) -> None:
    text = faults(path, value)
    for word in words:
        assert word in text
    assert "\n" not in text


def test_quotes_are_no_remedy_where_a_number_is_wanted() -> None:
    assert "quotes" not in faults("threads", False)
    assert "quotes" not in faults("optimizers/o/settings", {"ftol": True})


def test_the_criterion_may_be_small() -> None:
    for written, meant in [("reml", "REML"), ("Ml", "ML"), ("REML", "REML")]:
        content = copy.deepcopy(GOOD)
        content["models"]["m"]["criterion"] = written
        assert validate_config(content).models["m"].criterion == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [("contr.treatment", "treatment"), ("contr.helmert", "helmert"), ("contr.sdif", "sequential")],
)
def test_names_of_contrasts_in_r_are_answered(name: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f"Did you mean '{meant}"):
        read_contrast("x", name)


def test_levels_that_yaml_took_for_truth_are_explained(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("load,y\nyes,1\nno,2\n")
    spec = {"source": str(tmp_path / "d.csv"), "categorical": {"load": [False, True]}}
    with pytest.raises(DataError, match=r"'no', 'yes'.*List every level \(YAML reads") as caught:
        prepare_dataset(spec)
    assert "quotes" in str(caught.value)
    spec["categorical"] = {"load": ["no", "yes"]}
    assert list(load_dataset(spec)["load"].cat.categories) == ["no", "yes"]


def test_levels_of_truth_values_may_be_truth_values(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("late,y\nTrue,1\nFalse,2\n")
    spec = {"source": str(tmp_path / "d.csv"), "categorical": {"late": [True, False]}}
    assert list(load_dataset(spec)["late"].cat.categories) == ["TRUE", "FALSE"]


# -- files of configurations ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models:\n  m:\n    formula: `RT (ms)` ~ 1\n", "backtick has to be in quotes, line 3"),
        ("models:\n\tm: 1\n", "a tab stands where blanks have to, line 2"),
        ("models:\n  m:\n    formula: y ~ a: b\n", "in quotes\\), line 3"),
    ],
)
def test_broken_yaml_is_explained_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(tmp_path / "my.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"not UTF-8 \(line 2\): save it"):
        load_config(tmp_path / "my.yaml")


def test_a_configuration_can_be_checked_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mixedscope.workflow.config.__main__ import main

    (tmp_path / "good.yaml").write_text(
        "datasets: {d: {source: d.csv}}\nmodels: {m: {dataset: d, formula: y ~ 1 + (1 | g)}}\n"
    )
    (tmp_path / "bad.yaml").write_text("formula: `y` ~ x\n")
    assert main([str(tmp_path / "good.yaml")]) == 0
    assert main([str(tmp_path / "bad.yaml")]) == 1
    assert "line 1" in capsys.readouterr().err


# -- levels that contrasts name -------------------------------------------------------------------
LEVELS: dict[str, tuple[list[Any], list[Any]]] = {
    "whole numbers": ([1, 2, 3], [1, 2, 3]),
    "whole floats": ([1.0, 2.0, 3.0], [1, 2.0, "3"]),
    "floats": ([0.5, 1.0, 1.5], [0.5, 1.0, "1.5"]),
    "text": (["a", "b", "c"], ["a", "b", "c"]),
    "truth": ([False, True], [False, True]),
}


@pytest.mark.parametrize("kind", list(LEVELS))
def test_contrasts_name_levels_of_any_type(kind: str) -> None:
    values, named = LEVELS[kind]
    n = 12 * len(values)
    data = pd.DataFrame({"y": [float(i * i % 11) for i in range(n)], "g": list("abcd") * (n // 4)})
    data["k"] = [values[i // 4 % len(values)] for i in range(n)]
    for i, base in enumerate(named):
        made = build_design("y ~ k + (1 | g)", data, contrasts={"k": {"treatment": {"base": base}}})
        assert len(made.x_names) == len(values)
        assert made.variables["k"]["base"] == made.contrasts["k"]["levels"][i]
    hypothesis = {"matrix": [[-1.0, *[0.0] * (len(values) - 2), 1.0]], "levels": named}
    made = build_design("y ~ k + (1 | g)", data, contrasts={"k": {"hypothesis": hypothesis}})
    assert len(made.x_names) == 2


def test_a_base_that_yaml_took_for_truth_is_explained() -> None:
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "g": list("aabbcc"), "k": ["yes", "no"] * 3})
    with pytest.raises(ModelError, match=r"'FALSE' is no level of 'k'.*no, off.*quotes"):
        build_design("y ~ k + (1 | g)", data, contrasts={"k": {"treatment": {"base": False}}})
    hypothesis = {"matrix": [[-1, 1]], "levels": [False, True]}
    with pytest.raises(ModelError, match=r"the data have no, yes.*quotes"):
        build_design("y ~ k + (1 | g)", data, contrasts={"k": {"hypothesis": hypothesis}})
