"""What films of conditional modes say is recomputed from the stored tables."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from motion_fits import sleep_like

from mixedscope.charts.kinds.motion.chart import motion
from mixedscope.tables.store import FitTables

LABELS = {
    "full covariance": "full",
    "zero correlations": "zerocorr",
    "intercepts only": "intercept",
}
TERMS = ("(Intercept)", "x")

claims = Claims()


@cache
def fits(count: int) -> list[FitTables]:
    return sleep_like(("full", "zerocorr", "intercept")[:count])


def of(label: str, known: list[FitTables]) -> FitTables:
    return next(f for f in known if f.info["structure"] == LABELS[label.lower()])


def in_place(fit: FitTables) -> int:
    """First of the evaluations, better than all before, from which on no mode moves far."""
    every, objective = fit.require("modes_every"), fit.require("trace")["objective"]
    better = fit.require("trace").loc[objective < objective.cummin().shift(fill_value=np.inf)]
    modes = fit.require("modes")
    kind = "joint_limit"
    unit = modes.groupby("term")[kind].std(ddof=0)
    wide = {
        n: every[every["evaluation"] == n].set_index(["level", "term"])["mode"]
        for n in better["evaluation"]
    }
    last = wide[better["evaluation"].iloc[-1]]
    away = {n: ((b - last).abs().groupby("term").max() / unit).max() for n, b in wide.items()}
    moving = [i for i, n in enumerate(wide) if away[n] > 0.05]
    return int(better["evaluation"].iloc[moving[-1] + 1 if moving else 0])


# -- films -----------------------------------------------------------------------------------------


@claims(
    r"The modes of g are in place after (?P<at>\d+) of (?P<of>\d+) evaluations(?:: "
    r"they move to the "
    rf"end|; the other (?P<rest>{NUMBER})\u00a0% of the run change nothing that can be seen)$"
)
def one_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    (fit,) = known
    total = len(fit.require("trace"))
    assert (int(m["at"]), int(m["of"])) == (in_place(fit), total)
    assert (m["rest"] is None) == (total - in_place(fit) < 0.05 * total)
    if m["rest"]:
        assert agrees(m["rest"], (total - in_place(fit)) / total, scale=0.01)


@claims(r"The modes of g are in place after (?P<parts>\d+ of \d+ evaluations? \(.+\))$")
def all_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    parts = re.findall(r"(\d+) of (\d+)(?: evaluations?)? \(([^)]+)\)", m["parts"])
    assert len(parts) == len(known)
    for at, total, label in parts:
        fit = of(label, known)
        assert (int(at), int(total)) == (in_place(fit), len(fit.require("trace")))


@claims(
    r"Shrinkage of g while the optimiser moves\. Open points, fixed: [^.]+\. Filled points: [^.]+; "
    r"the line between is the pull of the model at that moment\. (?:Ellipses|Bars at the foot) "
    r"hold 50\u00a0% and 95\u00a0% of the distribution of the random effects at that evaluation\."
)
def marks(m: re.Match[str], known: list[FitTables]) -> None:
    assert all("modes_every" in fit.studies for fit in known)


@claims(
    r"Frames are those evaluations, better than all before, at which the modes had moved by a "
    r"(?:\d+(?:st|th)|fixed) part of their whole path \(root mean square, in units of their spread "
    r"at the end\), the first and the last, and those between which the modes of a factor come to "
    r"be in place: (?P<parts>.+?)\. (?:Every evaluation can be shown too, better or not|Trials "
    r"that were no better can be shown too, chosen by the same rule among all evaluations: "
    r"(?P<n>\d+) frames)\."
)
def frames(m: re.Match[str], known: list[FitTables]) -> None:
    parts = re.findall(r"(\d+) of (\d+) evaluations?", m["parts"])
    assert [(int(a), int(b)) for a, b in parts] == [
        (fit.require("modes_trace")["evaluation"].nunique(), len(fit.require("trace")))
        for fit in known
    ]
    for fit in known:
        objective = fit.require("trace")["objective"]
        better = objective < objective.cummin().shift(fill_value=np.inf)
        shown = set(fit.require("modes_trace")["evaluation"])
        assert shown <= set(fit.require("trace").loc[better, "evaluation"])
        assert {1, in_place(fit)} <= shown
        every = fit.require("modes_every")["evaluation"].nunique()
        assert (every == np.isfinite(objective).sum()) == (m["n"] is None)
        assert m["n"] is None or int(m["n"]) == every


@claims(
    r"(?:Side by side, all runs start together and each stands still after its last evaluation\. )?"
    r"(?P<ranks>Where one of two terms alone varies, levels stand by rank of their "
    r"reference in it, the distribution at the foot\. )?"
    r"Half of the time that it plays goes to frames evenly, half to evaluations evenly\. In place "
    r"means: from then on no mode is farther from its end than 5\u00a0% of a standard deviation of "
    r"the references\."
)
def time_goes(m: re.Match[str], known: list[FitTables]) -> None:
    assert m[0].startswith("Side by side") == (len(known) > 1)
    terms = {len(fit.info["random"][0]["names"]) for fit in known}
    assert (m["ranks"] is not None) == (len(terms) > 1)


@claims(
    r"(?P<label>Full covariance|Zero correlations|Intercepts only): (?P<n>[\d,]+) evaluations? "
    r"\((?P<phases>[^)]+)\)\."
)
def phases(m: re.Match[str], known: list[FitTables]) -> None:
    trace = of(m["label"], known).require("trace")
    assert read(m["n"]) == len(trace)
    told = dict(re.findall(r"([a-z][a-z ]+?) ([\d,]+)(?:, |$)", m["phases"]))
    names = {"rapid convergence": "convergence", "fine tuning and verification": "fine-tuning"}
    counts = trace["phase"].value_counts().to_dict()
    assert {names.get(k, k): int(read(v)) for k, v in told.items()} == counts


@claims(
    r"Shown are (?P<n>[\d,]+) of (?P<of>[\d,]+) levels, evenly spaced in rank of the reference of "
    r"(?P<term>\S+)\."
)
def some_levels(m: re.Match[str], known: list[FitTables]) -> None:
    modes = known[0].require("modes")
    assert (int(m["n"]), int(m["of"])) == (5, modes["level"].nunique())
    assert m["term"] == "(Intercept)"


@claims(
    rf"The modes of g are in place after (?P<low>{NUMBER})\u00a0% to (?P<high>{NUMBER})\u00a0% of "
    r"the evaluations$"
)
def many_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    parts = [in_place(fit) / len(fit.require("trace")) for fit in known]
    assert len(parts) > 4
    assert agrees(m["low"], min(parts), scale=0.01)
    assert agrees(m["high"], max(parts), scale=0.01)


@claims(
    r"The modes of g are in place by (?P<at>\d+) of (?P<of>\d+) evaluations(?:: they move to the "
    rf"end|; the other {NUMBER}\u00a0% of the run change nothing that can be seen)$"
)
def in_place_by(m: re.Match[str], known: list[FitTables]) -> None:
    """Frames that are not stored lie between: they may have been in place before."""
    (fit,) = known
    assert in_place(fit) <= int(m["at"]) <= int(m["of"]) == len(fit.require("trace"))


@claims(r"g: one evaluation, nothing moves$")
def nothing_moves(m: re.Match[str], known: list[FitTables]) -> None:
    assert len(known[0].require("trace")) == 1
    assert known[0].require("modes_trace")["evaluation"].unique().tolist() == [1]


def test_films_of_one_evaluation() -> None:
    """A search that stopped at its start, alone and beside one that went on."""
    (fit,) = fits(1)
    names = ("trace", "modes_trace", "modes_every", "parameters")
    first = {name: fit.require(name).query("evaluation == 1") for name in names}
    modes = first["modes_every"].set_index(["level", "term"])["mode"]
    keys = pd.MultiIndex.from_frame(fit.require("modes")[["level", "term"]])
    studies = {name: first[name] for name in ("modes_every", "parameters")}
    one = replace(
        fit,
        trace=first["trace"],
        modes_trace=first["modes_trace"],
        modes=fit.require("modes").assign(mode=modes.reindex(keys).to_numpy()),
        studies=studies,
    )
    film = motion([one], "g", TERMS)
    assert "nothing moves" in film.title
    claims.read(film.title, [one])
    claims.read(film.caption, [one])
    other = fits(3)[1]
    title = motion([one, other], "g", TERMS).title
    assert "1 of 1 evaluation (" in title
    claims.read(title, [one, other])


def test_films_of_one_term_and_of_some_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    (fit,) = fits(1)
    film = motion([fit], "g", ("x",))
    assert "Bars at the foot" in film.caption
    claims.read(film.caption, [fit])
    # Other terms do not count for what is in place.
    own = {k: v[v["term"] == "x"] for k, v in (("modes", fit.modes), *fit.studies.items())
           if v is not None and k in ("modes", "modes_every")}  # fmt: skip
    studies = {**fit.studies, "modes_every": own["modes_every"]}
    claims.read(film.title, [replace(fit, modes=own["modes"], studies=studies)])
    monkeypatch.setattr(import_module("mixedscope.charts.kinds.motion.frames"), "MOST_LEVELS", 5)
    some = motion([fit], "g", TERMS)
    claims.read(some.title, [fit])
    claims.read(some.caption, [fit])
    assert "Shown are 5 of 12 levels" in some.caption


def test_films_of_which_not_every_trial_is_stored() -> None:
    (fit,) = fits(1)
    table = fit.require("modes_every")
    some = {**fit.studies, "modes_every": table[table["evaluation"] != 2]}
    objective = fit.require("trace")["objective"]
    better = objective < objective.cummin().shift(fill_value=np.inf)
    assert not better.iloc[1] or in_place(fit) > 2
    film = motion([replace(fit, studies=some)], "g", TERMS)
    claims.read(film.title, [fit])
    claims.read(film.caption, [replace(fit, studies=some)])
    assert "Trials that were no better" in film.caption


def test_films_of_many_fits_and_of_frames_between_which_modes_come_to_rest() -> None:
    (fit,) = fits(1)
    claims.read(motion([fit] * 5, "g", TERMS).title, [fit] * 5)
    frames_of = fit.require("modes_trace")
    numbers = sorted(frames_of["evaluation"].unique())
    at = numbers.index(in_place(fit))
    gone = frames_of[~frames_of["evaluation"].isin(numbers[max(at - 1, 1) : at + 1])]
    title = motion([replace(fit, modes_trace=gone)], "g", TERMS).title
    assert " by " in title
    claims.read(title, [fit])


@pytest.mark.parametrize(("parts", "words"), [(2, "2nd"), (3, "3rd"), (12, "12th"), (61, "61st")])
def test_parts_of_a_path_have_their_ordinal(parts: int, words: str) -> None:
    assert f"by a {words} part of" in motion(fits(1), "g", TERMS, parts=parts).caption


@pytest.mark.parametrize("count", [1, 3])
def test_films_say_what_their_tables_hold(count: int) -> None:
    known = fits(count)
    film = motion(known, "g", TERMS)
    claims.read(film.title, known)
    claims.read(film.caption, known)


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
