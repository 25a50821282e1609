"""Counts to 1e11, extreme shares and little noise against the same formulas in 80 digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from mixedscope.families.family import Response
from mixedscope.families.registry import make_family

pytestmark = pytest.mark.numerical

DIGITS = 80
COUNTS = np.array([0.0, 1.0, 10.0, 999.0, 1000.0, 1001.0, 1e5, 1e7, 1e9, 1e11])
RATIOS = np.array([1e-6, 0.1, 0.9, 1.0 - 1e-3, 1.0 - 1e-6, 1.0, 1.0 + 1e-6, 1.01, 2.0, 30.0, 1e6])
SIZES = {
    "poisson": [1.0],
    "nbinom2": [1e-3, 1.0, 50.0, 1e6, 1e12],
    "nbinom1": [1e-9, 1e-3, 1.0, 50.0, 1e6],
}
PAIRS = [(name, size) for name, sizes in SIZES.items() for size in sizes]


def bernoulli_numbers(most: int) -> list[Fraction]:
    """B_0 to B_most."""
    found = [Fraction(1)]
    for m in range(1, most + 1):
        row, binomial = Fraction(0), 1
        for k in range(m):
            row += binomial * found[k]
            binomial = binomial * (m + 1 - k) // (k + 1)
        found.append(-row / (m + 1))
    return found


TERMS = [(j, b) for j, b in enumerate(bernoulli_numbers(40)) if j >= 2 and b]
LOG_TWO_PI = (2 * Decimal("3.14159265358979323846264338327950288419716939937510582097494459")).ln()


def log_gamma(x: Decimal) -> Decimal:
    """By Stirling's series from 60 on, whose first term left out is below 1e-45."""
    below = Decimal(1)
    while x < 60:
        below *= x
        x += 1
    series = sum(
        (Decimal(b.numerator) / (b.denominator * j * (j - 1) * x ** (j - 1)) for j, b in TERMS),
        Decimal(0),
    )
    return (x - Decimal("0.5")) * x.ln() - x + LOG_TWO_PI / 2 + series - below.ln()


def log_probability(name: str, y: Decimal, eta: Decimal, log_dispersion: Decimal) -> Decimal:
    """Of a count under the log link or a share under the logit link, from the definition."""
    mean, own = eta.exp(), log_dispersion.exp()
    if name == "beta":
        a, b = own * mean / (1 + mean), own / (1 + mean)
        out = log_gamma(own) - log_gamma(a) - log_gamma(b)
        return out + (a - 1) * y.ln() + (b - 1) * (1 - y).ln()
    if name == "poisson":
        return y * eta - mean - log_gamma(y + 1)
    size = own if name == "nbinom2" else mean / own
    out = log_gamma(y + size) - log_gamma(size) - log_gamma(y + 1)
    return out + size * (size / (size + mean)).ln() + y * (mean / (size + mean)).ln()


def by_predictor(
    name: str, y: Decimal, eta: Decimal, log_dispersion: Decimal, step: Decimal
) -> Decimal:
    """The same a step away from a linear predictor."""
    return log_probability(name, y, eta + step, log_dispersion)


def by_dispersion(
    name: str, y: Decimal, eta: Decimal, log_dispersion: Decimal, step: Decimal
) -> Decimal:
    """And away from the logarithm of a dispersion."""
    return log_probability(name, y, eta, log_dispersion + step)


