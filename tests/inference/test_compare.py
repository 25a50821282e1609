"""Comparison of the structures of one model."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mixedscope.core.errors import ModelError
from mixedscope.inference.ladder.compare import compare_structures, nested_pairs
from mixedscope.tables.table_files import read_table, write_table


def random(structure: str) -> list[dict[str, Any]]:
    names = ["(Intercept)"] if structure == "intercept" else ["(Intercept)", "x"]
    own = "full" if structure == "intercept" else structure
    parts = [{"columns": list(range(len(names))), "structure": own}]
    return [{"group": "g", "names": names, "parts": parts}]


def info(structure: str, n_theta: int, objective: float, **changes: Any) -> dict[str, Any]:
    content = {
        "random": random(structure),
        "model": "sleep",
        "formula": "y ~ 1 + x + (1 + x | g)",
        "structure": structure,
        "dataset": {"sha256": "abc"},
        "criterion": "ML",
        "dimensions": {"n": 180, "p": 2, "n_theta": n_theta},
        "optimizer": {"name": "pybobyqa", "evaluations": 10 * n_theta},
        "objective": objective,
        "loglik": -objective / 2,
        "dof": n_theta + 3,
        "aic": objective + 2 * (n_theta + 3),
        "aicc": objective + 2 * (n_theta + 3) + 0.1,
        "bic": objective + 5 * (n_theta + 3),
        "sigma": 25.0,
        "singular": [
            {"group": "g", "rank": 1, "size": 2, "singular": True},
            {"group": "h", "rank": 1, "size": 1, "singular": False},
        ],
        "certificate": {"verdict": "boundary optimum"},
    }
    return copy.deepcopy({**content, **changes})


FITS = [info("full", 3, 1751.9), info("zerocorr", 2, 1752.4), info("intercept", 1, 1794.5)]


def test_rows_keep_the_order_of_the_fits() -> None:
    assert compare_structures(FITS)["structure"].tolist() == ["full", "zerocorr", "intercept"]


def test_differences_are_those_to_the_best_fit_of_the_same_optimiser() -> None:
    other = {"name": "auto", "evaluations": 5}
    table = compare_structures([*FITS, info("full", 3, 1751.0, optimizer=other)])
    assert table["above_objective"].tolist() == pytest.approx([0.0, 0.5, 42.6, 0.0])
    assert table["above_aic"].tolist() == pytest.approx([1.5, 0.0, 40.1, 0.0])
    assert table["above_bic"].min() == 0.0


def test_pairs_lead_to_the_next_and_to_the_richest_structure() -> None:
    assert nested_pairs(FITS) == [
        (1, 0, True, True),
        (2, 1, True, False),
        (2, 0, False, True),
    ]


def test_structures_that_are_not_nested_make_no_pair() -> None:
    assert nested_pairs([info("homcs", 2, 1765.5), info("intercept", 1, 1794.5)]) == []
    assert nested_pairs([info("zerocorr", 2, 1752.4), info("homdiag", 1, 1767.2)]) == [
        (1, 0, True, True)
    ]


def test_settings_of_one_optimiser_are_told_apart_by_the_names_given() -> None:
    table = compare_structures(FITS[:2], optimizers=["tight", "loose"])
    assert table["optimizer"].tolist() == ["tight", "loose"]
    assert table["above_objective"].tolist() == [0.0, 0.0]


def test_degrees_of_freedom_stand_with_their_fits() -> None:
    table = compare_structures(FITS, degrees=[28.6, 29.0, 17.8])
    assert table["edf"].tolist() == [28.6, 29.0, 17.8]


def test_effective_dimensions_add_up_the_ranks_of_the_terms() -> None:
    table = compare_structures(FITS)
    assert table["effective_dimensions"].tolist() == [2, 2, 2]
    assert table["dimensions"].tolist() == [3, 3, 3]
    assert set(table["ranks"]) == {"g 1/2, h 1/1"}
    assert table["singular"].all()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"criterion": "REML"}, "criteria"),
        ({"dataset": {"sha256": "def"}}, "data"),
        ({"formula": "y ~ 1 + (1 | g)"}, "formulas"),
    ],
)
def test_fits_that_cannot_be_compared_are_an_error(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        compare_structures([FITS[0], info("zerocorr", 2, 1752.4, **changes)])


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ModelError, match="at least one"):
        compare_structures([])


def test_table_is_stored_and_read_back(tmp_path: Any) -> None:
    table = compare_structures(FITS)
    path = tmp_path / "structures.parquet"
    write_table(path, table, "structures", formula="f", sha256="abc")
    stored = read_table(path, "structures")
    assert stored["above_objective"].tolist() == pytest.approx([0.0, 0.5, 42.6])
    assert stored.columns.tolist() == table.columns.tolist()
