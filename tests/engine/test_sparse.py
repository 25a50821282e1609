"""The sparse factorisation gives what the dense one gives, and dense algebra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sparse_cases import GRAPHS, VECTORS, frame_of, worker_firm
from test_interpreter import way

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.engine import blocked, memory, solvers
from mixedscope.engine.deletion import Deletion
from mixedscope.engine.marginal import MarginalCovariances, error_variances
from mixedscope.engine.observations import observations
from mixedscope.engine.search import starting
from mixedscope.engine.search.scoring import is_scorable, log_information
from mixedscope.engine.sparse import graph, panels
from mixedscope.engine.sparse.system import SparseSystem

RANDOM = {
    name: (name, " + ".join(f"(1 | {one})" for one in GRAPHS[name](np.random.default_rng(1))))
    for name in GRAPHS
} | VECTORS


def models(name, *, weighted=False, monkeypatch=None, longer=graph._LONGER):
    """The same model, solved as a sparse matrix and as blocks with a dense rest.

    With as many panels as there can be, or with none where as usual a part is dense.
    """
    own, random = RANDOM[name]
    if monkeypatch is not None:
        monkeypatch.setattr(graph, "_LONGER", longer)
        monkeypatch.setattr(graph, "_PANEL", np.inf if longer == graph._LONGER else 300.0)
        monkeypatch.setattr(panels, "_PIECE", 3)
        monkeypatch.setattr(blocked, "WHOLE", 0)
        monkeypatch.setattr(blocked, "SMALL", 0)
    more = {"weights": "w"} if weighted else {}
    frame = frame_of(own)
    return [
        ms.LinearMixedModel(f"y ~ x + z + {random}", frame, solver=solver, **more)
        for solver in ("sparse", "exact")
    ]


def thetas(objective):
    rng = np.random.default_rng(7)
    usual = objective.start * rng.uniform(0.3, 1.6, size=len(objective.start))
    return [usual, np.where(np.arange(len(usual)) == len(usual) - 1, 0.0, usual)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("longer", [1e9, 4.0, 0.0], ids=["dense", "some", "sparse"])
@pytest.mark.parametrize("reml", [False, True], ids=["ML", "REML"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", RANDOM)
def test_it_agrees_with_the_dense_factorisation(name, weighted, reml, longer, monkeypatch):
    agrees(name, weighted, reml, longer, monkeypatch)


@pytest.mark.parametrize("name", RANDOM)
def test_it_agrees_in_one_way_of_each_graph(name, monkeypatch):
    """Each of the ways with some of them: weights, criterion, and how much is dense."""
    i = list(RANDOM).index(name)
    agrees(name, i % 2 == 0, i % 3 > 0, [0.0, 4.0, 1e9][i % 4 % 3], monkeypatch)


def agrees(name, weighted, reml, longer, monkeypatch):
    """Objective, gradient and all that follows, at two points."""
    sparse, dense = (
        m.profiled(reml=reml)
        for m in models(name, weighted=weighted, monkeypatch=monkeypatch, longer=longer)
    )
    assert isinstance(sparse.system.blocked, SparseSystem)
    assert not isinstance(dense.system.blocked, SparseSystem)
    for theta in thetas(dense):
        ours, gradient = sparse.evaluate_gradient(theta)
        theirs, expected = dense.evaluate_gradient(theta)
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-12)
        for part in ("sigma", "log_det", "residual_ss", "penalty"):
            assert getattr(ours, part) == pytest.approx(getattr(theirs, part), rel=1e-10)
        np.testing.assert_allclose(ours.beta, theirs.beta, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(
            gradient, expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max())
        )
        for system in (sparse.system, dense.system):
            system.solve([f.copy() for f in sparse.factors(theta)])
        for one, other in zip(sparse.system.modes(), dense.system.modes(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-10)
        np.testing.assert_allclose(
            sparse.system.beta_covariance(ours.sigma),
            dense.system.beta_covariance(ours.sigma),
            rtol=1e-9, atol=1e-14,
        )  # fmt: skip
        covariances = [o.system.conditional_covariances(ours.sigma) for o in (sparse, dense)]
        for one, other in zip(*covariances, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["firms", "three vectors", "structures"])
def test_it_agrees_with_dense_algebra(name, monkeypatch):
    model, _ = models(name, weighted=True, monkeypatch=monkeypatch)
    objective = model.profiled(reml=True)
    theta = thetas(objective)[0]
    found = objective.evaluate(theta)
    design = model.design
    n, p = design.X.shape
    v = np.diag(1.0 / design.weights)
    for term in objective.system.terms:
        root = term.factor(theta[term.theta])
        half = term.design.Z @ root
        same = term.design.codes[:, None] == term.design.codes
        v += same * (half @ half.T)
    inverse = np.linalg.inv(v)
    inner = design.X.T @ inverse @ design.X
    beta = np.linalg.solve(inner, design.X.T @ inverse @ design.y)
    residual = design.y - design.X @ beta
    square = residual @ inverse @ residual
    expected = (
        np.linalg.slogdet(v)[1]
        + np.linalg.slogdet(inner)[1]
        + (n - p) * (1.0 + np.log(2.0 * np.pi * square / (n - p)))
    )
    assert found.objective == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(found.beta, beta, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "longer"),
    [("firms", 4.0), ("three", 1e9), ("three vectors", 4.0), ("alike", 0.0), ("parts", 0.0)],
)
def test_what_observations_and_other_rows_have_agrees(name, longer, monkeypatch):
    pair = [
        m.profiled() for m in models(name, weighted=True, monkeypatch=monkeypatch, longer=longer)
    ]
    theta = thetas(pair[0])[0]
    rng = np.random.default_rng(3)
    found = []
    for objective in pair:
        system = objective.system
        factors = [f.copy() for f in objective.factors(theta)]
        own = observations(system, factors)
        rng = np.random.default_rng(3)
        m = 60
        x = rng.normal(size=(m, system.n_fixed))
        # Levels that never met, and levels that are not there.
        rows = [
            (rng.integers(-1, len(t.design.levels), m), rng.normal(size=(m, t.size)))
            for t in system.terms
        ]
        rows = [(codes, z * (codes >= 0)[:, None]) for codes, z in rows]
        errors = error_variances(system, factors, x, rows)
        marginal = MarginalCovariances(system).at(factors)
        found.append([*own, errors, *marginal])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["firms", "nested", "three vectors", "structures", "one"])
def test_starts_agree(name, monkeypatch):
    sparse, dense = (m.profiled() for m in models(name, weighted=True, monkeypatch=monkeypatch))
    np.testing.assert_allclose(sparse.moment_start(), dense.moment_start(), rtol=1e-8, atol=1e-10)
    theta = thetas(dense)[0]
    np.testing.assert_allclose(
        starting.average_information(sparse, theta),
        starting.average_information(dense, theta),
        rtol=1e-7, atol=1e-8,
    )  # fmt: skip


@pytest.mark.parametrize("reml", [False, True], ids=["ML", "REML"])
@pytest.mark.parametrize("name", ["firms", "three"])
def test_information_is_that_of_the_dense_factorisation(name, reml, monkeypatch):
    objective = models(name, monkeypatch=monkeypatch)[0].profiled(reml=reml)
    assert is_scorable(objective.system.blocked)
    theta = np.abs(thetas(objective)[0])
    factors = [f.copy() for f in objective.factors(theta)]
    solution = objective.system.solve(factors)
    found = log_information(objective.system.blocked, factors, solution, objective.degrees)
    expected = starting.average_information(objective, theta) * np.outer(theta, theta)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["firms", "three vectors"])
def test_rows_are_left_out_and_other_responses_solved(name, monkeypatch):
    pair = [m.profiled() for m in models(name, weighted=True, monkeypatch=monkeypatch)]
    theta = thetas(pair[0])[0]
    found = []
    for objective in pair:
        deletion = Deletion(objective)
        values = []
        for rows in (np.arange(5), np.array([7, 100, 250])):
            left, gradient = deletion.without(rows).evaluate_gradient(theta)
            values += [left.objective, *left.beta, *gradient]
        other = objective.system.with_response(objective.system.design.y[::-1].copy())
        solution = other.solve(objective.factors(theta))
        found.append([*values, *solution[:4], *solution.beta, *other.modes()[0].ravel()])
    np.testing.assert_allclose(*found, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["firms", "vector and number"])
def test_fits_end_at_the_same_optimum(name):
    fits = [m.fit(reml=True) for m in models(name)]
    sparse, dense = fits
    assert sparse.objective == pytest.approx(dense.objective, abs=1e-7)
    assert sparse.certificate["verdict"] == dense.certificate["verdict"]
    assert "one sparse Cholesky factor" in str(sparse.model.blocks())
    assert sparse.model.specification().solver == "sparse"


def test_what_is_not_positive_definite_is_said(monkeypatch):
    model, _ = models("firms", monkeypatch=monkeypatch)
    with pytest.raises(FloatingPointError):
        model.system.solve([np.array([[np.nan]]), np.array([[1.0]])])


def design_of(codes, solver="auto"):
    frame = frame_of("one")
    design = ms.LinearMixedModel("y ~ x + (1 | g)", frame).design
    n = len(codes[0])
    rng = np.random.default_rng(5)
    random = tuple(
        replace(
            design.random[0], group=f"g{f}", codes=own, Z=np.ones((n, 1)),
            levels=tuple(map(str, range(own.max() + 1))),
        )
        for f, own in enumerate(codes)
    )  # fmt: skip
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    return replace(
        design, y=rng.normal(size=n), X=x, rows=np.arange(n), random=random, solver=solver
    )


def system_of(codes):
    return ms.engine.system.ProfiledSystem(design_of(codes))


def test_the_sparse_factor_is_chosen_where_it_has_few_entries():
    """A thousand firms and more with few movers; films that everybody sees; few firms."""
    rng = np.random.default_rng(4)
    worker, firm = worker_firm(4000, 1200, 3, rng, moves=0.05)
    cases = {
        "firms": ([worker, np.unique(firm, return_inverse=True)[1]], True),
        "films": ([rng.integers(0, 1500, 30000), rng.integers(0, 1100, 30000)], False),
        "few": ([worker, np.unique(firm // 4, return_inverse=True)[1]], False),
    }
    for name, (codes, is_sparse) in cases.items():
        system = system_of(codes)
        assert isinstance(system.blocked, SparseSystem) is is_sparse, name
        words = str(ms.engine.blocks.describe_blocks(system))
        assert ("one sparse Cholesky factor" in words) is is_sparse
        assert ("of the entries of a dense factor" in words) is (name == "firms")
        assert ("a sparse factor would have at least" in words) is (name == "films")


def test_names_of_solvers_are_known():
    with pytest.raises(ModelError, match="did you mean 'sparse'|Did you mean 'sparse'"):
        ms.LinearMixedModel("y ~ x + (1 | g)", frame_of("one"), solver="spars")
    assert set(solvers._MADE) == set(ms.core.vocabulary.SOLVERS)


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "_LITTLE", 0)
    monkeypatch.setattr(memory, "_memory_of_this_machine", lambda: 1000)
    with pytest.raises(ModelError, match="as a sparse matrix, and there .* let solver='it"):
        ms.LinearMixedModel("y ~ x + (1 | g) + (1 | h)", frame_of("firms"), solver="sparse")


def test_bytes_are_those_of_the_arrays(monkeypatch):
    model, _ = models("firms", monkeypatch=monkeypatch, longer=0.0)
    system = model.system.blocked
    theta = thetas(model.profiled())[0]
    model.profiled().evaluate_gradient(theta)
    cross, pattern = system.cross, system.cross.pattern
    held = [cross.gx, cross.border, *(a for pair in cross.levels for a in pair)]
    held += [*system._inverse, system._lx, system._pivot, system._w, system._s]
    held += [system._spherical, system._coefficient, pattern.li, pattern.lp, pattern.rel]
    held += [pattern.gv, pattern.at, pattern.panel]
    e = pattern.elimination
    held += [e.order, e.factor, e.first, e.gp, e.gi, e.ptr, e.idx]
    held += [e.parent, e.nodes, e.rows, e.last]
    needed = memory.sparse_bytes(e, cross.n_tail)
    assert needed == pytest.approx(sum(a.nbytes for a in held), rel=0.02)


def test_it_is_chosen_where_there_is_no_room_for_the_dense_one(monkeypatch):
    """Where it saves too little to be chosen for its speed."""
    worker, firm = worker_firm(300, 60, 6, np.random.default_rng(4), moves=0.4)
    codes = [worker, np.unique(firm, return_inverse=True)[1]]
    monkeypatch.setattr(solvers, "_LEAST", 10)
    monkeypatch.setattr(solvers, "_SPARSE", 0.0)
    assert not isinstance(system_of(codes).blocked, SparseSystem)
    needed = memory.bytes_needed(system_of(codes).cross.pattern, 3)
    monkeypatch.setattr(memory, "_LITTLE", 0)
    monkeypatch.setattr(memory, "_memory_of_this_machine", lambda: needed - 1)
    monkeypatch.setattr(memory, "sparse_bytes", lambda *_: 0)
    monkeypatch.setattr(solvers, "_FULL_WITHOUT_ROOM", 1.1)
    system = system_of(codes)
    assert isinstance(system.blocked, SparseSystem)
    assert "for which there is no memory" in system.why_solver


@pytest.mark.parametrize("name", ["vector and number", "parts"])
def test_python_and_compiled_code_give_the_same_bits(name, monkeypatch):
    objective = models(name, weighted=True)[0].profiled(reml=True)
    theta = thetas(objective)[0]
    found = []
    for python in (True, False):
        way(monkeypatch, python=python)
        system = models(name, weighted=True)[0].system
        objective = ms.engine.search.searchable.SearchableObjective(system, reml=True)
        evaluation, gradient = objective.evaluate_gradient(theta)
        factors = [f.copy() for f in objective.factors(theta)]
        solution = system.solve(factors)
        numbers = [*evaluation.beta, *gradient, *solution[:4]]
        own = observations(system, factors)
        rows = [(t.design.codes, t.design.Z) for t in system.terms]
        numbers += [*own.leverage, *error_variances(system, factors, system.fixed_columns, rows)]
        found.append(np.array(numbers).tobytes())
    assert found[0] == found[1]


def test_large_random_effects_are_solved_with_twice_the_digits():
    frame = frame_of("firms")
    level = np.random.default_rng(1).normal(size=200)
    frame["y"] = 1e5 * level[frame["g"].astype(int)] + frame["z"]
    sparse, dense = (
        ms.LinearMixedModel("y ~ x + (1 | g) + (1 | h)", frame, solver=solver).profiled()
        for solver in ("sparse", "exact")
    )
    theta = np.array([8e4, 0.3])
    assert sparse.evaluate(theta).objective == pytest.approx(
        dense.evaluate(theta).objective, abs=1e-9
    )
