"""Blocks of code on a page of the documentation, and the output that stands below them.

    python docs/figures/page_blocks.py docs/inference.md

runs the page's ``python`` blocks in turn, as a notebook would, and writes what they print into the
``text`` blocks that follow them. tests/test_inference_page.py compares both.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n?```text\n(?P<output>.*?)```\n)?", re.DOTALL)
#: A row of a table whose last cell is a call, or several.
ROW = re.compile(r"^\|.*(?<!\\)\|(?P<last>(?:[^|\n]|\\\|)*`(?:[^|\n]|\\\|)*)\|\s*$", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")


def run(code: str, space: dict[str, Any]) -> str:
    """Give what code prints, and its last expression as a notebook shows it."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "<page>", "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<page>", "eval"), space)
            if value is not None:
                print(repr(value))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def outputs(page: str) -> Iterator[tuple[re.Match[str], str, dict[str, Any]]]:
    """Run the blocks of a page in one namespace: each with its output, and that namespace."""
    space: dict[str, Any] = {}
    with pd.option_context("display.width", 100, "display.max_columns", None):
        for block in BLOCK.finditer(page):
            yield block, run(block["code"], space), space


def filled(page: str) -> str:
    """Give the page with the output of its blocks."""
    parts, end = [], 0
    for block, output, _ in outputs(page):
        shown = f"\n```text\n{output}\n```\n" if output else ""
        parts += [page[end : block.start()], f"```python\n{block['code']}```\n", shown]
        end = block.end()
    return "".join([*parts, page[end:]])


def calls(page: str) -> list[str]:
    """Give the calls in the last column of the page's tables."""
    cells = (row["last"].replace("\\|", "|") for row in ROW.finditer(page))
    return [call for cell in cells for call in re.findall(r"`([^`]+)`", cell)]


def difference(shown: str, found: str, *, relative: float = 2e-3) -> str | None:
    """Say where two outputs differ: words in order, numbers to their last digit or `relative`."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", found).split():
        return f"words differ:\n{shown}\n---\n{found}"
    for own, other in zip(NUMBER.findall(shown), NUMBER.findall(found), strict=True):
        tolerance = max(relative * abs(float(own)), 1.001 * _unit(own))
        if abs(float(own) - float(other)) > tolerance:
            return f"{own} on the page is {other}:\n{found}"
    return None


def _unit(number: str) -> float:
    """What the last digit of a number as printed is worth; that of a whole number is exact."""
    digits, _, power = number.partition("e")
    decimals = len(digits.partition(".")[2])
    return 10.0 ** (int(power or 0) - decimals) if decimals else 0.0


if __name__ == "__main__":
    for name in sys.argv[1:]:
        place = Path(name)
        place.write_text(filled(place.read_text(encoding="utf-8")), encoding="utf-8")
