"""Every table that a fit gives, walked through by looking at what a fit has.

A fit that was saved and loaded gives the same tables as the one saved: the same columns, of the
same types, with the same things missing.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import MixedscopeError
from mixedscope.tables.store import FitTables

#: Arguments of methods that give tables, where there are none by default or others too.
CALLS: Final[dict[str, tuple[tuple[tuple[Any, ...], dict[str, Any]], ...]]] = {
    "anova": (((), {}), ((), {"type": "II", "df": "none"})),
    "coef": (((), {}), ((), {"long": True})),
    "confint": (
        ((), {}),
        ((), {"method": "satterthwaite"}),
        ((), {"method": "bootstrap", "draws": 60, "seed": 1}),
    ),
    "cooks_distance": (((), {}), (("g",), {})),
    "fixed_effects": (((), {}), ((), {"df": "satterthwaite"})),
    "influence": ((("g",), {"method": "fixed"}),),
    "means": ((("f",), {}),),
    "parametric_bootstrap": (((60,), {"seed": 1}),),
    "predict": (((), {}), ((), {"interval": "prediction", "levels": "population"})),
    "profile": ((("sigma",), {"levels": [0.5]}), (("sd",), {"levels": [0.5]})),
    "profile_pairs": ((("sd",), {"levels": [0.5], "vertices": 4}),),
    "ranova": (((), {"draws": 100}),),
    "residuals": (((), {}), ((), {"all_rows": True})),
    "test": ((("x",), {}), (("x = 1, (Intercept) = 0",), {"joint": False})),
    "tidy": (((), {"conf_int": True}),),
    "augment": (((), {"all_rows": True}),),
}

#: What a fit has that is no table, or makes another fit or files.
NO_TABLES: Final = frozenset(
    {"evaluate", "refit", "refit_many", "save", "simulate", "skip_study", "summary"}
)


@dataclass(frozen=True)
class Case:
    """A model whose tables have something of their own."""

    formula: str
    options: Mapping[str, Any] = field(default_factory=dict)
    reml: bool = False
    data: Callable[[pd.DataFrame], pd.DataFrame] = lambda data: data


def data() -> pd.DataFrame:
    """Rows of eight levels at four times, one of them with a missing value."""
    rng = np.random.default_rng(5)
    n = 48
    level, time = np.arange(n) // 6, np.arange(n) % 6
    x = rng.normal(size=n).round(3)
    y = 1.0 + x + rng.normal(size=8)[level] + 0.5 * rng.normal(size=8)[level] * x
    frame = pd.DataFrame(
        {
            "y": (y + 0.4 * rng.normal(size=n)).round(4),
            "x": x,
            "f": pd.Categorical(np.array(list("abc"))[time % 3]),
            "t": pd.Categorical(np.array(["t0", "t1", "t2"])[time % 3]),
            "g": [f"g{i}" for i in level],
            "v": rng.uniform(0.5, 2.0, size=n).round(3),
            "row": np.arange(n),
        },
        index=pd.Index(range(100, 100 + n), name="id"),
    )
    frame.loc[105, "x"] = np.nan
    return frame


CASES: Final = {
    "full": Case("y ~ x + f + (1 + x | g)"),
    "compound symmetry": Case("y ~ x + f + cs(0 + t | g)", reml=True),
    "autoregression": Case("y ~ x + f + ar1(0 + t | g)"),
    "singular": Case(
        "y ~ x + f + (1 + x | g)",
        data=lambda data: data.assign(y=np.resize([0.3, -1.1, 0.7, 1.9, -0.4], len(data))),
    ),
    "rank deficient": Case("y ~ x + f + I(2 * x) + (1 | g)", reml=True),
    "known sigma": Case("y ~ x + f + (1 | row)", {"weights": "v", "sigma": 1.0}),
    "shared": Case("y ~ x + f + (1 | g) + (1 | row)", {"unidentified": "allow"}),
}


#: Cases that are tried with all that takes long.
MORE: Final = frozenset({"autoregression", "singular", "known sigma"})


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.exhaustive] if name in MORE else []) for name in CASES
    ],
)
def fits(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ms.Fit, ms.Fit]:
    """A fit, and the same read from where it was saved."""
    case = CASES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = ms.lmer(case.formula, case.data(data()), reml=case.reml, **case.options)
    folder = tmp_path_factory.mktemp("fit")
    fit.save(folder)
    return fit, ms.load_fit(folder)


def members() -> list[str]:
    """Names of everything public that a fit has."""
    return [name for name in dir(ms.Fit) if not name.startswith("_")]


def results(fit: ms.Fit) -> Iterator[tuple[str, Any]]:
    """What every public attribute and method of a fit gives, or the message that refuses it."""
    for name in members():
        if name in NO_TABLES:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = getattr(fit, name)
            except MixedscopeError as error:
                yield name, str(error)
                continue
            if not callable(found):
                yield name, found
                continue
            for args, settings in CALLS.get(name, (((), {}),)):
                called = f"{name}({', '.join(map(repr, args))}, {settings})"
                try:
                    yield called, found(*args, **settings)
                except MixedscopeError as error:
                    yield called, str(error)


def tables(name: str, found: Any) -> Iterator[tuple[str, pd.DataFrame]]:
    """All tables in what a fit gives, however deep."""
    if isinstance(found, pd.Series):
        yield name, found.to_frame()
    elif isinstance(found, pd.DataFrame):
        yield name, found
    elif isinstance(found, Mapping):
        for key in found:
            yield from tables(f"{name}[{key!r}]", found[key])
    elif isinstance(found, FitTables):
        for key in ("trace", "estimates", "modes", "modes_trace", "studies"):
            yield from tables(f"{name}.{key}", getattr(found, key))
    elif type(found).__module__.startswith("mixedscope"):
        for key, _ in inspect.getmembers(type(found), lambda value: not callable(value)):
            if not key.startswith("_"):
                yield from tables(f"{name}.{key}", getattr(found, key))
        if hasattr(found, "pairs"):
            yield from tables(f"{name}.pairs()", found.pairs())
        if hasattr(found, "confint"):
            yield from tables(f"{name}.confint()", found.confint(0.5))


def same_missing(one: pd.Series, other: pd.Series) -> bool:
    """Whether cells that hold no text and no number hold the same, None or NaN."""
    here, there = ([v if np.ndim(v) == 0 and pd.isna(v) else 0 for v in c] for c in (one, other))
    return repr(here) == repr(there)


@pytest.fixture(scope="module")
def found() -> list[tuple[str, pd.DataFrame]]:
    """All tables of a fit with remarks of every kind."""
    fit = ms.lmer(CASES["full"].formula, data())
    made = [pair for name, one in results(fit) for pair in tables(name, one)]
    rows = data().dropna()
    fits = [ms.lmer(f"y ~ {fixed} + (1 | g)", rows) for fixed in ("1", "x", "x + f")]
    made += [("lrtest", ms.lrtest(*fits)), ("lrtest of one", ms.lrtest(fits[0], draws=100))]
    return made


#: Names of other programs for what has one of its own here.
OTHER_NAMES: Final = frozenset(
    ("npar", "df_resid", "ddf", "coef", "est", "se", "stderr", "std_err", "t", "z", "f_value", "p",
     "pvalue", "low", "high", "grp", "var1", "comment")
)  # fmt: skip


def test_tables_call_one_thing_by_one_name(found: list[tuple[str, pd.DataFrame]]) -> None:
    for label, table in found:
        named = {str(column) for column in table}
        assert not named & OTHER_NAMES, label
        if "std_error" in named and {"lower", "upper"} <= named:
            assert len(named & {"estimate", "mean", "fit"}) == 1, label
        if {"statistic", "p_value", "estimate"} <= named and "kind" not in named:
            assert "df" in named, label


def test_missing_text_is_none_and_a_remark_is_clauses(
    found: list[tuple[str, pd.DataFrame]],
) -> None:
    remarks = set()
    for label, table in found:
        for place, column in enumerate(table):
            values = table.iloc[:, place]
            if isinstance(values.dtype, pd.StringDtype):
                assert not values.isna().any(), (label, column)
            elif values.dtype == "object":
                gone = [v for v in values if np.ndim(v) == 0 and pd.isna(v)]
                assert all(value is None for value in gone), (label, column)
            if column in ("remark", "note"):
                remarks |= {value for value in values if value is not None}
    assert len(remarks) > 4
    for remark in remarks:
        assert not remark.endswith("."), remark
        assert remark[0].islower() or remark[0].isdigit() or "(" in remark, remark


def test_a_loaded_fit_gives_the_tables_of_the_one_saved(fits: tuple[ms.Fit, ms.Fit]) -> None:
    found = [dict(results(fit)) for fit in fits]
    assert found[0].keys() == found[1].keys()
    seen = 0
    for name, one in found[0].items():
        other = found[1][name]
        if isinstance(one, str):
            assert one == other, name
        pairs = zip(tables(name, one), tables(name, other), strict=True)
        for (label, here), (_, there) in pairs:
            if "timing" in label or "seconds" in here:
                continue
            seen += 1
            pd.testing.assert_frame_equal(here, there, rtol=1e-6, atol=1e-8, obj=label)
            for place, column in enumerate(here):
                values = here.iloc[:, place], there.iloc[:, place]
                if here.dtypes.iloc[place] == "object":
                    assert same_missing(*values), (label, column)
    assert seen > 40
