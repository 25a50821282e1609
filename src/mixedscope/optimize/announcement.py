"""What is said before, or early in, a fit that takes long: otherwise a minute looks like an hour.

It goes to the logger ``mixedscope``, as a warning so that it is seen without any setting up:
Python prints warnings of loggers to stderr, and jobs of the workflow write them to their logs.
"""

from __future__ import annotations

import logging
from typing import Final

from mixedscope.core.wording import counted, duration, gigabytes

__all__ = ["GRADIENT", "LONG", "announce_fit", "expected_evaluations", "is_by_gradient"]

#: Seconds of an evaluation from which the length of a fit is announced.
LONG: Final = 1.0

#: An evaluation with its gradient takes so many times as long as one without (measured).
GRADIENT: Final = 3.0

_BY_GRADIENT: Final = ("auto", "bfgs", "scipy-lbfgsb", "average-information")

_LOGGER = logging.getLogger("mixedscope")


def expected_evaluations(parameters: int, optimizer: str) -> int:
    """Evaluations of a search as a rule, from those of the shipped sweeps.

    Searches by gradients make 8 and one for every parameter, others 10 and 12 for every parameter.
    """
    return 8 + parameters if is_by_gradient(optimizer) else 10 + 12 * parameters


def is_by_gradient(optimizer: str) -> bool:
    """Whether an optimiser asks for gradients with every value."""
    return optimizer in _BY_GRADIENT


def announce_fit(
    value: float, gradient: float, parameters: int, optimizer: str, *, held: int, measured: bool
) -> None:
    """Say how long an evaluation takes, how many are expected, and how much memory is held.

    ``value``, ``gradient``: seconds of an evaluation without and with gradient. ``held``: bytes.
    ``measured``: whether these seconds were measured, or estimated.
    """
    search = expected_evaluations(parameters, optimizer)
    each = gradient if is_by_gradient(optimizer) else value
    # As many gradients as there are parameters check the result: those of one-sided differences.
    total = search * each + parameters * gradient
    _LOGGER.warning(
        "One evaluation of this model %s %s. A fit by %s makes %d of them as a rule, and %s to "
        "check its result, %s in all. The model holds %s of memory.",
        "took" if measured else "will take about", duration(each), optimizer, search,
        counted(parameters, "gradient"), duration(total), gigabytes(held),
    )  # fmt: skip
