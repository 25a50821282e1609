"""Covariance structures: the map from theta to the factor, as mathematics."""

from __future__ import annotations

import numpy as np
import pytest

from mixedscope.core.errors import ModelError
from mixedscope.covariance.registry import (
    STRUCTURES,
    CovarianceStructure,
    make_structure,
    named_structure,
)
from mixedscope.formula.tree import UNNAMED

SIZES = (2, 3, 6)


def structures() -> list[CovarianceStructure]:
    out: list[CovarianceStructure] = []
    for name in STRUCTURES:
        if name == "intercept":
            out.append(make_structure(name, 1))
        elif name == "rr":
            out += [make_structure(name, k, {"d": d}) for k in SIZES for d in (1, 2)]
        else:
            out += [make_structure(name, k) for k in SIZES]
    return out


EVERY = pytest.mark.parametrize("structure", structures(), ids=lambda s: f"{s.name}-{s.size}")


def covariance(structure: CovarianceStructure, theta: np.ndarray) -> np.ndarray:
    factor = structure.factor(theta)
    return factor @ factor.T


def thetas(structure: CovarianceStructure, count: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(structure.size)
    return [rng.normal(scale=1.5, size=structure.n_theta) for _ in range(count)]


@EVERY
def test_parameters_of_one_column_make_it_zero_together(structure: CovarianceStructure) -> None:
    columns = structure.columns
    assert columns.shape == (structure.n_theta,)
    assert set(columns) == set(range(columns.max() + 1)) | ({-1} if -1 in columns else set())
    # Parameters whose sign is a convention are the size of something: each has a column of its own.
    bounded = columns[structure.lower == 0.0]
    assert (bounded >= 0).all()
    assert len(set(bounded)) == len(bounded)
    theta = structure.start() + 0.1
    whole = np.linalg.matrix_rank(structure.factor(theta), tol=1e-9)
    for column in set(columns) - {-1}:
        without = np.where(columns == column, 0.0, theta)
        factor = structure.factor(without)
        assert np.linalg.matrix_rank(factor, tol=1e-9) < whole
        if structure.entries is not None:
            assert not factor[:, column].any()


@EVERY
def test_factors_and_derivatives_are_lower_triangular(structure: CovarianceStructure) -> None:
    for theta in thetas(structure):
        for matrix in (structure.factor(theta), *structure.derivatives(theta)):
            assert matrix.shape == (structure.size, structure.size)
            assert np.array_equal(matrix, np.tril(matrix))


@EVERY
def test_derivatives_are_those_of_central_differences(structure: CovarianceStructure) -> None:
    for theta in thetas(structure):
        for i, derivative in enumerate(structure.derivatives(theta)):
            step = np.zeros(structure.n_theta)
            step[i] = 1e-6
            above, below = structure.factor(theta + step), structure.factor(theta - step)
            assert derivative == pytest.approx((above - below) / 2e-6, abs=1e-7)


@EVERY
def test_pulling_back_is_the_chain_rule_on_the_lower_triangle(
    structure: CovarianceStructure,
) -> None:
    gradient = np.random.default_rng(7).normal(size=(structure.size, structure.size))
    for theta in thetas(structure):
        expected = [np.sum(np.tril(gradient) * d) for d in structure.derivatives(theta)]
        assert structure.pullback(theta, gradient) == pytest.approx(np.array(expected))


@EVERY
def test_the_canonical_theta_has_the_same_covariance_within_bounds(
    structure: CovarianceStructure,
) -> None:
    for theta in thetas(structure):
        canonical = structure.canonical(theta)
        assert np.all(canonical >= structure.lower)
        assert np.array_equal(structure.canonical(canonical), canonical)
        assert covariance(structure, canonical) == pytest.approx(
            covariance(structure, theta), abs=1e-11
        )


@EVERY
def test_covariances_are_symmetric_about_edges(structure: CovarianceStructure) -> None:
    if isinstance(structure, STRUCTURES["full"] | STRUCTURES["rr"]):
        return  # there a whole column of the factor changes its sign
    for theta in thetas(structure):
        for i, edge in enumerate(structure.edges):
            if np.isfinite(edge):
                mirrored = theta.copy()
                mirrored[i] = 2 * edge - theta[i]
                assert covariance(structure, mirrored) == pytest.approx(
                    covariance(structure, theta), abs=1e-11
                )


@EVERY
def test_the_covariance_is_singular_at_edges_and_of_full_rank_elsewhere(
    structure: CovarianceStructure,
) -> None:
    rng = np.random.default_rng(2)
    theta = rng.uniform(0.5, 1.2, structure.n_theta)
    assert np.linalg.matrix_rank(structure.factor(theta), tol=1e-9) == structure.rank
    if structure.rank < structure.size:
        return  # a zero in a factor that is not square need not cost a rank
    for i, edge in enumerate(structure.edges):
        if np.isfinite(edge):
            for sign in (1.0, -1.0):
                at = theta.copy()
                at[i] = sign * edge
                assert np.linalg.matrix_rank(structure.factor(at), tol=1e-9) < structure.rank


@EVERY
def test_the_start_is_the_identity_where_the_structure_has_it(
    structure: CovarianceStructure,
) -> None:
    expected = np.diag((np.arange(structure.size) < structure.rank).astype(float))
    assert covariance(structure, structure.start()) == pytest.approx(expected, abs=1e-12)


@EVERY
def test_the_nearest_theta_of_a_member_is_its_own(structure: CovarianceStructure) -> None:
    rng = np.random.default_rng(3)
    theta = structure.canonical(rng.uniform(0.4, 1.0, structure.n_theta))
    target = covariance(structure, theta)
    if structure.rank < structure.size:
        target = target + 1e-13 * np.eye(structure.size)
    assert structure.nearest(target) == pytest.approx(theta, abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["cs", "homcs"])
def test_compound_symmetry_has_one_correlation_in_its_range(name: str, size: int) -> None:
    structure = make_structure(name, size)
    for theta in thetas(structure, 20):
        matrix = covariance(structure, theta)
        sds = np.sqrt(np.diag(matrix))
        correlations = (matrix / np.outer(sds, sds))[np.tril_indices(size, -1)]
        assert np.ptp(correlations) < 1e-10
        assert -1 / (size - 1) - 1e-10 <= correlations[0] <= 1 + 1e-10
        if name == "homcs":
            assert np.ptp(sds) < 1e-12 * sds[0] + 1e-12
            a, m = np.abs(theta)
            assert a == pytest.approx(sds[0] * np.sqrt(1 - correlations[0]))
            assert m == pytest.approx(np.sqrt(matrix.mean()))
        else:
            assert sds == pytest.approx(theta[:-1] ** 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["ar1", "hetar1"])
def test_autoregression_has_powers_of_one_correlation(name: str, size: int) -> None:
    structure = make_structure(name, size)
    lags = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    for theta in thetas(structure, 20):
        rho = np.sin(theta[-1])
        sds = np.full(size, abs(theta[0])) if name == "ar1" else theta[:-1] ** 2
        assert covariance(structure, theta) == pytest.approx(np.outer(sds, sds) * rho**lags)


@EVERY
def test_measures_tell_theta_and_back(structure: CovarianceStructure) -> None:
    rng = np.random.default_rng(4)
    theta = structure.canonical(rng.uniform(0.3, 1.1, structure.n_theta))
    names = tuple("abcdef"[: structure.size])
    values = structure.measured(theta)
    measures = structure.measures(names, np.ones(structure.size))
    assert len(values) == len(measures)
    assert all(m.lower <= v <= m.upper for m, v in zip(measures, values, strict=True))
    assert structure.from_measures(values, theta) == pytest.approx(theta)


@EVERY
def test_measures_are_the_sds_and_correlations_of_the_covariance(
    structure: CovarianceStructure,
) -> None:
    for theta in thetas(structure):
        matrix = covariance(structure, theta)
        sds = np.sqrt(np.diag(matrix))
        off = (matrix / np.outer(sds, sds))[np.tril_indices(structure.size, -1)]
        measures = structure.measures(tuple("abcdef"[: structure.size]), np.ones(structure.size))
        for measure, value in zip(measures, structure.measured(theta), strict=True):
            known = {"sd": sds, "correlation": off}.get(measure.kind)
            if known is not None:
                assert np.abs(known - value).min() < 1e-9


@EVERY
def test_slopes_of_measures_are_those_of_central_differences(
    structure: CovarianceStructure,
) -> None:
    rng = np.random.default_rng(6)
    for _ in range(3):
        around = structure.canonical(rng.uniform(0.3, 1.1, structure.n_theta))
        values = structure.measured(around) * rng.uniform(0.7, 0.95)
        slopes = structure.measure_slopes(values, around)
        assert slopes.shape == (structure.n_theta, len(values))
        for i in range(len(values)):
            step = np.eye(len(values))[i] * 1e-6
            above, below = (structure.from_measures(values + s * step, around) for s in (1, -1))
            assert slopes[:, i] == pytest.approx((above - below) / 2e-6, abs=1e-7)


@EVERY
def test_undefined_correlations_and_ends_of_ranges_give_some_theta(
    structure: CovarianceStructure,
) -> None:
    measures = structure.measures(tuple("abcdef"[: structure.size]), np.ones(structure.size))
    ends = np.array([m.lower if np.isfinite(m.lower) else 0.0 for m in measures])
    unknown = np.array([np.nan if m.kind == "correlation" else 0.0 for m in measures])
    for values in (ends, unknown):
        assert np.isfinite(structure.from_measures(values, structure.start())).all()


def test_homogeneous_compound_symmetry_has_a_finite_slope_without_variance() -> None:
    structure = make_structure("homcs", 3)
    assert np.all(structure.factor(np.zeros(2)) == 0.0)
    assert np.isfinite(structure.derivatives(np.zeros(2))).all()


def test_parameters_are_counted() -> None:
    counts = {name: make_structure(name, 5).n_theta for name in STRUCTURES if name != "intercept"}
    assert counts == {
        "full": 15,
        "zerocorr": 5,
        "homdiag": 1,
        "cs": 6,
        "homcs": 2,
        "ar1": 2,
        "hetar1": 6,
        "rr": 9,
    }
    assert make_structure("rr", 5, {"d": 1}).n_theta == 5


def test_reduced_rank_of_all_columns_is_the_full_structure() -> None:
    rr, full = make_structure("rr", 3, {"d": 3}), make_structure("full", 3)
    theta = np.arange(1.0, 7.0)
    assert np.array_equal(rr.factor(theta), full.factor(theta))


@pytest.mark.parametrize(
    ("written", "settings", "meant"),
    [
        ("us", {}, ("full", {})),
        ("diag", {}, ("zerocorr", {})),
        ("diag", {"hom": 1.0}, ("homdiag", {})),
        ("cs", {"hom": 1.0}, ("homcs", {})),
        ("cs", {"hom": 0.0}, ("cs", {})),
        ("ar1", {"hom": 1.0}, ("ar1", {})),
        ("ar1", {"hom": 0.0}, ("hetar1", {})),
        ("rr1", {}, ("rr", {"d": 1.0})),
        ("rr12", {}, ("rr", {"d": 12.0})),
        ("rr(2)", {}, ("rr", {"d": 2.0})),
        ("rr(d = 2)", {}, ("rr", {"d": 2.0})),
        ("rr", {UNNAMED: 3.0}, ("rr", {"d": 3.0})),
        ("ar1", {}, ("ar1", {})),
    ],
)
def test_names_of_other_programs_are_understood(
    written: str, settings: dict[str, float], meant: tuple[str, dict[str, float]]
) -> None:
    assert named_structure(written, settings) == meant


@pytest.mark.parametrize(
    ("name", "size", "settings", "words"),
    [
        ("hetcs", 2, {}, "Did you mean 'hetar1'|Did you mean 'homcs'"),
        ("cs2", 2, {}, "Unknown covariance structure 'cs2'"),
        ("cs", 1, {}, "at least 2 columns"),
        ("rr", 3, {"d": 4}, "from 1 to the 3 columns"),
        ("rr", 3, {"d": 1.5}, "whole number"),
        ("rr", 3, {"k": 1}, "takes the setting d, got 'k'"),
        ("cs", 3, {"d": 1}, "takes no settings"),
        ("cs", 3, {UNNAMED: 1}, "takes no settings, got a number"),
        ("full", 3, {"hom": 1}, "takes no settings"),
    ],
)
def test_senseless_structures_are_refused(
    name: str, size: int, settings: dict[str, float], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        make_structure(name, size, settings)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_that_hide_nothing_have_nothing_beyond(name):
    size = max(3, STRUCTURES[name].least_columns)
    structure = make_structure(name, 1 if name == "intercept" else size)
    points = structure.beyond(np.zeros(structure.n_theta), np.ones(structure.n_theta))
    assert bool(len(points)) == structure.hides_directions


def test_equal_structures_are_one_object():
    assert make_structure("rr", 4, {"d": 2}) is make_structure("rr", 4, {"d": 2})
    assert make_structure("rr", 4, {"d": 2}) is not make_structure("rr", 4, {"d": 1})
    assert make_structure("full", 2) is not make_structure("full", 3)
