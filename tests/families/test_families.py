"""Families: values against scipy's distributions, derivatives against differences, far tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from mixedscope.core.errors import DataError, ModelError
from mixedscope.families.family import Family, Response
from mixedscope.families.registry import FAMILIES, make_family

COMBINATIONS = [(name, link) for name, kind in FAMILIES.items() for link in kind.links]


def made(name: str, link: str) -> tuple[Family, Response, np.ndarray, float]:
    """A family with a response, a linear predictor inside what it has means for, a dispersion."""
    rng = np.random.default_rng(5)
    family = make_family(name, link)
    n = 40
    eta = rng.normal(size=n)
    if link == "log" and name == "binomial":
        eta = -np.abs(eta) - 0.05
    elif link in ("identity", "inverse", "sqrt"):
        eta = np.abs(eta) + 0.3
    if name == "binomial":
        trials = rng.integers(1, 9, n).astype(float)
        response = Response(rng.binomial(trials.astype(int), 0.4) / trials, None, trials)
    elif name == "gamma":
        response = Response(rng.gamma(2.0, size=n))
    elif name == "beta":
        response = Response(rng.beta(2.0, 3.0, size=n))
    else:
        response = Response(rng.poisson(3.0, n).astype(float))
    return family, response, eta, 2.7


def log_likelihoods(family: Family, response: Response, eta: np.ndarray, d: float) -> np.ndarray:
    """What scipy's distributions say."""
    mean, y = family.link.mean(eta), response.y
    if family.name == "binomial":
        assert response.trials is not None
        return stats.binom.logpmf(np.rint(y * response.trials), response.trials, mean)
    if family.name == "poisson":
        return stats.poisson.logpmf(y, mean)
    if family.name == "nbinom2":
        return stats.nbinom.logpmf(y, d, d / (d + mean))
    if family.name == "nbinom1":
        return stats.nbinom.logpmf(y, mean / d, 1.0 / (1.0 + d))
    if family.name == "beta":
        return stats.beta.logpdf(y, d * mean, d * (1.0 - mean))
    return stats.gamma.logpdf(y, d, scale=mean / d)


@pytest.mark.parametrize(("name", "link"), COMBINATIONS)
def test_log_likelihoods_are_those_of_the_distributions(name: str, link: str) -> None:
    family, response, eta, d = made(name, link)
    value = family.rows(response, eta, d).log_likelihood + family.constant(response, d)
    assert value == pytest.approx(log_likelihoods(family, response, eta, d).sum(), rel=1e-12)


@pytest.mark.parametrize(("name", "link"), COMBINATIONS)
def test_derivatives_are_those_of_differences(name: str, link: str) -> None:
    family, response, eta, d = made(name, link)
    step = 1e-5
    rows, slopes = family.rows(response, eta, d), family.slopes(response, eta, d)
    above, below = (family.rows(response, eta + s, d) for s in (step, -step))
    np.testing.assert_allclose(
        rows.weight, -(above.score - below.score) / (2 * step), rtol=1e-7, atol=1e-7
    )
    np.testing.assert_allclose(
        slopes.weight, (above.weight - below.weight) / (2 * step), rtol=1e-7, atol=1e-6
    )
    for i in range(len(eta)):
        own = eta.copy()
        own[i] += step
        up = family.rows(response, own, d).log_likelihood
        own[i] -= 2 * step
        down = family.rows(response, own, d).log_likelihood
        assert rows.score[i] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-5)
    if name != "nbinom1":
        up, down = (family.slopes(response, eta + s, d) for s in (step, -step))
        np.testing.assert_allclose(
            slopes.expected_slope, (up.expected - down.expected) / (2 * step), rtol=1e-6, atol=1e-7
        )
    if family.dispersion is None:
        assert slopes.dispersion is None
        return
    assert slopes.dispersion is not None
    one, other = d * np.exp(step), d * np.exp(-step)
    rise = (
        family.rows(response, eta, one).log_likelihood + family.constant(response, one)
        - family.rows(response, eta, other).log_likelihood - family.constant(response, other)
    )  # fmt: skip
    assert slopes.dispersion[0].sum() == pytest.approx(rise / (2 * step), rel=1e-6, abs=1e-6)
    up, down = family.rows(response, eta, one), family.rows(response, eta, other)
    for found, name_of in zip(slopes.dispersion[1:3], ("score", "weight"), strict=True):
        change = (getattr(up, name_of) - getattr(down, name_of)) / (2 * step)
        np.testing.assert_allclose(found, change, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "link"), [c for c in COMBINATIONS if c[0] != "nbinom1"])
