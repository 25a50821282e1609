"""What is wrong with sweeps before any of their runs is fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mixedscope.core.errors import ConfigError, MixedscopeError
from mixedscope.data.layout import largest_layout
from mixedscope.data.simulation_spec import read_spec
from mixedscope.summaries.keys import SIMULATE
from mixedscope.summaries.measures import MEASURES, PARTS
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.grid import Definitions, Run, expand

__all__ = ["broken_sweeps"]

#: Rows that may be simulated to see whether a parameter is one: some tenths of a second.
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
        faults += [f"sweeps.{name}: {fault}" for fault in _broken_simulations(runs)]
        known = {key for run in runs for key in run.keys}
        for i, chart in enumerate(sweep.charts):
            named = [(role, getattr(chart, role)) for role in ("x", "rows", "colour", "facet")]
            named += [(f"where.{key}", key) for key in chart.where]
            faults += [
                f"sweeps.{name}.charts.{i}.{role}: no run of this sweep has the key {key!r}"
                for role, key in named
                if key is not None and _is_key(key) and key not in known
            ]
    return faults


def _broken_simulations(runs: Iterable[Run]) -> list[str]:
    """Parameters that no experiment can be simulated with, in words.

    Each value of each parameter is tried once, together with those of its first run, while that
    costs little: what is left out then, a job of the sweep reports.
    """
    from mixedscope.data.simulate import simulate_dataset

    faults = []
    tried: set[tuple[str, str]] = set()
    rows = 0
    for run in runs:
        given = {key: repr(value) for key, value in run.keys.items() if key.startswith(SIMULATE)}
        new = [key for key, value in given.items() if (key, value) not in tried]
        if not new:
            continue
        tried.update(given.items())
        simulate = run.spec["data"]["dataset"]["simulate"]
        try:
            size = largest_layout(read_spec(simulate))[0]
            if rows + size > _ROWS:
                continue
            rows += size
            simulate_dataset(simulate)
        except MixedscopeError as error:
            told = ", ".join(f"{key}: {given[key]}" for key in new)
            faults.append(f"{told}: {str(error).removeprefix('simulate: ')}")
    return faults


def _is_key(name: str) -> bool:
    return name not in PARTS and name not in MEASURES
