"""Cross-products formed again, with other weights and another response, against new models."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mixedscope.design.design import Design, RandomDesign, TermPart
from mixedscope.engine import blocked
from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.objective import ProfiledSystem
from mixedscope.engine.products import WorkingProducts, cross_products

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHORT, LONG = 240, 6000  # the longer ones are added up by another kernel


def effects(group: str, codes: Ints, z: Floats, structure: str = "full") -> RandomDesign:
    return RandomDesign(
        group=group,
        levels=tuple(str(i) for i in range(codes.max() + 1)),
        codes=np.asarray(codes, dtype=np.int64),
        Z=z,
        names=tuple(f"z{j}" for j in range(z.shape[1])),
        parts=(TermPart(tuple(range(z.shape[1])), structure, {}),),
    )


def single(n: int, rng: np.random.Generator, size: int) -> tuple[RandomDesign, ...]:
    return (effects("g", np.arange(n) % 24, columns(n, rng, size)),)


def columns(n: int, rng: np.random.Generator, size: int) -> Floats:
    return np.column_stack([np.ones(n), rng.normal(size=(n, size - 1))])


def nested(n: int, rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[RandomDesign, ...]:
    inner = np.arange(n) % 24
    return tuple(
        effects(f"g{i}", inner // 3**i, columns(n, rng, size)) for i, size in enumerate(sizes)
    )


def same_columns(n: int, rng: np.random.Generator) -> tuple[RandomDesign, ...]:
    z = columns(n, rng, 2)
    return tuple(effects(f"g{i}", np.arange(n) % 24 // 3**i, z) for i in range(3))


def crossed(n: int, rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[RandomDesign, ...]:
    codes = [np.arange(n) // 2 % 60, rng.permutation(np.arange(n) % 9), rng.integers(0, 4, n)]
    return tuple(
        effects(f"h{i}", c, columns(n, rng, k))
        for i, (c, k) in enumerate(zip(codes, sizes, strict=False))
    )


def nested_and_crossed(n: int, rng: np.random.Generator) -> tuple[RandomDesign, ...]:
    return (*nested(n, rng, (2, 1)), effects("h", rng.integers(0, 7, n), columns(n, rng, 2)))


CASES: dict[str, Callable[[int, np.random.Generator], tuple[RandomDesign, ...]]] = {
    "intercepts": lambda n, rng: single(n, rng, 1),
    "slopes": lambda n, rng: single(n, rng, 2),
    "three columns": lambda n, rng: single(n, rng, 3),
    "diagonal": lambda n, rng: (effects("g", np.arange(n) % 24, columns(n, rng, 3), "diag"),),
    "compound symmetry": lambda n, rng: (
        effects("g", np.arange(n) % 24, columns(n, rng, 3), "cs"),
    ),
    "nested": lambda n, rng: nested(n, rng, (2, 3, 1)),
    "nested with the same columns": same_columns,
    "crossed intercepts": lambda n, rng: crossed(n, rng, (1, 1, 1)),
    "crossed slopes": lambda n, rng: crossed(n, rng, (2, 1)),
    "nested and crossed": nested_and_crossed,
}


def build(name: str, n: int, *, weighted: bool, centre: float = 3.0) -> Design:
    rng = np.random.default_rng(len(name))
    x = np.column_stack([np.ones(n), rng.normal(2.0, 1.0, n)])
    random = CASES[name](n, rng)
    shift = sum(rng.normal(size=len(r.levels))[r.codes] for r in random)
    return Design(
        formula="y ~ x", response="y", structure="full",
        y=centre + x[:, 1] + shift + rng.normal(size=n),
        X=x, x_names=("(Intercept)", "x"),
        weights=rng.uniform(0.2, 3.0, n) if weighted else None,
        random=random, rows=np.arange(n), n_dropped=0, n_zero_weight=0,
    )  # fmt: skip


def told_again(design: Design) -> tuple[ProfiledSystem, BlockedSystem, Design]:
    """A system, that system formed again, and the design of which it then is the system."""
    rng = np.random.default_rng(11)
    system = ProfiledSystem(design)
    again = BlockedSystem(WorkingProducts.of(system.cross, system.basis))
    weights, response = rng.uniform(0.1, 4.0, system.n), design.y + rng.normal(size=system.n)
    again.reform(rng.uniform(0.5, 2.0, system.n), rng.normal(size=system.n))  # leaves nothing
    again.reform(weights, response * system.root_weights)
    prior = 1.0 if design.weights is None else design.weights
    return system, again, replace(design, y=response, weights=weights * prior)


def in_data_units(
    system: ProfiledSystem, solved: BlockedSystem, theta: Floats, *, reml: bool, scaled: bool
) -> dict[str, Floats]:
    """What a factorisation says at theta, free of the units it was made in."""
    factors = system.standard_factors(theta)
    solution = solved.solve(factors)
    unit = system.y_scale if scaled else 1.0
    modes = [t.data_modes(b) * unit for t, b in zip(system.terms, solved.modes(), strict=True)]
    degrees = system.n - (len(system.basis.kept) if reml else 0)
    slopes = solved.derivatives(factors, solution, degrees, reml=reml)
    solution = solved.solve(factors)
    root = np.linalg.solve(solved.fixed_factor(), system.r_inverse.T)
    covariances = solved.conditional_covariances()
    return {
        "log_det": np.array(solution.log_det),
        "log_det_fixed": np.array(solution.log_det_fixed + system.basis.log_det),
        "pwrss": np.array(solution.pwrss * unit**2),
        "penalty": np.array(solution.penalty * unit**2),
        "beta": system.beta(solution.beta) if scaled else system.r_inverse @ solution.beta,
        "beta covariance": root.T @ root,
        "modes": np.concatenate([b.ravel() for b in modes]),
        "gradient": np.concatenate(
            [t.pullback(theta[t.theta], s) for t, s in zip(system.terms, slopes, strict=True)]
        ),
        "covariances": np.concatenate(
            [t.data_covariances(c).ravel() for t, c in zip(system.terms, covariances, strict=True)]
        ),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [SHORT, LONG])
@pytest.mark.parametrize("name", CASES)
def test_a_system_formed_again_is_that_of_a_new_model(name: str, n: int, weighted: bool) -> None:
    system, again, design = told_again(build(name, n, weighted=weighted))
    new = ProfiledSystem(design)
    rng = np.random.default_rng(2)
    start = np.concatenate([t.start for t in new.terms])
    for theta in (start, rng.normal(size=len(start))):
        for reml in (False, True):
            ours = in_data_units(system, again, theta, reml=reml, scaled=False)
            theirs = in_data_units(new, new.blocked, theta, reml=reml, scaled=True)
            for what, value in theirs.items():
                size = np.abs(value).max()
                np.testing.assert_allclose(
                    ours[what], value, rtol=0.0, atol=1e-9 * max(size, 1.0), err_msg=what
                )


@pytest.mark.parametrize("whole", [0, 10_000])
@pytest.mark.parametrize("name", CASES)
def test_every_way_to_factorise_is_formed_again(
    name: str, whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocked, "WHOLE", whole)
    monkeypatch.setattr(blocked, "SMALL", 0 if whole == 0 else blocked.SMALL)
    system, again, design = told_again(build(name, SHORT, weighted=True))
    new = ProfiledSystem(design)
    theta = np.concatenate([0.7 * t.start for t in new.terms])
    ours = in_data_units(system, again, theta, reml=True, scaled=False)
    theirs = in_data_units(new, new.blocked, theta, reml=True, scaled=True)
    for what, value in theirs.items():
        size = max(np.abs(value).max(), 1.0)
        np.testing.assert_allclose(ours[what], value, rtol=0.0, atol=1e-9 * size, err_msg=what)


@pytest.mark.parametrize("n", [SHORT, LONG])
@pytest.mark.parametrize("name", CASES)
def test_products_formed_again_are_those_of_weighted_columns(name: str, n: int) -> None:
    design = build(name, n, weighted=False)
    system = ProfiledSystem(design)
    rng = np.random.default_rng(5)
    weights, response = rng.uniform(0.0, 3.0, n), rng.normal(size=n)
    weights[system.factors[0].codes == 0] = 0.0  # nothing is left of a level
    working = WorkingProducts.of(system.cross, system.basis)
    working.reform(weights, response)
    root = np.sqrt(weights)
    sharing: dict[int, Floats] = {}
    factors = tuple(
        replace(f, z=sharing.setdefault(id(f.z), f.z * root[:, None])) for f in system.factors
    )
    basis = replace(system.basis, q=system.basis.q * root[:, None])
    fresh = cross_products(factors, basis, response * root)
    # Sums of n products of numbers of size 1, in one order or another.
    for own, other in zip(working.tiers, fresh.tiers, strict=True):
        for part in "duw":
            np.testing.assert_allclose(getattr(own, part), getattr(other, part), atol=1e-12 * n)
    n_rest = system.cross.pattern.n_rest
    np.testing.assert_allclose(working.rest[:n_rest], fresh.rest[:n_rest], atol=1e-12 * n)
    tail = np.column_stack([system.basis.q, response])
    products = np.triu((tail.T * weights) @ tail)
    np.testing.assert_allclose(working.rest[n_rest:, n_rest:], products, atol=1e-12 * n)
    # Responses exchanged afterwards are not taken for orthogonal to the basis.
    others = rng.normal(size=(n, 2))
    more = working.with_response(others)
    np.testing.assert_allclose(
        more.rest[n_rest:-2, -2:], (system.basis.q * root[:, None]).T @ others, atol=1e-12 * n
    )


@pytest.mark.parametrize("name", CASES)
def test_neither_the_pattern_nor_the_first_products_are_touched(name: str) -> None:
    system = ProfiledSystem(build(name, SHORT, weighted=True))
    before = deepcopy(system.cross)
    again = BlockedSystem(WorkingProducts.of(system.cross, system.basis))
    again.reform(np.full(system.n, 2.0), np.ones(system.n))
    assert again.pattern is system.cross.pattern
    assert repr(again.pattern) == repr(before.pattern)
    for now, then in zip(again.pattern.tiers, before.pattern.tiers, strict=True):
        for part, value in then._asdict().items():
            np.testing.assert_equal(getattr(now, part), value)
    for own, other in zip(system.cross.tiers, before.tiers, strict=True):
        for part in "duw":
            np.testing.assert_array_equal(getattr(own, part), getattr(other, part))
    np.testing.assert_array_equal(system.cross.rest, before.rest)
    for own, other in zip(system.factors, before.factors, strict=True):
        np.testing.assert_array_equal(own.z, other.z)


@pytest.mark.parametrize("wrong", [-1e-300, np.nan, np.inf])
def test_weights_that_are_none_are_refused(wrong: float) -> None:
    system = ProfiledSystem(build("slopes", SHORT, weighted=False))
    again = BlockedSystem(WorkingProducts.of(system.cross, system.basis))
    weights = np.ones(system.n)
    weights[17] = wrong
    with pytest.raises(FloatingPointError, match="finite and not negative"):
        again.reform(weights, system.response)


def test_only_working_products_are_formed_again() -> None:
    system = ProfiledSystem(build("slopes", SHORT, weighted=False))
    with pytest.raises(TypeError, match="WorkingProducts"):
        system.blocked.reform(np.ones(system.n), system.response)


@pytest.mark.parametrize("name", CASES)
def test_rows_without_weight_are_as_good_as_not_there(name: str) -> None:
    design = build(name, SHORT, weighted=False)
    system = ProfiledSystem(design)
    again = BlockedSystem(WorkingProducts.of(system.cross, system.basis))
    there = np.arange(SHORT) % 5 != 0
    again.reform(np.where(there, 1.7, 0.0), system.response)
    few = replace(
        design, y=design.y[there], X=design.X[there], weights=np.full(there.sum(), 1.7),
        random=tuple(replace(r, codes=r.codes[there], Z=r.Z[there]) for r in design.random),
        rows=design.rows[there],
    )  # fmt: skip
    new = ProfiledSystem(few)
    theta = np.concatenate([0.7 * t.start for t in system.terms])
    ours = again.solve(system.standard_factors(theta))
    theirs = new.blocked.solve(new.standard_factors(theta))
    assert ours.log_det == pytest.approx(theirs.log_det, rel=1e-9)
    assert ours.pwrss * system.y_scale**2 == pytest.approx(theirs.pwrss * new.y_scale**2, rel=1e-9)
    np.testing.assert_allclose(system.beta(ours.beta), new.beta(theirs.beta), rtol=1e-8, atol=1e-8)
