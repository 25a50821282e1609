"""The jobs that draw, and the step that draws the phases of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from sample_tables import fit_tables

from mixedscope.charts.common import glyphs
from mixedscope.summaries.phases import phase_tables
from mixedscope.tables.table_files import write_table
from mixedscope.workflow.plan import Plan, make_plan
from mixedscope.workflow.steps.drawing import phases_charts

ROOT = Path(__file__).resolve().parents[2]


def default_plan(**charts: dict[str, object]) -> Plan:
    """The plan of the default run, with settings of charts."""
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    return make_plan({**content, "charts": {**content["charts"], **charts}})


def test_every_chart_of_a_model_is_drawn_by_one_of_four_jobs() -> None:
    plan = default_plan()
    drawn: dict[str, list[str]] = {}
    for name, model, charts in plan.drawing_jobs():
        drawn.setdefault(model, []).extend(charts)
        kinds = {chart.partition("-")[0] for chart in charts}
        assert name.startswith("moving") == (kinds <= {"motion", "theta"})
        assert name.startswith("costly") == (kinds == {"landscape"})
        assert name.startswith("linked") == (kinds == {"explorer"})
    assert {m: sorted(c) for m, c in drawn.items()} == {
        m: sorted(c) for m, c in plan.charts().items()
    }
    names = [name for name, _, _ in plan.drawing_jobs()]
    assert len(names) == len(set(names)) == 4 * len(plan.config.models)


def test_the_readme_says_how_much_the_default_run_makes() -> None:
    plan = default_plan()
    captions = [name for name in plan.chart_files() if name.endswith(".caption.json")]
    films = [name for name in plan.film_files() if name.endswith(f".{plan.film_formats()[0]}")]
    fits = plan.fit_files("fit.json")
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    said = f"({len(fits)} fits, {len(captions)} figures, {len(films)} that move among them;"
    assert said in text


@pytest.mark.parametrize(
    ("setting", "redrawn"),
    [
        ({"theta": {"frames": "best"}}, {"moving"}),
        ({"motion": {"frames": "every"}}, {"moving"}),
        ({"shrinkage": {"scale": "coef"}}, {"charts"}),
        ({"explorer": {"ellipses": [0.5]}}, {"linked"}),
    ],
)
def test_a_setting_redraws_what_has_it(
    setting: dict[str, dict[str, object]], redrawn: set[str]
) -> None:
    before, after = default_plan(), default_plan(**setting)
    changed = {
        name.partition("_")[0]
        for name, _, charts in before.drawing_jobs()
        if before.chart_settings(charts) != after.chart_settings(charts)
    }
    assert changed == redrawn


def test_only_the_jobs_that_show_landscapes_read_their_study() -> None:
    plan = default_plan()
    for name, model, charts in plan.drawing_jobs():
        reads = any("landscape" in Path(f).name for f in plan.drawn_tables(model, charts))
        assert reads == name.startswith(("costly", "linked"))


@pytest.mark.parametrize("model", ["\u5b66\u6821", "school"])
def test_the_log_of_phases_names_characters_without_a_font(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(glyphs, "_covered", lambda: ((0x20, 0x24F),))
    fit = fit_tables(max_evaluations=60)
    tables = phase_tables([replace(fit, info={**fit.info, "model": model})])
    for name, table in tables.items():
        kind = "phases_trend" if name.endswith("trend") else name
        write_table(tmp_path / f"{name}.parquet", table, kind, formula="", sha256="")
    output = tmp_path / "charts/phases.caption.json"
    output.parent.mkdir()
    phases_charts(
        phases=tmp_path / "phases.parquet", settings={}, output=[str(output)], formats=["svg"]
    )
    said = capsys.readouterr().out
    assert ("No font of this machine has \u5b66 \u6821" in said) == (model != "school")
    assert model in json.loads(output.read_text("utf-8"))["title"] + output.with_name(
        "phases.svg"
    ).read_text("utf-8")
