"""Stored fits are held to what their data give, number by number, once something is read off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import build, message_of
from random_models import random_model

import mixedscope as ms
from mixedscope.api.linear import LinearMixedModel
from mixedscope.core.errors import StoreError
from mixedscope.inference.estimates.agreement import check_agreement, check_modes
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.tables.files import write_json
from mixedscope.tables.store import read_fit, write_fit

#: What says how the search went, and where the data come from: nothing gives it again.
NOT_HELD = {
    *("schema", "file_sha256", "n_filtered", "references", "variables", "settings", "versions"),
    *("stages", "search_excess", "certificate_evaluations", "certificate_hessians"),
    # Held to what tells one verdict from another, not to the digits of differences.
    *("newton_decrement", "min_hessian_eigenvalue"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    build().fit(reml=True).save(folder, studies=True)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "fit"))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all numbers in what JSON holds."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in NOT_HELD:
                yield from leaves(part, (*path, key))
    elif isinstance(value, int | float):
        yield path


def changed(value: float) -> float:
    """Another number, as near as nobody could fail to see."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value + 1e-5 * (1.0 + abs(value))


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> ms.Fit:
    info = json.loads((folder / "fit.json").read_text())
    change(info)
    write_json(folder / "fit.json", info)
    return ms.load_fit(folder)


def test_every_number_of_fit_json_is_held(saved: Path, folder: Path) -> None:
    info = json.loads((saved / "fit.json").read_text())
    paths = list(leaves(info))
    assert len(paths) > 25
    for path in paths:

        def change(content: dict[str, Any], path: tuple[Any, ...] = path) -> None:
            *above, last = path
            inner: Any = content
            for key in above:
                inner = inner[key]
            inner[last] = changed(inner[last])

        said = message_of(StoreError, lambda: edited(folder, change).sigma)
        shutil.copy(saved / "fit.json", folder / "fit.json")
        assert "fit again" in said, path
        assert str(folder) in said, path


@pytest.mark.parametrize("name", ["response", "fixed_names", "theta_names", "criterion", "formula"])
def test_words_of_fit_json_are_held(folder: Path, name: str) -> None:
    def change(info: dict[str, Any]) -> None:
        value = info[name]
        other = {"criterion": "ML", "formula": "y ~ 1 + x + (1 | g)"}
        info[name] = other.get(name, "w" if isinstance(value, str) else [*value[:-1], "w"])

    message_of(StoreError, lambda: str(edited(folder, change)))


def test_every_number_of_the_estimates_is_held(folder: Path) -> None:
    tables = read_fit(folder)
    kept = tables.estimates
    assert kept is not None
    for name in kept.select_dtypes("number"):
        for row in np.flatnonzero(kept[name].notna()):
            wrong = kept.copy()
            wrong.loc[row, name] = changed(float(wrong.loc[row, name]))
            tables.estimates = wrong
            write_fit(folder, tables, only=["estimates"])
            said = message_of(StoreError, lambda: ms.load_fit(folder).confint())
            kind, term = kept.loc[row, ["kind", "term"]]
            assert "estimates.parquet says" in said, (name, row)
            assert ("sigma" if kind == "sigma" else str(term)) in said, (name, row)


def test_the_fit_is_one_of_its_evaluations(folder: Path) -> None:
    tables = read_fit(folder)
    assert tables.trace is not None
    tables.trace["objective"] += 1e-3
    write_fit(folder, tables, only=["trace"])
    assert "trace.parquet" in message_of(StoreError, lambda: ms.load_fit(folder).loglik)


@pytest.mark.parametrize("name", ["mode", "std_dev", "n_obs", "level"])
def test_modes_are_held_when_they_are_asked_for(folder: Path, name: str) -> None:
    tables = read_fit(folder)
    assert tables.modes is not None
    wrong: Any = "z" if name == "level" else tables.modes.loc[3, name] * 1.001 + 1
    tables.modes.loc[3, name] = wrong if name != "n_obs" else int(wrong)
    write_fit(folder, tables, only=["modes"])
    loaded = ms.load_fit(folder)
    assert loaded.objective == tables.info["objective"]
    for _ in range(2):  # once is not enough
        assert "modes.parquet" in message_of(StoreError, loaded.conditional_modes)


