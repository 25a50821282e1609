"""Contrast matrices and their names."""

from __future__ import annotations

import numpy as np
import pytest

from mixedscope.core.errors import ModelError
from mixedscope.design.contrasts import contrast_matrix

ABCD = ("a", "b", "c", "d")


def test_treatment_is_the_default_and_its_base_the_first_level() -> None:
    coding = contrast_matrix("f", ABCD, None)
    assert coding.suffixes == ("b", "c", "d")
    assert coding.matrix.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_the_base_of_treatment_can_be_chosen() -> None:
    coding = contrast_matrix("f", ABCD, {"treatment": {"base": "c"}})
    assert coding.suffixes == ("a", "b", "d")
    assert coding.matrix[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["sum", "effects"])
def test_sum_is_contr_sum(name: str) -> None:
    # contr.sum(3) in R 4.2.2
    coding = contrast_matrix("f", ("a", "b", "c"), name)
    assert coding.matrix.tolist() == [[1, 0], [0, 1], [-1, -1]]
    assert coding.suffixes == ("1", "2")


def test_the_level_that_sum_leaves_out_can_be_chosen() -> None:
    coding = contrast_matrix("f", ("a", "b", "c"), {"sum": {"base": "a"}})
    assert coding.matrix.tolist() == [[-1, -1], [1, 0], [0, 1]]


def test_helmert_is_contr_helmert() -> None:
    # contr.helmert(4) in R 4.2.2
    expected = [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]]
    assert contrast_matrix("f", ABCD, "helmert").matrix.tolist() == expected


def test_sequential_difference_is_contr_sdif() -> None:
    # MASS::contr.sdif(c("a", "b", "c", "d")) in R 4.2.2
    coding = contrast_matrix("f", ABCD, "sequential-difference")
    expected = [
        [-0.75, -0.5, -0.25],
        [0.25, -0.5, -0.25],
        [0.25, 0.5, -0.25],
        [0.25, 0.5, 0.75],
    ]
    assert coding.matrix.tolist() == expected
    assert coding.suffixes == ("b-a", "c-b", "d-c")


def test_hypotheses_are_inverted() -> None:
    # MASS::ginv(rbind(c(-1, 1, 0), c(0, -.5, .5))) in R 4.2.2
    spec = {"hypothesis": {"matrix": [[-1, 1, 0], [0, -0.5, 0.5]], "names": ["x", "y"]}}
    coding = contrast_matrix("f", ("a", "b", "c"), spec)
    expected = [[-2 / 3, -2 / 3], [1 / 3, -2 / 3], [1 / 3, 4 / 3]]
    assert coding.matrix == pytest.approx(np.array(expected), abs=1e-12)
    assert coding.suffixes == ("x", "y")


def test_coefficients_of_hypotheses_are_the_hypotheses() -> None:
    hypotheses = np.array([[-1, 0.5, 0.5, 0], [0, -1, 1, 0], [-1 / 3, -1 / 3, -1 / 3, 1]])
    coding = contrast_matrix("f", ABCD, {"hypothesis": {"matrix": hypotheses.tolist()}})
    means = np.array([3.0, 1.0, 4.0, 1.5])
    beta = np.linalg.solve(np.column_stack([np.ones(4), coding.matrix]), means)
    assert beta[1:] == pytest.approx(hypotheses @ means)


@pytest.mark.parametrize(
    "spec", ["treatment", "sum", "helmert", "sequential-difference", {"treatment": {"base": "d"}}]
)
def test_every_coding_spans_the_cell_means(spec: object) -> None:
    coding = contrast_matrix("f", ABCD, spec)  # type: ignore[arg-type]
    assert np.linalg.matrix_rank(np.column_stack([np.ones(4), coding.matrix])) == 4


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("helmret", "Did you mean 'helmert'"),
        ({"treatment": {"bsae": "b"}}, "Did you mean 'base'"),
        ({"treatment": {"base": "z"}}, "'z' is no level of 'f'"),
        ({"helmert": {"base": "a"}}, "Known: none"),
        ({"sum": {}, "helmert": {}}, "must be a name"),
        (3, "must be a name"),
        ("hypothesis", "needs the setting 'matrix'"),
        ({"hypothesis": {"matrix": [[1, 0, 0, 0]]}}, "row 1 sums to 1"),
        ({"hypothesis": {"matrix": [[1, -1]]}}, "must have 4 columns"),
        ({"hypothesis": {"matrix": [[1, -1], [1]]}}, "rows of numbers"),
        ({"hypothesis": {"matrix": [[1, -1, 0, 0], [2, -2, 0, 0]]}}, "linearly dependent"),
        ({"hypothesis": {"matrix": [[1, -1, 0, 0]], "names": ["a", "b"]}}, "1 different names"),
        ({"hypothesis": {"matrix": [[1, -1, 0, 0]], "levels": ["b", "a", "c", "d"]}}, "order"),
    ],
)
def test_wrong_contrasts_are_explained(spec: object, words: str) -> None:
    with pytest.raises(ModelError, match="(?s)'f'") as caught:
        contrast_matrix("f", ABCD, spec)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_variable_with_one_level_cannot_be_coded() -> None:
    with pytest.raises(ModelError, match="only one level"):
        contrast_matrix("f", ("a",), "sum")
