"""What can be chosen of a chart, declared once.

An `Options` class stands in the folder of its chart. Its fields become the parameters of the
public function with their documentation, the keys of the configuration with their schema, and what
the function that draws is given. Nothing here draws.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    Self,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from mixedscope.core.errors import MixedscopeError, ModelError, suggest
from mixedscope.core.sections import Section

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.tables.store import FitTables

__all__ = [
    "LEVEL",
    "AnyReference",
    "Compared",
    "Coverage",
    "Ellipses",
    "Frames",
    "Options",
    "Reference",
    "Scale",
    "Terms",
    "X",
    "annotated",
    "described",
    "drawn_with",
]

LEVEL: Final = 0.95
"""The coverage of intervals where none is asked for."""


@dataclass(frozen=True)
class Written:
    """How the annotation of an option is written that takes more than a configuration can say.

    Attributes
    ----------
    annotation : str
        In signatures.
    kind : str
        What it takes beside its names, in documentation.
    """

    annotation: str
    kind: str


#: Options that several charts have.
Terms: TypeAlias = Annotated[
    list[str | int] | None,
    Field(
        description="Terms in the order of the panels, by name or by position (from 0); by default "
        "all."
    ),
]
Reference: TypeAlias = Annotated[
    Literal["auto", "joint_limit", "within_group", "linearised"],
    Field(
        description="Where arrows start: the limit of the conditional modes as the penalty "
        "vanishes for all factors together (joint_limit), or each group's own least-squares "
        "estimate (within_group); by default (auto) the first, or the second where least squares "
        "cannot tell the factor from others. Of generalised models each group's own estimate, "
        "linearised at its mode (linearised, the default), or its own maximum likelihood "
        "(within_group)."
    ),
]
AnyReference: TypeAlias = Annotated[
    Literal["auto", "joint_limit", "within_group", "linearised", "theta"],
    Field(
        description="Where arrows start: the limit of the conditional modes as the penalty "
        "vanishes for all factors together (joint_limit), or each group's own least-squares "
        "estimate (within_group); by default (auto) the first, or the second where least squares "
        "cannot tell the factor from others. Of generalised models each group's own estimate, "
        "linearised at its mode (linearised, the default), or its own maximum likelihood "
        "(within_group). The modes at a theta of your own (theta), which a "
        "fit can be given in its place: an array, numbers by the names of theta, or one number, "
        "of so many sigma every random effect is then, uncorrelated (0: complete pooling)."
    ),
    Written("str | float | Sequence[float] | Mapping[str, float]", "theta"),
]
Scale: TypeAlias = Annotated[
    Literal["b", "coef"],
    Field(
        description="Deviations from the population (b), or population plus deviation, the "
        "coefficients (coef)."
    ),
]
Ellipses: TypeAlias = Annotated[
    list[Annotated[float, Field(gt=0, lt=1)]],
    Field(description="Coverages of the contours of the fitted distribution of random effects."),
]
Coverage: TypeAlias = Annotated[
    float, Field(gt=0, lt=1, description="Coverage of the intervals, between 0 and 1.")
]
Frames: TypeAlias = Annotated[
    Literal["best", "every"],
    Field(description="What the films show: the best so far, or every evaluation."),
]
X: TypeAlias = Annotated[
    Literal["evaluation", "seconds"],
    Field(
        description="What runs to the right: the number of the evaluation, or the time spent in "
        "evaluations up to and including it."
    ),
]


class Options(Section):
    """The options of a chart; the docstring of a subclass says what its public function draws."""

    #: An example that the documentation of the function ends with.
    example: ClassVar[str] = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Take what a caller chose, the rest by default.

        Raises ModelError if a value is none of those that an option can have.
        """
        for name, value in given.items():
            field = cls.model_fields[name]
            known, several = allowed(field), _several(field)
            if several and value is None:
                continue
            for one in value if several else [value]:
                if (known or several) and one not in (*known, *several):
                    raise ModelError(
                        f"There is no {name} {one!r}.{suggest(one, map(str, known or several))} "
                        f"Known are: {', '.join(str(k) for k in known or several if k)}."
                    )
            _check_range(name, value, field)
        return cls.model_construct(**given)

    @classmethod
    def section(cls, chart: str, keys: tuple[str, ...]) -> type[Options]:
        """The part of the options that a configuration sets: its keys of a chart, with docs."""
        fields: dict[str, Any] = {
            key: (cls.model_fields[key].annotation, cls.model_fields[key]) for key in keys
        }
        name = f"{chart.title()}Chart"
        return create_model(name, __base__=_Made, __doc__=summary(cls), **fields)

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """The studies of a fit that the chart needs, of those it can show."""
        return known

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Settings of these studies that follow from options, by name of study."""
        return {}

    def beside(
        self, item: Any, tables: FitTables, names: Sequence[str]
    ) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """What makes tables beside a fit, of a fit or of what was made of one, by name of table.

        ``item``: a fit, a profile, a bootstrap. ``tables``: those it has. ``names``: those the
        chart is drawn from, or shows. Intervals are given of profiles and draws that are there
        already, of the chart's ``level`` where it has one.
        """
        from mixedscope.tables.schemas import SCHEMAS
        from mixedscope.tables.table_files import conformed, skipped_table

        level = getattr(self, "level", None) or LEVEL
        asked = getattr(self, "intervals", None) or ()

        def ends(method: str) -> pd.DataFrame:
            table = f"{method}_intervals"
            try:
                # A fit's own profile, which may be kept, or draws; of others theirs.
                if method == "profile" and hasattr(item, "profile"):
                    found = item.profile().confint(level)
                elif hasattr(item, "study"):
                    found = item.confint(level, method)
                else:
                    found = item.confint(level)
            except MixedscopeError as error:  # too few draws for the level, say
                return skipped_table(table, method, str(error))
            known = [name for name in found.columns if name in (SCHEMAS[table].columns or ())]
            return conformed(found[known].assign(level=level), table)

        return {
            f"{method}_intervals": partial(ends, method)
            for method in ("profile", "bootstrap")
            if f"{method}_intervals" in names
            and (method in tables.studies or (method in asked and hasattr(item, "study")))
        }

    def chosen(self, tables: Mapping[str, Any], needed: tuple[str, ...]) -> list[Any]:
        """The tables that are drawn, of those that a function made."""
        return [tables[name] for name in needed]


class Compared(Options):
    """Options of a chart whose conditional modes are compared with any reference.

    A theta is taken in its place: the study ``reference`` is then made of the fits at that one.
    """

    _theta: Any = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """As for any options; a reference that is no text is theta."""
        theta = given.get("reference", "auto")
        if theta is None or isinstance(theta, str):
            return super().of(given)
        options = super().of({**given, "reference": "theta"})
        options._theta = theta
        return options

    def studies(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """No modes at a theta where they are compared with another reference."""
        compared = getattr(self, "reference", "auto") == "theta"
        return tuple(study for study in known if study != "reference" or compared)

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The theta that was given."""
        return {} if self._theta is None else {"reference": {"theta": self._theta}}