def test_the_expected_information_is_the_mean_of_the_observed(name: str, link: str) -> None:
    family, _, eta, d = made(name, link)
    if name == "beta":  # of which the densities have no poles to speak of
        eta = 0.5 * np.tanh(eta)
    mean = family.link.mean(eta[:3])
    for at, value in zip(eta[:3], mean, strict=True):
        if name == "gamma":
            nodes, weights = np.polynomial.legendre.leggauss(400)
            y = (nodes + 1.0) * 30.0 * value
            share = stats.gamma.pdf(y, d, scale=value / d) * weights * 30.0 * value
            response = Response(y)
        elif name == "beta":
            # On the scale of log odds, where densities end smoothly.
            odds = np.linspace(-35.0, 35.0, 4001)
            y = special.expit(odds)
            law = stats.beta(d * value, d * (1.0 - value))
            share = law.pdf(y) * y * special.expit(-odds) * (odds[1] - odds[0])
            response = Response(y)
        elif name == "binomial":
            y, share = np.array([0.0, 1.0]), np.array([1.0 - value, value])
            response = Response(y)
        else:
            y = np.arange(600.0)
            law = stats.poisson(value) if name == "poisson" else stats.nbinom(d, d / (d + value))
            share, response = law.pmf(y), Response(y)
        rows = family.rows(response, np.full(len(y), at), d)
        expected = family.slopes(response, np.full(len(y), at), d).expected
        assert share @ rows.weight == pytest.approx(expected[0], rel=1e-6)
        assert share @ rows.score == pytest.approx(0.0, abs=1e-6 * expected[0] + 1e-9)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_tails_keep_their_digits(link: str) -> None:
    family = make_family("binomial", link)
    eta = np.array([-600.0, -200.0, -99.0, -30.0, 30.0, 99.0, 200.0, 600.0])
    for success in (0.0, 1.0):
        response = Response(np.full(len(eta), success))
        rows, slopes = family.rows(response, eta, 1.0), family.slopes(response, eta, 1.0)
        for values in (rows.score, rows.weight, slopes.weight, slopes.expected):
            assert np.isfinite(values).all()
        assert (rows.weight >= 0.0).all()
        assert np.isfinite(rows.log_likelihood)
    if link == "probit":
        # The inverse Mills ratio far out, and minus its derivative, by their series.
        far = family.rows(Response(np.ones(1)), np.array([-200.0]), 1.0)
        assert far.score[0] == pytest.approx(200.0 + 1.0 / 200.0 - 2.0 / 200.0**3, rel=1e-12)
        assert far.weight[0] == pytest.approx(1.0 - 1.0 / 200.0**2 + 6.0 / 200.0**4, rel=1e-9)


def test_a_large_size_is_the_poisson_family() -> None:
    rng = np.random.default_rng(2)
    y, eta = rng.poisson(4.0, 30).astype(float), rng.normal(size=30)
    poisson, negative = make_family("poisson"), make_family("nbinom2")
    response = Response(y)
    for size, error in ((1e6, 1e-3), (1e12, 1e-9)):
        one, other = poisson.rows(response, eta, 1.0), negative.rows(response, eta, size)
        np.testing.assert_allclose(one.score, other.score, atol=error)
        np.testing.assert_allclose(one.weight, other.weight, atol=error)
        whole = one.log_likelihood + poisson.constant(response, 1.0)
        assert other.log_likelihood + negative.constant(response, size) == pytest.approx(
            whole, abs=error
        )


@pytest.mark.parametrize("dispersion", [1e-10, 1e-6, 0.04, 0.06, 1.0])
def test_little_dispersion_keeps_the_digits_of_the_first_kind(dispersion: float) -> None:
    # mu = 1, so that the derivatives are sums over j < y: no gamma function to cancel.
    family = make_family("nbinom1", "log")
    y = np.array([0.0, 1.0, 3.0, 17.0, 60.0])
    response, eta = Response(y), np.zeros(5)
    size = 1.0 / dispersion
    steps = [np.arange(count) for count in y]
    fall = np.log1p(dispersion)
    total = sum(np.sum(np.log(dispersion * (size + j))) for j in steps)
    total -= (size * fall * 5) + y.sum() * fall + special.gammaln(y + 1.0).sum()
    score = np.array([np.sum(size / (size + j)) for j in steps]) - size * fall
    bend = np.array([np.sum((size / (size + j)) ** 2) for j in steps])
    twist = np.array([np.sum((size / (size + j)) ** 3) for j in steps])
    rows = family.rows(response, eta, dispersion)
    value = rows.log_likelihood + family.constant(response, dispersion)
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(rows.score, score, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rows.weight, bend - score, rtol=1e-11, atol=1e-11)
    slope = family.slopes(response, eta, dispersion).weight
    np.testing.assert_allclose(slope, 3.0 * bend - 2.0 * twist - score, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [1e4, 1e10, 1e15])
