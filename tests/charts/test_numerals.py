"""Numbers in words: rounded, but never to what they are not, and parts that add up."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from caption_claims import agrees, read
from hypothesis import given
from hypothesis import strategies as st

import mixedscope
from mixedscope.charts.common.numerals import (
    deviation,
    fixed,
    in_full,
    number,
    percent,
    power,
    power_of_ten,
    share,
    shares,
    told_gap,
    told_level,
)


def read_percent(text: str) -> float:
    return read(text.replace("\u00a0%", "").replace("<\u2009", ""))


@given(st.floats(0.0, 1.0))
def test_nothing_and_all_are_said_of_nothing_and_all_only(value: float) -> None:
    text = share(value)
    assert (text == "0\u00a0%") == (value <= 1e-6)
    assert (text == "100\u00a0%") == (1.0 - value <= 1e-6)
    assert read_percent(text) == pytest.approx(100 * value, abs=0.5)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=7).filter(lambda v: sum(v) > 1e-3))
def test_parts_add_up_to_the_whole_and_each_is_nearly_itself(values: list[float]) -> None:
    parts = np.array(values) / sum(values)
    written = shares(parts.tolist())
    told = [0.0 if text.startswith("<") else read_percent(text) for text in written]
    assert sum(told) == pytest.approx(100.0, abs=1e-6)
    decimals = max(len(re.sub(r"[^.\d]", "", text).partition(".")[2]) for text in written)
    for text, part in zip(written, parts, strict=True):
        assert read_percent(text) == pytest.approx(100 * part, abs=10.0**-decimals)
        assert (text == "0\u00a0%") == (100 * part < 1e-4)


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ([0.184, 0.073, 0.743], ["18.4", "7.3", "74.3"]),
        ([0.0035, 0.40, 0.5965], ["0.4", "40.0", "59.6"]),
        ([0.0732, 0.2823, 0.6445], ["7.3", "28.2", "64.5"]),
        ([0.25, 0.75, 0.0], ["25", "75", "0"]),
        ([1 / 3, 1 / 3, 1 / 3], ["33.4", "33.3", "33.3"]),
    ],
)
def test_parts_as_written(parts: list[float], written: list[str]) -> None:
    found = [text.removesuffix("\u00a0%") for text in shares(parts)]
    assert sorted(found) == sorted(written) if len(set(parts)) == 1 else found == written


@pytest.mark.parametrize("value", [0.0, 1.5, -12345.6, 99.96, 120.0, 1e-7, 31415.9])
@pytest.mark.parametrize("digits", [2, 3])
def test_numbers_agree_with_what_they_stand_for(value: float, digits: int) -> None:
    assert agrees(number(value, digits), value)


def test_collapsed_deviations_are_not_read_as_numbers() -> None:
    assert deviation(3.1e-11, 2.0) == "< 1e\u22126 \u03c3"
    assert deviation(3.1e-11, 1e-9) == "3.1e\u221211"
    assert deviation(0.0, 2.0) == "0"


# -- numbers are written in one module -------------------------------------------------------------

SOURCES = Path(mixedscope.__file__).parent
NUMERALS = SOURCES / "charts" / "common" / "numerals.py"

#: Files whose numbers are coordinates and sizes of SVG, which no reader sees.
GEOMETRY = {
    "charts/kinds/motion/backdrop.py",
    "charts/common/open_ends.py",
    "charts/common/pdf.py",
    "charts/common/render.py",
    "charts/common/vega.py",
}


def stray(tree: ast.Module) -> list[str]:
    """Numbers that code writes by hand: rounded in a text, with a minus sign, before " %"."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    docs = {ast.get_docstring(node, clean=False) for node in nodes}
    # A number that is rounded and read again is data, not text.
    data = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float"
        for inner in ast.walk(node)
    ]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec and node not in data:
            parts = getattr(node.format_spec, "values", [])
            spec = "".join(str(getattr(part, "value", "")) for part in parts)
            if re.search(r"[eEfFgG%]$", spec):
                found.append(f"{node.lineno}: {spec}")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("replace", "format"):
            arguments = [getattr(argument, "value", None) for argument in node.args]
            if "\u2212" in str(arguments[1:]):
                found.append(f"{node.lineno}: minus")
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value not in docs
            and re.search(r"(\d|^) %(?!\w| b)", node.value)
        ):
            found.append(f"{node.lineno}: {node.value}")
    return found


@pytest.mark.parametrize("room", ["charts", "workflow/report"])
def test_no_other_module_writes_numbers_by_hand(room: str) -> None:
    files = [path for path in (SOURCES / room).rglob("*.py") if path != NUMERALS]
    shown = {path.relative_to(SOURCES).as_posix(): path for path in files}
    found = {
        name: stray(ast.parse(path.read_bytes()))
        for name, path in shown.items()
        if name not in GEOMETRY
    }
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    "code",
    [
        'f"{x:.1e}"', 'f"{x:,.{n}f}"', 'f"{x:g}"', 'f"{x:.0%}"', 'x = "95 %"', 'x = f"{x} % of"',
        'str(x).replace("-", "\u2212")',
    ],
)  # fmt: skip
def test_a_number_written_by_hand_is_found(code: str) -> None:
    assert stray(ast.parse(code))


def test_data_counts_and_documentation_are_not_mistaken_for_numbers_written_by_hand() -> None:
    code = '"""95 %"""\nfloat(f"{x:.6g}")\nf"{n:,} rows"\nx = "95\u00a0% of"\n"a % b"'
    assert stray(ast.parse(code)) == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (number(-1e-5), "\u22121e\u22125"),
        (number(3.2e15), "3.2e15"),
        (power(9.81e-4), "9.8e\u22124"),
        (power(1e-12, 1), "1e\u221212"),
        (told_gap(0.0), "0"),
        (told_gap(5e-5, 1), "5e\u22125"),
        (told_gap(0.01234), "0.0123"),
        (fixed(-0.456, 2), "\u22120.46"),
        (fixed(float("nan")), "\u2013"),
        (percent(-0.0312, 1), "\u22123.1\u00a0%"),
        (power_of_ten(-3), "0.001"),
        (power_of_ten(4), "10,000"),
        (power_of_ten(-9), "1e\u22129"),
        (in_full(39.99), "39.99"),
        (in_full(12345.5), "12,345.5"),
        (told_level(0.975), "97.5\u00a0%"),
        (told_level(0.07), "7\u00a0%"),
        (told_level(0.5, 0.9, 0.9999), "50, 90 and 99.99\u00a0%"),
    ],
)
def test_one_style_of_powers_signs_and_percentages(text: str, written: str) -> None:
    assert text == written
