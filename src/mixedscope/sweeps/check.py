"""What is wrong with sweeps before any of their runs is fitted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mixedscope.core.errors import ConfigError, MixedscopeError
from mixedscope.data.layout import largest_layout
from mixedscope.data.simulation_spec import read_spec
from mixedscope.design.spec import ModelSpec
from mixedscope.summaries.keys import SIMULATE
from mixedscope.summaries.measures import MEASURES, PARTS
from mixedscope.sweeps.config import SweepChartConfig, SweepConfig
from mixedscope.sweeps.grid import Definitions, Run, expand

__all__ = ["broken_simulations", "broken_sweeps"]

#: Rows that may be simulated to see whether that is possible: some tenths of a second.
_ROWS = 200_000


def broken_sweeps(sweeps: Mapping[str, SweepConfig], definitions: Definitions) -> list[str]:
    """What is wrong with sweeps that their section alone cannot show, in words."""
    faults = []
    for name, sweep in sweeps.items():
        try:
            runs = expand(sweep, definitions)
        except ConfigError as error:
            faults.append(f"sweeps.{name}: {error}")
            continue
        faults += [f"sweeps.{name}: {fault}" for fault in broken_simulations(_simulated(runs))]
        known = {key for run in runs for key in run.keys}
        if sweep.hypotheses:
            faults += [f"sweeps.{name}.hypotheses: {fault}" for fault in _broken_hypotheses(runs)]
        for i, chart in enumerate(sweep.charts):
            if fault := _unmeasured(chart, runs, known):
                faults.append(f"sweeps.{name}.charts.{i}.y: {fault}")
            named = [(role, getattr(chart, role)) for role in ("x", "rows", "colour", "facet")]
            named += [(f"where.{key}", key) for key in chart.where]
            faults += [
                f"sweeps.{name}.charts.{i}.{role}: no run of this sweep has the key {key!r}"
                for role, key in named
                if key is not None and _is_key(key) and key not in known
            ]
    return faults


def _unmeasured(chart: SweepChartConfig, runs: Sequence[Run], known: Collection[str]) -> str | None:
    """Why no run can have the measure of a chart; None if one may."""
    measure = MEASURES[chart.y]
    if measure.linear and all("family" in run.spec["model"] for run in runs):
        return (
            f"{chart.y!r} is measured of linear models, and every model of this sweep has a family"
        )
    if measure.key is not None and measure.key not in known:
        return (
            f"{chart.y!r} is measured where runs have the key {measure.key!r}: give it, "
            f"as in fixed: {{{measure.key}: satterthwaite}}"
        )
    if measure.nominal == "level" and not any(
        "simulate" in run.spec["data"]["dataset"] for run in runs
    ):
        return f"{chart.y!r} needs a known truth, and no data of this sweep are simulated"
    return None


def _broken_hypotheses(runs: Iterable[Run]) -> list[str]:
    """What is wrong with the hypotheses of a sweep, of the first run of each model that has them.

    Of models whose data are simulated, while that costs little.
    """
    from mixedscope.data.simulate import simulate_dataset
    from mixedscope.inference.hypotheses.contrasts import check_hypotheses

    faults: dict[str, None] = {}
    tried: set[str] = set()
    for run in runs:
        model, dataset = run.spec["model"], run.spec["data"]["dataset"]
        asked = run.spec.get("inference", {}).get("tests")
        if asked is None or "simulate" not in dataset or model["name"] in tried:
            continue
        tried.add(model["name"])
        try:
            if largest_layout(read_spec(dataset["simulate"]))[0] > _ROWS:
                continue
            frame = simulate_dataset(dataset["simulate"]).frame
            design = ModelSpec.of(model).design(frame)
        except MixedscopeError:
            continue  # said elsewhere, or by the run
        for text in asked["hypotheses"]:
            try:
                check_hypotheses(text, design.x_names)
            except MixedscopeError as error:
                faults[f"model {model['name']!r}: {error}"] = None
    return list(faults)


def broken_simulations(experiments: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What keeps experiments from being simulated, in words behind the name of each.

    Each is tried while that costs little: what is left out then, its job reports.
    """
    from mixedscope.data.simulate import simulate_dataset

    faults = []
    rows = 0
    for name, simulate in experiments:
        try:
            size = largest_layout(read_spec(simulate))[0]
            if rows + size > _ROWS:
                continue
            rows += size
            simulate_dataset(simulate)
        except MixedscopeError as error:
            faults.append(f"{name}: {str(error).removeprefix('simulate: ')}")
    return faults


def _simulated(runs: Iterable[Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each value of each parameter once, together with those of its first run."""
    tried: set[tuple[str, str]] = set()
    for run in runs:
        given = {key: repr(value) for key, value in run.keys.items() if key.startswith(SIMULATE)}
        if new := [key for key, value in given.items() if (key, value) not in tried]:
            tried.update(given.items())
            name = ", ".join(f"{key}: {given[key]}" for key in new)
            yield name, run.spec["data"]["dataset"]["simulate"]


def _is_key(name: str) -> bool:
    return name not in PARTS and name not in MEASURES
