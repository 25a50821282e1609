"""One small, deterministic case of every kind of chart, for a baseline of pictures.

Charts are drawn from tables that are stored here (`tables/`), so that no fit's rounding shows in
them. `renew.py` makes tables, specifications and pictures anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sweep_cases import sweep_runs

from mixedscope import charts
from mixedscope.charts.common.render import FORMATS, Figure, to_spec
from mixedscope.charts.drawing import figure
from mixedscope.charts.kinds.sweep.chart import sweep_chart
from mixedscope.summaries.runs import summarise

__all__ = ["APPROVED", "CASES", "SPECS", "TABLES", "digest", "painter", "picture", "specification"]

HERE = Path(__file__).parent
TABLES = HERE / "tables"
APPROVED = HERE / "approved"
SPECS = APPROVED / "specifications.json"

#: Width of an approved picture in pixels: enough to see what is wrong, little to keep.
WIDTH = 480
#: Significant digits that a specification is compared by, and what counts as zero in it.
_DIGITS = 6
_ZERO = 1e-9

FULL, ZERO, OTHER = TABLES / "full", TABLES / "zerocorr", TABLES / "lbfgsb"
#: Three terms, of which one direction has no variance.
SINGULAR, APART = TABLES / "singular", TABLES / "apart"
#: Drawn from and profiled; a standard deviation may be zero.
DRAWN = TABLES / "drawn"
#: Of 0 and 1, some levels with outcomes that are all alike; one with intercepts only.
CHOICES, LEVELS = TABLES / "choices", TABLES / "levels"
#: Of persons that answer items, and counts that vary more than a Poisson's.
ANSWERS, VISITS = TABLES / "answers", TABLES / "visits"


def _made(name: str) -> dict[str, pd.DataFrame]:
    """Tables of one kind of comparison, by name."""
    folder = TABLES / name
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def _sweep(**settings: Any) -> Figure:
    """One chart of an invented sweep, as a run of the workflow draws it."""
    runs = sweep_runs(models=("one",), units=(10, 40))
    timing = pd.DataFrame({"run": runs["run"], "seconds": 1.0})
    chart = {
        "kind": "line",
        "x": "tolerance",
        "y": "search_gap",
        "rows": None,
        "colour": "optimizer",
        "facet": None,
        "where": {},
        "scale": None,
        "x_scale": None,
    } | settings
    return figure(*sweep_chart(summarise(runs, timing, chart)))


CASES: Mapping[str, Callable[[], Any]] = {
    "panels": lambda: charts.panels(FULL, "g"),
    "panels-beside": lambda: charts.panels(FULL, ZERO, group="g"),
    "check": lambda: charts.check(FULL),
    "residuals": lambda: charts.residuals(FULL),
    "panels-choices": lambda: charts.panels(CHOICES, "g"),
    "residuals-choices": lambda: charts.residuals(CHOICES),
    "check-answers": lambda: charts.check(ANSWERS),
    "check-visits": lambda: charts.check(VISITS),
    "splom": lambda: charts.splom(SINGULAR),
    "influence": lambda: charts.influence(_made("influence")),
    "influence-answers": lambda: charts.influence(_made("answers-influence")),
    "influence-visits": lambda: charts.influence(_made("visits-influence")),
    "shrinkage": lambda: charts.shrinkage(FULL, ZERO, "g"),
    "shrinkage-theta": lambda: charts.shrinkage(
        FULL, ZERO, group="g", reference="theta", scale="coef"
    ),
    "shrinkage-print": lambda: charts.shrinkage(FULL, "g", theme="print"),
    "shrinkage-choices": lambda: charts.shrinkage(CHOICES, LEVELS, group="g"),
    "shrinkage-own": lambda: charts.shrinkage(CHOICES, "g", reference="within_group"),
    "dumbbell": lambda: charts.dumbbell(FULL, "g"),
    "dumbbell-choices": lambda: charts.dumbbell(LEVELS, "g"),
    "coefficients": lambda: charts.coefficients(_made("intervals")),
    "coefficients-beside": lambda: charts.coefficients(FULL, ZERO),
    "coefficients-ratios": lambda: charts.coefficients(CHOICES, LEVELS, ratios=True),
    "caterpillar": lambda: charts.caterpillar(FULL, ZERO, group="g"),
    "caterpillar-choices": lambda: charts.caterpillar(CHOICES, LEVELS, group="g"),
    "qqcaterpillar": lambda: charts.qqcaterpillar(FULL),
    "motion": lambda: charts.motion(FULL, "g"),
    "motion-choices": lambda: charts.motion(CHOICES, LEVELS, group="g"),
    "theta": lambda: charts.theta(FULL),
    "explorer": lambda: charts.explorer(FULL, ZERO),
    "pooling": lambda: charts.pooling(FULL, ZERO),
    "pooling-answers": lambda: charts.pooling(ANSWERS),
    "pooling-visits": lambda: charts.pooling(VISITS),
    "principal": lambda: charts.principal(SINGULAR),
    "principal-beside": lambda: charts.principal([SINGULAR, APART]),
    "lens": lambda: charts.lens(FULL, ZERO),
    "trace": lambda: charts.trace(FULL, ZERO),
    "optimizers": lambda: charts.trace([FULL, OTHER], overlay=True),
    "trace-seconds": lambda: charts.trace(FULL, x="seconds"),
    "stopping": lambda: charts.stopping(FULL),
    "landscape": lambda: charts.landscape(FULL),
    "ledger": lambda: charts.ledger(FULL),
    "ladder": lambda: charts.ladder(_made("ladder")),
    "race": lambda: charts.race(_made("race")),
    "race-seconds": lambda: charts.race(_made("race"), x="seconds"),
    "phases": lambda: charts.phases(_made("phases")),
    "efficiency": lambda: charts.efficiency(_made("efficiency")),
    "power": lambda: charts.power(_made("power")),
    "power-heat": lambda: charts.power(_made("powergrid")),
    "means": lambda: charts.means(_made("means")),
    "means-along": lambda: charts.means(_made("effects")),
    "ridge": lambda: charts.ridge(DRAWN),
    "ridge2d": lambda: charts.ridge2d(DRAWN),
    "zeta": lambda: charts.zeta(DRAWN),
    "zeta-absolute": lambda: charts.zeta(DRAWN, parameters=["sd", "x"], absolute=True),
    "profiledensity": lambda: charts.profiledensity(DRAWN),
    "profilepairs": lambda: charts.profilepairs(DRAWN),
    "crossvalidation": lambda: charts.crossvalidation(_made("crossvalidation")),
    "crossvalidation-answers": lambda: charts.crossvalidation(_made("answers-crossvalidation")),
    "crossvalidation-visits": lambda: charts.crossvalidation(_made("visits-crossvalidation")),
    "sweep-line": lambda: _sweep(),
    "sweep-area": lambda: _sweep(kind="area", y="phase_share", colour="phase", facet="optimizer"),
    "sweep-heat": lambda: _sweep(kind="heat", rows="optimizer", colour=None, y="singular"),
    "sweep-points": lambda: _sweep(kind="points", x="search_evaluations"),
}


def chart_of(case: str) -> Any:
    """The Altair chart of a case; of films their still."""
    found = CASES[case]()
    return found.chart if isinstance(found, Figure) else found


def canonical(node: Any) -> Any:
    """A specification without what says nothing of the picture: last digits, and sizes of zeros."""
    if isinstance(node, Mapping):
        return {str(key): canonical(value) for key, value in sorted(node.items())}
    if isinstance(node, list | tuple):
        return [canonical(value) for value in node]
    if isinstance(node, float):
        if not math.isfinite(node):
            return str(node)
        return 0.0 if abs(node) < _ZERO else float(f"{node:.{_DIGITS - 1}e}")
    return node


def digest(spec: Mapping[str, Any]) -> str:
    """SHA-256 of a canonical specification."""
    text = json.dumps(canonical(spec), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def specification(case: str) -> dict[str, Any]:
    """The Vega-Lite specification of a case."""
    return to_spec(chart_of(case))


def picture(spec: Mapping[str, Any]) -> bytes:
    """A specification rendered as the product renders it, in the size of approved pictures."""
    image = Image.open(io.BytesIO(FORMATS["png"](dict(spec)))).convert("RGB")
    height = round(image.height * WIDTH / image.width)
    out = io.BytesIO()
    small = image.resize((WIDTH, height), Image.Resampling.BOX)
    small.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


@contextmanager
def painter() -> Iterator[Callable[[Mapping[str, Any]], bytes]]:
    """Give `picture` as every machine makes it: of the fonts that the renderer carries with it.

    A machine's own Liberation Sans goes before that of the renderer, and may be of another version,
    which puts words a pixel elsewhere. What a renderer uses is settled when its process first
    draws: it has one of its own.
    """
    with tempfile.TemporaryDirectory() as empty, pytest.MonkeyPatch.context() as patch:
        fonts = Path(empty) / "fonts.conf"
        fonts.write_text(f"<fontconfig><dir>{empty}</dir></fontconfig>", "utf-8")
        patch.setenv("FONTCONFIG_FILE", str(fonts))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield lambda spec: pool.submit(picture, spec).result()


def distance(first: bytes, second: bytes) -> float:
    """Largest mean difference of two pictures within a tile of 16 by 16 pixels, 0 to 1.

    A mean over the whole picture would not notice a missing label, single pixels notice every
    change of smoothing. Pictures of other sizes are as far apart as can be.
    """
    one, two = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float) / 255
        for data in (first, second)
    )
    if one.shape != two.shape:
        return 1.0
    gap = np.abs(one - two).mean(axis=2)
    rows, cols = (-(-size // 16) * 16 for size in gap.shape)
    padded = np.zeros((rows, cols))
    padded[: gap.shape[0], : gap.shape[1]] = gap
    return float(padded.reshape(rows // 16, 16, cols // 16, 16).mean(axis=(1, 3)).max())
