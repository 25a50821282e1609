"""The guide's numbers are those of the stored run, all of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from docs_scripts import docs_script

import mixedscope as ms
from mixedscope.core.errors import MixedscopeError
from mixedscope.optimize.phases import label_phases

ROOT = Path(__file__).parents[1]

#: Numbers that are no results: of the data, of definitions, of dates.
FACTS = {"0", "0.001", "1", "2", "4", "5", "12", "18", "24", "25", "40", "95", "316"}
FACTS |= {"2000", "2003"}


@pytest.fixture(scope="module")
def numbers() -> ModuleType:
    return docs_script("guide_numbers")


@pytest.fixture(scope="module")
def stored(numbers: ModuleType) -> dict[str, str]:
    with numbers.TABLE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["text"] for row in csv.DictReader(file)}


def test_every_number_in_its_place_is_the_stored_one(
    numbers: ModuleType, stored: dict[str, str]
) -> None:
    text = numbers.GUIDE.read_text(encoding="utf-8")
    assert numbers.fill(text, stored) == text
    assert all(any(c.isdigit() for c in value) for value in stored.values())


def test_numbers_of_large_models_are_those_of_their_stored_traces(stored: dict[str, str]) -> None:
    told = docs_script("large_models").numbers()
    assert told == {name: text for name, text in stored.items() if name.startswith("large.")}


def test_phases_of_large_models_are_those_of_the_rule() -> None:
    for fit in docs_script("large_models").fits():
        trace = fit.require("trace")
        theta = np.array([[float(v) for v in text.split()] for text in trace["theta"]])
        directed = fit.info["optimizer"]["name"] == "auto"
        unknown = np.full(len(trace), np.nan)
        found = label_phases(trace["objective"].to_numpy(), theta, unknown, directed=directed)
        # A trust radius, which is not stored, may have contracted earlier than steps show.
        last = trace["phase"] == "fine-tuning"
        assert (np.array(found)[last] == "fine-tuning").all()
        assert (trace["best"].to_numpy()[last] - trace["best"].min() <= 1e-3).all()


def test_no_result_stands_outside_its_place(numbers: ModuleType) -> None:
    text = numbers.MARK.sub("", numbers.GUIDE.read_text(encoding="utf-8"))
    for code in (r"```.*?```", r"(?m)^    .*$", r"!?\[[^\]]*\]\([^)]*\)", r"`[^`]*`"):
        text = re.sub(code, "", text, flags=re.DOTALL if "```" in code else 0)
    assert set(re.findall(r"\d[\d.,]*\d|\d", text)) <= FACTS


def test_marks_and_numbers_that_do_not_match_are_an_error(numbers: ModuleType) -> None:
    text = "It takes <!--=a.b-->5<!--/--> steps."
    assert numbers.fill(text, {"a.b": "7"}) == "It takes <!--=a.b-->7<!--/--> steps."
    with pytest.raises(SystemExit, match=r"a\.b"):
        numbers.fill(text, {})
    with pytest.raises(SystemExit, match=r"c\.d"):
        numbers.fill(text, {"a.b": "7", "c.d": "1"})


def test_the_code_of_the_guide_runs_and_says_what_its_text_says(stored: dict[str, str]) -> None:
    blocks = docs_script("page_blocks")
    page = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    # A bootstrap of fewer draws shows the same of the call.
    page = page.replace("bootstrap=1000", "bootstrap=19")
    space: dict[str, Any] = {}
    for _, _, own in blocks.outputs(page):
        space = own
    assert page.count("```python") == 5
    fit = space["fit"]
    ratios = fit.fixed_effects(exponentiate=True).set_index("term")["estimate"]
    assert f"{ratios['btypeshout']:.2f}" == stored["verbal.odds-shout"]
    near = space["laplace"].approximation.correction
    told = float(stored["verbal.alone-term"].replace("\u2212", "-"))
    assert near == pytest.approx(told, abs=0.06)
    (row,) = space["planned"].smallest().to_dict("records")
    lower, upper = (int(stored[f"sleep.power-{end}"]) for end in ("lower", "upper"))
    # Draws of another seed, and as many: the intervals of two sizes meet.
    assert row["size_lower"] <= upper
    assert row["size_upper"] >= lower
    with pytest.raises(MixedscopeError, match="neither is nested in the other"):
        ms.glmer(space["formula"], space["data"], quadrature=15)
