"""What charts of stopping say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from optimiser_cases import (
    PROBES,
    SECONDS,
    SHOWN,
    Fits,
    check_probes,
    estimated,
    fitted,
    of,
    of_one_evaluation,
    says,
)

from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.stopping.words import MEASURE_NAMES
from mixedscope.inference.studies.stopping import MEASURES, accuracy_table
from mixedscope.optimize.backends import BACKENDS
from mixedscope.tables.store import FitTables

claims = Claims()

LABEL = r"(?P<label>(?:Full covariance|Zero correlations|Intercepts only)(?: by [\w-]+)?)"


@claims(rf"Compiling and loading code took {SECONDS}, which is left out\.")
def compiling(m: re.Match[str], fits: Fits, x: str) -> None:
    assert x == "seconds"
    sums = [f.require("timing")["compile_seconds"].sum() for f in fits]
    assert any(says(m[1], m[2], total) for total in sums)


@claims(PROBES)
def probes(m: re.Match[str], fits: Fits, x: str) -> None:
    check_probes(m, [fit.info["certificate"]["probe_error"] for fit in fits], 1e-9)


# -- stopping --------------------------------------------------------------------------------------


def needed(fit: FitTables, measures: Sequence[str] = tuple(MEASURE_NAMES)) -> int:
    """Evaluation from which on all differences are within a thousandth, from the study's rows."""
    table = fit.require("stopping")
    beyond = (~(table[list(measures)] <= 1e-3)).any(axis=1).to_numpy()
    return int(np.flatnonzero(beyond)[-1]) + 2 if beyond.any() else 1


@claims(r"Estimates are at no evaluation final to within 0\.001$")
def never_final(m: re.Match[str], fits: Fits, x: str) -> None:
    assert all(needed(fit) > len(fit.require("stopping")) for fit in fits)


@claims(
    rf"Estimates are final to within 0\.001 after (?P<low>{NUMBER}) to (?P<high>{NUMBER})\u00a0% "
    r"of the (?P<what>evaluations|seconds)$"
)
def final_in_many(m: re.Match[str], fits: Fits, x: str) -> None:
    assert len(fits) > 4
    assert (m["what"] == "seconds") == (x == "seconds")
    parts = []
    for fit in fits:
        clock = fit.require("timing")["seconds"].to_numpy()
        clock = clock if x == "seconds" else np.ones(len(clock))
        parts.append(clock[: needed(fit)].sum() / clock.sum())
    assert agrees(m["low"], min(parts), scale=0.01)
    assert agrees(m["high"], max(parts), scale=0.01)


@claims(r"Estimates are final to within 0\.001 (?:from evaluation|after) (?P<parts>(?!\d+ to ).+)$")
def final_from(m: re.Match[str], fits: Fits, x: str) -> None:
    told, *never = re.split(r", (?=never)", m["parts"])
    parts = re.findall(r"(.+?)\u00a0of\u00a0(.+?)(?: \(([^)]+)\))?(?:, |$)", told)
    assert len(parts) + len(never) == len(fits)
    for words in never:
        fit = of(words, fits)
        assert needed(fit) > len(fit.require("stopping"))
    for first, whole, label in parts:
        fit = of(label, fits) if label else fits[0]
        at, elapsed = needed(fit), fit.require("timing")["seconds"].cumsum().to_numpy()
        if x == "evaluation":
            assert (read(first), read(whole)) == (at, len(elapsed))
        else:
            assert says(*re.fullmatch(SECONDS, first).groups(), elapsed[at - 1])  # type: ignore[union-attr]
            assert says(*re.fullmatch(SECONDS, whole).groups(), elapsed[-1])  # type: ignore[union-attr]


@claims(
    r"How far the best point so far was from the final fit of .+?: above, its objective minus the "
    r"minimum; below, the largest difference of a coefficient, in standard errors, .+? no "
    r"variance\)\. Points: from there on the measure stays within the accuracy of the dotted "
    r"line\. Upright line: all do, at 0\.001\."
)
def how_far(m: re.Match[str], fits: Fits, x: str) -> None:
    for fit in fits:
        assert fit.require("stopping")["gap"].iloc[-1] == pytest.approx(0.0, abs=1e-6)


