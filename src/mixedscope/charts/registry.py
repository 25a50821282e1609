"""The charts by name, as plain data: what each is called, is drawn from and answers.

A chart is one folder ``kinds/<name>/`` (its options, the function that draws it, its words) and one
entry of `SPECS`. Nothing of a chart is loaded with this module: its options are when they are asked
for, its function by `mixedscope.charts.drawing`. So a job depends on its own charts alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

from mixedscope.core.errors import ModelError, suggest

if TYPE_CHECKING:
    from mixedscope.charts.common.options import Options

__all__ = [
    "CHARTS",
    "MODEL_CHARTS",
    "PUBLIC",
    "SPECS",
    "TIMED",
    "ChartSpec",
    "chart_kind",
    "chart_names",
    "charts_of",
    "file_slugs",
    "name_of_slug",
    "spec_of",
]

#: Charts whose names end like this show measured seconds, which no other run repeats.
TIMED: Final = "-seconds"

#: Formats of films.
FILMS: Final = ("gif", "mp4")


@dataclass(frozen=True)
class ChartSpec:
    """One chart.

    Attributes
    ----------
    name : str
        Of the chart in configurations and files, and of the public function where it is that of
        its folder, too.
    section : str
        The part of a page that shows it; see `mixedscope.workflow.report.questions`.
    chart : str
        The folder in ``kinds`` that draws it; by default its name.
    keys : tuple of str
        The options that a configuration sets.
    fixed : mapping
        The options that make this chart another than the one its folder is named after.
    drawn : {"model", "asked", "run", ""}
        Where the workflow draws it: for every model from its fits, for a model whose key `key` asks
        for its tables, for all fits of a run together, or nowhere.
    per_group : bool
        One chart per grouping factor, named ``<name>-<slug of the factor>``.
    several : bool
        Of grouping factors of several terms alone.
    shows : {"structures", "optimizers", "first"}
        Which fits of a model stand side by side: those of all structures by the first optimiser,
        those of the first structure by all optimisers, or the first of both alone.
    studies : tuple of str
        The studies of fits whose tables it reads.
    beside : tuple of str
        Tables beside each fit that it is drawn from, such as those of a profile, which `maker`
        makes; the workflow draws it for the models that ask for them.
    also : tuple of str
        Tables beside each fit that it shows where they are there.
    where_made : tuple of str
        Studies whose tables it shows of fits of which they can be made.
    of_options : tuple of str
        Studies whose tables it reads where its options ask for that.
    page : bool
        Whether its interactive form is a page of its own, in place of the chart's.
    formats : tuple of str
        Formats beyond those of every chart, of what moves on a page of its own.
    tables : tuple of str
        The tables it is drawn from in place of those of fits, in the order in which it reads them.
    key : str
        The key of a model in the configuration that asks for these tables.
    maker : str
        What makes these tables, or those beside a fit, as a user writes it.
    of_fits : bool
        Whether `mixedscope.phase_tables` makes these tables of fits.
    of_columns : bool
        Whether any table of numbers can be drawn in place of fits.
    """

    name: str
    section: str = ""
    chart: str = ""
    keys: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    drawn: Literal["model", "asked", "run", ""] = "model"
    per_group: bool = False
    several: bool = False
    shows: Literal["structures", "optimizers", "first"] = "structures"
    studies: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    where_made: tuple[str, ...] = ()
    of_options: tuple[str, ...] = ()
    page: bool = False
    formats: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    key: str = ""
    maker: str = ""
    of_fits: bool = False
    of_columns: bool = False

    @property
    def shown_studies(self) -> tuple[str, ...]:
        """The studies that it reads or shows, of whichever fits."""
        return (*self.studies, *self.where_made)

    def asked_studies(self, chosen: Mapping[str, Any]) -> tuple[str, ...]:
        """The studies that options ask for, as a configuration sets them."""
        if not self.of_options:
            return ()
        return self.options.of({**chosen, **self.fixed}).studies(self.of_options)

    @property
    def paged(self) -> bool:
        """Whether it brings its interactive page itself."""
        return self.page or bool(self.formats)

    @property
    def folder(self) -> str:
        """The name of the folder that draws it."""
        return self.chart or self.name

    @property
    def options(self) -> type[Options]:
        """What can be chosen of it: ``<Folder>Options`` of its folder's ``options.py``."""
        module = import_module(f"mixedscope.charts.kinds.{self.folder}.options")
        found: type[Options] = getattr(module, f"{self.folder.title()}Options")
        return found

    @property
    def module(self) -> str:
        """The module that draws it."""
        return f"mixedscope.charts.kinds.{self.folder}.chart"


_RACE: Final = ("race", "race_ends")
_PHASES: Final = ("phases", "phases_trend")
_DRAWS: Final = "fit.parametric_bootstrap(...)"
_RIDGE: Final = ("bootstrap_parameters", "bootstrap_densities")
_PROFILE: Final = ("profile_parameters", "profile_coverage", "profile_curves")
_SECONDS: Final = {"x": "seconds"}

