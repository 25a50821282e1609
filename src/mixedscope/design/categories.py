"""Functions of a formula that make a variable categorical: ``factor``, ``C`` and ``fulldummy``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError, ModelError, suggest
from mixedscope.design.contrasts import CODINGS, ContrastSpec, read_contrast
from mixedscope.design.frame import Factor
from mixedscope.design.settings import Settings
from mixedscope.formula.expressions import label_of
from mixedscope.formula.tree import Call, Node, Number, Text, Word

__all__ = ["CATEGORICAL", "INDICATORS", "Category", "in_order", "read_category"]

#: An indicator for every level, whatever else the model has.
INDICATORS: Final = "fulldummy"

#: Functions that make a variable categorical.
CATEGORICAL: Final = ("factor", "as.factor", "C", INDICATORS)

#: Codings as they are called in C(), in small letters and without R's ``contr.``.
_CALLED: Final = {
    "treatment": "treatment",
    "sum": "sum",
    "deviation": "sum",
    "effects": "effects",
    "helmert": "helmert",
    "poly": "polynomial",
    "polynomial": "polynomial",
    "diff": "sequential-difference",
    "sdif": "sequential-difference",
}


@dataclass(frozen=True)
class Category:
    """What a call says of a categorical variable.

    Attributes
    ----------
    argument : Node
        The column, or what is made of columns.
    levels : tuple of str or None
        Their order, where it is stated.
    coding : contrast specification or None
        Where it is stated.
    """

    argument: Node
    levels: tuple[str, ...] | None
    coding: ContrastSpec | None


def read_category(text: str, node: Call) -> Category:
    """Read a call of a function of `CATEGORICAL`; raises FormulaError."""
    if node.function == "C":
        coding = _read_coding(text, node)
        given = Call("C", node.arguments[:1], node.keywords, node.position)
        settings = Settings(text, given, ("levels",), 0)
    else:
        coding = None
        settings = Settings(text, node, ("levels",))
    labels = settings.labels("levels")
    levels = None if labels is None else tuple(map(label_of, labels))
    if levels is not None and len(set(levels)) < len(levels):
        raise FormulaError(text, node.position, "levels has one level twice.")
    return Category(node.arguments[0], levels, coding)


def _read_coding(text: str, node: Call) -> ContrastSpec | None:
    """The second argument of C()."""
    if len(node.arguments) > 2:
        raise FormulaError(
            text, node.arguments[2].position, "C() takes a column and a coding: C(x, Sum)."
        )
    if len(node.arguments) < 2:
        return None
    said = node.arguments[1]
    assert isinstance(said, Word | Call)
    word = said.word if isinstance(said, Word) else said.function
    name = _CALLED.get(word.lower().removeprefix("contr.").removeprefix("contr_"))
    if name is None and word in CODINGS:
        name = word
    if name is None or name == "matrix":
        known = ("Treatment", "Sum", "Helmert", "Poly", "Diff")
        raise FormulaError(
            text,
            said.position,
            f"There is no coding {word!r}.{suggest(word, known)} C() knows {', '.join(known)}, and "
            "R's contr.treatment, contr.sum, contr.helmert, contr.poly, contr.sdif; a matrix of "
            "one's own goes into contrasts.",
        )
    settings: dict[str, Any] = {}
    given: list[tuple[str, Node]] = []
    if isinstance(said, Call):
        given = [*(("base", value) for value in said.arguments), *said.keywords]
    for key, value in given:
        if not isinstance(value, Text | Number):
            raise FormulaError(
                text, value.position, f"The {key} of a coding is a level: {word}('a')."
            )
        settings["base" if key in ("reference", "ref", "omit") else key] = value.value
    coding = {name: settings} if settings else name
    try:
        read_contrast("", coding)
    except ModelError as error:
        raise FormulaError(text, said.position, str(error).replace(" of ''", "")) from None
    return coding


def in_order(factor: Factor, levels: tuple[str, ...], call: str, rows: NDArray[np.int64]) -> Factor:
    """Give a factor its levels in a stated order, those that do not occur left out.

    Raises DataError, which names the `call`, if a value is none of them.
    """
    for i, level in enumerate(factor.levels):
        if level not in levels:
            row = int(rows[int((factor.codes == i).argmax())]) + 1
            raise DataError(
                f"{call}: row {row} (counted from 1) holds {level!r}, which is not among the "
                f"levels.{suggest(level, levels)} Levels: {', '.join(levels[:20])}."
            )
    kept = tuple(level for level in levels if level in factor.levels)
    place = np.array([kept.index(level) for level in factor.levels], dtype=np.int64)
    return Factor(place[factor.codes], kept)
