"""Every chart is one folder and one entry of plain data: options declared once, drawing by name."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mixedscope
from mixedscope import charts
from mixedscope.charts.common.options import allowed
from mixedscope.charts.drawing import function_of
from mixedscope.charts.registry import CHARTS, PUBLIC, SPECS
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.workflow.code_digest import code_digest, reachable_sources
from mixedscope.workflow.config.charts import ChartsConfig
from mixedscope.workflow.report.questions import QUESTIONS

KINDS = Path(mixedscope.__file__).parent / "charts" / "kinds"

#: Folders of charts that are not drawn by their name: the settings of a sweep say what it draws.
OTHERS = {"sweep"}


def test_every_folder_is_a_chart_and_every_chart_a_folder() -> None:
    folders = {path.parent.name for path in KINDS.glob("*/chart.py")} - OTHERS
    assert folders == set(PUBLIC) == {spec.folder for spec in SPECS}
    assert all((KINDS / folder / "options.py").is_file() for folder in folders)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_entries_name_what_there_is(spec) -> None:
    assert callable(function_of(spec))
    assert set(spec.studies) <= set(STUDIES)
    assert {*spec.keys, *spec.fixed} <= set(spec.options.model_fields)
    assert set(spec.tables) <= set(SCHEMAS)
    assert not spec.section or spec.section in {question.name for question in QUESTIONS}


@pytest.mark.parametrize("name", PUBLIC)
def test_options_are_parameters_of_the_function_with_their_defaults_and_documentation(name) -> None:
    function, options = getattr(charts, name), PUBLIC[name].options
    parameters = inspect.signature(function).parameters
    text = " ".join((inspect.getdoc(function) or "").split())
    assert (options.__doc__ or "").partition("\n")[0] in text
    for option, field in options.model_fields.items():
        default = parameters[option].default
        assert (list(default) if isinstance(default, tuple) else default) == field.default
        assert field.description
        assert " ".join(field.description.split()) in text
        assert f"{option} : " in text
        assert all(f'"{value}"' in text for value in allowed(field) if value is not None)
    assert set(parameters) - set(options.model_fields) <= {
        "source",
        "others",
        "group",
        "theme",
        "width",
        "title",
        "labels",
        "units",
        "colours",
    }


@pytest.mark.parametrize("name", [name for name, spec in CHARTS.items() if spec.keys])
def test_options_are_keys_of_the_configuration_with_their_defaults_and_documentation(name) -> None:
    options, section = CHARTS[name].options, ChartsConfig.model_fields[name].annotation
    assert tuple(section.model_fields) == CHARTS[name].keys
    for key, field in section.model_fields.items():
        declared = options.model_fields[key]
        assert (field.default, field.description) == (declared.default, declared.description)
        assert field.metadata == declared.metadata


def test_configuration_and_registry_load_nothing_that_draws() -> None:
    code = "import sys, mixedscope.workflow.plan, mixedscope.charts; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    roots = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert not roots & {"altair", "vl_convert", "PIL"}


def drawn_by(*names: str) -> set[str]:
    """Files behind the job that draws these charts."""
    paths = reachable_sources("charts", [CHARTS[name].module for name in names])
    return {path.relative_to(KINDS.parents[1]).as_posix() for path in paths}


def test_a_job_depends_on_the_charts_it_draws_and_films_on_films() -> None:
    stills = [name for name, spec in CHARTS.items() if not spec.formats]
    films = [name for name, spec in CHARTS.items() if spec.formats]
    assert {f"charts/kinds/{CHARTS[name].folder}/chart.py" for name in stills} <= drawn_by(*stills)
    assert "charts/kinds/motion/film.py" not in drawn_by(*stills)
    for film in films:
        assert {"charts/kinds/motion/film.py", "charts/kinds/motion/player.js"} <= drawn_by(film)
    assert "charts/kinds/ledger/chart.py" not in drawn_by("landscape", *films)
    modules = [[CHARTS[name].module] for name in ("ledger", "landscape")]
    assert len({code_digest("charts", own) for own in modules}) == len(modules)
