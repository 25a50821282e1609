"""A design whose columns mean what some of its rows alone teach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.design import Design
from mixedscope.design.frame import as_frame
from mixedscope.design.other_rows import other_rows, whole_terms

__all__ = ["relearned"]


def relearned(design: Design, data: Any, rows: NDArray[np.intp]) -> Design:
    """Make the columns of a design again, with what some of its rows teach of numbers.

    What ``scale``, ``poly``, ``ns`` and their like learn of a column they learn of ``rows``,
    positions among those of the design; levels of factors, codings and the response stay. ``data``
    are what the design was made from. Raises DataError where the rows are too few for a function.
    """
    training = design.training
    if training is None or not training.learned.numbers:
        return design
    formula, frame = training.formula, as_frame(data)
    names = [name for name in formula.variables if name in frame.columns]
    used = {name: frame[name].take(design.rows[rows]) for name in names}
    learned = training.learned.without_numbers()
    columns = replace(training, learned=learned).columns(used, design.rows[rows])
    columns.columns(formula.fixed.intercept, formula.fixed.terms)
    for term in formula.random:
        columns.columns(term.intercept, term.terms)
    columns.numeric(formula.response, "The response")
    for node in formula.offsets:
        columns.numeric(node, "The offset")
    learned.close()
    made = other_rows(
        replace(design, training=replace(training, learned=learned)),
        frame.take(design.rows),
        own=whole_terms(design),
        offset=None if training.offset is None else np.zeros(len(design.rows)),
    )
    random = [replace(one, Z=new.Z) for one, new in zip(design.random, made.own, strict=True)]
    return replace(
        design,
        X=made.X,
        random=tuple(random),
        training=replace(training, learned=learned),
    )
