"""Keys of a model whose response has a family, and what there is of linear models alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from mixedscope.charts.registry import CHARTS, ChartSpec
from mixedscope.core.errors import MixedscopeError
from mixedscope.core.sections import fault
from mixedscope.formula.parse import TRIALS, Formula
from mixedscope.formula.tree import Call
from mixedscope.inference.studies.registry import STUDIES, present_name

if TYPE_CHECKING:
    from mixedscope.workflow.config.charts import ChartsConfig

__all__ = [
    "LINEAR_ALONE",
    "Family",
    "Link",
    "broken_family",
    "check_family_keys",
    "is_of_families",
    "undrawn",
]


class _Named:
    """Of a text: one of names that are loaded when a schema is written, not with every plan."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Give the known names, for editors."""
        from mixedscope.families.registry import FAMILIES

        if self._what == "families":
            names = list(FAMILIES)
        else:
            names = list(dict.fromkeys(link for one in FAMILIES.values() for link in one.links))
        return {**handler(schema), "examples": names}


def _known_family(name: str) -> str:
    from mixedscope.families.registry import make_family

    try:
        return make_family(name).name
    except MixedscopeError as error:
        raise fault(str(error)) from None


Family = Annotated[str, AfterValidator(_known_family), _Named("families")]
Link = Annotated[str, _Named("links")]

#: Keys of linear models, with what each is about.
_OF_LINEAR: Final = {
    "criterion": "REML is a likelihood of linear models",
    "sigma": "no family has a residual standard deviation",
    "unidentified": "no family has residuals that random effects could stand for",
}

#: Keys that belong to a family.
_OF_FAMILIES: Final = ("link", "information", "quadrature")

#: Keys that ask for what is made of linear models alone.
LINEAR_ALONE: Final = ("efficiency",)

#: Degrees of freedom of their tests, and intervals that tables show of them.
_DF: Final = "none"
_INTERVALS: Final = ("wald", "profile", "bootstrap")


def check_family_keys(model: Any) -> None:
    """Raise a fault where a `ModelConfig` has keys of families, or of linear models, amiss."""
    said = model.model_fields_set
    if model.family is None:
        for key in _OF_FAMILIES:
            if key in said and getattr(model, key) != type(model).model_fields[key].default:
                raise fault(f"{key!r} belongs to a family: name one, as in family: binomial")
        return
    beside = [
        f"{key} ({why})"
        for key, why in _OF_LINEAR.items()
        if key in said and getattr(model, key) != type(model).model_fields[key].default
    ]
    if beside:
        raise fault(
            f"of linear models, not of the family {model.family!r}: {', '.join(beside)}. Leave "
            f"{'it' if len(beside) == 1 else 'them'} out"
        )
    if model.solver == "sparse":
        raise fault(
            f"solver: sparse is of linear models, not of the family {model.family!r}: auto, exact "
            "and iterative are of both"
        )
    if model.solver == "iterative" and model.quadrature != 1:
        raise fault(
            "solver: iterative is for Laplace's approximation, quadrature: 1, not "
            f"{model.quadrature}: leave out one of them"
        )
    alone = [key for key in LINEAR_ALONE if getattr(model, key) is not None]
    if alone:
        raise fault(
            f"made of linear models alone, not of the family {model.family!r}: {', '.join(alone)}. "
            f"Leave {'it' if len(alone) == 1 else 'them'} out"
        )


def broken_family(formula: Formula, model: Any) -> list[str]:
    """What of the family does not go together, in words, each behind its key."""
    counted = isinstance(formula.response, Call) and formula.response.function == TRIALS
    if model.family is None:
        if not counted:
            return []
        return [
            "formula: a response of successes and failures is for a generalised model: say "
            "family: binomial"
        ]
    from mixedscope.families.registry import make_family

    faults = []
    try:
        family = make_family(model.family, model.link)
    except MixedscopeError as error:
        return [f"link: {error}"]
    if counted and family.name != "binomial":
        faults.append(
            "formula: a response of successes and failures goes with family: binomial, not "
            f"{family.name!r}"
        )
    if model.information == "expected" and family.name == "nbinom1":
        faults.append(
            "information: the expected information of the family 'nbinom1' has no closed form: "
            "leave it out"
        )
    if model.tests and "df" in model.tests.model_fields_set and model.tests.df != _DF:
        faults.append(
            f"tests.df: {model.tests.df} is of linear models; tests of the family {family.name!r} "
            f"are for large samples: give {_DF}, or leave it out"
        )
    if model.table and model.table.intervals not in (None, *_INTERVALS):
        faults.append(
            f"table.intervals: {model.table.intervals} is of linear models; of the family "
            f"{family.name!r} give one of {', '.join(_INTERVALS)}"
        )
    if model.influence and model.influence.method == "fixed":
        faults.append(
            "influence.method: fixed is of linear models, whose fixed effects follow from the "
            f"covariances; of the family {family.name!r} give newton or exact"
        )
    return faults


def is_of_families(chart: ChartSpec) -> bool:
    """Whether a chart is drawn of generalised models: it, and every study that it reads."""
    return all(STUDIES[study].families for study in chart.studies)


def undrawn(charts: ChartsConfig) -> list[str]:
    """What is asked of charts by name and made of linear models alone, in words behind its key.

    For configurations all of whose models have families; of others linear models have it.
    """
    named = [("kinds", kind, is_of_families(CHARTS[kind])) for kind in charts.kinds]
    if "kinds" not in charts.model_fields_set:
        named = []
    named += [("studies", name, STUDIES[present_name(name)].families) for name in charts.studies]
    return [
        f"charts.{key}: {name!r} is made of linear models alone, and every model here has a "
        "family: leave it out"
        for key, name, is_made in named
        if not is_made
    ]