#: Every chart, in the order in which those of a model are shown.
SPECS: Final = (
    ChartSpec(
        "panels", "Data", keys=("select", "order", "count"), per_group=True, studies=("panels",),
    ),
    ChartSpec(
        "coefficients", "Estimates", keys=("kinds", "intervals", "level"),
        also=("profile_intervals", "bootstrap_intervals", "tests"),
    ),
    ChartSpec(
        "shrinkage", "Shrinkage", keys=("reference", "scale", "ellipses"), per_group=True,
        where_made=("mode_correlations",), of_options=("reference",),
    ),
    ChartSpec(
        "motion", "Shrinkage", keys=("frames", "reference", "ellipses"),
        per_group=True, studies=("parameters", "motion"), formats=FILMS,
    ),
    ChartSpec(
        "caterpillar", "Shrinkage", keys=("level", "order", "error", "reference", "scale"),
        per_group=True, studies=("mode_distribution",), of_options=("reference",),
    ),
    ChartSpec(
        "qqcaterpillar", "Shrinkage", keys=("level",), per_group=True,
        studies=("mode_distribution",),
    ),
    ChartSpec("pooling", "Shrinkage", keys=("x",), shows="first", studies=("pooling",)),
    ChartSpec(
        "principal", "Shrinkage", keys=("reference", "ellipses"), per_group=True,
        several=True, studies=("principal",),
    ),
    ChartSpec(
        "splom", "Shrinkage", keys=("values", "ellipses"), per_group=True, several=True,
        shows="first", of_columns=True,
    ),
    ChartSpec("check", "Check", shows="first", studies=("residuals", "check")),
    ChartSpec("residuals", "Check", shows="first", studies=("residuals",)),
    ChartSpec(
        "influence", "Check", keys=("names",), shows="first",
        beside=("influence", "influence_parameters"), maker="fit.influence()",
    ),
    ChartSpec(
        "lens", "Shrinkage", keys=("terms",), per_group=True, several=True, studies=("lens",)
    ),
    ChartSpec("trace", "Optimisation", keys=("parameters",), studies=("parameters",)),
    ChartSpec(
        "optimizers", "Optimisers", chart="trace", keys=("parameters", "overlay"),
        shows="optimizers", studies=("parameters",),
    ),
    ChartSpec("stopping", "Optimisation", keys=("accuracy",), studies=("stopping",)),
    ChartSpec("landscape", "Optimisation", shows="first", studies=("landscape",)),
    ChartSpec("theta", "Optimisation", keys=("frames",), formats=FILMS),
    ChartSpec("ledger", "Optimisation", keys=("x_scale",), studies=("ledger",)),
    ChartSpec(
        f"trace{TIMED}", chart="trace", fixed=_SECONDS, shows="optimizers",
        studies=("parameters",),
    ),
    ChartSpec(f"stopping{TIMED}", chart="stopping", fixed=_SECONDS, studies=("stopping",)),
    ChartSpec(
        "ridge", "Estimates", shows="first", beside=_RIDGE, key="bootstrap",
        maker=_DRAWS,
    ),
    ChartSpec(
        "ridge2d", "Estimates", shows="first",
        beside=("bootstrap", "bootstrap_pairs", "bootstrap_regions"),
        also=("profile_contours",), key="bootstrap", maker=_DRAWS,
    ),
    ChartSpec(
        "zeta", "Estimates", keys=("absolute",), shows="first", beside=_PROFILE, key="profile",
        maker="fit.profile()",
    ),
    ChartSpec(
        "profiledensity", "Estimates", shows="first", beside=_PROFILE, key="profile",
        maker="fit.profile()",
    ),
    ChartSpec(
        "profilepairs", "Estimates", shows="first",
        beside=("profile_contours", "profile_traces"), key="profile",
        maker="a fit after fit.profile_pairs()",
    ),
    ChartSpec(
        "explorer", "Explorer", keys=("reference", "ellipses"),
        studies=("parameters", "motion", "stopping"),
        where_made=("ledger", "panels", "landscape", "mode_correlations"),
        page=True,
    ),
    ChartSpec("dumbbell", drawn="", per_group=True, of_options=("reference",)),
    ChartSpec("means", drawn="", tables=("means",), maker="fit.means(...)"),
    ChartSpec(
        "ladder", "Structures", drawn="asked", key="structures",
        tables=("structures", "tests", "components"), maker="ms.ladder(model)",
    ),
    ChartSpec(
        "race", "Optimisers", drawn="asked", key="race", tables=_RACE,
        maker="model.race([...])",
    ),
    ChartSpec(
        f"race{TIMED}", chart="race", fixed=_SECONDS, drawn="asked", key="race",
        tables=(*_RACE, "race_timing"),
    ),
    ChartSpec(
        "efficiency", "Structures", drawn="asked", key="efficiency",
        tables=("efficiency", "efficiency_refits"), maker="ms.efficiency(fit)",
    ),
    ChartSpec(
        "crossvalidation", "Structures", drawn="asked",
        key="crossvalidation", maker="ms.cross_validate(model)",
        tables=("crossvalidation", "crossvalidation_groups", "crossvalidation_fits"),
    ),
    ChartSpec(
        "power", "Power", drawn="asked", key="power", tables=("power", "power_sizes"),
        maker="ms.power(fit, ...)",
    ),
    ChartSpec(
        "phases", drawn="run", tables=_PHASES, maker="ms.phase_tables([fit, ...])",
        of_fits=True,
    ),
)  # fmt: skip