@claims(
    rf"{LABEL}: stopping at evaluation (?P<at>[\d,]+) of "
    rf"(?P<of>[\d,]+) changes no coefficient by more than 0\.001 standard errors and saves "
    rf"(?P<saved>{NUMBER})\u00a0% of the (?P<what>evaluations|time)(?:; it also changes neither a "
    r"standard error nor σ by more than 0\.1\u00a0%, nor a conditional mode by more than 0\.001 of "
    r"its conditional standard deviation|; to change neither a standard error nor σ by more than "
    r"0\.1\u00a0%, nor a conditional mode by more than 0\.001 of its conditional standard "
    rf"deviation it takes (?P<all>[\d,]+), and saves (?P<rest>{NUMBER})\u00a0% of the "
    r"(?:evaluations|time))?\."
)
def stopping_there(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    seconds = fit.require("timing")["seconds"].to_numpy()
    assert read(m["of"]) == len(seconds)
    assert read(m["at"]) == needed(fit, ["beta"])
    assert (m["what"] == "time") == (x == "seconds")
    weight = seconds if x == "seconds" else np.ones(len(seconds))
    pairs = [(m["at"], m["saved"])]
    if m["all"]:
        pairs.append((m["all"], m["rest"]))
        assert read(m["all"]) == needed(fit)
    for at, saved in pairs:
        part = weight[int(read(at)) :].sum() / weight.sum()
        assert agrees(saved, part, scale=0.01)


@claims(
    rf"{LABEL}: the coefficients are the same at every evaluation(?:; "
    r"(?P<every>for the rest every one of the (?P<n>[\d,]+) evaluations was needed)|; stopping at "
    r"evaluation (?P<at>[\d,]+) of (?P<of>[\d,]+) changes .+?, and saves "
    rf"(?P<saved>{NUMBER})\u00a0% of the (?P<what>evaluations|time))?\."
)
def no_dependence(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    assert fit.require("stopping")["beta"].max() <= 1e-9
    if m["every"]:
        assert needed(fit) == len(fit.require("stopping")) == read(m["n"])
    if not m["at"]:
        assert m["every"] or needed(fit) > len(fit.require("stopping"))
        return
    assert read(m["at"]) == needed(fit)
    seconds = fit.require("timing")["seconds"].to_numpy()
    weight = seconds if x == "seconds" else np.ones(len(seconds))
    assert agrees(m["saved"], weight[needed(fit) :].sum() / weight.sum(), scale=0.01)


@claims(
    r"(?P<what>A last trust radius|A predicted decrease|A smallest decrease of the objective)"
    r"(?: \((?P<setting>rhoend|ftol|ftol_abs) of (?P<by>Py-BOBYQA|BFGS|NLopt)\))? of "
    r"(?P<tolerance>\S+) would have "
    r"sufficed for that, and ended the search at about evaluation (?P<stops>[\d,]+)\."
)
def tolerance(m: re.Match[str], fits: Fits, x: str) -> None:
    told = []
    # A setting is named where the optimiser has it, and it means this criterion.
    names = {str(f.info["optimizer"]["name"]) for f in fits}
    if m["setting"]:
        known = [BACKENDS[n].settings.get(m["setting"]) for n in names if n in BACKENDS]
        word = {
            "A last": "last trust-region",
            "A pred": "predicted decrease",
            "A smal": "change of",
        }
        assert any(s is not None and word[m["what"][:6]] in s.meaning for s in known)
    for fit in fits:
        table = fit.require("accuracy")
        own = table[(table["measure"] != "gap") & (table["accuracy"] == 1e-3)]
        strictest = own.loc[own["tolerance"].idxmin()]
        told.append((float(strictest["tolerance"]), int(strictest["stops_at"])))
    written, stops = read(m["tolerance"]), int(read(m["stops"]))
    assert any(written == pytest.approx(t, rel=0.05) and stops == s for t, s in told)


@claims(
    rf"{LABEL}: (?:(?P<one>the fit took one "
    r"evaluation: there is nothing to be saved)|(?P<out>not even the best of all evaluations is "
    r"within 0\.001 standard errors of the final coefficients)|to change no coefficient by more "
    r"than 0\.001 standard errors every one of the (?P<n>[\d,]+) evaluations was needed(?P<also>; "
    r"it also changes neither .+?, nor .+? deviation)?)\."
)
def nothing_to_save(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    total = len(fit.require("stopping"))
    if m["one"]:
        assert total == 1
    elif m["out"]:
        assert needed(fit, ["beta"]) > total
    else:
        assert needed(fit, ["beta"]) == total == read(m["n"])
        assert bool(m["also"]) == (needed(fit) == total)


def stopped(fits: Fits, x: str = "evaluation") -> str:
    """Read what a chart of stopping says."""
    _, title, caption = stopping_chart(fits, x=x)
    claims.read(title, fits, x)
    claims.read(caption, fits, x)
    return f"{title} {caption}"


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
@pytest.mark.parametrize("shown", ["structures", "one", "balanced", "with gradients", "many"])
def test_stopping_says_what_its_tables_hold(shown: str, x: str) -> None:
    stopped([fitted(*key) for key in SHOWN[shown]], x)


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
def test_fits_of_one_evaluation(x: str) -> None:
    assert "nothing to be saved" in stopped([of_one_evaluation()], x)


def test_gaps_within_the_error_of_probes_are_shaded() -> None:
    fits = [estimated("pybobyqa"), estimated("auto")]
    assert "Shaded: gaps below" in stopped(fits)
    assert "within the error of random probes" in str(to_spec(stopping_chart(fits)[0]))
    assert "probes" not in str(to_spec(stopping_chart([fitted()])[0]))


def far(fit: FitTables, rows: slice, *measures: str, value: float = 1.0) -> FitTables:
    """A fit as if some evaluations had been far from the final estimates."""
    table = fit.require("stopping").copy()
    for measure in measures:
        table.iloc[rows, table.columns.get_loc(measure)] = value
    wanted = dict.fromkeys(MEASURES, (1e-3,))
    accuracy = accuracy_table(table, fit.require("trace"), wanted)
    return replace(fit, studies={**fit.studies, "stopping": table, "accuracy": accuracy})


def test_estimates_that_are_never_or_only_at_the_end_final() -> None:
    last, before, all_rows = slice(-1, None), slice(-2, -1), slice(None)
    fit, other = fitted(), fitted("zerocorr")
    assert "at no evaluation" in stopped([far(fit, last, "beta")])
    assert "never (full covariance)" in stopped([far(fit, last, "beta"), other])
    stopped([far(fit, last, "modes")])
    stopped([far(fit, before, "beta")])
    stopped([far(fit, before, "beta", "modes")])
    none = far(fit, all_rows, "beta", value=0.0)
    stopped([none])
    assert "for the rest every one" in stopped([far(none, before, "modes")])
    stopped([far(none, last, "modes")])


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
