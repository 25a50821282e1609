"""What a model is, its data apart: one object for all who configure, build, store or compare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from mixedscope.core.errors import ModelError, suggest
from mixedscope.core.vocabulary import CRITERIA, SOLVERS, Criterion
from mixedscope.covariance.registry import plain_name

if TYPE_CHECKING:
    from mixedscope.design.design import Design

__all__ = ["KNOWN_SIGMA", "ModelSpec", "without_defaults"]


#: What ``fit.json``, where ``sigma`` is the estimate, calls one that is known.
KNOWN_SIGMA: Final = "known_sigma"


@dataclass(frozen=True)
class ModelSpec:
    """A model without its data.

    What is said of a model beyond this goes here, as one more field with what it is where nothing
    is said: `described` leaves out what has its default, so that digests of runs and files of fits
    stay what they are.

    Attributes
    ----------
    formula : str
        As written.
    structure : str
        Covariance structure of every term that can have it, as users write it.
    contrasts : dict
        Coding by name of variable; treatment coding of others.
    weights : str or None
        Column of observation weights.
    criterion : {"ML", "REML"}
    offset : str or None
        Column or safe expression of columns, added to the offsets of the formula.
    subset : str or None
        Safe condition on columns that holds in the rows used.
    sigma : float or None
        Residual standard deviation of a row of weight 1, where it is known and not estimated.
    unidentified : {"refuse", "allow"}
        What to do with random effects that do no more than residuals do.
    family : str or None
        Of a generalised model; None of a linear one.
    link : str or None
        Of the family; its first where nothing is said.
    information : {"observed", "expected"}
        What the determinant of Laplace's approximation is made of.
    quadrature : int
        Points per random effect of a level; 1 is Laplace's approximation.
    solver : {"auto", "exact", "sparse", "iterative"}
        How the system is solved. With a family there is no ``"sparse"``.
    """

    formula: str
    structure: str = "full"
    contrasts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    weights: str | None = None
    criterion: Criterion = "ML"
    offset: str | None = None
    subset: str | None = None
    sigma: float | None = None
    unidentified: str = "refuse"
    family: str | None = None
    link: str | None = None
    information: str = "observed"
    quadrature: int = 1
    solver: str = "auto"

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise ModelError(f"The criterion is {' or '.join(CRITERIA)}, not {self.criterion!r}.")
        if self.solver not in SOLVERS:
            raise ModelError(
                f"solver must be {', '.join(map(repr, SOLVERS[:-1]))} or {SOLVERS[-1]!r}, not "
                f"{self.solver!r}.{suggest(self.solver, SOLVERS)}"
            )
        if self.family is None:
            for name in ("link", "information", "quadrature"):
                if getattr(self, name) != _DEFAULTS[name]:
                    raise ModelError(f"{name} goes with a family of responses: give family too.")
        else:
            if self.reml:
                raise ModelError("Of a generalised model the criterion is ML: there is no REML.")
            for name in ("sigma", "unidentified"):
                if getattr(self, name) != _DEFAULTS[name]:
                    raise ModelError(f"{name} is for linear models: leave out it or the family.")
            if self.solver == "sparse":
                raise ModelError(
                    "solver='sparse' is for linear models: with a family solver is 'auto', "
                    "'exact' or 'iterative'."
                )
            if self.solver == "iterative" and self.quadrature != 1:
                raise ModelError(
                    "solver='iterative' is for Laplace's approximation, quadrature=1, not "
                    f"{self.quadrature}: leave out one of them."
                )
        object.__setattr__(self, "structure", plain_name(self.structure))
        object.__setattr__(self, "contrasts", {k: _plain(v) for k, v in self.contrasts.items()})

    @classmethod
    def of(cls, told: Mapping[str, Any], **others: Any) -> ModelSpec:
        """Read the model out of an entry of ``models``, a sweep's run or ``fit.json``.

        `others` says what the entry does not, or says otherwise: ``structure="cs"``.
        """
        known = {**_DEFAULTS, **told}
        if "objective" in told:  # a fit, whose sigma is the estimate
            known["sigma"] = told.get(KNOWN_SIGMA)
        known |= others
        return cls(**{one.name: known[one.name] for one in fields(cls)})

    @property
    def reml(self) -> bool:
        """Whether the restricted likelihood is what is optimised."""
        return self.criterion == "REML"

    def described(self) -> dict[str, Any]:
        """Give what `of` reads, by name, as configurations, runs and ``fit.json`` have it.

        A known sigma is ``known_sigma`` in ``fit.json``.
        """
        return without_defaults({one.name: getattr(self, one.name) for one in fields(self)})

    def design(self, data: Any) -> Design:
        """Build the design from data as `mixedscope.design.design.build_design` takes them."""
        from mixedscope.design.design import build_design

        return build_design(
            self.formula,
            data,
            structure=self.structure,
            contrasts=self.contrasts,
            weights=self.weights,
            offset=self.offset,
            subset=self.subset,
            sigma=self.sigma,
            unidentified=self.unidentified,
            of_family=self.family is not None,
            solver=self.solver,
        )


#: What is left out where nothing is said: all that files and runs of earlier versions do not say.
_DEFAULTS: Final = {one.name: one.default for one in fields(ModelSpec)[5:]}


def _plain(value: Any) -> Any:
    """Lists in place of arrays, which neither compare nor can be written."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def without_defaults(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of an entry of ``models`` what says no more than if it were not there.

    Of the keys that every file and run has, none.
    """
    return {key: v for key, v in entry.items() if key not in _DEFAULTS or v != _DEFAULTS[key]}
