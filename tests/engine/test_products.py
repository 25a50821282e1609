"""Cross-products by level against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mixedscope.engine.basis import fixed_basis
from mixedscope.engine.products import CrossProducts, GroupColumns, cross_products

Floats = NDArray[np.float64]


def model(
    n: int, *, tail: int, sizes: tuple[int, ...], same: bool = False
) -> tuple[CrossProducts, Floats]:
    """Factors of 48, 12 and 3 levels, each nested in the next; also the tail (n, t)."""
    rng = np.random.default_rng(7)
    basis = fixed_basis(np.column_stack([np.ones(n), rng.normal(size=(n, tail - 2))]))
    y = rng.normal(size=n)
    y -= basis.q @ (basis.q.T @ y)
    y /= np.sqrt(y @ y / n)
    codes = np.concatenate([np.arange(48), rng.integers(0, 48, n - 48)])
    shared = rng.normal(size=(n, sizes[0]))
    factors = [
        GroupColumns(
            f"f{i}", 48 // 4**i, codes // 4**i, shared if same else rng.normal(size=(n, size))
        )
        for i, size in enumerate(sizes)
    ]
    return cross_products(tuple(factors), basis, y), np.column_stack([basis.q, y])


def sums(codes: NDArray[np.int64], left: Floats, right: Floats, q: int) -> Floats:
    out = np.zeros((q, left.shape[1], right.shape[1]))
    np.add.at(out, codes, left[:, :, None] * right[:, None, :])
    return out


@pytest.mark.parametrize("n", [200, 6000])
@pytest.mark.parametrize("tail", [3, 12])
@pytest.mark.parametrize(
    ("sizes", "same"), [((1,), False), ((2,), False), ((3,), False), ((1, 1, 1), True),
                        ((2, 2, 2), True), ((2, 1, 3), False), ((1, 2), False)]
)  # fmt: skip
def test_blocks_and_heads_are_sums_by_level(
    n: int, tail: int, sizes: tuple[int, ...], same: bool
) -> None:
    cross, columns = model(n, tail=tail, sizes=sizes, same=same)
    assert cross.pattern.chain == tuple(range(len(sizes)))
    for position, tier in enumerate(cross.tiers):
        factor = cross.factors[position]
        outer = [f.z for f in cross.factors[position + 1 :]]
        head = np.column_stack([*outer, columns])
        np.testing.assert_allclose(
            tier.d, sums(factor.codes, factor.z, factor.z, factor.n_levels), atol=1e-11
        )
        np.testing.assert_allclose(
            tier.u, sums(factor.codes, head, factor.z, factor.n_levels), atol=1e-11
        )


def test_levels_know_all_levels_that_contain_them() -> None:
    cross, _ = model(500, tail=3, sizes=(1, 1, 1))
    levels = np.arange(48)
    first, second = cross.pattern.tiers[0].parents
    assert first.tolist() == (levels // 4).tolist()
    assert second.tolist() == (levels // 16).tolist()


def test_the_tail_is_orthonormal_beside_a_rest_too() -> None:
    n = 400
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(n), rng.normal(5.0, 1.0, n)])
    basis = fixed_basis(x)
    y = rng.normal(size=n)
    y -= basis.q @ (basis.q.T @ y)
    crossed = [GroupColumns(f, 10, rng.integers(0, 10, n), rng.normal(size=(n, 2))) for f in "ab"]
    cross = cross_products(tuple(crossed), basis, y)
    tail = np.column_stack([basis.q, y])
    assert cross.pattern.n_rest == 20
    np.testing.assert_allclose(np.triu(cross.rest[20:, 20:]), np.triu(tail.T @ tail), atol=1e-11)
    inner = crossed[cross.pattern.rest_factors[0]]
    rows = np.zeros((n, 20))
    for c in range(2):
        rows[np.arange(n), 2 * inner.codes + c] = inner.z[:, c]
    np.testing.assert_allclose(np.triu(cross.rest[:20, :20]), np.triu(rows.T @ rows), atol=1e-11)
    np.testing.assert_allclose(cross.rest[:20, 20:], rows.T @ tail, atol=1e-11)


def test_a_known_pattern_gives_the_same_products() -> None:
    rng = np.random.default_rng(3)
    basis, y = fixed_basis(np.ones((300, 1))), rng.normal(size=300)
    y -= y.mean()
    codes = np.arange(300) % 24
    factors = tuple(
        GroupColumns(str(i), int(c.max()) + 1, c, rng.normal(size=(300, 2)))
        for i, c in enumerate([codes // 3, rng.integers(0, 9, 300), codes])
    )
    fresh = cross_products(factors, basis, y)
    assert fresh.pattern.n_rest == 18
    assert len(fresh.tiers) == 2
    known = cross_products(factors, basis, y, fresh.pattern)
    assert known.pattern is fresh.pattern
    np.testing.assert_array_equal(known.rest, fresh.rest)
    for own, other in zip(known.tiers, fresh.tiers, strict=True):
        for part in "duw":
            np.testing.assert_array_equal(getattr(own, part), getattr(other, part))