#: Charts that the workflow draws from the fits of a model, by name.
CHARTS: Final = {spec.name: spec for spec in SPECS if spec.drawn == "model"}

#: Charts that it draws of a model from tables of their own, where they are asked for.
MODEL_CHARTS: Final = {spec.name: spec for spec in SPECS if spec.drawn == "asked"}

#: Charts with a public function.
PUBLIC: Final = {spec.name: spec for spec in SPECS if not spec.chart}


def chart_names(
    groups: Sequence[str],
    kinds: Sequence[str] | None = None,
    scalar: Sequence[str] = (),
) -> list[str]:
    """Name the charts of a model.

    ``groups``: its grouping factors. ``kinds``: some of `CHARTS`; all by default. ``scalar``:
    factors of a single term, which have no charts of several. Gives such as
    ``["shrinkage-Subject", "trace"]``; each can be a file's name.
    """
    return [
        name
        for name, (kind, group) in charts_of(groups).items()
        if (kinds is None or kind.name in kinds) and not (kind.several and group in scalar)
    ]


def charts_of(groups: Sequence[str]) -> dict[str, tuple[ChartSpec, str | None]]:
    """Every chart of a model with these grouping factors: its kind and its factor, by name."""
    slugs = file_slugs(groups)
    found: dict[str, tuple[ChartSpec, str | None]] = {}
    for name, kind in CHARTS.items():
        if kind.per_group:
            found |= {f"{name}-{slugs[group]}": (kind, group) for group in groups}
        else:
            found[name] = (kind, None)
    return found


def chart_kind(name: str) -> ChartSpec:
    """Find the kind of a chart named by `chart_names`.

    Raises ModelError if there is no such kind.
    """
    spec = spec_of(name)
    if spec is None or spec.name not in CHARTS or (spec.name != name and not spec.per_group):
        raise ModelError(f"There is no chart {name!r}.{suggest(name, CHARTS)}")
    return spec


def spec_of(name: str) -> ChartSpec | None:
    """Find the chart with this name, or with this name before that of a grouping factor."""
    # The longest name that fits: one chart's name may begin another's.
    for spec in sorted(SPECS, key=lambda spec: -len(spec.name)):
        if name == spec.name or name.startswith(f"{spec.name}-"):
            return spec
    return None


def file_slugs(groups: Sequence[str]) -> dict[str, str]:
    """Turn names of grouping factors into names that any file system, any URL and LaTeX take.

    ASCII letters, digits, ``_`` and ``-`` stay, ``:`` becomes ``+``, and every other byte of the
    name in UTF-8 becomes ``++`` and two hexadecimal digits, so that two names never share a slug:
    where that could be read in two ways, ``:`` becomes such digits, too. Names that differ in case
    alone are numbered: some file systems take them for one.
    """
    slugs: dict[str, str] = {}
    taken: dict[str, int] = {}
    for group in groups:
        # Between letters, as in interactions, it is surely told from the digits of a byte.
        parts = re.split(r"(?<=[A-Za-z0-9_]):(?=[A-Za-z0-9_])", group)
        slug = "+".join("".join(map(_safe, part)) for part in parts)
        taken[slug.lower()] = count = taken.get(slug.lower(), 0) + 1
        slugs[group] = slug if count == 1 else f"{slug}+-{count}"
    return slugs


def name_of_slug(slug: str) -> str:
    """Give the name of a grouping factor whose slug `file_slugs` made, its number included."""

    def decoded(escaped: re.Match[str]) -> str:
        digits = escaped[0].replace("+", "")
        return bytes.fromhex(digits).decode("utf-8", errors="replace")

    head, numbered, number = slug.partition("+-")
    name = re.sub(r"(?:\+\+[0-9a-f]{2})+", decoded, re.sub(r"(?<!\+)\+(?!\+)", ":", head))
    return f"{name} ({number})" if numbered else name


def _safe(character: str) -> str:
    if character.isascii() and (character.isalnum() or character in "_-"):
        return character
    return "".join(f"++{b:02x}" for b in character.encode())