def second(f: Callable[[Decimal], Decimal], h: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Value, first and second derivative at zero."""
    up, own, down = f(h), f(Decimal(0)), f(-h)
    return own, (up - down) / (2 * h), (up - 2 * own + down) / (h * h)


@pytest.mark.parametrize(("name", "dispersion"), PAIRS)
def test_log_likelihoods_and_their_derivatives_keep_their_digits(
    name: str, dispersion: float
) -> None:
    family = make_family(name, "log")
    y, ratio = (a.ravel() for a in np.meshgrid(COUNTS, RATIOS))
    eta = np.log(np.maximum(y, 1.0) * ratio)
    response = Response(y)
    rows, slopes = family.rows(response, eta, dispersion), family.slopes(response, eta, dispersion)
    values = rows.values + family.row_constants(response, dispersion)
    with localcontext() as context:
        context.prec = DIGITS
        h = Decimal("1e-10")
        for i in range(len(y)):
            at, count, log_size = Decimal(eta[i]), Decimal(y[i]), Decimal(dispersion).ln()
            value, score, bend = second(partial(by_predictor, name, count, at, log_size), h)
            # Of the logarithm of a mean the last digit is not known: some 4e-15 of 25.
            own, blur = float(score), 1e-14 * abs(float(score))
            here = f"count {y[i]:g}, mean {ratio[i]:g} times as large"
            assert abs(Decimal(values[i]) - value) <= 1e-13 * abs(float(value)) + 2e-11 + blur, here
            wide = max(1.0, abs(float(bend)))
            assert rows.score[i] == pytest.approx(own, rel=1e-12, abs=1e-14 * wide), here
            assert rows.weight[i] == pytest.approx(-float(bend), rel=1e-9, abs=1e-13), here
            if slopes.dispersion is None:
                continue
            _, change, _ = second(partial(by_dispersion, name, count, at, log_size), h)
            # It is what parts as large as the mean and as the likelihood differ by.
            parts = abs(float(value)) + abs(own) + min(float(at.exp()), 1e7)
            assert slopes.dispersion[0][i] == pytest.approx(
                float(change), rel=1e-10, abs=1e-11 + 1e-14 * parts
            ), here


@pytest.mark.parametrize(("name", "dispersion"), PAIRS)
def test_nothing_leaps_where_counts_begin_to_be_large(name: str, dispersion: float) -> None:
    # Fifth differences of a smooth function of the count, across 1,000.
    family = make_family(name, "log")
    y = np.arange(994.0, 1006.0)
    found = []
    for shift in (-0.5, 0.0, 0.5):
        eta = np.full(len(y), np.log(1000.0) + shift)
        response = Response(y)
        rows = family.rows(response, eta, dispersion)
        values = rows.values + family.row_constants(response, dispersion)
        slopes = family.slopes(response, eta, dispersion)
        found += [values, rows.score, rows.weight, slopes.weight]
        if slopes.dispersion is not None:
            found += list(slopes.dispersion[:3])
    for column in found:
        assert np.abs(np.diff(column, 5)).max() <= 1e-9 * np.abs(np.diff(column)).max() + 1e-9


def deviance(name: str, y: Decimal, mean: Decimal, size: Decimal) -> Decimal:
    """From the definition."""

    def times_log(one: Decimal, ratio: Decimal) -> Decimal:
        return one * ratio.ln() if one > 0 else Decimal(0)

    if name == "poisson":
        return 2 * (times_log(y, y / mean) - (y - mean))
    if name == "nbinom2":
        own = (y + size) * ((y + size) / (mean + size)).ln()
        return 2 * (times_log(y, y / mean) - own)
    if name == "gamma":
        return -2 * ((y / mean).ln() - (y - mean) / mean)
    return 2 * (times_log(y, y / mean) + times_log(1 - y, (1 - y) / (1 - mean)))


@pytest.mark.parametrize("name", ["poisson", "nbinom2", "gamma", "binomial"])
@pytest.mark.parametrize("size", [0.01, 50.0, 1e9])
def test_deviances_keep_their_digits(name: str, size: float) -> None:
    at = np.array([1e-6, 0.3, 1.0, 999.0, 1e5, 1e9, 1e11])
    if name == "binomial":
        at = np.array([1e-9, 0.01, 0.25, 0.5, 0.875])
    ratio = np.array([1e-6, 0.4, 0.6, 1.0 - 1e-3, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.1, 1e6])
    y, ratio = (a.ravel() for a in np.meshgrid(at, ratio))
    mean = y * ratio
    if name == "binomial":
        mean = np.minimum(mean, 0.99)
    if name in ("poisson", "nbinom2"):
        y = np.where(y < 1.0, 0.0, y)
    found = make_family(name).deviances(y, mean, size)
    with localcontext() as context:
        context.prec = DIGITS
        for i in range(len(y)):
            own, mu = Decimal(y[i]), Decimal(mean[i])
            exact = float(deviance(name, own, mu, Decimal(size)))
            # What is left of the two parts, each of which is as large as the difference.
            parts = abs(float(own - mu)) / (float(mu) if name == "gamma" else 1.0)
            assert found[i] == pytest.approx(exact, rel=1e-12, abs=1e-15 * parts)


SHARES = np.array([1e-300, 1e-12, 1e-3, 0.3, 0.5, 0.8, 1.0 - 1e-3, 1.0 - 1e-12])


@pytest.mark.parametrize("precision", [0.01, 1.0, 30.0, 1e6])
def test_shares_next_to_zero_and_one_keep_their_digits(precision: float) -> None:
    family = make_family("beta")
    eta = np.array([-14.0, -6.0, -2.5, -0.1, 0.0, 0.7, 3.0, 12.0])
    y, at = (a.ravel() for a in np.meshgrid(SHARES, eta))
    response = Response(y)
    rows = family.rows(response, at, precision)
    values = rows.values + family.row_constants(response, precision)
    slopes = family.slopes(response, at, precision)
    assert slopes.dispersion is not None
    with localcontext() as context:
        context.prec = DIGITS
        h, log_own = Decimal("1e-10"), Decimal(precision).ln()
        for i in range(len(y)):
            own, mid = Decimal(y[i]), Decimal(at[i])
            value, score, bend = second(partial(by_predictor, "beta", own, mid, log_own), h)
            _, change, _ = second(partial(by_dispersion, "beta", own, mid, log_own), h)
            here = f"share {y[i]:g} at {at[i]:g}"
            size = 1.0 + abs(float(value)) + float(at[i] > 0.0) * precision
            assert values[i] == pytest.approx(float(value), rel=1e-12, abs=1e-13 * size), here
            wide = 1e-12 * (1.0 + precision)
            assert rows.score[i] == pytest.approx(float(score), rel=1e-11, abs=wide), here
            assert rows.weight[i] == pytest.approx(-float(bend), rel=1e-9, abs=wide), here
            assert slopes.dispersion[0][i] == pytest.approx(
                float(change), rel=1e-11, abs=1e-12 * size
            ), here


@pytest.mark.parametrize(("name", "dispersion"), [("nbinom2", 1e17), ("nbinom1", 1e-17)])
def test_draws_of_next_to_poisson_counts_have_their_mean(name: str, dispersion: float) -> None:
    n = 20_000
    drawn = make_family(name).draw(
        Response(np.zeros(n)), np.full(n, 3.0), dispersion, np.random.default_rng(1)
    )
    assert drawn.mean() == pytest.approx(3.0, abs=8.0 * np.sqrt(3.0 / n))
    assert drawn.var() == pytest.approx(3.0, rel=0.1)
