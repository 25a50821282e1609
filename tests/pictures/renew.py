"""Renew the baseline of pictures, after a look: `uv run python tests/pictures/renew.py [case ...]`.

Specifications and pictures of all cases, or of those named, are made anew from the stored tables;
what changed is said, and the pictures to look at are in `tests/pictures/approved/`. With
`--tables` the tables are fitted anew too, as a change of their formats needs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from family_cases import answers, visits  # noqa: E402
from picture_cases import APPROVED, CASES, SPECS, TABLES, digest, painter, specification  # noqa: E402

import mixedscope as ms  # noqa: E402


def data() -> pd.DataFrame:
    """Ten groups of six observations, whose slopes and intercepts vary."""
    rng = np.random.default_rng(20)
    q, each = 10, 6
    group = np.repeat(np.arange(q), each)
    x = np.tile(np.arange(each, dtype=float), q)
    b = rng.normal(size=(q, 2)) * (30.0, 6.0)
    y = 250 + b[group, 0] + (10 + b[group, 1]) * x + rng.normal(scale=20.0, size=q * each)
    groups = [f"g{level:02d}" for level in group]
    z = rng.normal(size=q * each).round(2)  # of which y knows nothing
    return pd.DataFrame({"y": y.round(3), "x": x, "z": z, "g": groups})


def factorial(right: str) -> ms.Fit:
    """Fit three factors, of which one combination never occurs, and a number."""
    rng = np.random.default_rng(21)
    rows = data().assign(
        a=np.resize(["low", "middle", "high"], 60),
        b=np.resize(["left", "left", "right", "right"], 60),
        c=np.repeat(["early", "late"], 30),
    )
    rows["y"] += 25.0 * (rows["a"] == "high") + 2.0 * rng.normal(size=60)
    rows["a"] = pd.Categorical(rows["a"], ["low", "middle", "high"])
    kept = rows[~((rows["a"] == "middle") & (rows["b"] == "left") & (rows["c"] == "late"))]
    model = ms.LinearMixedModel(f"y ~ {right} + (1 | g)", kept.reset_index(drop=True))
    return model.fit(reml=True)


def choices(structure: str) -> ms.GeneralizedFit:
    """Fit yes or no of twenty levels, of which some say the same all the time."""
    rng = np.random.default_rng(22)
    q, each = 20, 8
    group = np.repeat(np.arange(q), each)
    x = np.tile(np.linspace(-1.0, 1.0, each), q).round(3)
    b = rng.normal(size=(q, 2)) * (1.6, 1.0)
    eta = 0.5 + b[group, 0] + (1.0 + b[group, 1]) * x
    says = np.where(rng.random(q * each) < 1.0 / (1.0 + np.exp(-eta)), "yes", "no")
    rows = pd.DataFrame({"says": says, "x": x, "g": [f"g{level:02d}" for level in group]})
    fit = ms.glmer("says ~ 1 + x + (1 + x | g)", rows, structure=structure, optimizer="pybobyqa")
    for study in ("panels", "residuals", "parameters", "motion"):
        fit.study(study)
    return fit


def made_of_families() -> None:
    """Fit choices of persons to items and counts, and store what charts of them read."""
    for name, rows, formula, family in (
        ("answers", answers(), "y ~ x + w + (1 | g) + (1 | h)", "binomial"),
        ("visits", visits(), "y ~ x + w + (1 | g)", "poisson"),
    ):
        fit = ms.glmer(formula, rows, family)
        for study in ("residuals", "check", "pooling"):
            fit.study(study)
        fit.save(TABLES / name)
        for what, tables in (
            ("influence", fit.influence("g").tables),
            ("crossvalidation", ms.cross_validate(fit.model).tables),
        ):
            folder = TABLES / f"{name}-{what}"
            folder.mkdir(exist_ok=True)
            for one, table in tables.items():
                table.to_parquet(folder / f"{one}.parquet", index=False)


def drawn() -> ms.Fit:
    """Draw from and profile a fit of which one standard deviation may well be zero."""
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + z | g)", data(), structure="zerocorr").fit()
    fit.parametric_bootstrap(150, seed=4)
    fit.profile()
    fit.profile_pairs(["sigma", "sd"], vertices=16)
    return fit


#: A study that is planned.
PLANNED = {
    "formula": "rt ~ prime * load + (1 | subject) + (1 | item)",
    "units": {"subject": 10, "item": 4},
    "conditions": {
        "prime": {"values": [-0.5, 0.5]},
        "load": {"levels": ["low", "high"], "between": "subject"},
    },
    "beta": {"(Intercept)": 620.0, "prime": -60.0, "loadhigh": 90.0, "prime:loadhigh": 40.0},
    "sigma": 120.0,
    "random": {"subject": {"sd": 60.0}, "item": {"sd": 30.0}},
}


def make_tables() -> None:
    """Fit, study and compare, and store what charts read."""
    formula, rows = "y ~ 1 + x + (1 + x | g)", data()
    shutil.rmtree(TABLES, ignore_errors=True)
    models = {s: ms.LinearMixedModel(formula, rows, structure=s) for s in ("full", "zerocorr")}
    fits = {}
    for folder, structure, optimizer in (
        ("full", "full", "pybobyqa"),
        ("zerocorr", "zerocorr", "pybobyqa"),
        ("lbfgsb", "full", "scipy-lbfgsb"),
    ):
        fits[folder] = models[structure].fit(optimizer=optimizer)
        fits[folder].save(TABLES / folder, studies=True)
    for folder, structure in (("singular", "full"), ("apart", "zerocorr")):
        formula = "y ~ 1 + x + z + (1 + x + z | g)"
        fit = ms.LinearMixedModel(formula, rows, structure=structure).fit()
        fit.study("principal")
        fit.save(TABLES / folder)
    drawn().save(TABLES / "drawn")
    for folder, structure in (("choices", "full"), ("levels", "intercept")):
        choices(structure).save(TABLES / folder, studies=True)
    made_of_families()
    draws = fits["full"].parametric_bootstrap(200, seed=4)
    intervals = {
        "profile_intervals": fits["full"].profile().confint().assign(level=0.95),
        "bootstrap_intervals": draws.confint().drop(columns="drawn_from").assign(level=0.95),
    }
    made = {
        "intervals": {**intervals, "estimates": fits["full"].estimates},
        "ladder": ms.ladder([fits["full"], fits["zerocorr"]]).tables,
        "race": models["full"].race(["pybobyqa", "auto"], starts=2),
        "phases": ms.phase_tables([fits["full"], fits["zerocorr"]]),
        "efficiency": ms.efficiency(fits["full"], draws=40).tables,
        "crossvalidation": ms.cross_validate(models["full"]).tables,
        "influence": fits["full"].influence("g").tables,
        "power": ms.power(
            PLANNED, along={"subject": [6, 10, 16, 24, 36]}, draws=200, seed=3
        ).tables,
        "powergrid": ms.power(
            PLANNED,
            along={"subject": [8, 16, 32], "item": [4, 8, 16]},
            hypotheses="prime",
            draws=100,
            seed=4,
        ).tables,
        "means": factorial("a * b * c").means(["a", "b"], by="c", df="kenward-roger").tables,
        "effects": factorial("a + c + x * b").means(["x", "b"], at={"x": range(6)}).tables,
    }
    for folder, tables in made.items():
        (TABLES / folder).mkdir()
        for name, table in tables.items():
            table.to_parquet(TABLES / folder / f"{name}.parquet", index=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="all by default")
    parser.add_argument("--tables", action="store_true", help="fit anew first")
    asked = parser.parse_args()
    unknown = sorted(set(asked.cases) - set(CASES))
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}. Known: {', '.join(CASES)}")
    if asked.tables:
        make_tables()
    APPROVED.mkdir(exist_ok=True)
    before = json.loads(SPECS.read_text("utf-8")) if SPECS.exists() else {}
    after = {case: value for case, value in before.items() if case in CASES}
    with painter() as painted:
        for case in asked.cases or CASES:
            spec = specification(case)
            after[case] = digest(spec)
            if after[case] != before.get(case) or not (APPROVED / f"{case}.png").exists():
                (APPROVED / f"{case}.png").write_bytes(painted(spec))
                print(f"{case}: {'changed' if case in before else 'new'}, look at it")
    for path in APPROVED.glob("*.png"):
        if path.stem not in CASES:
            path.unlink()
    SPECS.write_text(json.dumps(dict(sorted(after.items())), indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
