"""From the keys of a sweep to its runs: each a specification that says everything about it.

A specification holds no name that has to be looked up and no number that depends on other runs:
data, model, optimiser with settings, start, and the seeds of whatever is drawn.  Its digest is the
identity of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any

from mixedscope.core.errors import ConfigError, suggest
from mixedscope.core.seeds import derive_seed
from mixedscope.design.spec import ModelSpec
from mixedscope.optimize.backends import get_backend
from mixedscope.summaries.keys import KEYS, SIMULATE
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.identity import digest
from mixedscope.sweeps.keys import (
    DF,
    INTERVALS_OF_FAMILIES,
    RATIO,
    TESTS_OF_FAMILIES,
    check_value,
)

__all__ = ["Definitions", "Run", "expand", "swept_keys"]

#: Keys of simulated data under which a name has to be there already to be overridden.
_NAMED = ("units", "conditions", "beta", "random", "covariates")

#: Coverage of intervals, and one minus the size of tests.
_LEVEL = 0.95


@dataclass(frozen=True)
class Definitions:
    """What the names in a sweep stand for.

    Attributes
    ----------
    datasets : mapping
        Entries of ``datasets``; simulated ones with their seed.
    models : mapping
        Entries of ``models``: ``dataset``, ``formula``, ``criterion``, ``contrasts``,
        ``weights``, ``structures``, ``optimizers``.
    optimizers : mapping
        Entries of ``optimizers``, complete.
    seed : int
        That of the configuration.
    """

    datasets: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    optimizers: Mapping[str, Mapping[str, Any]]
    seed: int


@dataclass(frozen=True)
class Run:
    """One fit of a sweep.

    Attributes
    ----------
    id : str
        Digest of the specification, 16 hexadecimal digits.
    keys : dict
        Value of every key that is known of the run, those with defaults filled in.
    spec : dict
        ``data``, ``draw``, ``model``, ``optimizer``, ``start`` and ``seed``; ``inference`` where
        intervals or tests are asked for.
    objective : str
        Digest of what makes the objective function: runs that share it minimise the same.
    """

    id: str
    keys: dict[str, Any]
    spec: dict[str, Any]
    objective: str


def swept_keys(sweep: SweepConfig) -> list[str]:
    """Keys that differ between runs, in the order in which they are given."""
    keys = dict.fromkeys([*sweep.grid, *(key for point in sweep.points for key in point)])
    if sweep.replicates is not None:
        keys["replicate"] = None
    return list(keys)


def expand(sweep: SweepConfig, definitions: Definitions) -> list[Run]:
    """Give the runs of a sweep in order: the grid, its last key fastest, and then the points.

    Each is given once, however often it is listed. Raises ConfigError if a name points at nothing,
    or a key means nothing for the model it is combined with.
    """
    runs: dict[str, Run] = {}
    for keys in _combinations(sweep):
        run = _run(keys, definitions, sweep)
        runs.setdefault(run.id, run)
    return list(runs.values())


def _combinations(sweep: SweepConfig) -> Iterator[dict[str, Any]]:
    """Keys of every run as given, values checked."""
    points: list[Mapping[str, Any]] = []
    if sweep.grid:
        points += [
            dict(zip(sweep.grid, values, strict=True)) for values in product(*sweep.grid.values())
        ]
    points += sweep.points
    replicates: Sequence[int] = range(1, (sweep.replicates or 0) + 1)
    for point in points:
        keys = {key: check_value(key, v) for key, v in {**sweep.fixed, **point}.items()}
        if replicates:
            yield from ({**keys, "replicate": number} for number in replicates)
        else:
            yield keys


def _run(keys: Mapping[str, Any], definitions: Definitions, sweep: SweepConfig) -> Run:
    name = keys.get("model")
    models = definitions.models
    if name is None:
        if len(models) > 1:
            raise ConfigError(f"the key 'model' is missing: say which of {', '.join(models)}")
        name = next(iter(models))
    model = _find(name, models, "model", "models")
    dataset = _find(model["dataset"], definitions.datasets, "data set", "datasets")
    filled: dict[str, Any] = {
        **keys,
        "model": name,
        "structure": keys.get("structure", model["structures"][0]),
        "optimizer": keys.get("optimizer", model["optimizers"][0]),
        "criterion": keys.get("criterion", model["criterion"]),
        "start": keys.get("start", "independent"),
    }
    overrides = {
        key.removeprefix(SIMULATE): value for key, value in keys.items() if key.startswith(SIMULATE)
    }
    seed = keys.get("seed", definitions.seed)
    drawing = {"replicate": keys["replicate"]} if "replicate" in keys else {}
    data = _data(model["dataset"], dataset, overrides, seed, drawing, "seed" in keys)
    draw = _draw(keys, model["dataset"], seed, drawing)
    if model.get("family") is not None:
        _check_family(filled, str(model["family"]))
    elif filled.get("tests") == RATIO:
        raise ConfigError(
            f"tests: {RATIO} is of models with a family, and model {name!r} has none: give degrees "
            f"of freedom ({', '.join(DF)})"
        )
    own = ModelSpec.of(model, structure=filled["structure"], criterion=filled["criterion"])
    described = {"name": name, **own.described()}
    objective = {"data": data, "draw": draw, "model": described}
    start: dict[str, Any] = {"name": filled["start"]}
    if isinstance(filled["start"], int):
        number = filled["start"]
        start = {
            "name": "random",
            "seed": derive_seed(
                seed, "sweep start", model=name, structure=filled["structure"], number=number,
                **drawing,
            ),
        }  # fmt: skip
    # Optimisers and tolerances that are compared share data, starts and random numbers.
    spec = {
        **objective,
        "optimizer": _optimizer(filled, definitions),
        "start": start,
        "seed": derive_seed(seed, "sweep optimizer", bits=32, model=name, **drawing),
    }
    if inference := _inference(filled, sweep):
        spec["inference"] = inference
        filled["level"] = inference["level"]
    if drawing and "simulate" not in dataset and draw is None and start["name"] != "random":
        raise ConfigError(
            f"replicates of model {name!r} would all be the same: its data are not simulated, no "
            "share or size of them is drawn, and no start is random. Leave replicates out"
        )
    ordered = {key: filled[key] for key in KEYS if key in filled}
    ordered |= {SIMULATE + path: value for path, value in overrides.items()}
    return Run(digest(spec), ordered, spec, digest(objective))


def _inference(keys: Mapping[str, Any], sweep: SweepConfig) -> dict[str, Any]:
    """What is measured of the fit beside its estimates: intervals, tests, and their level."""
    asked: dict[str, Any] = {}
    if "intervals" in keys:
        asked["intervals"] = keys["intervals"]
    if "tests" in keys:
        asked["tests"] = {
            "df": keys["tests"], "type": sweep.type, "hypotheses": list(sweep.hypotheses),
        }  # fmt: skip
    if not asked:
        return {}
    for key in ("intervals", "tests"):
        if keys.get(key) == "kenward-roger" and keys["criterion"] != "REML":
            raise ConfigError(
                f"{key}: Kenward and Roger's method is about REML: give criterion: REML, or "
                f"another method (model {keys['model']!r})"
            )
    return {**asked, "level": keys.get("level", _LEVEL)}


def _check_family(keys: Mapping[str, Any], family: str) -> None:
    """Refuse what runs of a family cannot have."""
    wanted = {
        "criterion": ("ML",),
        "intervals": INTERVALS_OF_FAMILIES,
        "tests": TESTS_OF_FAMILIES,
    }
    for key, known in wanted.items():
        if key in keys and keys[key] not in known:
            raise ConfigError(
                f"{key}: {keys[key]} is of linear models, and model {keys['model']!r} has the "
                f"family {family!r}: give {' or '.join(known)}"
            )


def _find(name: str, known: Mapping[str, Any], what: str, section: str) -> Mapping[str, Any]:
    if name not in known:
        raise ConfigError(f"there is no {what} {name!r} under {section!r}.{suggest(name, known)}")
    entry: Mapping[str, Any] = known[name]
    return entry


def _data(
    name: str,
    dataset: Mapping[str, Any],
    overrides: Mapping[str, Any],
    seed: int,
    drawing: Mapping[str, Any],
    reseeded: bool,
) -> dict[str, Any]:
    """What the rows come from: the prepared data set as it is, or a simulation of its own."""
    if "simulate" not in dataset:
        if overrides:
            path = next(iter(overrides))
            raise ConfigError(
                f"'{SIMULATE}{path}' changes simulated data, and data set {name!r} is not simulated"
            )
        return {"file": f"results/data/{name}.parquet", "dataset": dict(dataset)}
    if not overrides and not drawing and not reseeded:
        return {"file": f"results/data/{name}.parquet", "dataset": dict(dataset)}
    simulate = deepcopy(dict(dataset["simulate"]))
    for path, value in overrides.items():
        _override(simulate, path, value, name)
    simulate["seed"] = derive_seed(
        seed, "sweep data", dataset=name, overrides=dict(overrides), **drawing
    )
    return {"dataset": {**dataset, "simulate": simulate}}


def _override(simulate: dict[str, Any], path: str, value: Any, dataset: str) -> None:
    """Put a value where a path of names leads to."""
    *parents, last = path.split(".")
    here: Any = simulate
    for depth, part in enumerate([*parents, last]):
        where = ".".join([SIMULATE.rstrip("."), *path.split(".")[:depth]])
        if not isinstance(here, dict):
            raise ConfigError(f"'{SIMULATE}{path}': {where} of data set {dataset!r} has no parts")
        if depth > 0 and parents[0] in _NAMED and depth == 1 and part not in here:
            raise ConfigError(
                f"'{SIMULATE}{path}': {where} of data set {dataset!r} has no {part!r}."
                f"{suggest(part, here)} It has: {', '.join(map(str, here))}"
            )
        if depth == len(parents):
            here[part] = value
        else:
            here = here.setdefault(part, {})


def _draw(
    keys: Mapping[str, Any], dataset: str, seed: int, drawing: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Which rows are used, or None for all."""
    if "share" in keys and "size" in keys:
        raise ConfigError("give either 'share' or 'size' of the data, and not both")
    if "of" in keys and "share" not in keys and "size" not in keys:
        raise ConfigError("'of' says what 'share' or 'size' counts: give one of them")
    if "subset" not in keys and "share" not in keys and "size" not in keys:
        return None
    draw: dict[str, Any] = {"subset": keys.get("subset")}
    if "share" in keys or "size" in keys:
        # Neither share nor size: a larger part of the data holds the smaller ones.
        names: dict[str, Any] = {
            "dataset": dataset,
            "subset": keys.get("subset"),
            "of": keys.get("of"),
        }
        draw |= {
            "of": keys.get("of"),
            "share": keys.get("share"),
            "size": keys.get("size"),
            "seed": derive_seed(seed, "sweep draw", **names, **drawing),
        }
    return draw


def _optimizer(keys: Mapping[str, Any], definitions: Definitions) -> dict[str, Any]:
    entry = dict(_find(keys["optimizer"], definitions.optimizers, "optimiser", "optimizers"))
    if "tolerance" in keys:
        backend = get_backend(entry["backend"])
        entry["settings"] = {**entry["settings"], backend.tolerance: keys["tolerance"]}
    return entry
