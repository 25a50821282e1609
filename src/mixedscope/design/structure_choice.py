"""Which covariance structure each random-effects term gets: as written, or as asked if it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixedscope.core.errors import FormulaError, ModelError
from mixedscope.covariance.registry import STRUCTURES, USUAL, make_structure, named_structure
from mixedscope.design.frame import Factor
from mixedscope.formula.parse import Formula, RandomTerm

__all__ = ["Choice", "StructureChooser", "kept_terms", "terms_by_group"]


@dataclass(frozen=True)
class Choice:
    """A structure with its settings."""

    name: str
    settings: dict[str, float]

    @property
    def intercept_only(self) -> bool:
        """Whether the term is reduced to an intercept."""
        return STRUCTURES[self.name].intercept_only


class StructureChooser:
    """Choose the structure of every term of a formula.

    Parameters
    ----------
    formula : Formula
    structure : str
        What is asked of the whole model. ``full`` leaves to each term what the formula says; any
        other structure replaces that of every term that can take it, and the others keep theirs.

    Raises
    ------
    FormulaError, ModelError
        If a name is unknown.
    """

    def __init__(self, formula: Formula, structure: str) -> None:
        self._text = formula.text
        self._asked = Choice(*named_structure(structure))
        self._taken = self._asked.name in USUAL
        self._refusals: list[str] = []
        for term in formula.random:
            self._written(term)

    def reduces(self, term: RandomTerm) -> bool:
        """Whether the term becomes an intercept, whatever its columns."""
        asked = self._asked if self._asked.name != "full" else self._written(term)
        return asked.intercept_only

    def choose(
        self, term: RandomTerm, names: tuple[str, ...], indicated: tuple[str, Factor] | None
    ) -> Choice:
        """Choose for a term with these columns.

        ``names``: its k columns. ``indicated``: the factor whose indicators they are, if they are.
        Raises FormulaError if the structure written around the term makes no sense for its columns.
        """
        if self._asked.name != "full":
            refusal = _refusal(self._asked, names, indicated)
            if refusal is None:
                self._taken = True
                return self._asked
            self._refusals.append(f"({' + '.join(names)} | {term.group}): {refusal}")
        written = self._written(term)
        refusal = _refusal(written, names, indicated)
        if refusal is not None:
            raise FormulaError(self._text, term.structure_position, refusal)
        return written

    def finish(self) -> None:
        """Complain if no term could take the structure asked for; may raise ModelError."""
        if not self._taken:
            raise ModelError(
                f"No random-effects term can have the covariance structure {self._asked.name!r}. "
                + " ".join(self._refusals)
            )

    def _written(self, term: RandomTerm) -> Choice:
        try:
            return Choice(*named_structure(term.structure, term.settings))
        except ModelError as error:
            raise FormulaError(self._text, term.structure_position, str(error)) from None


def terms_by_group(formula: Formula) -> list[list[RandomTerm]]:
    """Random-effects terms of every grouping factor, in the order of their first appearance."""
    by_group: dict[frozenset[str], list[RandomTerm]] = {}
    for term in formula.random:
        by_group.setdefault(frozenset(term.factors), []).append(term)
    return list(by_group.values())


def kept_terms(
    chooser: StructureChooser, terms: Sequence[RandomTerm]
) -> list[tuple[RandomTerm, bool]]:
    """Terms of one grouping factor that make its parts, and whether each is a mere intercept."""
    out: list[tuple[RandomTerm, bool]] = []
    for term in terms:
        reduced = chooser.reduces(term)
        if not (reduced and out):  # every term that is reduced is the same intercept
            out.append((term, reduced))
    return out


def _refusal(
    choice: Choice, names: tuple[str, ...], indicated: tuple[str, Factor] | None
) -> str | None:
    """Say why a term cannot have a structure, or None if it can."""
    structure = STRUCTURES[choice.name]
    if structure.ordered:
        if indicated is None:
            return (
                f"{choice.name} needs a term whose columns are the levels of one categorical "
                f"variable in their order: write {choice.name}(0 + time | group), and make time "
                "categorical if it holds numbers."
            )
        if disorder := _disorder(*indicated):
            return f"{choice.name} follows the order of levels. {disorder}"
    try:
        make_structure(choice.name, len(names), choice.settings)
    except ModelError as error:
        return str(error)
    return None


def _disorder(name: str, factor: Factor) -> str:
    """Say so if levels that read as numbers are not in the order of the numbers."""
    try:
        values = [float(level) for level in factor.levels]
    except ValueError:
        return ""
    if values in (sorted(values), sorted(values, reverse=True)):
        return ""
    return (
        f"The levels of {name!r} are numbers, but not in their order ({', '.join(factor.levels)}): "
        "make it categorical from numbers, or give its categories in order."
    )