class _Made(Options):
    """Options of a class that no source file holds: its fields bring their documentation along."""

    # Looking for it would take half of what planning a run does.
    model_config = ConfigDict(use_attribute_docstrings=False)


def summary(options: type[Options]) -> str:
    """The first paragraph of what a chart draws."""
    return (options.__doc__ or "").partition("\n\n")[0].strip()


R = TypeVar("R")


def drawn_with(options: type[Options]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Let a function that draws be called with its options by name, each with its default.

    The function takes `options` and `theme`; what is no option is handed on.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def draw(
            *given: Any, theme: str = "light", options: Options | None = None, **named: Any
        ) -> R:
            if options is None:
                own = {name: named.pop(name) for name in [*named] if name in known}
                options = chosen.of(own)
            from altair.utils.schemapi import debug_mode

            # Tests hold every chart to the schema; checking each part of each again is slow.
            with debug_mode(False):
                return function(*given, options=options, theme=theme, **named)

        return draw

    chosen, known = options, options.model_fields
    return decorate


# -- options in signatures and documentation -------------------------------------------------------


def allowed(field: FieldInfo) -> tuple[Any, ...]:
    """The values of an option that has few, None among them; empty for others."""
    kinds = _kinds(field.annotation)
    if not any(get_origin(kind) is Literal for kind in kinds):
        return ()
    values = [v for kind in kinds if get_origin(kind) is Literal for v in get_args(kind)]
    return (*values, *([None] if type(None) in kinds else []))


def _several(field: FieldInfo) -> tuple[Any, ...]:
    """The values that an option may have some of; empty for others."""
    lists = [kind for kind in _kinds(field.annotation) if get_origin(kind) is list]
    items = [get_args(kind)[0] for kind in lists]
    return tuple(v for item in items if get_origin(item) is Literal for v in get_args(item))


def _check_range(name: str, value: Any, field: FieldInfo) -> None:
    """Refuse a number that an option cannot be."""
    above = next((m.gt for m in field.metadata if hasattr(m, "gt")), None)
    below = next((m.lt for m in field.metadata if hasattr(m, "lt")), None)
    if above is None or below is None or value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not above < value < below:
        from mixedscope.charts.common.numerals import in_full  # which loads what plans do not need

        raise ModelError(
            f"{name} is a number between {in_full(above)} and {in_full(below)}, not {value!r}."
        )


#: Options of these kinds in signatures, and in documentation.
_WRITTEN: Final = {
    str: ("str", "str"),
    bool: ("bool", "bool"),
    int: ("int", "int"),
    float: ("float", "float"),
    (list, str): ("Sequence[str]", "sequence of str"),
    (list, str | int): ("Sequence[str | int]", "sequence of str or int"),
    (str, int): ("str | int", "str or int"),
    (list, float): ("Sequence[float]", "sequence of float"),
}


def annotated(field: FieldInfo) -> str:
    """The annotation of an option in a signature, as it is written."""
    return _written(field)[0] + (" | None" if type(None) in _kinds(field.annotation) else "")


def described(name: str, field: FieldInfo) -> list[str]:
    """The lines that document an option as a parameter: what it is, and what it does."""
    optional = ", optional" if field.default is None else ""
    return [f"{name} : {_written(field)[1]}{optional}", field.description or ""]


def _written(field: FieldInfo) -> tuple[str, str]:
    if values := allowed(field):
        shown = ", ".join(f'"{value}"' for value in values if value is not None)
        for more in field.metadata:
            if isinstance(more, Written):
                return more.annotation, f"{{{shown}}} or {more.kind}"
        return "str", f"{{{shown}}}"
    if values := _several(field):
        shown = ", ".join(f'"{value}"' for value in values)
        return "Sequence[str]", f"sequence of {{{shown}}}"
    kinds = tuple(kind for kind in _kinds(field.annotation) if kind is not type(None))
    return _WRITTEN[_bare(kinds[0]) if len(kinds) == 1 else kinds]


def _kinds(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _bare(kind: Any) -> Any:
    """A kind without its limits: ``(list, float)`` of a list of floats between 0 and 1."""
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return (list, get_args(item)[0] if get_origin(item) is Annotated else item)
    return kind
