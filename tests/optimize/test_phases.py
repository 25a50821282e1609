"""Phases come in order, each in one piece, by the rule stated with `label_phases`."""

from __future__ import annotations

import numpy as np
import pytest
from optimize_cases import null_variance, quadratic, simulated, singular

from mixedscope.core.vocabulary import PHASES
from mixedscope.optimize.backends import BACKENDS
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.phases import label_phases

E, C, F = PHASES


def labels(objective, position=None, radius=None, **settings):
    objective = np.array(objective, dtype=float)
    if position is None:
        position = np.zeros((objective.size, 1))
    if radius is None:
        radius = np.full(objective.size, np.nan)
    return label_phases(
        objective, np.array(position, dtype=float), np.array(radius, dtype=float), **settings
    )


def test_a_full_trace_has_three_phases():
    result = labels(
        [100.0, 60.0, 30.0, 5.0, 2.0, 0.5, 1e-4, 0.0, 0.0],
        radius=[1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.1, 0.05],
    )
    assert result == [E, E, E, E, C, C, C, F, F]


def test_one_evaluation_is_exploration():
    assert labels([5.0]) == [E]


def test_no_evaluation_has_no_phase():
    assert labels([]) == []


def test_a_trace_that_only_fails_is_exploration():
    assert labels([np.nan, np.nan]) == [E, E]


def test_four_evaluations_of_a_good_start():
    assert labels([1.0, 0.05, 1e-5, 0.0], position=[[1.0], [0.2], [0.01], [0.0]]) == [E, E, C, F]


def test_an_optimum_met_by_chance_is_not_fine_tuned_before_the_search_contracts():
    # As Py-BOBYQA on Machines by intercepts: the second point of its first design, at full radius.
    objective = [1.93, 7.4e-4, 14.9, 0.16, 7e-3, 0.0]
    radius = [0.5, 0.5, 0.5, 0.25, 0.125, 0.025]
    assert labels(objective, radius=radius) == [E, E, E, F, F, F]


def test_an_optimiser_that_follows_gradients_converges_with_its_first_good_step():
    # As BFGS from the moments on sleepstudy, four evaluations.
    objective = [0.0465, 4.4e-6, 3.8e-9, 0.0]
    assert labels(objective, position=[[1], [0.9], [0.89], [0.89]], directed=True) == [E, C, F, F]
    assert labels([8.0, 7.0, 0.0], position=[[1], [2], [4]], directed=True) == [E, E, C]


def test_gradients_in_the_trace_make_a_search_directed():
    trace = minimize(simulated(2), optimizer="bfgs").trace.frame()
    gap = trace["objective"] - trace["objective"].min()
    first_near = int(np.argmax(gap <= 0.1 * gap.iloc[0]))
    assert trace["phase"].iloc[first_near] == C
    assert (trace["phase"].iloc[:first_near] == E).all()


def test_a_start_at_the_optimum_is_fine_tuned_after_the_first_look():
    assert labels([1.0, 1.5, 1.2]) == [E, F, F]


def test_a_gap_that_no_inference_could_notice_is_fine_tuning():
    assert labels([1.0, 0.0011, 0.0], position=[[1.0], [0.4], [0.3]])[2] == C
    assert labels([1.0, 0.0009, 0.0], position=[[1.0], [0.4], [0.3]])[2] == F


def test_exploration_lasts_until_the_trust_region_contracts():
    objective = [100.0, 1.0, 0.9, 0.8, 0.7, 0.0]
    assert labels(objective, radius=[1, 1, 1, 1, 1, 1]) == [E] * 6
    assert labels(objective, radius=[1, 1, 1, 0.5, 0.5, 0.5]) == [E, E, E, C, C, C]


def test_exploration_lasts_until_steps_contract_where_there_is_no_trust_region():
    objective = [100.0, 1.0, 0.9, 0.8, 0.0]
    far = [[0.0], [2.0], [4.0], [6.0], [8.0]]
    near = [[0.0], [2.0], [4.0], [4.5], [4.6]]
    assert labels(objective, position=far) == [E] * 5
    assert labels(objective, position=near) == [E, E, E, C, C]


def test_failed_evaluations_belong_to_the_phase_around_them():
    result = labels([np.nan, 100.0, 1.0, np.nan, 0.0], radius=[1.0, 1.0, 0.5, 0.5, 0.5])
    assert result == [E, E, C, C, C]


def test_labels_do_not_depend_on_a_constant_in_the_objective():
    values = np.array([100.0, 60.0, 5.0, 0.5, 0.0, 0.0])
    radius = [1, 1, 0.5, 0.5, 0.1, 0.1]
    assert labels(values, radius=radius) == labels(values + 1024.0, radius=radius)


@pytest.mark.parametrize("optimizer", sorted(BACKENDS))
@pytest.mark.parametrize("make", [quadratic, null_variance, singular, lambda: simulated(2)])
def test_phases_of_real_traces_come_in_order_and_in_one_piece(make, optimizer):
    phase = minimize(make(), optimizer=optimizer).trace.frame()["phase"]
    order = [PHASES.index(p) for p in phase]
    assert order == sorted(order)
    assert phase.iloc[0] == E


@pytest.mark.parametrize("optimizer", ["pybobyqa", "nlopt-bobyqa", "bfgs"])
def test_a_search_from_afar_has_all_three_phases(optimizer):
    phase = minimize(simulated(8, groups=(8,)), optimizer=optimizer).trace.frame()["phase"]
    assert set(phase) == set(PHASES)


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_short_traces_are_labelled(limit):
    frame = minimize(singular(), optimizer="pybobyqa", max_evaluations=limit).trace.frame()
    assert len(frame) == limit
    assert frame["phase"].isin(PHASES).all()
