"""What random probes leave open, in words and in verdicts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mixedscope.optimize.hidden_falls import hidden_fall
from mixedscope.optimize.probe_words import probe_doubt, probe_words

TOLD = {
    "theta": 0.01,
    "objective": 0.1,
    "probes": 32,
    "fresh": 1.0,
    "iterations": 9,
    "residual": 0.0,
}


@pytest.mark.parametrize(
    ("more", "decrement", "words"),
    [
        ({}, 0.0, ""),
        ({"theta": 0.49}, 0.0, ""),
        ({"theta": 0.6}, 0.0, "leave theta open by 0.6 of"),
        ({"theta": 0.6}, 0.35, ""),
        ({"hidden": 0.4}, 0.0, ""),
        ({"hidden": 3.0}, 0.0, "it may be lower by 3"),
    ],
)
def test_doubt_is_of_what_probes_leave_open_and_not_of_the_search(more, decrement, words):
    found = probe_doubt({**TOLD, **more}, "deviance", decrement)
    assert words in found
    assert bool(found) == bool(words)


def test_what_is_no_optimum_is_not_called_one():
    assert "ended at an optimum" in probe_words(TOLD, "deviance")
    assert "optimum" not in probe_words({**TOLD, "theta": 2.0}, "deviance", is_optimum=False)


def look(values, deviations):
    """The fall that is hidden between points on a line, by their values and what probes err."""

    def evaluation(at):
        return SimpleNamespace(
            objective=values[at], objective_se=float(np.linalg.norm(deviations[at])) / 4
        )

    def evaluate(theta):
        return evaluation(int(theta[0])), np.asarray(deviations[int(theta[0])], dtype=float)

    problem = SimpleNamespace(
        objective=SimpleNamespace(evaluate_with_deviations=evaluate),
        to_theta=lambda x: x,
        certificate_evaluations=0,
    )
    here, *others = [
        SimpleNamespace(x=np.array([at]), objective=value, evaluation=evaluation(at))
        for at, value in enumerate(values)
    ]
    return hidden_fall(problem, here, others)


def test_a_fall_is_hidden_by_errors_that_points_do_not_share():
    apart = [[0.0, 0.0, 0.0, 0.0], [4.0, -4.0, 4.0, -4.0]]  # an error of 8 / 4
    assert look([10.0, 11.0], apart) == pytest.approx(2 * 2.0 - 1.0)
    assert look([10.0, 20.0], apart) == 0.0
    shared = [[4.0, -4.0, 4.0, -4.0]] * 2
    assert look([10.0, 11.0], shared) == 0.0
