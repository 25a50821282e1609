"""What searches of generalised models are made of, see :mod:`mixedscope.engine.compile.step`.

Which functions a model calls stands in an array of numbers, made by
:mod:`mixedscope.engine.generalized.linking`: those of its design
(:mod:`mixedscope.engine.kernels.laplace`, :mod:`mixedscope.engine.kernels.laplace_several`) and of
its family (:mod:`mixedscope.engine.kernels.likelihoods`,
:mod:`mixedscope.engine.kernels.link_rows`, :mod:`mixedscope.engine.kernels.means`).

Rows are some of all, from and up to. What is known of them is in `scratch` (ROOM, n): what a link
gives, a value and three derivatives, from row LINK on; what a family makes of that from OWN on; and
from CHANGE on what a dispersion changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.step import Step

__all__ = [
    "ALL",
    "CHANGE",
    "ETA",
    "FIXED",
    "HALVINGS",
    "LEVERAGE",
    "LIKELIHOOD",
    "LINK",
    "LOG_DET",
    "MEAN_CHANGE",
    "MEAN_SCORE",
    "MOVED",
    "NODE_ETA",
    "NODE_SCORE",
    "NODE_SLOPE",
    "NODE_WEIGHT",
    "OF_LEVEL",
    "OWN",
    "PARTS",
    "PENALTY",
    "ROOM",
    "ROWS",
    "ROWS_OF_NODES",
    "SCORE",
    "SLOPE",
    "STEPS",
    "STEPS_TAKEN",
    "WEIGHT",
    "Columns",
    "Graph",
    "Work",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]

#: Where the random effects of the rows stand, rows being sorted by level of the factor that is
#: eliminated first. First row of each of its levels; of several factors also the columns of a row
#: (n, c), where the products of each two of them stand (n, c (c + 1) / 2), the entries of the
#: factor by columns (where each begins, and the rows), and of every grouping factor its first
#: column of c, how many it has, and where its covariance factor begins.
Graph = tuple[Ints, Shorts, Shorts, Ints, Shorts, Ints]
#: Random-effects columns (n, c), those of the fixed effects (n, r), offset (n,), and how many rows
#: each row counts as (n,), or (0,).
Columns = tuple[Floats, Floats, Floats, Floats]
#: Random-effects columns times the covariance factors (n, c), and those of the evaluation before;
#: rows (ROWS, n); scratch (ROOM, n); vectors (any, k); blocks (any, k, k); two lists. Of several
#: grouping factors these are entries of a factor and of the inverse, diagonals last; of quadrature
#: what :mod:`mixedscope.engine.kernels.laplace_nodes` says, which takes more rows and scratch too.
Work = tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats]

#: What is known of each row: predictor of the fixed effects, all of it, derivatives, leverage, and
#: how a change of the modes moves the predictor.
FIXED, ETA, SCORE, WEIGHT, SLOPE, LEVERAGE, MOVED = range(7)
ROWS = 7
#: With quadrature also at a node the predictor and derivatives, and means over the nodes.
NODE_ETA, NODE_SCORE, NODE_WEIGHT, NODE_SLOPE, MEAN_SCORE, MEAN_CHANGE = range(ROWS, ROWS + 6)
ROWS_OF_NODES = ROWS + 6
#: Numbers that quadrature leaves of every level.
OF_LEVEL = 3
#: Rows of the scratch.
LINK, OWN, CHANGE = 0, 4, 8
ROOM = 11
#: Places of what an evaluation yields, and how many there are.
LIKELIHOOD, PENALTY, LOG_DET, STEPS_TAKEN, HALVINGS = range(5)
PARTS = 5

_F1, _F2, _F3 = "float64[::1]", "float64[:,::1]", "float64[:,:,::1]"
_I1, _I2, _S1, _S2 = "int64[::1]", "int64[:,::1]", "int32[::1]", "int32[:,::1]"
_N, _X = "int64", "float64"
_GRAPH = f"Tuple(({_I1}, {_S2}, {_S2}, {_I1}, {_S1}, {_I2}))"
_COLUMNS = f"Tuple(({_F2}, {_F2}, {_F1}, {_F1}))"
_WORK = f"Tuple(({_F2}, {_F2}, {_F2}, {_F2}, {_F2}, {_F3}, {_F1}, {_F1}))"

#: All of them.
ALL: list[Step] = []


def _step(result: str, *arguments: str) -> Step:
    ALL.append(Step(len(ALL), result, *arguments))
    return ALL[-1]


# Value at the conditional modes, and its derivatives; information.
value = _step(_X, _I1, _GRAPH, _COLUMNS, _F1, _F1, _F1, _X, _F2, _WORK, _F1)
derive = _step(_X, _I1, _GRAPH, _COLUMNS, _F1, _F1, _X, _F2, _WORK, _F1, _F1)
# Log-likelihood of rows, the sum; score, weight and derivative of the weight of each.
rows = _step(_X, _I1, _N, _N, _F1, _F1, _F1, _X, _F2, _F1, _F1, _F1)
# What the link makes of the linear predictor; what the family makes of that.
link = _step("void", _N, _N, _F1, _F1, _F2)
mean = _step("void", _N, _N, _F1, _X, _F2)
# Derivatives of rows by the logarithm of the dispersion, after `rows`, into the scratch: whole, and
# of what the family makes of its link.
changes = _step("void", _I1, _N, _N, _F1, _F1, _X, _F2)
own_changes = _step("void", _N, _N, _F1, _X, _F2)
# What the dispersion alone adds to the log-likelihood, and its derivative, by a table of the
# responses; that table, and how long it has to be.
constant = _step("void", _F1, _X, _F1)
tally = _step(_N, _F1, _F1, _F1)
# With quadrature what the sum over the nodes of a level adds to its log-likelihood.
nodes = _step(
    _X, _I1, _N, _N, _N, _F2, _F2, _F1, _F1, _X, _X, _F1, _F2, _F2, _F2, _F1, _F1,
)  # fmt: skip

#: How many there are.
STEPS = len(ALL)
