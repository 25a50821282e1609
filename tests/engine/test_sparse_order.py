"""Orders of elimination, panels of columns, and what a factorisation will take."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sparse_cases import GRAPHS
from test_interpreter import way
from test_sparse import design_of, thetas

import mixedscope as ms
from mixedscope.engine import blocks, lapack, solvers
from mixedscope.engine.sparse import graph
from mixedscope.engine.sparse.system import SparseSystem


def sets_of(name, seed=1):
    """Which levels of the second factor each level of the first has met."""
    if name == "random":
        rng = np.random.default_rng(seed)
        own = [rng.choice(70, size=rng.integers(1, 5), replace=False) for _ in range(90)]
        g, h = np.repeat(np.arange(90), [len(one) for one in own]), np.concatenate(own)
    else:
        codes = GRAPHS[name](np.random.default_rng(seed))
        g, h = codes["g"], codes["h"]
    return csr_array((np.ones(len(g)), (g, h)), shape=(g.max() + 1, h.max() + 1))


def neighbours(sets):
    """Other levels that share a set with each, as sets."""
    joined = (sets.T @ sets).toarray() > 0
    return [set(np.flatnonzero(row)) - {i} for i, row in enumerate(joined)]


def entries(near, choose):
    """Entries of the factor, nodes being eliminated one by one as `choose` says."""
    near = [set(own) for own in near]
    left, total = set(range(len(near))), 0
    while left:
        node = choose(left, near)
        left.discard(node)
        total += len(near[node])
        for other in near[node]:
            near[other] |= near[node]
            near[other] -= {node, other}
    return total


@pytest.mark.parametrize("name", ["random", "firms", "movers", "band", "parts", "grid", "star"])
def test_few_entries_are_filled_in(name):
    """Not many more than if the node of least degree is sought anew each time."""
    sets = sets_of(name)
    place = graph._minimum_degree(sets)
    assert sorted(place) == list(range(sets.shape[1]))
    near = neighbours(sets)
    ours = entries(near, lambda left, _: min(left, key=place.__getitem__))
    least = entries(near, lambda left, now: min(left, key=lambda i: (len(now[i]), i)))
    assert ours <= 1.15 * least + 5


def test_compiled_and_interpreted_orders_are_the_same(monkeypatch):
    found = []
    for python in (True, False):
        way(monkeypatch, python=python)
        found.append(graph._minimum_degree(sets_of("random")).tolist())
    assert found[0] == found[1]


def test_who_has_met_everybody_comes_last():
    place = graph._minimum_degree(sets_of("star"))
    assert place[140] == 140


def test_who_has_met_few_in_many_ways_has_a_place():
    """Levels of a band, in no order, each in hundreds of sets of three of its few neighbours."""
    rng = np.random.default_rng(8)
    begin = rng.integers(0, 280, 24_000)
    own = np.sort(begin[:, None] + rng.integers(0, 20, (24_000, 3)), axis=1)
    name = rng.permutation(300)
    rows = np.repeat(np.arange(24_000), 3)
    sets = csr_array((np.ones(72_000), (rows, name[own].ravel())), shape=(24_000, 300))
    sets.sum_duplicates()
    assert np.bincount(np.unique(own, axis=0).ravel()).max() > 10 * np.sqrt(300)
    place = graph._minimum_degree(sets)
    filled = entries(neighbours(sets), lambda left, _: min(left, key=place.__getitem__))
    assert filled <= 1.5 * 300 * 19


def test_levels_without_company_have_a_place():
    sets = csr_array((np.ones(3), ([0, 1, 2], [0, 2, 4])), shape=(3, 6))
    assert sorted(graph._minimum_degree(sets)) == list(range(6))


def communities(rng, parts=12, size=40, workers=1500):
    """Workers who mostly stay among the firms of one part: long columns of like rows."""
    part = rng.integers(0, parts, workers)
    firm = part[:, None] * size + rng.integers(0, size, (workers, 4))
    away = rng.random(firm.shape) < 0.01
    firm = np.where(away, rng.integers(0, parts * size, firm.shape), firm)
    return [
        np.repeat(np.arange(workers), 4),
        np.unique(firm.ravel(), return_inverse=True)[1],
    ]


def lattice(rng, side=30):
    at = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [
            np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()]),
            np.column_stack([at[:-1].ravel(), at[1:].ravel()]),
        ]
    )
    return [np.repeat(np.arange(len(pairs)), 2), pairs.ravel()]


@pytest.mark.parametrize("codes", [communities, lattice])
def test_panels_change_nothing_but_rounding(codes, monkeypatch):
    """Beside columns one by one; nor do two threads change a bit."""
    given = codes(np.random.default_rng(6))
    found = {}
    cases = {"panels": (2e4, 1), "two threads": (2e4, 2), "none": (np.inf, 1)}
    for name, (panel, threads) in cases.items():
        monkeypatch.setattr(graph, "_PANEL", panel)
        monkeypatch.setattr(graph, "_LONGER", 0.5)
        lapack.set_threads(threads)
        try:
            system = ms.engine.system.ProfiledSystem(design_of(given, "sparse"))
            objective = ms.engine.search.searchable.SearchableObjective(system, reml=True)
            evaluation, gradient = objective.evaluate_gradient(thetas(objective)[0])
            system.solve([np.array([[0.5]]), np.array([[0.8]])])
            covariances = np.concatenate([c.ravel() for c in system.conditional_covariances(1.0)])
        finally:
            lapack.set_threads(1)
        e = system.cross.pattern.elimination
        assert (len(e.panels) > 3) is (panel < np.inf)
        found[name] = np.concatenate([[evaluation.objective], gradient, covariances])
    np.testing.assert_allclose(found["panels"], found["none"], rtol=1e-10, atol=1e-10)
    assert found["panels"].tobytes() == found["two threads"].tobytes()


def test_panels_are_columns_with_the_rows_of_the_last(monkeypatch):
    monkeypatch.setattr(graph, "_PANEL", 2e4)
    system = ms.engine.system.ProfiledSystem(
        design_of(communities(np.random.default_rng(6)), "sparse")
    )
    pattern = system.cross.pattern
    lists = np.split(pattern.li, pattern.lp[1:-1])
    for begin, end in pattern.elimination.panels:
        for j in range(begin, end):
            assert lists[j].tolist() == [*range(j + 1, end), *lists[end - 1]]
            assert pattern.panel[j] == end
    # Rows of a column are rows of the column of the first of them, all the way up.
    for rows in lists:
        if len(rows) and rows[0] < len(lists):
            assert set(rows[1:]) <= set(lists[rows[0]])


def test_what_takes_long_is_said_with_another_way(monkeypatch):
    """In seconds of this machine; small models are told no time."""
    codes = communities(np.random.default_rng(6))
    system = ms.engine.system.ProfiledSystem(design_of(codes, "sparse"))
    assert "an evaluation" not in str(blocks.describe_blocks(system))
    monkeypatch.setattr(blocks, "_QUICK", 0.0)
    monkeypatch.setattr(blocks, "_LONG", 0.0)
    for solver in ("sparse", "exact"):
        system = ms.engine.system.ProfiledSystem(design_of(codes, solver))
        words = str(blocks.describe_blocks(system))
        assert "an evaluation at the present speed of this machine; solver='iterative'" in words


def test_the_choice_is_by_time(monkeypatch):
    """Half of the time of the dense factor, or more, is no reason to be sparse."""
    codes = communities(np.random.default_rng(6))
    monkeypatch.setattr(solvers, "_LEAST", 10)
    for least, is_sparse in ((1.0, True), (0.0, False)):
        monkeypatch.setattr(solvers, "_SPARSE", least)
        system = ms.engine.system.ProfiledSystem(design_of(codes))
        assert isinstance(system.blocked, SparseSystem) is is_sparse
