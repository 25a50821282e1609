"""What is drawn: keys for all charts, and a section for each that has options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model, field_validator, model_validator

from mixedscope.charts.common.palette import check_colours
from mixedscope.charts.common.sheet import NARROWEST, WIDEST, check_labels
from mixedscope.charts.registry import CHARTS
from mixedscope.core.errors import MixedscopeError, suggest
from mixedscope.core.sections import Section, fault
from mixedscope.inference.studies.registry import check_settings, present_name, settings_of

__all__ = ["ChartsConfig"]

ChartFormat = Literal["svg", "png", "pdf", "html", "vl.json"]


class ChartSettings(Section):
    """What is drawn, and in which formats."""

    formats: Annotated[list[ChartFormat], Field(min_length=1)] = [
        "svg",
        "png",
        "pdf",
        "html",
        "vl.json",
    ]
    """File formats of every chart."""
    films: bool = False
    """Whether films (GIF and MP4) are made of what moves; without, `snakemake films` makes them."""
    theme: Literal["light", "print"] = "light"
    """Ink and paper of every chart: for screens (light), or without tints for paper (print)."""
    width: Annotated[float, Field(ge=NARROWEST, le=WIDEST)] | None = None
    """Width of figures in print in millimetres, at most; by default some 180."""
    title: bool = True
    """Whether titles stand above figures; they are in captions and on pages in any case."""
    labels: dict[str, str] = {}
    """What variables are called in figures and tables, by their names in the data."""
    units: dict[str, str] = {}
    """What variables are measured in, by their names in the data: axes and tables say it."""
    colours: dict[str, str] = {}
    """Colours of your own, as "#0072B2", by what they mean: mode, reference, best, full, ..."""
    html: Literal["shared", "self-contained"] = "shared"
    """Interactive pages share the scripts in ``results/assets``, or hold everything each."""
    keyframes: Annotated[int, Field(ge=2, le=1000)] = 40
    """At how many evaluations of a fit its conditional modes are kept, at most."""
    kinds: list[str] = list(CHARTS)
    """Kinds of charts to draw; all by default."""
    studies: dict[str, dict[str, Any]] = {}
    """Settings of the studies behind charts, by name of study."""

    @field_validator("labels")
    @classmethod
    def _labels_are_told_apart(cls, labels: dict[str, str]) -> dict[str, str]:
        try:
            check_labels(labels)
        except MixedscopeError as error:
            raise fault(str(error)) from None
        return labels

    @field_validator("colours")
    @classmethod
    def _colours_can_be_read(cls, colours: dict[str, str]) -> dict[str, str]:
        try:
            check_colours(colours)
        except MixedscopeError as error:
            raise fault(str(error)) from None
        return colours

    @field_validator("kinds")
    @classmethod
    def _kinds_are_known(cls, kinds: list[str]) -> list[str]:
        for kind in kinds:
            if kind not in CHARTS:
                raise fault(
                    f"unknown kind of chart {kind!r}.{suggest(kind, CHARTS)} "
                    f"Known: {', '.join(CHARTS)}."
                )
        return kinds

    @field_validator("studies")
    @classmethod
    def _studies_are_known(cls, studies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, settings in studies.items():
            try:
                check_settings(name, settings)
            except MixedscopeError as error:
                raise fault(f"{name}: {error}" if str(error)[0].islower() else str(error)) from None
        named = {present_name(name): settings for name, settings in studies.items()}
        if len(named) < len(studies):
            raise fault("one study is named twice, by the name it has and by one it had")
        return named

    @model_validator(mode="after")
    def _accuracy_is_studied(self) -> ChartSettings:
        accuracy = self.stopping.accuracy  # type: ignore[attr-defined]  # a section made below
        if accuracy is not None:
            chosen = self.studies.get("stopping", {})
            studied = {**settings_of("stopping"), **chosen}["accuracies"]
            studied = [studied] if isinstance(studied, int | float) else studied
            if accuracy not in studied:
                raise fault(
                    f"stopping.accuracy: {accuracy:g} is not studied: take one of "
                    f"{', '.join(f'{a:g}' for a in studied)}, or list it in "
                    "studies.stopping.accuracies"
                )
        return self


if TYPE_CHECKING:
    ChartsConfig = ChartSettings
else:

    class _Documented(ChartSettings):
        model_config = ConfigDict(use_attribute_docstrings=False)  # inherits what is written above

    _SECTIONS = {n: spec.options.section(n, spec.keys) for n, spec in CHARTS.items() if spec.keys}
    ChartsConfig = create_model(
        "ChartsConfig",
        __base__=_Documented,
        __module__=__name__,
        __doc__=ChartSettings.__doc__,
        **{name: (section, section()) for name, section in _SECTIONS.items()},
    )
