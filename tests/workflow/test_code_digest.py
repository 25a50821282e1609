"""What reruns when code changes: the digests of the jobs of a run, file by file."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import mixedscope
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.sweeps.keys import INTERVAL_MODULES
from mixedscope.tables.schemas import SCHEMAS, schema_module
from mixedscope.workflow import code_digest as code_digest_module
from mixedscope.workflow import steps
from mixedscope.workflow.chart_tables import TABLES_OF_KEYS
from mixedscope.workflow.code_digest import code_digest, forget_sources, reachable_sources
from mixedscope.workflow.plan import Plan, make_plan

PACKAGE = Path(mixedscope.__file__).parent
ROOT = Path(__file__).resolve().parents[2]

#: Steps that find nothing in registries: the digest of each is that of its imports.
PLAIN = set(steps.__all__) - {"job", "study", "charts", "films", "sweep_batch"}

#: Jobs that fit, and those that build a stored fit again.
FITTING = {"fit", "race", "bootstrap", "efficiency_batch", "crossvalidation", "sweep_batch"}
REBUILDING = {"study", "study_landscape", "compare", "bootstrap", "efficiency", "efficiency_batch"}
REBUILDING |= {"tests", "influence", "profile", "fit_bootstrap", "fit_bootstrap_batch", "table"}
REBUILDING |= {"power", "power_batch", "power_search"}
MOVING = {"motion", "theta", "films of motion", "films of theta"}
DRAWING = {"charts", "landscapes", "explorer", *MOVING}
DRAWING_ALL = {*DRAWING, "phases_charts", "sweep_charts"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    content = yaml.safe_load((ROOT / "config/small.yaml").read_text("utf-8"))
    return make_plan(content)


def digests(plan: Plan) -> dict[str, str]:
    """The digest of every kind of job of a run, of the files as they are now."""
    forget_sources()
    found = {step: code_digest(step) for step in sorted(PLAIN)}
    found["sweep_batch"] = code_digest("sweep_batch", INTERVAL_MODULES)
    for job in plan.studies():
        found[job] = code_digest("study", plan.study_modules(job))
    still = [chart for model in plan.config.models for chart in plan.still_charts(model)]
    found["charts"] = code_digest("charts", plan.chart_modules(still))
    alone = {
        "landscapes": "landscape",
        "motion": "motion-Subject",
        "theta": "theta",
        "explorer": "explorer",
    }
    for job, chart in alone.items():
        assert chart not in still
        found[job] = code_digest("charts", plan.chart_modules([chart]))
    for job in ("motion", "theta"):
        found[f"films of {job}"] = code_digest("films", plan.chart_modules([alone[job]]))
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that may be changed."""
    copy = tmp_path_factory.mktemp("copy") / "mixedscope"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def before(plan: Plan, tree: Path) -> dict[str, str]:
    """The digests of the copy as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_digest_module, "_ROOT", tree)
        return digests(plan)


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("inference/studies/landscape.py", {"study_landscape"}),
        ("inference/studies/surface.py", {"study_landscape"}),
        ("inference/studies/ledger.py", {"study"}),
        ("inference/studies/motion.py", {"study"}),
        ("inference/searches/race.py", {"race"}),
        ("inference/ladder/ladder.py", {"compare", "bootstrap"}),
        ("inference/hypotheses/terms.py", {"tests", "sweep_batch"}),
        ("inference/diagnostics/influence.py", {"influence"}),
        ("inference/profiles/curve.py", {"profile", "sweep_batch"}),
        ("summaries/performance.py", {"sweep_performance"}),
        ("tables/kinds/effect_tests.py", {"tests", "index", "sweep_batch", "charts"}),
        ("charts/kinds/motion/film.py", MOVING),
        ("charts/kinds/theta/still.py", {"theta", "films of theta"}),
        ("charts/kinds/landscape/chart.py", {"landscapes"}),
        ("charts/kinds/stopping/words.py", {"charts", "explorer"}),
        ("charts/kinds/explorer/words.py", {"explorer"}),
        ("charts/kinds/stopping/options.py", {"charts"}),
        ("charts/kinds/landscape/options.py", {"landscapes"}),
        ("charts/kinds/motion/options.py", MOVING),
        ("charts/kinds/theta/options.py", {"theta", "films of theta"}),
        ("charts/kinds/phases/options.py", {"phases_charts"}),
        ("charts/kinds/phases/chart.py", {"phases_charts"}),
        ("charts/kinds/sweep/chart.py", {"sweep_charts"}),
        ("charts/common/theme.py", {*DRAWING_ALL, "index"}),
        ("tables/kinds/landscape.py", {"study_landscape", "landscapes", "explorer"}),
        ("tables/kinds/race.py", {"race", "charts"}),
        ("tables/kinds/crossvalidation.py", {"crossvalidation", "charts"}),
        ("tables/kinds/phases.py", {"phases", "phases_charts"}),
        ("tables/kinds/runs.py", {"sweep_gather", "sweep_charts", "sweep_performance"}),
        ("data/prepare.py", {"prepare", "sweep_batch"}),
        ("workflow/report/pages.py", {"index"}),
        ("api/fit.py", set()),
        ("workflow/plan.py", set()),
        ("engine/kernels/elimination.py", FITTING | REBUILDING),
        ("optimize/polish.py", (FITTING | REBUILDING) - {"tests", "profile", "table"}),
    ],
)
def test_a_constant_changes_the_digests_of_the_jobs_that_use_its_file(
    plan: Plan,
    tree: Path,
    before: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    changed: set[str],
) -> None:
    monkeypatch.setattr(code_digest_module, "_ROOT", tree)
    path = tree / source
    text = path.read_text("utf-8")
    path.write_text(f"{text}\n_CHANGED = True\n", "utf-8")
    try:
        after = digests(plan)
    finally:
        path.write_text(text, "utf-8")
    assert {job for job in before if before[job] != after[job]} == changed


def test_a_change_in_one_step_changes_no_other_of_its_file(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_digest_module, "_ROOT", tree)

    def digests_of_steps() -> dict[str, str]:
        forget_sources()
        return {step: code_digest(step) for step in PLAIN}

    before = digests_of_steps()
    path = tree / "workflow" / "steps" / "fits.py"
    text = path.read_text("utf-8")
    path.write_text(text.replace("RACE_ENDS, ends)", "RACE_ENDS, ends, )"), "utf-8")
    assert digests_of_steps() == before  # layout says nothing
    path.write_text(text.replace("(RACE, output), (RACE_ENDS, ends)", "(RACE, output)"), "utf-8")
    assert path.read_text("utf-8") != text
    try:
        after = digests_of_steps()
    finally:
        path.write_text(text, "utf-8")
    assert {step for step in PLAIN if before[step] != after[step]} == {"race"}


def imports_by_name() -> Iterator[str]:
    """Files of the package that import what no syntax tree names."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            name = getattr(node, "id", getattr(node, "attr", ""))
            if name in ("import_module", "__import__", "find_spec", "exec", "eval"):
                yield path.relative_to(PACKAGE).as_posix()


