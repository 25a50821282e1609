"""What films of conditional modes say is recomputed from the stored tables."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from motion_fits import sleep_like

from mixedscope.charts.kinds.motion import motion
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


@claims(r"The modes of g are in place after (?P<parts>\d+ of \d+ evaluations \(.+\))$")
def all_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    parts = re.findall(r"(\d+) of (\d+)(?: evaluations)? \(([^)]+)\)", m["parts"])
    assert len(parts) == len(known)
    for at, total, label in parts:
        fit = of(label, known)
        assert (int(at), int(total)) == (in_place(fit), len(fit.require("trace")))


@claims(
    r"Shrinkage of g while the optimiser moves\. Open points, fixed: [^.]+\. Filled points: [^.]+; "
    r"the line between is the pull of the model at that moment\. Ellipses hold 50\u00a0% and "
    r"95\u00a0% of the distribution of the random effects at that evaluation\."
)
def marks(m: re.Match[str], known: list[FitTables]) -> None:
    assert all("modes_every" in fit.studies for fit in known)


@claims(
    r"Frames are those evaluations, better than all before, at which the modes had moved by a "
    r"(?:\d+(?:st|th)|fixed) part of their whole path \(root mean square, in units of their spread "
    r"at the end\), the first and the last, and those between which the modes of a factor come to "
    r"be in place: (?P<parts>.+?)\. Every evaluation can be shown too, better or not\."
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
        assert fit.require("modes_every")["evaluation"].nunique() == np.isfinite(objective).sum()


@claims(
    r"(?:Side by side, all runs start together and each stands still after its last evaluation\. )?"
    r"Half of the time that it plays goes to frames evenly, half to evaluations evenly\. In place "
    r"means: from then on no mode is farther from its end than 5\u00a0% of a standard deviation of "
    r"the references\."
)
def time_goes(m: re.Match[str], known: list[FitTables]) -> None:
    assert m[0].startswith("Side by side") == (len(known) > 1)


@claims(
    r"(?P<label>Full covariance|Zero correlations|Intercepts only): (?P<n>[\d,]+) evaluations "
    r"\((?P<phases>[^)]+)\)\."
)
def phases(m: re.Match[str], known: list[FitTables]) -> None:
    trace = of(m["label"], known).require("trace")
    assert read(m["n"]) == len(trace)
    told = dict(re.findall(r"([a-z][a-z ]+?) ([\d,]+)(?:, |$)", m["phases"]))
    names = {"rapid convergence": "convergence", "fine tuning and verification": "fine-tuning"}
    counts = trace["phase"].value_counts().to_dict()
    assert {names.get(k, k): int(read(v)) for k, v in told.items()} == counts


@pytest.mark.parametrize("count", [1, 3])
def test_films_say_what_their_tables_hold(count: int) -> None:
    known = fits(count)
    film = motion(known, "g", TERMS)
    claims.read(film.title, known)
    claims.read(film.caption, known)


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
