"""The steps that evaluations of small models are made of, see :mod:`mixedscope.engine.linking`."""

from __future__ import annotations

from mixedscope.engine.compile.step import Step

_F1, _F2, _F3 = "float64[::1]", "float64[:,::1]", "float64[:,:,::1]"
_I1, _I2, _IDX, _LEVEL = "int64[::1]", "int64[:,::1]", "uint32[::1]", "int32[::1]"
_N, _X = "int64", "float64"


#: All of them.
ALL: list[Step] = []


def _step(result: str, *arguments: str) -> Step:
    ALL.append(Step(len(ALL), result, *arguments))
    return ALL[-1]


# In the order in which they are taken.
level_factors = _step(_X, _F3, _F2, _F3, _F3)
eliminate_parents = _step("void", _I2, _N, _F3, _F2, _F3, _I1, _I1, _I1, _F1, _F1, _F1)
eliminate_parent_narrow = _step("void", _F3, _F3, _I1, _N, _F3, _F3)
eliminate_parent = _step("void", _F3, _F2, _F3, _I1, _I1, _I1, _N, _F3, _F3, _F2)
eliminate_head = _step("void", _F3, _F3, _N, _F2)
eliminate_sparse = _step("void", _F3, _F2, _F3, _I1, _IDX, _LEVEL, _I1, _I1, _N, _F2)
scale_dense = _step("void", _F2, _F1, _I2, _F1, _N)
back_solve_rest = _step(_X, _F2, _I2, _F1, _N, _F1, _F1)
add_parents = _step("void", _I2, _N, _F3, _I1, _F1, _F2)
add_parent_narrow = _step("void", _F3, _I1, _N, _F2, _F2)
back_solve_narrow = _step(_X, _F3, _F3, _F3, _F1, _F2, _F2)
modes_of_parents = _step("void", _I2, _N, _I1, _F1, _F2)
back_solve = _step(_X, _F3, _F2, _F3, _F3, _I1, _IDX, _F2, _F1, _F2, _F2)
inverse_small = _step("void", _F2, _N)
derive_dense = _step("void", _F2, _F1, _I2, _F1, _N, _N, _F1, _F1, _X, _F1)
parents_of_inverse = _step("void", _I2, _N, _N, _F3, _F2, _I1, _I1, _I1, _F1, _F1, _F1, _F3)
parent_forms_narrow = _step("void", _F3, _I1, _N, _N, _F3, _F3, _F3)
parent_forms = _step("void", _F3, _F2, _I1, _I1, _I1, _N, _N, _F3, _F3, _F2, _F3)
parent_products = _step("void", _F3, _F2, _I1, _I1, _I1, _N, _F3, _F3, _F2, _F3, _F2)
head_forms = _step("void", _F3, _F2, _I1, _IDX, _F2, _N, _F3)
fixed_forms = _step("void", _F3, _F2, _I1, _IDX, _F2, _F3)
sparse_forms = _step("void", _F2, _I1, _IDX, _LEVEL, _I1, _I1, _F2, _N, _F3)
invert_tier = _step("void", _I2, _N, _F3, _F2, _F3, _I1, _IDX, _N, _F2, _F3, _F1, _F1, _F1)
derivative_tier = _step("void", _F3, _F3, _F3, _F3, _F2, _X, _F2)

#: How many there are.
STEPS = len(ALL)
