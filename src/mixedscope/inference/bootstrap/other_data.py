"""The model of a fit for rows that nobody has observed, to see what they would tell."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import generator
from mixedscope.design.design import Design
from mixedscope.design.fixed_terms import FixedTerms
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.estimates.simulated import Truth, drawn_responses

__all__ = ["digest_of", "objective_for"]


def objective_for(
    model: ProfiledSystem, design: Design, truth: Truth, *, reml: bool, what: str = "newdata"
) -> SearchableObjective:
    """Make the objective of a model for the design of other rows.

    ``design`` has no response; one that is drawn from the truth gives the system its units.
    ``what``: what the rows are called in messages. Raises ModelError if a fixed effect of the model
    cannot be estimated from these rows.
    """
    names = model.fixed_names
    # A plain seed might be that of the data: columns would explain the response exactly.
    rng = generator(0, "response of rows that nobody has observed")
    numbers = rng.standard_normal((1, len(design.y)))
    own = replace(
        design, y=numbers[0], X=np.ascontiguousarray(design.X[:, model.kept]), x_names=names,
        fixed=FixedTerms(),
    )  # fmt: skip
    system = ProfiledSystem(own)
    if system.fixed_names != names:
        lost = [name for name in names if name not in system.fixed_names]
        raise ModelError(
            f"{what} do not determine the fixed effects {', '.join(lost)}, which the model has: "
            "add rows that tell them from the others."
        )
    effects = [
        rng.standard_normal((1, len(term.design.levels), term.size)) for term in system.terms
    ]
    drawn_responses(system, truth, numbers, effects)
    return SearchableObjective(ProfiledSystem(replace(own, y=numbers[0])), reml=reml)


def digest_of(design: Design) -> str:
    """Digest of all that a design says but the response, 64 hexadecimal digits."""
    digest = hashlib.sha256(b"mixedscope.design/1")
    arrays = [design.X, *(a for r in design.random for a in (r.codes, r.Z))]
    for array in (*arrays, design.weights, design.offset):
        digest.update(b"none" if array is None else repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()