def test_a_fit_that_was_refused_stays_refused(folder: Path) -> None:
    loaded = edited(folder, lambda info: info.update(sigma=3.0))
    uses: list[Callable[[], object]] = [
        lambda: loaded.sigma,
        lambda: loaded.theta,
        lambda: loaded.estimates,
        lambda: loaded.trace,
        lambda: loaded.conditional_modes(),
        lambda: loaded.evaluate(),
        lambda: loaded.refit(loaded.model.design.y),
        lambda: str(loaded),
        lambda: loaded.study("ledger", most=3),
    ]
    for use in uses:
        assert "fit.json has 3" in message_of(StoreError, use)


def test_without_data_files_are_held_to_each_other(folder: Path) -> None:
    (folder / "data.parquet").unlink()
    assert ms.load_fit(folder).sigma > 0
    changes: list[tuple[dict[str, Any], str]] = [
        ({"objective": 1.0}, "loglik"),
        ({"aicc": None}, "aicc is missing"),
        ({"sigma": 3.0}, "fit.json has 3"),
        ({"theta": [1.0, 0.0, 1.0]}, "theta of"),
        ({"theta": 3}, "theta is 3"),
        ({"objective": "low"}, "objective is 'low'"),
        ({"dof": None}, "dof is missing"),
    ]
    kept = (folder / "fit.json").read_text()
    for change, words in changes:
        loaded = edited(folder, lambda info, change=change: info.update(change))  # type: ignore[misc]
        assert words in message_of(StoreError, lambda: loaded.info)  # noqa: B023
        (folder / "fit.json").write_text(kept)


def test_a_verdict_is_held_to_its_own_number(folder: Path) -> None:
    loaded = edited(folder, lambda info: info["certificate"].update(newton_decrement=0.5))
    assert "asks for at most" in message_of(StoreError, lambda: loaded.certificate)


@pytest.mark.parametrize("words", ["All is well.", "", None])
def test_words_of_a_certificate_are_those_of_what_it_states(
    folder: Path, words: str | None
) -> None:
    loaded = edited(folder, lambda info: info["certificate"].update(words=words))
    assert "the certificate in words is" in message_of(StoreError, lambda: str(loaded))


def test_what_is_left_to_be_gained_is_held(tmp_path: Path) -> None:
    fit = build().fit("nlopt-bobyqa", max_evaluations=5, polish=False)
    fit.save(tmp_path)
    left = fit.certificate["newton_decrement"]
    assert left > 1e-3

    def less(info: dict[str, Any]) -> None:
        stated = info["certificate"]
        stated.update(
            newton_decrement=left / 2,
            words=stated["words"].replace(f"{left:.1e}", f"{left / 2:.1e}"),
        )

    assert "newton_decrement is" in message_of(StoreError, lambda: str(edited(tmp_path, less)))


def test_a_saddle_is_no_optimum_whatever_the_file_says(tmp_path: Path) -> None:
    # Without variance of the group the deviance is flat by symmetry, and falls to both sides.
    fit = build(formula="y ~ 1 + x + (1 | g)").fit(
        "nlopt-bobyqa", start=[0.0], max_evaluations=1, polish=False
    )
    assert fit.certificate["verdict"] == "saddle"
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).certificate["verdict"] == "saddle"

    def better(info: dict[str, Any]) -> None:
        info["certificate"]["verdict"] = "boundary optimum"

    said = message_of(StoreError, lambda: str(edited(tmp_path, better)))
    assert "verdict is 'boundary optimum'" in said

    def best(info: dict[str, Any]) -> None:
        better(info)
        info["certificate"].update(min_hessian_eigenvalue=3.0, newton_decrement=0.0)

    said = message_of(StoreError, lambda: str(edited(tmp_path, best)))
    assert "min_hessian_eigenvalue" in said


