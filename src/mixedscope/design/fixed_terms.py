"""Which columns of X belong to which term, and what each term is made of.

R keeps the first as the attribute ``assign`` of a model matrix and the second as ``factors`` of its
terms. Tests of terms and marginal means are read off both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.contrasts import Coding
from mixedscope.design.frame import Factor

__all__ = ["FixedTerm", "FixedTerms"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FixedTerm:
    """One term of the fixed effects.

    Attributes
    ----------
    name : str
        As R writes it, such as ``a:log(x)``, or ``(Intercept)``.
    columns : range
        Its columns of X.
    variables : tuple of str
        What is multiplied, in order; nothing for the intercept.
    indicated : frozenset of str
        Categorical variables that have an indicator for every level here, rather than contrasts.
    """

    name: str
    columns: range
    variables: tuple[str, ...] = ()
    indicated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FixedTerms:
    """The fixed-effects terms of a design.

    Attributes
    ----------
    terms : tuple of FixedTerm
        In the order of their columns, that of the intercept first.
    variables : mapping of str to (n, w) array or Factor
        Numeric columns (several of a polynomial), or the codes of a categorical variable.
    codings : mapping of str to Coding
        Contrasts of the categorical variables.
    """

    terms: tuple[FixedTerm, ...] = ()
    variables: Mapping[str, Floats | Factor] = field(default_factory=dict)
    codings: Mapping[str, Coding] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms but for the intercept."""
        return tuple(term.name for term in self.terms if term.variables)

    def __getitem__(self, name: str) -> FixedTerm:
        """Give the term of this name."""
        return next(term for term in self.terms if term.name == name)

    def factors(self, term: FixedTerm) -> frozenset[str]:
        """Categorical variables of a term."""
        return frozenset(v for v in term.variables if isinstance(self.variables[v], Factor))

    def numbers(self, term: FixedTerm) -> frozenset[str]:
        """Numeric variables of a term."""
        return frozenset(term.variables) - self.factors(term)

    def containing(self, term: FixedTerm) -> tuple[FixedTerm, ...]:
        """Terms with the same numeric variables and more categorical ones.

        The intercept has no numeric variables, and is contained in all terms of factors alone.
        """
        own, numbers = self.factors(term), self.numbers(term)
        return tuple(
            other
            for other in self.terms
            if own < self.factors(other) and self.numbers(other) == numbers
        )