def test_large_shapes_and_precisions_keep_their_digits(size: float) -> None:
    # Near the mean, where series of the density have few terms, the deviation d in its own size.
    d = np.array([-1.5, -1.0, 0.0, 0.5, 2.0]) / np.sqrt(size)
    gamma, y = make_family("gamma", "log"), 1.0 + d
    d = y - 1.0
    found = gamma.rows(Response(y), np.zeros(5), size).values
    bends = -size * (d**2 / 2.0 - d**3 / 3.0 + d**4 / 4.0 - d**5 / 5.0 + d**6 / 6.0)
    np.testing.assert_allclose(found, bends, rtol=0.0, atol=2e-8)
    constant = 2.5 * np.log(size / (2.0 * np.pi)) - 5.0 / (12.0 * size) - np.log(y).sum()
    assert gamma.constant(Response(y), size) == pytest.approx(constant, abs=1e-9)
    slope = gamma.slopes(Response(y), np.zeros(5), size).dispersion
    assert slope is not None
    np.testing.assert_allclose(slope[0], bends + 0.5 + 1.0 / (12.0 * size), atol=2e-8)
    beta, y = make_family("beta"), 0.5 + d
    d = y - 0.5
    rows = beta.rows(Response(y), np.zeros(5), size)
    bends = -size * (2.0 * d**2 + 4.0 * d**4 + 32.0 * d**6 / 3.0)
    whole = 5.0 * (0.5 * np.log(size / (8.0 * np.pi)) - 0.25 / size) + bends.sum()
    whole -= np.log(y).sum() + np.log1p(-y).sum()
    made = rows.log_likelihood + beta.constant(Response(y), size)
    assert made == pytest.approx(whole, abs=1e-7)
    slope = beta.slopes(Response(y), np.zeros(5), size).dispersion
    assert slope is not None
    np.testing.assert_allclose(slope[0], bends + 0.5 + 0.25 / size, atol=2e-8)


@pytest.mark.parametrize(
    ("name", "link", "y", "sides"),
    [
        ("binomial", "logit", [0.0, 1.0, 0.5], [-1.0, 1.0, 0.0]),
        ("binomial", "log", [0.0, 1.0, 0.5], [-1.0, 0.0, 0.0]),
        ("poisson", "log", [0.0, 1.0], [-1.0, 0.0]),
        ("nbinom2", "identity", [0.0, 1.0], [0.0, 0.0]),
        ("gamma", "log", [1.0], [0.0]),
        ("beta", "logit", [0.5], [0.0]),
    ],
)
def test_certain_outcomes_have_no_end(
    name: str, link: str, y: list[float], sides: list[float]
) -> None:
    family = make_family(name, link)
    np.testing.assert_array_equal(family.endless_sides(np.array(y)), sides)
    # Ever further that way the likelihood of a row rises, to one that is certain.
    for value, side in zip(y, sides, strict=True):
        if side:
            eta = side * np.array([5.0, 20.0, 60.0])
            found = family.rows(Response(np.full(3, value)), eta, 1.5).values
            assert (np.diff(found) > 0.0).all() or found[-1] == 0.0
            assert abs(found[-1]) < 1e-20


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("negative binomial", "nbinom2"),
        ("Negative_Binomial", "nbinom2"),
        ("negbin", "nbinom2"),
        ("beta_family", "beta"),
        ("Bernoulli", "binomial"),
        ("nbinom.1", "nbinom1"),
    ],
)
def test_families_are_known_by_other_names(written: str, name: str) -> None:
    assert make_family(written).name == name


def test_names_and_links_are_suggested() -> None:
    for wrong in ("negative binomail", "negatve.binomial"):
        with pytest.raises(ModelError, match="Did you mean 'nbinom2'"):
            make_family(wrong)
    with pytest.raises(ModelError, match="Did you mean 'poisson'"):
        make_family("poison")
    with pytest.raises(ModelError, match="has the links logit, probit, cloglog, log, not 'logti'"):
        make_family("binomial", "logti")
    assert make_family("Bernoulli").name == "binomial"


@pytest.mark.parametrize(
    ("name", "y", "words"),
    [
        ("poisson", [1.0, 2.5], "must be counts: whole numbers from 0 on; in row 2 of those used"),
        ("poisson", [1.0, -1.0], "counts"),
        ("binomial", [0.0, 2.0], "must be 0 or 1"),
        ("gamma", [1.0, 0.0], "must be above 0"),
        ("beta", [0.5, 1.0], "between 0 and 1, and neither of them; in row 2"),
    ],
)
def test_responses_of_other_families_are_refused(name: str, y: list[float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        make_family(name).check(Response(np.array(y)), "y")


@pytest.mark.parametrize(("name", "link"), [(name, FAMILIES[name].links[0]) for name in FAMILIES])
def test_draws_have_the_mean_and_the_variance_of_the_family(name: str, link: str) -> None:
    family, d = make_family(name, link), 2.5
    n, mean = 200_000, 0.3
    trials = np.full(n, 4.0) if name == "binomial" else None
    drawn = family.draw(
        Response(np.zeros(n), None, trials), np.full(n, mean), d, np.random.default_rng(1)
    )
    variance = {
        "binomial": mean * (1.0 - mean) / 4.0,
        "poisson": mean,
        "nbinom2": mean + mean**2 / d,
        "nbinom1": mean * (1.0 + d),
        "gamma": mean**2 / d,
        "beta": mean * (1.0 - mean) / (1.0 + d),
    }[name]
    # Eight standard errors; of the variance by the fourth moments of the draws themselves.
    assert drawn.mean() == pytest.approx(mean, abs=8.0 * np.sqrt(variance / n))
    error = np.sqrt((((drawn - mean) ** 2).var()) / n)
    assert drawn.var() == pytest.approx(variance, abs=8.0 * error)
    family.check(Response(drawn[:2000], None, None if trials is None else trials[:2000]), "y")