def test_a_fit_that_stopped_early_is_no_optimum_whatever_the_file_says(tmp_path: Path) -> None:
    fit = build().fit("nlopt-bobyqa", max_evaluations=5, polish=False)
    assert fit.certificate["verdict"] == "not converged"
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).certificate == fit.certificate

    def better(info: dict[str, Any]) -> None:
        info["certificate"].update(verdict="optimum", newton_decrement=1e-12)

    message_of(StoreError, lambda: str(edited(tmp_path, better)))

    def unchecked(info: dict[str, Any]) -> None:
        better(info)
        info["certificate"].update(gradient_norm=None)

    message_of(StoreError, lambda: str(edited(tmp_path, unchecked)))


def test_what_is_not_determined_is_held(tmp_path: Path) -> None:
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 4), "row": np.arange(24)})
    data["y"] = np.sin(np.arange(24.0)) + np.repeat(np.arange(6.0), 4)
    fit = ms.lmer("y ~ 1 + (1 | g) + (1 | row)", data, unidentified="allow")
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).estimates["estimate"].isna().any()

    def told(info: dict[str, Any]) -> None:
        info["certificate"]["unidentified"] = []

    message_of(StoreError, lambda: str(edited(tmp_path, told)))
    fit.save(tmp_path)

    def reasoned(info: dict[str, Any]) -> None:
        info["certificate"]["unidentified"][0]["reason"] = "nobody looked"

    assert "reasons" in message_of(StoreError, lambda: str(edited(tmp_path, reasoned)))


@pytest.mark.parametrize("case", ["vanishing", "singular", "escaped", "uncentred"])
def test_words_of_all_kinds_agree(tmp_path: Path, case: str) -> None:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), 6)
    x = np.tile(np.arange(6.0), 8) + (2000.0 if case == "uncentred" else 0.0)
    y = {
        "vanishing": rng.normal(size=8)[g],
        "singular": rng.normal(size=48),
        "escaped": rng.normal(size=48) + rng.normal(size=8)[g],
        "uncentred": rng.normal(size=48)
        + rng.normal(size=8)[g]
        + 0.3 * (x - 2000.0) * rng.normal(size=8)[g],
    }[case]
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})
    slopes, structure = ("1", "full") if case == "escaped" else ("1 + x", "zerocorr")
    model = ms.LinearMixedModel(f"y ~ 1 + ({slopes} | g)", data, structure=structure)
    fit = model.fit("nlopt-bobyqa", start=[0.0]) if case == "escaped" else model.fit()
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).certificate == fit.certificate


def test_charts_of_stored_tables_need_no_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise AssertionError("a model was built")

    monkeypatch.setattr(LinearMixedModel, "of", none)
    loaded = ms.load_fit(folder)
    assert ms.charts.shrinkage(loaded).to_dict()
    assert ms.charts.trace(loaded).to_dict()
    with pytest.raises(AssertionError, match="was built"):
        _ = loaded.objective


@pytest.mark.parametrize("number", range(0, 36, 3))
def test_what_another_order_of_sums_gives_agrees(number: int) -> None:
    case = random_model(number)
    tables = case.build().fit(reml=case.reml).tables
    rows = case.data.sample(frac=1.0, random_state=number)
    other = ms.LinearMixedModel(case.formula, rows).profiled(reml=case.reml)
    check_agreement(tables, estimation_of(other), Path("fit"))
    check_modes(tables, estimation_of(other), Path("fit"))


def test_large_random_effects_agree_to_what_their_evaluation_lost() -> None:
    # Random effects 1e5 times sigma: half of the digits of the residual are gone.
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), 5)
    data = pd.DataFrame({"g": groups, "h": np.tile(np.arange(5), 12)})
    data["y"] = 1e5 * rng.normal(size=12)[groups] + rng.normal(size=60)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", data).fit()
    other = ms.LinearMixedModel(fit.formula, data.iloc[::-1]).profiled()
    check_agreement(fit.tables, estimation_of(other), Path("fit"))
