"""Simulated experiments."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mixedscope.core.errors import DataError, FormulaError, MixedscopeError
from mixedscope.data.layout import largest_layout
from mixedscope.data.prepare import load_dataset, prepare_dataset
from mixedscope.data.simulate import simulate_dataset
from mixedscope.data.simulation_spec import read_spec
from mixedscope.design.design import build_design

CROSSED: dict[str, Any] = {
    "seed": 11,
    "units": {"subject": 56, "item": 32},
    "conditions": {"A": ["a1", "a2"], "B": ["b1", "b2"]},
    "assign": "latin-square",
    "contrasts": {"A": "sum", "B": "sum"},
    "formula": "rt ~ 1 + A*B + (1 + A*B | subject) + (1 + A*B | item)",
    "beta": {"(Intercept)": 400, "A1": 30, "B1": -20, "A1:B1": 5},
    "sigma": 100,
    "random": {
        "subject": {"sd": [50, 20, 0, 0], "correlations": 0.3},
        "item": {"sd": {"(Intercept)": 30, "A1": 0, "B1": 15, "A1:B1": 0}},
    },
}
NESTED: dict[str, Any] = {
    "seed": 5,
    "units": {
        "class": 12,
        "pupil": {"n": {"min": 5, "max": 9}, "within": "class", "numbering": "within"},
    },
    "conditions": {"school": {"levels": ["x", "y"], "between": "class"}, "t": {"values": [0, 1]}},
    "covariates": {"age": {"of": "pupil", "mean": 10, "sd": 2, "round": 1}},
    "formula": "score ~ 1 + school*t + age + (1 + t | class) + (1 | class:pupil)",
    "beta": [1, 2, 3, 4, 0.5],
    "sigma": 1,
    "random": {"class": {"sd": [1, 0.5], "correlations": -1}, "class:pupil": {"sd": [2]}},
}


def changed(spec: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {**copy.deepcopy(spec), **keys}


def test_a_maximal_design_has_twenty_parameters() -> None:
    data = simulate_dataset(CROSSED).frame
    assert data.shape == (56 * 32, 5)
    made = build_design(CROSSED["formula"], data, contrasts=CROSSED["contrasts"])
    assert [len(r.names) * (len(r.names) + 1) // 2 for r in made.random] == [10, 10]


def test_a_latin_square_shows_every_unit_every_condition_equally_often() -> None:
    data = simulate_dataset(CROSSED).frame
    for unit, times in (("subject", 8), ("item", 14)):
        assert set(data.groupby([unit, "A", "B"], observed=False).size()) == {times}


def test_crossed_conditions_fill_every_cell() -> None:
    data = simulate_dataset(changed(CROSSED, assign="crossed", replicates=2)).frame
    assert set(data.groupby(["subject", "item", "A", "B"], observed=False).size()) == {2}


def test_the_response_is_made_of_its_parts() -> None:
    made = simulate_dataset(changed(CROSSED, sigma=0))
    design = build_design(CROSSED["formula"], made.frame, contrasts=CROSSED["contrasts"])
    fitted = design.X @ np.array([made.beta[name] for name in design.x_names])
    for random in design.random:
        effects = made.effects[made.effects["group"] == random.group]
        b = effects.pivot(index="level", columns="term", values="effect")
        values = b.loc[list(random.levels), list(random.names)].to_numpy()
        fitted += np.einsum("ij,ij->i", random.Z, values[random.codes])
    assert design.y == pytest.approx(fitted)


def test_standard_deviations_of_zero_make_a_singular_truth() -> None:
    made = simulate_dataset(CROSSED)
    assert np.linalg.matrix_rank(made.covariance["subject"]) == 2
    effects = made.effects
    assert (effects.loc[effects["term"] == "A1:B1", "effect"] == 0).all()
    assert made.covariance["subject"][0, 1] == pytest.approx(0.3 * 50 * 20)


def test_effects_have_the_stated_covariance() -> None:
    spec = changed(CROSSED, units={"subject": 20_000, "item": 2})
    made = simulate_dataset(spec)
    b = made.effects[made.effects["group"] == "subject"].pivot(
        index="level", columns="term", values="effect"
    )
    sample = np.cov(b[["(Intercept)", "A1"]].to_numpy().T)
    assert sample == pytest.approx(made.covariance["subject"][:2, :2], rel=0.1)


def test_a_correlation_of_minus_one_is_kept_exactly() -> None:
    made = simulate_dataset(NESTED)
    b = made.effects[made.effects["group"] == "class"].pivot(
        index="level", columns="term", values="effect"
    )
    assert b["t"].to_numpy() == pytest.approx(-0.5 * b["(Intercept)"].to_numpy())


def test_nested_units_number_again_within_their_parent() -> None:
    data = simulate_dataset(NESTED).frame
    sizes = data.groupby("class", observed=True)["pupil"].nunique()
    assert sizes.min() >= 5
    assert sizes.max() <= 9
    assert sizes.nunique() > 1
    assert len(data["pupil"].cat.categories) <= 9
    # A covariate of a pupil is one number for each pupil, not for each label.
    ages = data.groupby(["class", "pupil"], observed=True)["age"].nunique()
    assert set(ages) == {1}
    assert data["age"].nunique() > 20


def test_globally_numbered_units_have_labels_of_their_own() -> None:
    units = {"class": 3, "pupil": {"n": [2, 3, 4], "within": "class", "prefix": "child"}}
    data = simulate_dataset(changed(NESTED, units=units)).frame
    assert data["pupil"].nunique() == 9
    assert set(data.groupby("pupil", observed=True)["class"].nunique()) == {1}
    assert data["pupil"].cat.categories[0] == "child1"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"assign": "crossed", "replicates": 2},
        {"units": {"item": 2, "subject": {"n": [3, 4], "within": "item"}}, "assign": "crossed"},
        {"conditions": {"A": {"values": [0, 1, 2]}, "B": {"levels": [1, 2], "between": "item"}}},
    ],
)
def test_the_largest_layout_is_no_less_than_what_is_laid_out(keys: dict[str, Any]) -> None:
    spec = changed(CROSSED, **keys)
    spec |= {"formula": "rt ~ 1 + (1 | subject)", "beta": [1], "random": {"subject": {"sd": 1}}}
    data = simulate_dataset(spec).frame
    rows, levels = largest_layout(read_spec(spec))
    assert len(data) <= rows <= 8 / 7 * len(data)
    for name in ("subject", "item"):
        assert data[name].nunique() <= levels[name]


def test_conditions_between_units_are_constant_in_them() -> None:
    data = simulate_dataset(NESTED).frame
    assert set(data.groupby("class", observed=True)["school"].nunique()) == {1}
    assert data.groupby("school", observed=True)["class"].nunique().tolist() == [6, 6]


def test_designs_can_be_unbalanced_and_cells_missing() -> None:
    spec = changed(
        CROSSED,
        assign="crossed",
        drop_cells="A == 'a2' and B == 'b2' and subject == 'S01'",
        missing_cells=0.1,
        replicates={"min": 0, "max": 3},
        keep=0.9,
        missing={"rt": 0.05},
    )
    data = simulate_dataset(spec).frame
    cells = data.groupby(["subject", "item", "A", "B"], observed=False).size()
    assert cells.min() == 0
    assert cells.max() == 3
    gone = (data["A"] == "a2") & (data["B"] == "b2") & (data["subject"] == "S01")
    assert not gone.any()
    made = build_design(CROSSED["formula"], data)
    assert made.n_dropped == round(0.05 * len(data))


def test_the_same_seed_gives_the_same_data_and_another_other() -> None:
    digests = [
        prepare_dataset({"simulate": changed(CROSSED, seed=s)}).description["sha256"]
        for s in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_what_is_drawn_does_not_depend_on_the_order_of_keys() -> None:
    reversed_keys = dict(reversed(list(copy.deepcopy(NESTED).items())))
    reversed_keys["random"] = dict(reversed(list(NESTED["random"].items())))
    assert simulate_dataset(NESTED).frame.equals(simulate_dataset(reversed_keys).frame)


def test_one_more_covariate_changes_no_other_number() -> None:
    more = changed(NESTED)
    more["covariates"] = {"iq": {"distribution": "uniform"}, **more["covariates"]}
    first, second = simulate_dataset(NESTED).frame, simulate_dataset(more).frame
    assert first["score"].equals(second["score"])
    assert second["iq"].between(0, 1).all()


def test_a_simulated_dataset_can_be_prepared() -> None:
    data = load_dataset({"simulate": CROSSED, "filter": "A == 'a1'", "derive": {"s": "rt / 1000"}})
    assert set(data["A"]) == {"a1"}
    assert "s" in data


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sed": 1}, "Did you mean 'seed'"),
        ({"seed": -1}, "'seed' must be a whole number"),
        ({"seed": "x"}, "'seed' must be a whole number"),
        ({"sigma": -1}, "'sigma' must be a number from 0"),
        ({"beta": [1, 2]}, "4 numbers"),
        ({"beta": {"(Intercept)": 1}}, "lacks 'A1'"),
        ({"beta": {"A11": 1}}, "Did you mean 'A1'"),
        ({"random": {"subject": {"sd": [1, 1, 1, 1]}}}, "nothing about .* 'item'"),
        ({"random": {"subjct": {"sd": 1}}}, "Did you mean 'subject'"),
        ({"units": {}}, "at least one unit"),
        ({"units": {"subject": 0, "item": 3}}, "whole number n"),
        ({"units": {"subject": -1, "item": 3}}, "whole number n"),
        ({"units": {"subject": [-1, 3], "item": 3}}, "whole number n"),
        ({"units": {"subject": {"n": {"min": -2, "max": 3}}, "item": 3}}, "whole number n"),
        ({"units": {"subject": 2.5, "item": 3}}, "whole number n"),
        ({"replicates": -1}, "'replicates' must be a whole number from 1"),
        ({"replicates": {"min": 3, "max": 2}}, "'replicates' must be a whole number from 1"),
        ({"units": {"subject": {"n": 3, "within": "item"}, "item": 3}}, "listed before"),
        ({"conditions": {"A": ["a", "a"], "B": ["b"]}}, "different levels"),
        ({"conditions": {"A": {"levels": ["a"], "between": "sub"}}}, "Did you mean 'subject'"),
        ({"conditions": {"A": ["a1", "a2"]}}, "uses 'B', which is no unit"),
        ({"assign": "latin"}, "Did you mean|must be 'crossed' or 'latin-square'"),
        ({"keep": 2}, "'keep' must be a share"),
        ({"keep": 0}, "'keep' must be a share above 0"),
        ({"missing": {"rtt": 0.1}}, "Did you mean 'rt'"),
        ({"covariates": {"z": {"distribution": "cauchy"}}}, "unknown distribution"),
        ({"covariates": {"z": {"of": "sbject"}}}, "Did you mean 'subject'"),
        ({"covariates": {"z": {"mean": "x"}}}, "'covariates.z.mean' must be a number"),
        ({"covariates": {"z": {"mean": 1, "distribution": "uniform"}}}, "'mean' is no parameter"),
        ({"covariates": {"A": {}}}, "'A' is the name of more than one"),
        ({"missing_cells": 1}, "'missing_cells' must be a share"),
        ({"units": {"subject": [1, 2], "item": 3}}, "list of 1 numbers"),
    ],
)
def test_a_wrong_specification_is_explained(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        simulate_dataset(changed(CROSSED, **keys))


@pytest.mark.parametrize(
    ("correlations", "words"),
    [
        (2, "between"),
        ([[1, 0], [0, 1]], "4 × 4"),
        ({"A1": {"A1B1": 0.1}}, "Did you mean 'A1:B1'"),
        (-0.9, "cannot occur together"),
    ],
)
def test_impossible_correlations_are_explained(correlations: Any, words: str) -> None:
    spec = changed(CROSSED)
    spec["random"]["subject"]["correlations"] = correlations
    with pytest.raises(DataError, match=words):
        simulate_dataset(spec)


def test_correlations_may_be_named() -> None:
    spec = changed(CROSSED)
    spec["random"]["subject"]["correlations"] = {"A1": {"(Intercept)": 0.5}}
    assert simulate_dataset(spec).covariance["subject"][1, 0] == pytest.approx(500)


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all keys and places within a specification."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, part in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from parts(part, (*path, key))


@pytest.mark.parametrize("odd", [None, -1, 2.5, "x", [], [-1], {"a": 1}], ids=repr)
def test_whatever_stands_anywhere_is_simulated_or_refused_in_words(odd: Any) -> None:
    refused = []
    whole = changed(NESTED, replicates={"min": 1, "max": 2}, keep=0.9, missing={"score": 0.1})
    for *parents, last in parts(whole):
        spec = copy.deepcopy(whole)
        here: Any = spec
        for key in parents:
            here = here[key]
        here[last] = odd
        try:
            simulate_dataset(spec)
        except MixedscopeError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not [words for words in refused if "Input should be" in words]


@pytest.mark.parametrize("spec", [None, 3, ["units"]])
def test_a_specification_is_a_mapping(spec: Any) -> None:
    with pytest.raises(DataError, match="simulate must be a mapping, not"):
        simulate_dataset(spec)


def test_units_that_no_one_drew_are_told() -> None:
    units = {"class": {"n": {"min": 0, "max": 1}}, "pupil": {"n": 2, "within": "class"}}
    told = set()
    for seed in range(8):
        try:
            simulate_dataset(changed(NESTED, seed=seed, units=units))
        except MixedscopeError as error:
            told.add("unit 'class' were drawn 0 times" in str(error))
    assert told == {True, False}


def test_arrays_and_tuples_are_lists() -> None:
    spec = changed(CROSSED, beta=np.array([400, 30, -20, 5]))
    spec["random"]["subject"] = {"sd": (50, 20, 0, 0), "correlations": np.full((4, 4), 0.3)}
    np.fill_diagonal(spec["random"]["subject"]["correlations"], 1)
    assert simulate_dataset(spec).frame.equals(simulate_dataset(CROSSED).frame)


def test_a_simulated_response_is_a_plain_name() -> None:
    spec = changed(CROSSED, formula=CROSSED["formula"].replace("rt", "log(rt)", 1))
    with pytest.raises(FormulaError, match="plain name"):
        simulate_dataset(spec)
