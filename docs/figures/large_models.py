"""Large crossed models: where their evaluations and seconds go, as the guide shows it.

    python docs/figures/large_models.py fit 100000      # and 1000000, 10000000: minutes
    python docs/figures/large_models.py                 # the figure, from what is stored

The first simulates so many ratings, fits them with ``solver="iterative"`` by BOBYQA and by `auto`
and keeps every evaluation in docs/figures/large_traces.csv; the second draws
docs/figures/large-phases.svg, and guide_numbers.py takes the numbers of the text from the same
table.
"""

from __future__ import annotations

import csv
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixedscope as ms
from mixedscope.tables.store import FitTables

HERE = Path(__file__).parent
TRACES = HERE / "large_traces.csv"
FIGURE = HERE / "large-phases.svg"

#: Users and items by number of ratings.
SIZES = {
    100_000: (3_000, 1_000),
    1_000_000: (20_000, 8_000),
    10_000_000: (80_000, 20_000),
    25_000_000: (160_000, 59_000),
}
FORMULA = "rating ~ age + (1 | user) + (1 | item)"
OPTIMIZERS = ("pybobyqa", "auto")


def simulated(ratings: int, seed: int = 19) -> pd.DataFrame:
    """Simulate ratings of items by users, some of whom rate many times as much as others."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    rating = 0.9 * random.standard_normal(ratings)
    for name, levels, sd in zip(("user", "item"), SIZES[ratings], (0.45, 0.5), strict=True):
        ends = np.cumsum(np.exp(0.8 * random.standard_normal(levels)))
        codes = np.searchsorted(ends / ends[-1], random.random(ratings)).astype(np.int32)
        rating += sd * random.standard_normal(levels)[codes]
        columns[name] = pd.Categorical.from_codes(codes, pd.RangeIndex(levels))
    age = random.standard_normal(ratings)
    return pd.DataFrame({"rating": 3.5 + rating + 0.05 * age, "age": age, **columns})


def fit(ratings: int) -> list[dict[str, Any]]:
    """Fit one size by every optimiser: a row per evaluation."""
    model = ms.LinearMixedModel(FORMULA, simulated(ratings), solver="iterative")
    rows = []
    for optimizer in OPTIMIZERS:
        found = model.fit(optimizer)
        trace, told = found.trace, found.certificate
        seconds = found.timing["seconds"].tolist()
        about = {
            "ratings": ratings,
            "optimizer": optimizer,
            "random_effects": found.info["dimensions"]["q"],
            "certificate_gradients": found.info["optimizer"]["certificate_evaluations"],
            "verdict": told["verdict"],
            "probe_theta": told["probe_error"]["theta"],
            "probe_objective": told["probe_error"]["objective"],
            "probe_difference": told["probe_error"]["difference"],
            "probes": told["probe_error"]["probes"],
            "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        }
        columns = ("evaluation", "stage", "status", "phase", "objective", "best", "objective_se")
        for i, row in enumerate(trace[list(columns)].to_dict("records")):
            theta = " ".join(repr(float(v)) for v in trace["theta"].iloc[i])
            rows.append({**about, **row, "theta": theta, "seconds": round(seconds[i], 4)})
    return rows


def store(ratings: int) -> None:
    """Fit one size, in the place of what is stored of it."""
    kept = [row for row in _stored() if int(row["ratings"]) != ratings]
    rows = sorted([*kept, *fit(ratings)], key=lambda row: int(row["ratings"]))
    with TRACES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _stored() -> list[dict[str, Any]]:
    if not TRACES.exists():
        return []
    with TRACES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fits() -> list[FitTables]:
    """Give what is stored as tables of fits, the smallest first, by BOBYQA before `auto`."""
    table = pd.read_csv(TRACES)
    out = []
    for (ratings, optimizer), rows in table.groupby(["ratings", "optimizer"], sort=False):
        first = rows.iloc[0]
        users, items = SIZES[int(ratings)]
        info = {
            "model": f"{ratings / 1e6:g}\u00a0M",
            "formula": FORMULA,
            "structure": f"{users:,} \u00d7 {items:,}",
            "criterion": "ML",
            "objective": float(rows["objective"].iloc[-1]),
            "dimensions": {"n": int(ratings), "n_theta": 2, "q": int(first["random_effects"])},
            "optimizer": {
                "name": optimizer,
                "requested": optimizer,
                "certificate_evaluations": int(first["certificate_gradients"]),
            },
            "certificate": {"verdict": first["verdict"]},
        }
        rows = rows.reset_index(drop=True)
        out.append(FitTables(info, trace=rows, timing=rows[["evaluation", "seconds"]]))
    return out


def numbers() -> dict[str, str]:
    """Give what the text of the guide says of them."""
    table = pd.read_csv(TRACES)
    told = ms.phase_tables(fits())
    last = told["phases"].query("phase == 'fine-tuning'")
    last = last.assign(seconds=told["phases_timing"]["share"][last.index])
    own = table.groupby(["optimizer", "ratings"])
    seconds, counts = own["seconds"].sum(), own.size()
    first, best = own["objective"].first(), own["objective"].min()
    bobyqa = last[last["optimizer"] == "pybobyqa"]
    ratios = seconds["pybobyqa"] / seconds["auto"]
    return {
        "large.ratings": _listed([f"{size / 1e6:g}" for size in SIZES]),
        "large.users": f"{max(users for users, _ in SIZES.values()):,}",
        "large.items": f"{max(items for _, items in SIZES.values()):,}",
        "large.fine": _listed([f"{100 * share:.0f}" for share in bobyqa["share"]]) + "\u00a0%",
        "large.fine-seconds": _listed([f"{100 * share:.0f}" for share in bobyqa["seconds"]])
        + "\u00a0%",
        "large.evaluations": _listed([str(n) for n in counts["pybobyqa"]]),
        "large.each": _listed([f"{s:.2g}" for s in seconds["pybobyqa"] / counts["pybobyqa"]]),
        "large.first": _listed([f"{gap:,.0f}" for gap in (first - best)["pybobyqa"]]),
        "large.evaluations-auto": _listed([str(n) for n in counts["auto"]]),
        "large.first-auto": _listed([f"{gap:.2g}" for gap in (first - best)["auto"]]),
        "large.faster": f"{ratios.min():.0f} to {ratios.max():.0f}",
        "large.error": f"{table['probe_objective'].max():.1g}",
        "large.difference": f"{table['probe_difference'].max():.0e}".replace("e-0", "e\u2212"),
        "large.theta": f"{table['probe_theta'].max():.5f}",
        "large.memory": f"{table['peak_gb'].max():.1f}",
    }


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def draw() -> None:
    """Draw the figure."""
    ms.charts.phases(ms.phase_tables(fits()), order="n").save(str(FIGURE))


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        for size in sys.argv[2:]:
            store(int(size))
    else:
        draw()
