"""Which question a chart answers: how figures are put together on pages and in reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mixedscope.charts.registry import TIMED, spec_of

__all__ = ["QUESTIONS", "Question", "by_question", "is_timed", "question_of"]


@dataclass(frozen=True)
class Question:
    """A group of figures.

    Attributes
    ----------
    name : str
        The section of charts in `mixedscope.charts.registry`.
    text : str
        The question they answer.
    comes_first : bool
        Whether they stand before the numbers of fits: what is there before any model.
    """

    name: str
    text: str
    comes_first: bool = False


#: In the order in which they are asked.
QUESTIONS: Final = (
    Question(
        "Explorer",
        "Where are all displays linked, level by level and step by step?",
        comes_first=True,
    ),
    Question(
        "Data",
        "What do the data of each group look like, and what does the model make of it?",
        comes_first=True,
    ),
    Question("Estimates", "How large are the effects and the variation, and how sure is that?"),
    Question("Shrinkage", "How far, and which way, is each group's own estimate pulled?"),
    Question("Check", "Does the model fit the data, and on which of them does it hang?"),
    Question("Structures", "What do richer covariance structures buy, and what do they cost?"),
    Question("Power", "What would a study of another size find?"),
    Question("Optimisation", "How was the fit found, and when was it good enough?"),
    Question("Optimisers", "How do other optimisers fare?"),
)

_SECONDS: Final = Question("Seconds", "How long did it take on this machine?")
_OTHERS: Final = Question("Comparisons", "What differs between fits?")


def question_of(chart: str) -> Question:
    """The question of ``<kind>`` or ``<kind>-<grouping factor>``; the last for other names."""
    if is_timed(chart):
        return _SECONDS
    spec = spec_of(chart)
    section = spec.section if spec else ""
    return next((question for question in QUESTIONS if question.name == section), _OTHERS)


def is_timed(chart: str) -> bool:
    """Whether a chart shows measured seconds, by its name."""
    return chart.endswith(TIMED)


Named = TypeVar("Named")


def by_question(items: Iterable[Named], names: Sequence[str]) -> list[tuple[Question, list[Named]]]:
    """Put things together that answer one question, by the names of their charts.

    Questions stand in their order; those without any are left out.
    """
    groups: dict[Question, list[Named]] = {}
    for item, name in zip(items, names, strict=True):
        groups.setdefault(question_of(name), []).append(item)
    order = [*QUESTIONS, _OTHERS, _SECONDS]
    return [(question, groups[question]) for question in order if question in groups]