def test_modules_are_found_by_name_in_registries_alone() -> None:
    # What they find has to be named to those who ask for a digest: anything else would go stale.
    assert set(imports_by_name()) == {
        "__init__.py",  # of users; no module of the package imports it
        "charts/__init__.py",  # of users too
        "charts/common/encoder.py",  # finds a library of others, as what follows
        "charts/drawing.py",
        "cli/project.py",
        "charts/registry.py",
        "data/sources.py",  # finds a library of others, loads nothing
        "inference/intervals/registry.py",
        "inference/studies/registry.py",
        "optimize/backends/base.py",  # libraries of others
        "tables/schemas.py",
        "workflow/warm/server.py",  # what the steps import, before they do
    }


def test_every_study_has_the_schemas_of_its_tables_and_no_other(plan: Plan) -> None:
    for name, study in STUDIES.items():
        assert all(SCHEMAS[table].study for table in study.tables), name
    told = {table for study in STUDIES.values() for table in study.tables}
    # By methods of a fit, stored beside it; some with tables of their own for intervals.
    asked_for = {*TABLES_OF_KEYS["profile"], *TABLES_OF_KEYS["bootstrap"]}
    asked_for -= {"profile_intervals", "bootstrap_intervals"}
    assert told | asked_for == {kind for kind, schema in SCHEMAS.items() if schema.study}
    assert schema_module("landscape_points") == "mixedscope.tables.kinds.landscape"
    assert plan.study_modules("study_landscape") == [
        "mixedscope.inference.studies.landscape",
        "mixedscope.tables.kinds.landscape",
    ]


