"""Runs of a sweep: expansion, seeds, and what is said of keys that mean nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sweep_plans import CONFIG, fault, runs

from mixedscope.core.errors import ConfigError
from mixedscope.core.seeds import derive_seed, generator

GRID = {"model": ["sim"], "structure": ["full", "zerocorr"], "optimizer": ["auto", "bobyqa"]}


def test_grid_is_the_product_with_its_last_key_fastest() -> None:
    found = [(r.keys["structure"], r.keys["optimizer"]) for r in runs({"grid": GRID})]
    assert found == [
        ("full", "auto"),
        ("full", "bobyqa"),
        ("zerocorr", "auto"),
        ("zerocorr", "bobyqa"),
    ]


def test_points_follow_the_grid_and_a_run_listed_twice_is_one() -> None:
    points = [{"model": "sleep"}, {"model": "sim", "structure": "full", "optimizer": "auto"}]
    found = runs({"grid": GRID, "points": points})
    assert [r.keys["model"] for r in found] == ["sim"] * 4 + ["sleep"]


def test_fixed_values_give_way_to_those_of_a_point() -> None:
    found = runs({"fixed": {"model": "sim", "criterion": "REML"}, "points": [{"criterion": "ML"}]})
    assert [r.spec["model"]["criterion"] for r in found] == ["ML"]


@pytest.mark.parametrize("written", ["reml", "Reml", "REML"])
def test_criterion_is_understood_in_any_case(written: str) -> None:
    (found,) = runs({"fixed": {"model": "sim"}, "points": [{"criterion": written}]})
    assert found.spec["model"]["criterion"] == "REML"


def test_tolerance_becomes_the_setting_of_the_backend() -> None:
    sweep = {
        "fixed": {"model": "sim", "tolerance": 0.001},
        "grid": {"optimizer": GRID["optimizer"]},
    }
    settings = [r.spec["optimizer"]["settings"] for r in runs(sweep)]
    assert settings == [{"ftol": 0.001}, {"xtol_abs": 0.001}]


def test_parameter_of_simulated_data_is_put_where_its_path_leads() -> None:
    sweep = {"fixed": {"model": "sim"}, "grid": {"simulate.units.g": [5, 6]}}
    data = [r.spec["data"]["dataset"]["simulate"] for r in runs(sweep)]
    assert [d["units"] for d in data] == [{"g": 5}, {"g": 6}]
    assert data[0]["seed"] != data[1]["seed"]
    assert CONFIG["datasets"]["made"]["simulate"]["units"] == {"g": 12}


def test_data_as_they_are_come_from_the_file_of_the_workflow() -> None:
    (run,) = runs({"points": [{"model": "sim"}]})
    assert run.spec["data"]["file"] == "results/data/made.parquet"


def test_seeds_do_not_depend_on_the_other_runs_nor_on_their_order() -> None:
    small = {"fixed": {"model": "sim"}, "grid": {"simulate.sigma": [2], "start": [1]}}
    large = {
        "fixed": {"model": "sim"},
        "grid": {"start": [3, 2, 1], "simulate.sigma": [4, 2], "optimizer": ["bobyqa", "auto"]},
    }
    (alone,) = runs(small)
    same = [
        r
        for r in runs(large)
        if r.keys["start"] == 1 and r.keys["simulate.sigma"] == 2 and r.keys["optimizer"] == "auto"
    ]
    assert [r.id for r in same] == [alone.id]


def test_compared_runs_share_data_and_starts() -> None:
    found = runs({"grid": {**GRID, "tolerance": [0.1, 0.01], "start": [1]}, "replicates": 2})
    data = {r.keys["replicate"]: set() for r in found}
    starts: dict[tuple[int, str], set[str]] = {}
    for run in found:
        data[run.keys["replicate"]].add(str(run.spec["data"]))
        key = (run.keys["replicate"], run.keys["structure"])
        starts.setdefault(key, set()).add(str(run.spec["start"]))
    assert [len(d) for d in data.values()] == [1, 1]
    assert data[1] != data[2]
    assert {len(s) for s in starts.values()} == {1}


def test_runs_of_one_objective_are_told() -> None:
    found = runs({"grid": GRID})
    assert found[0].objective == found[1].objective
    assert found[0].objective != found[2].objective


def test_seed_of_the_configuration_reaches_every_draw() -> None:
    sweep = {"points": [{"model": "sim", "start": 1, "share": 0.5, "replicate": 1}]}
    (one,), (two,) = runs(sweep), runs(sweep, seed=4)
    for part in ("data", "draw", "start"):
        assert one.spec[part] != two.spec[part]
    assert one.spec["seed"] != two.spec["seed"]


def test_seeds_are_pinned() -> None:
    assert derive_seed(1, "sweep data", replicate=1) == 3319642040969173948
    assert derive_seed(1, "sweep data", replicate=1, bits=32) < 2**32
    assert derive_seed(1, "a", x=1, y=2) == derive_seed(1, "a", y=2, x=1)
    draws = {generator(1, purpose).random() for purpose in ("a", "b", "c")}
    assert len(draws) == 3


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"grid": {"optimiser": ["auto"]}}, ["optimiser", "Did you mean 'optimizer'"]),
        ({"grid": {"model": ["slep"]}}, ["slep", "Did you mean 'sleep'"]),
        ({"fixed": {"model": "sim"}, "grid": {"optimizer": ["atuo"]}}, ["Did you mean 'auto'"]),
        ({"fixed": {"model": "sim"}, "grid": {"tolerance": ["1e-6"]}}, ["write 1.0e-6"]),
        ({"fixed": {"model": "sim"}, "grid": {"start": ["momets"]}}, ["Did you mean 'moments'"]),
        ({"fixed": {"model": "sim"}, "grid": {"share": [1.5]}}, ["share", "at most 1"]),
        ({"fixed": {"model": "sim"}, "grid": {"simulate.unit.g": [5]}}, ["Did you mean 'units'"]),
        ({"fixed": {"model": "sim"}, "grid": {"simulate.units.h": [5]}}, ["has no 'h'", "g"]),
        ({"fixed": {"model": "sim"}, "grid": {"simulate.seed": [5]}}, ["replicate"]),
        ({"fixed": {"model": "sleep"}, "grid": {"simulate.sigma": [5]}}, ["is not simulated"]),
        ({"points": [{"model": "sleep"}], "replicates": 3}, ["would all be the same"]),
        ({"points": [{"structure": "full"}]}, ["'model' is missing", "sim, sleep"]),
        ({"points": [{"model": "sim", "share": 0.5, "size": 3}]}, ["'share' or 'size'"]),
        ({"points": [{"model": "sim", "of": "g"}]}, ["'of'"]),
        ({"fixed": {"model": "sim"}}, ["'grid'", "'points'"]),
        ({"grid": {"model": ["sim", "sim"]}}, ["listed twice"]),
        ({"grid": {"replicate": [1], "model": ["sim"]}, "replicates": 2}, ["not both"]),
        ({"points": [{"model": "sim", "subset": "g =="}]}, ["subset"]),
    ],
)
def test_message_names_the_key_and_the_remedy(sweep: dict[str, Any], words: list[str]) -> None:
    message = fault(sweep)
    assert "sweeps.s" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("chart", "words"),
    [
        ({"x": "structure", "y": "gpa"}, ["Did you mean 'gap'"]),
        ({"x": "structur", "y": "gap"}, ["Did you mean 'structure'"]),
        ({"x": "structure", "y": "kept"}, ["a value for each term"]),
        ({"x": "structure", "y": "gap", "kind": "heat"}, ["rows"]),
        ({"x": "structure", "y": "gap", "rows": "optimizer"}, ["rows"]),
        ({"x": "structure", "y": "gap", "colour": "term"}, ["not measured by term"]),
        ({"x": "structure", "y": "gap", "facet": "tolerance"}, ["no run", "tolerance"]),
        ({"x": "gap", "y": "evaluations"}, ["'gap'"]),
        ({"x": "structure", "y": "gap", "name": "a/b"}, ["name of a file", "file"]),
        ({"x": "structure", "y": "evaluations", "kind": "area"}, ["phase_share"]),
        (
            {"x": "structure", "y": "phase_evaluations", "kind": "area", "colour": "phase"},
            ["phase_share"],
        ),
    ],
)
def test_message_about_a_chart_names_what_is_wrong(chart: dict[str, Any], words: list[str]) -> None:
    message = fault({"grid": GRID, "charts": [chart]})
    assert "charts.0" in message
    assert any(word in message for word in words)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("random.g.sd.cb2", 1.0, r"simulate\.random\.g\.sd\.cb2: 1\.0: .*Did you mean 'cb'\?"),
        ("random.g.sdd", {"cb": 1}, "Did you mean 'sd'"),
        ("random.g.correlations", 2, "between −1 and 1"),
        ("units.g", [0], r"simulate\.units\.g: \[0\]"),
        ("units.g", "many", r"units\.g"),
        ("units", 5, "units"),
        ("beta.ca", 1.0, r"Did you mean 'cb'|has no 'ca'"),
        ("sigma", -1, "sigma"),
        ("conditions.c", ["a", "z"], r"beta names 'cb'"),
        ("formula", "y ~ 1 + d + (1 + c | g)", "'d'"),
        ("assign", "latin", "assign"),
        ("keep", 0, "keep"),
    ],
)
def test_parameters_that_cannot_be_simulated_are_refused_before_anything_runs(
    key: str, value: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        runs({"fixed": {"model": "sim"}, "grid": {f"simulate.{key}": [value]}})
    assert "sweeps.s" in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_parameters_are_tried_while_that_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(
        "mixedscope.data.simulate.simulate_dataset", lambda spec: tried.append(spec["units"]["g"])
    )
    sizes = [10, 20, 10_000_000]
    grid = {"simulate.units.g": sizes, "simulate.sigma": [1, 2]}
    runs({"fixed": {"model": "sim"}, "grid": grid, "replicates": 50})
    assert tried == [10, 10, 20]
