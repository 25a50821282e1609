"""What cannot be made of a degenerate fit is left out, says so in its place, and runs go on."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mixedscope as ms
from mixedscope.charts.drawing import draw, draw_model_chart
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH
from mixedscope.charts.registry import CHARTS, chart_kind, chart_names
from mixedscope.core.errors import UnsuitedError
from mixedscope.formula.parse import parse_formula
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.tables.files import read_json
from mixedscope.tables.store import read_fit
from mixedscope.tables.table_files import read_table, skipped_table, write_table
from mixedscope.workflow import steps as pipeline
from mixedscope.workflow.plan import make_plan

FORMULA = "y ~ x + (1 + x | g)"


def exact(levels: int = 8, rows: int = 3) -> pd.DataFrame:
    """Levels on straight lines: nothing is left for a residual."""
    g = np.repeat(np.arange(levels), rows)
    x = np.tile(np.arange(float(rows)), levels)
    return pd.DataFrame({"y": np.sin(1.7 * g) + x * np.cos(2.3 * g), "x": x, "g": g.astype(str)})


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    exact().to_csv("exact.csv", index=False)
    return make_plan(
        {
            "datasets": {"exact": {"source": "exact.csv", "categorical": ["g"]}},
            "models": {
                "lines": {
                    "dataset": "exact",
                    "formula": FORMULA,
                    "structures": ["full", "intercept"],
                    "efficiency": {"draws": 20},
                    "crossvalidation": {"by": "g"},
                }
            },
            "optimizers": {"auto": {}},
            "charts": {"kinds": ["pooling", "stopping", "ledger"]},
        }
    )


@pytest.fixture(scope="module")
def plain() -> pd.DataFrame:
    """Lines with residuals."""
    frame = exact()
    return frame.assign(y=frame["y"] + np.random.default_rng(1).normal(size=len(frame)))


def run(plan: Any) -> str:
    """Take a model through the steps of the workflow; give what they print."""
    data, model = plan.data_file("lines"), plan.parameters["models"]["lines"]
    pipeline.prepare(spec=plan.parameters["datasets"]["exact"], output=data)
    printed = io.StringIO()
    fits = plan.fit_files("fit.json", model="lines")
    with redirect_stdout(printed):
        for path in fits:
            pipeline.fit(
                data=data,
                output=path,
                name="lines",
                model=model,
                structure=Path(path).parts[-3],
                optimizer=plan.parameters["optimizers"]["auto"],
                seed=0,
                keyframes=5,
            )
            for studies in plan.studies().values():
                pipeline.study(fit=path, studies=studies)
        compared = Path("results/compare/lines")
        pipeline.compare(fits=fits, output=compared / "structures.parquet")
        parts = {name: compared / f"0.{name}.parquet" for name in ("draws", "refits", "timing")}
        pipeline.efficiency_batch(fits=fits, blocks=[0], seed=0, key="k", **parts)
        pipeline.efficiency(
            fits=fits,
            count=20,
            seed=0,
            draws=[str(parts["draws"])],
            refits=[str(parts["refits"])],
            timings=[str(parts["timing"])],
            output=compared / "efficiency.parquet",
        )
        names = plan.still_charts("lines")
        pipeline.charts(
            fits=plan.drawn_fits("lines", names),
            tables=[t for t in plan.drawn_compared("lines", names) if "crossvalidation" not in t],
            shows={
                name: shown
                for name, shown in plan.shown("lines", names).items()
                if name != "crossvalidation"
            },
            settings=plan.chart_settings(names),
            output=[
                f"results/charts/lines/{name}.caption.json"
                for name in names
                if name != "crossvalidation"
            ],
            formats=["svg"],
        )
    return printed.getvalue()


def test_a_run_goes_on_past_fits_without_residual_variance(plan: Any) -> None:
    printed = run(plan)
    assert "The study pooling is left out: the random effects are so large" in printed
    directory = Path("results/fits/lines/full/auto")
    for study in ("pooling", "ledger"):
        for name in STUDIES[study].tables:
            table = read_table(directory / f"{name}.parquet", name)
            assert len(table) == 0
            assert table.attrs["skipped"]["study"] == study
            assert "residual variance does not vanish" in table.attrs["skipped"]["reason"]
    assert len(read_fit(directory).require("stopping")) > 0
    words = read_json(Path("results/charts/lines/pooling.caption.json"))
    assert words["title"] == "The chart “pooling” is left out"
    assert "sigma" in words["caption"]
    assert "sigma" in Path("results/charts/lines/pooling.svg").read_text()
    # The other structure has a residual: the chart of both shows it, and says what is missing.
    ledger = read_json(Path("results/charts/lines/ledger.caption.json"))
    assert "Not shown is full covariance: the random effects are so large" in ledger["caption"]
    structures = read_table("results/compare/lines/structures.parquet", "structures")
    assert structures["edf"].isna().tolist() == [True, False]
    efficiency = read_json(Path("results/charts/lines/efficiency.caption.json"))
    assert "Left out: the random effects" in efficiency["caption"]


def test_a_named_study_is_refused_in_words_and_all_studies_are_made_but_for_it(
    tmp_path: Path,
) -> None:
    fit = ms.LinearMixedModel(FORMULA, exact()).fit()
    with pytest.raises(UnsuitedError, match="residual variance does not vanish"):
        fit.study("pooling")
    fit.save(tmp_path, studies=True)
    with pytest.raises(UnsuitedError, match="residual variance does not vanish"):
        ms.charts.pooling(ms.load_fit(tmp_path))
    with pytest.raises(UnsuitedError, match="residual variance does not vanish"):
        ms.charts.pooling(tmp_path)


#: Options that ask a chart for a study which it is drawn without otherwise.
ASKING: dict[str, dict[str, Any]] = {"reference": {"reference": "theta"}}

#: Studies that charts show where they are there, and need for nothing.
SHOWN_ALONE = {study for kind in CHARTS.values() for study in kind.where_made} - {
    study for kind in CHARTS.values() for study in (*kind.studies, *kind.of_options)
}


@pytest.mark.parametrize("study", [name for name in STUDIES if name not in SHOWN_ALONE])
def test_every_chart_can_do_without_its_studies(study: str, plain: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel("y ~ x + (1 | g)", plain).fit()
    fit.tables.studies.clear()
    for name in STUDIES:
        fit.skip_study(name, "it was not wanted")
    asked = ASKING.get(study, {})
    names = [
        name
        for name in chart_names(parse_formula(fit.formula).groups)
        # Some are drawn without, but where an option asks for it.
        if study in chart_kind(name).options.of({}).studies(chart_kind(name).studies)
        or (asked and study in chart_kind(name).of_options)
    ]
    assert names
    for name in names:
        figure = draw(name, [fit.tables], {chart_kind(name).name: asked})
        assert figure.caption == "Left out: it was not wanted."


@pytest.mark.parametrize(
    ("kind", "study"),
    [
        (kind.name, study)
        for kind in CHARTS.values()
        for study in (*kind.where_made, *kind.of_options)
    ],
)
def test_charts_are_drawn_without_what_they_show_where_it_is_there(
    kind: str, study: str, plain: pd.DataFrame
) -> None:
    fit = ms.LinearMixedModel(FORMULA, plain).fit()
    if CHARTS[kind].studies:
        fit.study(*CHARTS[kind].studies)
    (name,) = chart_names(["g"], [kind])
    never = draw(name, [fit.tables], {})
    fit.skip_study(study, "it was not wanted")
    figure = draw(name, [fit.tables], {})
    assert "left out" not in figure.title
    assert (figure.title, figure.caption) == (never.title, never.caption)
    assert "not wanted" not in figure.caption


def test_films_that_are_left_out_are_still_films(plain: pd.DataFrame, tmp_path: Path) -> None:
    fit = ms.LinearMixedModel("y ~ x + (1 | g)", plain).fit()
    fit.skip_study("motion", "it was not wanted")
    fit.skip_study("parameters", "it was not wanted")
    figure = draw("motion-g", [fit.tables], {})
    figure.save(tmp_path / "film", ["gif", "mp4", "png", "html"])
    with Image.open(tmp_path / "film.gif") as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 1
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_tables_that_are_left_out_keep_their_reason(tmp_path: Path) -> None:
    for study in STUDIES.values():
        for name in study.tables:
            frame = skipped_table(name, "study", "why: “ü”")
            path = write_table(tmp_path / f"{name}.parquet", frame, name, formula="", sha256="")
            assert read_table(path, name).attrs["skipped"] == {
                "study": "study",
                "reason": "why: “ü”",
            }


def test_levels_of_one_row_are_not_cross_validated_within(tmp_path: Path) -> None:
    # Data of which a scheme of cross-validation does not exist: the step says so and goes on.
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"y": rng.normal(size=30), "w": rng.uniform(1, 9, 30)})
    frame["g"] = pd.Categorical([f"g{i:02d}" for i in range(30)])
    data = write_table(tmp_path / "data.parquet", frame, "data", formula="", sha256="0")
    printed = io.StringIO()
    with redirect_stdout(printed):
        pipeline.crossvalidation(
            data=data,
            model={
                "formula": "y ~ 1 + (1 | g)",
                "contrasts": {},
                "weights": "w",
                "criterion": "ML",
            },
            structures=["full"],
            settings={"by": "g", "schemes": ["known"], "folds": None},
            seed=0,
            output=tmp_path / "crossvalidation.parquet",
        )
    assert "no level of 'g' has two observations" in printed.getvalue()
    table = read_table(tmp_path / "crossvalidation.parquet", "crossvalidation")
    assert "No level of 'g'" in table.attrs["skipped"]["reason"]
    figure = draw_model_chart("crossvalidation", [table] * 3)
    assert figure.title == "The chart “crossvalidation” is left out"
