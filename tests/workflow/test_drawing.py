"""The step that draws the phases of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sample_tables import fit_tables

from mixedscope.charts.common import glyphs
from mixedscope.summaries.phases import phase_tables
from mixedscope.tables.table_files import write_table
from mixedscope.workflow.steps.drawing import phases_charts


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
