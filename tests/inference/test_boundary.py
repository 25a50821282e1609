"""Distributions of statistics on boundaries: published weights, exact cases, closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from mixedscope.covariance.registry import make_structure
from mixedscope.inference.ladder.boundary import (
    Cone,
    NullDistribution,
    chi_squared,
    null_distribution,
)
from mixedscope.inference.ladder.tangent import at_covariance


def cone(d: int, free: int = 0, rays: np.ndarray | None = None, blocks: tuple = ()) -> Cone:
    return Cone(np.eye(d)[:, :free], np.empty((d, 0)) if rays is None else rays, blocks)


def symmetric(m: int) -> np.ndarray:
    """An isometry from symmetric matrices (m, m)."""
    rows, cols = np.tril_indices(m)
    out = np.zeros((len(rows), m, m))
    for i, (a, b) in enumerate(zip(rows, cols, strict=True)):
        out[i, a, b] = out[i, b, a] = 1.0 if a == b else 1.0 / np.sqrt(2.0)
    return out


def test_plane_gives_chi_squared() -> None:
    found = null_distribution(cone(3), cone(3, 2))
    assert (found.dofs, found.weights) == ((2,), (1.0,))
    assert found.p_value(3.0)[0] == pytest.approx(chi2.sf(3.0, 2))


def test_one_variance_gives_halves_of_zero_and_one_degree() -> None:
    found = null_distribution(cone(1), cone(1, rays=np.eye(1)))
    assert (found.dofs, found.weights) == ((0, 1), (0.5, 0.5))
    # Self & Liang (1987), case 5: the 5 % point is the 10 % point of chi-squared.
    assert found.quantile(0.95) == pytest.approx(2.706, abs=5e-4)


def test_variance_with_its_covariance_has_the_quantile_of_stram_and_lee() -> None:
    found = null_distribution(cone(2), cone(2, 1, np.eye(2)[:, 1:]))
    assert (found.dofs, found.weights) == ((1, 2), (0.5, 0.5))
    assert found.quantile(0.95) == pytest.approx(5.14, abs=5e-3)


@pytest.mark.parametrize("angle", [0.4, 1.5708, 2.5])
def test_two_variances_have_weights_by_their_angle(angle: float) -> None:
    rays = np.array([[1.0, np.cos(angle)], [0.0, np.sin(angle)]])
    found = null_distribution(cone(2), cone(2, rays=rays))
    inside = angle / (2.0 * np.pi)
    np.testing.assert_allclose(found.weights, (0.5 - inside, 0.5, inside), atol=1e-9)


def test_orthogonal_variances_have_binomial_weights() -> None:
    found = null_distribution(cone(4), cone(4, rays=np.eye(4)))
    np.testing.assert_allclose(found.weights, np.array([1, 4, 6, 4, 1]) / 16.0, atol=0.02)
    exact = sum(w * chi2.sf(5.0, d) for d, w in zip(range(1, 5), np.array([4, 6, 4, 1]) / 16))
    value, error = found.p_value(5.0)
    assert abs(value - exact) < 4.0 * error + 1e-6


def test_scales_and_order_of_half_lines_do_not_matter() -> None:
    rays = np.random.default_rng(1).standard_normal((4, 3))
    one = null_distribution(cone(4), cone(4, rays=rays))
    two = null_distribution(cone(4), cone(4, rays=rays[:, ::-1] * [1e-4, 1.0, 300.0]))
    assert one.p_value(4.0)[0] == pytest.approx(two.p_value(4.0)[0], rel=0.03)


@pytest.mark.parametrize("m", [2, 3])
def test_covariance_matrix_is_projected_as_its_eigenvalues_say(m: int) -> None:
    blocks = (symmetric(m),)
    d = m * (m + 1) // 2
    points = np.random.default_rng(2).standard_normal((500, d))
    lengths, _ = cone(d, blocks=blocks).squared_lengths(points)
    matrices = np.einsum("nd,dij->nij", points, blocks[0])
    values = np.linalg.eigvalsh(matrices)
    np.testing.assert_allclose(lengths, (np.maximum(values, 0.0) ** 2).sum(axis=1), atol=1e-5)


def test_skewed_covariance_matrix_meets_the_conditions_of_a_projection() -> None:
    rng = np.random.default_rng(3)
    root = rng.standard_normal((3, 3)) + 2.0 * np.eye(3)
    blocks = (np.einsum("de,eij->dij", root, symmetric(2)),)
    points = rng.standard_normal((200, 3))
    lengths, _ = cone(3, blocks=blocks).squared_lengths(points)
    # No matrix of rank one comes closer.
    angles = np.linspace(0.0, np.pi, 400)
    vectors = np.stack([np.cos(angles), np.sin(angles)])
    images = np.einsum("dij,ik,jk->dk", blocks[0], vectors, vectors)
    images /= np.linalg.norm(images, axis=0)
    best = np.maximum(points @ images, 0.0).max(axis=1) ** 2
    assert (lengths >= best - 1e-4).all()
    assert (lengths <= (points**2).sum(axis=1) + 1e-9).all()


def test_zero_has_a_p_value_of_one() -> None:
    assert NullDistribution((0, 1), (0.5, 0.5), 1).p_value(0.0) == (1.0, 0.0)
    assert chi_squared(0).p_value(1.0)[0] == 0.0


def test_poorer_model_on_its_boundary_takes_its_own_length_away() -> None:
    half = cone(2, rays=np.eye(2)[:, :1])
    found = null_distribution(half, cone(2, rays=np.eye(2)))
    # Two independent half-lines, one of which both models have: what is left is the other.
    assert found.p_value(2.706)[0] == pytest.approx(0.05, abs=0.004)


def test_same_seed_gives_the_same_numbers() -> None:
    rays = np.random.default_rng(1).standard_normal((4, 3))
    one, two = (null_distribution(cone(4), cone(4, rays=rays), seed=4) for _ in range(2))
    assert one.p_value(3.0) == two.p_value(3.0)


@pytest.mark.parametrize(
    ("name", "settings", "covariance", "expected"),
    [
        ("full", {}, np.diag([1.0, 0.0, 0.0]), (3, 0, 2, True)),
        ("full", {}, np.ones((3, 3)), (3, 0, 2, True)),
        ("zerocorr", {}, np.diag([1.0, 0.0, 0.0]), (1, 2, 0, True)),
        ("homdiag", {}, np.zeros((3, 3)), (0, 1, 0, True)),
        ("homcs", {}, np.ones((3, 3)), (1, 1, 0, True)),
        ("homcs", {}, np.eye(3), (2, 0, 0, True)),
        ("ar1", {}, np.ones((3, 3)), (1, 1, 0, True)),
        ("cs", {}, np.diag([1.0, 2.0, 3.0]), (4, 0, 0, True)),
        ("cs", {}, np.diag([1.0, 0.0, 0.0]), (1, 0, 0, False)),
        ("rr", {"d": 1}, np.diag([1.0, 0.0, 0.0]), (3, 0, 0, True)),
        ("rr", {"d": 2}, np.diag([1.0, 0.0, 0.0]), (3, 1, 0, False)),
    ],
)
def test_structures_are_left_as_their_parameters_allow(
    name: str, settings: dict, covariance: np.ndarray, expected: tuple
) -> None:
    structure = make_structure(name, 3, settings)
    found = at_covariance(structure, covariance, np.ones(3))
    counts = (len(found.free), len(found.rays), found.null.shape[1], found.is_exact)
    assert counts == expected


def test_two_columns_are_unstructured_whatever_the_name() -> None:
    for name in ("full", "cs"):
        found = at_covariance(make_structure(name, 2), np.diag([1.0, 0.0]), np.ones(2))
        assert (len(found.free), found.null.shape[1], found.is_exact) == (2, 1, True)
