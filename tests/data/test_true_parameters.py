"""True parameters in the coding of a model, against the numbers that the simulation was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.data.true_parameters import true_parameters
from mixedscope.design.design import build_design

SPEC: dict[str, Any] = {
    "seed": 1,
    "formula": "y ~ 1 + c * d + (1 + c | g) + (1 | g:h)",
    "units": {"g": 8, "h": 3},
    "conditions": {"c": ["a", "b"], "d": ["u", "v"]},
    "replicates": 2,
    "beta": {"(Intercept)": 10, "cb": 1, "dv": 0, "cb:dv": 0.5},
    "sigma": 2,
    "random": {
        "g": {"sd": {"(Intercept)": 2, "cb": 1}, "correlations": 0.5},
        "g:h": {"sd": 1},
    },
}


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate_dataset(SPEC)


def truths(simulation: Simulation, formula: str, **settings: Any) -> dict[str, float]:
    design = build_design(formula, simulation.frame, **settings)
    found = true_parameters(simulation, design, range(design.X.shape[1]))
    return {" ".join(part for part in key if part): value for key, value in found.items()}


def test_the_model_of_the_simulation_has_its_numbers_exactly(simulation: Simulation) -> None:
    assert truths(simulation, SPEC["formula"]) == {
        "beta (Intercept)": 10.0, "beta cb": 1.0, "beta dv": 0.0, "beta cb:dv": 0.5,
        "sd g (Intercept)": 2.0, "sd g cb": 1.0, "correlation g (Intercept) cb": 0.5,
        "sd g:h (Intercept)": 1.0, "sigma": 2.0,
    }  # fmt: skip


def test_names_that_mean_something_else_have_the_truth_of_what_they_mean(
    simulation: Simulation,
) -> None:
    found = truths(simulation, "y ~ 0 + c:d + (0 + c | g) + (1 | h:g)")
    expected = {"beta ca:du": 10, "beta cb:du": 11, "beta ca:dv": 10, "beta cb:dv": 11.5,
                "sd g ca": 2, "sd g cb": np.sqrt(4 + 1 + 2 * 0.5 * 2),
                "sd h:g (Intercept)": 1, "sigma": 2}  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    # cov(a, a + s) = 4 + 1 over 2 sqrt(7)
    assert found["correlation g ca cb"] == pytest.approx(5 / (2 * np.sqrt(7)))


def test_sum_contrasts_have_means_and_half_differences(simulation: Simulation) -> None:
    found = truths(simulation, SPEC["formula"], contrasts={"c": "sum", "d": "sum"})
    expected = {"beta (Intercept)": 10.625, "beta c1": -0.625, "beta d1": -0.125,
                "beta c1:d1": 0.125, "sd g c1": 0.5, "sd g (Intercept)": np.sqrt(4 + 0.25 + 1),
                "sigma": 2}  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_what_belongs_to_a_term_left_out_has_no_truth(simulation: Simulation) -> None:
    found = truths(simulation, "y ~ 1 + c + d + (1 + c | g) + (1 | g:h)")
    assert not [name for name in found if name.startswith("beta")]
    assert "sigma" not in found
    additive = simulate_dataset({**SPEC, "beta": {**SPEC["beta"], "dv": 3, "cb:dv": 0}})
    # An interaction of 0 is none, and is in no model missing.
    assert truths(additive, "y ~ 1 + c + d + (1 + c | g) + (1 | g:h)")["beta cb"] == 1.0
    # Without d the effect of c is what it was, and the intercept is not.
    found = truths(additive, "y ~ 1 + c + (1 + c | g) + (1 | g:h)")
    assert found["beta cb"] == 1.0
    assert "beta (Intercept)" not in found


def test_numbers_in_other_units_and_offsets_have_the_truth_of_the_column() -> None:
    made = simulate_dataset(
        {
            "seed": 2,
            "formula": "y ~ 1 + x + offset(w) + (1 + x | g)",
            "units": {"g": 6},
            "covariates": {"x": {"mean": 3.0, "sd": 2.0}, "w": {"mean": 5.0}},
            "replicates": 8,
            "beta": {"(Intercept)": 10, "x": 1},
            "sigma": 2,
            "random": {"g": {"sd": {"(Intercept)": 2, "x": 1}}},
            "missing": {"x": 0.1},
        }
    )
    x = made.frame["x"].dropna()
    found = truths(made, "y ~ 1 + scale(x) + offset(w) + (1 + scale(x) | g)")
    assert found["beta (Intercept)"] == pytest.approx(10 + x.mean())
    assert found["beta scale(x)"] == pytest.approx(x.std())
    assert found["sd g (Intercept)"] == pytest.approx(np.hypot(2, x.mean()))
    assert found["sd g scale(x)"] == pytest.approx(x.std())
    assert found["sigma"] == 2.0
    found = truths(made, "y ~ 1 + x + w + (1 + x | g)")
    assert {n: v for n, v in found.items() if n.startswith("beta")} == pytest.approx(
        {"beta (Intercept)": 10, "beta x": 1, "beta w": 1}
    )
    # Without the offset the intercept takes its mean, and sigma the rest.
    found = truths(made, "y ~ 1 + x + (1 + x | g)")
    assert found["beta x"] == 1.0
    assert not {"beta (Intercept)", "sigma"} & set(found)


def test_responses_that_are_not_those_simulated_have_no_truth(simulation: Simulation) -> None:
    assert truths(simulation, "log(abs(y)) ~ 1 + c * d + (1 + c | g)") == {}


def test_fewer_random_effects_take_the_variance_by_least_squares_and_leave_no_sigma(
    simulation: Simulation,
) -> None:
    found = truths(simulation, "y ~ 1 + c * d + (1 | g) + (1 | g:h)")
    assert found["sd g (Intercept)"] == pytest.approx(np.sqrt(4 + 0.25 + 1))
    assert "sigma" not in found


def test_what_takes_up_a_factor_that_is_left_out_has_no_truth(simulation: Simulation) -> None:
    found = truths(simulation, "y ~ 1 + c * d + (1 | g:h)")
    assert not any(name.startswith("sd") for name in found)
    assert "sigma" not in found
    assert found["beta cb"] == 1.0
    # Combinations of groups and conditions take up what varies between groups.
    assert not any(n.startswith("sd") for n in truths(simulation, "y ~ 1 + c * d + (1 | g:c)"))
    # What is left out within the levels of a factor stays out of its truth, as before.
    assert truths(simulation, "y ~ 1 + c * d + (1 + c | g)")["sd g (Intercept)"] == 2.0
    # A factor that had no part has none, beside those that had.
    found = truths(simulation, SPEC["formula"] + " + (1 | g:c)")
    assert (found["sd g:c (Intercept)"], found["sd g:h (Intercept)"]) == (0.0, 1.0)