def test_digest_of_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no module 'mixedscope\.charts\.kinds\.sternplot'"):
        reachable_sources("charts", ["mixedscope.charts.kinds.sternplot"])


_JOBS = """
import os, sys
from pathlib import Path
from mixedscope.workflow import steps

simulated = {"seed": 3, "formula": "y ~ 1 + x + (1 + x | g)", "units": {"g": 12},
    "covariates": {"x": {"distribution": "normal"}}, "replicates": 6, "beta": [1, 2], "sigma": 1,
    "random": {"g": {"sd": [2, 1]}}}
model = {"formula": "y ~ 1 + x + (1 + x | g)", "criterion": "ML", "contrasts": {}, "weights": None}
auto = {"backend": "auto", "settings": {}, "max_evaluations": None, "max_seconds": None,
    "polish": True}
data, fit = "data/d.parquet", "fits/m/full/auto/fit.json"

def draw(chart):
    steps.charts(fits=[fit], shows={chart: ["full/auto"]}, settings={}, formats=["svg"],
        output=[f"charts/m/{chart}.caption.json"])

jobs = {
    "prepare": lambda: steps.prepare(spec={"simulate": simulated}, output=data),
    "fit": lambda: steps.fit(data=data, output=fit, name="m", model=model, structure="full",
        optimizer=auto, seed=0, keyframes=5),
    "study_landscape": lambda: steps.study(fit=fit, studies={"landscape": {}}),
    "study": lambda: steps.study(fit=fit, studies={"parameters": {}}),
    "landscapes": lambda: draw("landscape"),
    "theta": lambda: draw("theta"),
    "phases": lambda: steps.phases(fits=[fit], output="compare/phases.parquet"),
}
os.chdir(sys.argv[2])
jobs[sys.argv[1]]()
package = Path(sys.modules["mixedscope"].__file__).parent
for name, module in list(sys.modules.items()):
    if name.startswith("mixedscope.") and name != "mixedscope.workflow.steps":
        print("loaded", Path(module.__file__).relative_to(package).as_posix())
"""


@pytest.mark.slow
@pytest.mark.exhaustive
def test_what_a_job_loads_is_behind_its_digest(plan: Plan, tmp_path: Path) -> None:
    behind = {
        "prepare": reachable_sources("prepare"),
        "fit": reachable_sources("fit"),
        "study_landscape": reachable_sources("study", plan.study_modules("study_landscape")),
        "study": reachable_sources("study", plan.study_modules("study")),
        "landscapes": reachable_sources("charts", plan.chart_modules(["landscape"])),
        "theta": reachable_sources("charts", plan.chart_modules(["theta"])),
        "phases": reachable_sources("phases"),
    }
    for job, sources in behind.items():
        done = subprocess.run(
            [sys.executable, "-c", _JOBS, job, str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        loaded = [
            line.removeprefix("loaded ")
            for line in done.stdout.splitlines()
            if line.startswith("loaded ")
        ]
        known = {path.relative_to(PACKAGE).as_posix() for path in sources}
        # The package of steps loads the files of all, each of which imports within its steps.
        own = {name for name in loaded if not name.startswith("workflow/steps/")}
        own -= {"workflow/__init__.py"}
        assert len(own) > 10, job
        assert own <= known, job


_START = """
import re, sys
from pathlib import Path

root = Path(sys.argv[1])
heavy = {"altair", "numba", "scipy", "PIL", "vl_convert"}
rules = [root / "workflow/Snakefile", *sorted((root / "workflow/rules").glob("*.smk"))]
for path in [*rules, *sorted((root / "workflow/scripts").glob("*.py"))]:
    for line in re.findall(r"^(?:from|import) mixedscope.*$", path.read_text("utf-8"), re.M):
        exec(line)
assert "make_plan" in dir()
print(sorted({*heavy, "pandas", "pyarrow"} & set(sys.modules)))
import yaml
plan = make_plan(yaml.safe_load((root / "config/small.yaml").read_text("utf-8")))
SweepPlan(plan.config.sweeps, definitions_of(plan.config), "code", ["svg"])
assert plan.chart_files() and plan.studies() and plan.source_digests
print(sorted(heavy & set(sys.modules)))
"""


def test_snakemake_starts_without_what_fits_and_draws() -> None:
    # Every job is a process that reads the rules, those of a cluster too.
    done = subprocess.run([sys.executable, "-c", _START, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "[]"]
