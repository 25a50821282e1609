"""Likelihood-ratio tests between covariance structures, with their boundaries taken into account.

The parameters of both models are covariance matrices. Around the poorer fit each model leaves a
cone of directions (`mixedscope.inference.ladder.tangent`); the information about these, sigma and
fixed effects being estimated as well, is their metric, and `mixedscope.inference.ladder.boundary`
derives the distribution of the statistic from cones and metric.

That needs the poorer fit to be off its own boundary. Where it is on it, the distribution depends on
whether its zeros are zero or merely small, which data cannot tell: bounds are given instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.covariance.base import CovarianceStructure
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.inference.estimates.leverage import DIGITS
from mixedscope.inference.hypotheses.information import Direction, information
from mixedscope.inference.ladder.boundary import (
    Cone,
    NullDistribution,
    chi_squared,
    null_distribution,
)
from mixedscope.inference.ladder.tangent import (
    Tangent,
    at_covariance,
    at_theta,
    is_unstructured,
    raised,
)

__all__ = ["Reference", "null_reference", "reference"]

Floats = NDArray[np.float64]

_INTERCEPT: Final = "(Intercept)"

#: One parameter, and several.
_COUNTED: Final = (
    "{} parameter at the end of its range",
    "{} parameters at the end of their range",
)

#: Said where the poorer fit has no residual variance.
_HIDDEN: Final = (
    "The residual standard deviation of the poorer fit all but vanishes: what the data tell about "
    "variances there is lost to rounding, and no distribution of the statistic is known."
)

#: Said where the richer model adds nothing that data of this design could tell.
_NOTHING_MORE: Final = (
    "All that the richer model adds is not determined by these data: it allows the same "
    "distributions of the response, and there is nothing to test."
)

#: Said where the information is too large to form.
_TOO_LARGE: Final = "No distribution of the statistic is worked out here, for {}."

#: Information, relative to what there would be with all else known, that counts as none.
_FLAT: Final = 1e-10


@dataclass(frozen=True)
class Reference:
    """What a likelihood-ratio statistic is compared with.

    Attributes
    ----------
    kind : {"chi-squared", "mixture", "bounds"}
        One chi-squared distribution, a mixture of several, or distributions that the right one
        lies between.
    parameters : int
        How many parameters that the data determine the richer model has more.
    exact : NullDistribution or None
        The distribution, but for bounds.
    lower : tuple of NullDistribution
        Each right for some truth that the poorer model allows, or below what is right: the
        p-value is at least the largest of theirs.
    upper : NullDistribution or None
        Never too narrow: the p-value is at most its own. None where none is known.
    words : str
        Where the distribution comes from.
    """

    kind: str
    parameters: int
    exact: NullDistribution | None
    lower: tuple[NullDistribution, ...]
    upper: NullDistribution | None
    words: str

    def p_values(self, statistic: float) -> dict[str, float | None]:
        """Give ``p_value`` and its ``p_error``, or bounds ``p_low`` and ``p_high``.

        ``p_naive`` is that of the chi-squared distribution with as many degrees of freedom as the
        richer model has more parameters, as if no variance could be zero.
        """
        naive = chi_squared(self.parameters).p_value(statistic)[0]
        out: dict[str, float | None] = {"p_value": None, "p_error": None, "p_naive": naive}
        if self.exact is not None:
            out["p_value"], out["p_error"] = self.exact.p_value(statistic)
            out["p_low"] = out["p_high"] = out["p_value"]
        else:
            high = 1.0 if self.upper is None else self.upper.p_value(statistic)[0]
            low = max((d.p_value(statistic)[0] for d in self.lower), default=0.0)
            out["p_low"], out["p_high"] = min(low, high), high
        return out


def reference(
    poorer: ProfiledObjective,
    theta: Floats,
    richer: ProfiledObjective,
    *,
    fixed: int = 0,
    seed: int = 0,
) -> Reference:
    """Find what the likelihood-ratio statistic of two nested fits is to be compared with.

    The poorer model is taken to be true at its estimates ``theta`` (k,); the richer one, of the
    same data, contains it, and has so many ``fixed`` effects more, of which in large samples
    nothing depends on what is estimated of variances. ``seed`` is that of simulated directions.
    Raises ModelError if the columns of the poorer model are not among those of the richer one.
    """
    parameters = richer.n_identified - poorer.n_identified
    if parameters == 0:
        none = chi_squared(0)
        return Reference("chi-squared", 0, none, (none,), none, _NOTHING_MORE)
    embeddings = [_embedding(term, richer.system) for term in poorer.system.terms]
    hidden = Reference("bounds", parameters, None, (), None, _HIDDEN)
    if not poorer.evaluate(theta).rounding <= DIGITS:
        return hidden
    try:
        return _distribution(poorer, theta, richer, embeddings, parameters, fixed, seed)
    except FloatingPointError:
        return hidden


def null_reference(richer: ProfiledObjective, *, seed: int = 0) -> Reference:
    """Find the distribution of the statistic of a model against that without random effects.

    The other arguments and what is given are those of `reference`.
    """
    parameters = richer.n_identified - len(richer.beta_names) - 1
    theta = np.zeros(len(richer.theta_names))
    return _distribution(richer, theta, richer, None, parameters, 0, seed)


def _distribution(
    poorer: ProfiledObjective,
    theta: Floats,
    richer: ProfiledObjective,
    embeddings: Sequence[tuple[int, Floats]] | None,
    parameters: int,
    fixed: int,
    seed: int,
) -> Reference:
    """The reference of two fits whose residuals are more than rounding, as `reference` gives it.

    Without any embeddings the poorer one is the other without random effects.
    """
    try:
        return _from_cones(poorer, theta, richer, embeddings, parameters, fixed, seed)
    except UnsuitedError as error:
        words = _TOO_LARGE.format(error)
        return Reference("bounds", parameters, None, (), None, words)


def _from_cones(
    poorer: ProfiledObjective,
    theta: Floats,
    richer: ProfiledObjective,
    embeddings: Sequence[tuple[int, Floats]] | None,
    parameters: int,
    fixed: int,
    seed: int,
) -> Reference:
    """The same where the information fits into memory; else raises UnsuitedError."""
    here = _Point(poorer, theta, richer, embeddings, fixed)
    if here.inner_is_plane and here.is_exact:
        found = null_distribution(here.cone(inner=True), here.cone(), seed=seed)
        kind = "mixture" if found.is_mixture else "chi-squared"
        return Reference(kind, parameters, found, (found,), found, here.words(found))
    if here.inner_is_plane:
        # Every covariance over the same columns: a wider cone, and one that is known.
        wide = null_distribution(here.cone(inner=True), here.cone(widest=True), seed=seed)
        narrow = null_distribution(here.cone(inner=True), here.cone(), seed=seed)
        words = (
            "The richer model can leave the poorer one in ways of which no large-sample "
            f"distribution is known. It lies between {narrow.words()} and {wide.words()}."
        )
        return Reference("bounds", parameters, None, (narrow,), wide, words)
    assert embeddings is not None  # what has no random effects is not singular
    inside = _Point(poorer, raised(poorer, theta), richer, embeddings, fixed)
    lower = [null_distribution(inside.cone(inner=True), inside.cone(), seed=seed)]
    if here.is_exact:
        lower.append(null_distribution(here.cone(inner=True), here.cone(), seed=seed))
    inner, outer = here.cone(inner=True), here.cone(widest=True)
    upper = chi_squared(outer.span.shape[1] - inner.plane.shape[1])
    words = (
        "The poorer fit is singular itself. The distribution depends on whether its missing "
        "variances are zero or merely small, which no data tell: the p-value has bounds. The lower "
        f"is right for one of these truths, the upper, {upper.words()}, holds for all."
    )
    return Reference("bounds", parameters, None, tuple(lower), upper, words)


class _Point:
    """Both models around one covariance that the poorer one allows."""

    def __init__(
        self,
        poorer: ProfiledObjective,
        theta: Floats,
        richer: ProfiledObjective,
        embeddings: Sequence[tuple[int, Floats]] | None,
        fixed: int,
    ) -> None:
        system = richer.system
        self._fixed = fixed
        self.sizes = [t.size for t in system.terms]
        covariances = [np.zeros((k, k)) for k in self.sizes]
        self.inner: list[tuple[int, Tangent]] = []
        terms = () if embeddings is None else poorer.system.terms
        for term, (place, matrix) in zip(terms, embeddings or (), strict=True):
            own = theta[term.theta]
            factor = matrix @ term.factor(own)
            covariances[place] += factor @ factor.T
            for columns, structure, part in _parts(term, own):
                tangent = at_theta(structure, part, term.column_scale[columns])
                self.inner.append((place, tangent.embedded(matrix[:, columns])))
        self.outer: list[tuple[int, Tangent]] = []
        self.widest: list[tuple[int, Tangent]] = []
        for place, term in enumerate(system.terms):
            for columns, structure, _ in _parts(term, np.zeros(term.n_theta)):
                there = np.eye(term.size)[:, columns]
                own, scale = covariances[place][columns, columns], term.column_scale[columns]
                tangent = at_covariance(structure, own, scale)
                self.outer.append((place, tangent.embedded(there)))
                if not is_unstructured(structure) and not tangent.is_exact:
                    from mixedscope.covariance.registry import make_structure

                    tangent = at_covariance(make_structure("full", len(scale)), own, scale)
                self.widest.append((place, tangent.embedded(there)))
        self.inner_is_plane = all(t.is_plane for _, t in self.inner)
        self.is_exact = all(t.is_exact for _, t in self.outer)
        self._system, self._covariances = system, covariances
        self._coordinates: Floats | None = None

    def cone(self, *, inner: bool = False, widest: bool = False) -> Cone:
        """Directions in which a model can be left, in coordinates with unit information.

        The fixed effects that only the richer model has are coordinates of their own, in front.
        """
        made = self._cone(self.inner if inner else self.widest if widest else self.outer)
        if not self._fixed:
            return made
        own = np.eye(self._fixed + made.free.shape[0])[:, : 0 if inner else self._fixed]
        return Cone(
            np.hstack([own, _behind(made.free, self._fixed)]),
            _behind(made.rays, self._fixed),
            tuple(_behind(block, self._fixed) for block in made.blocks),
        )

    def words(self, found: NullDistribution) -> str:
        """Say where the exact distribution comes from."""
        edges = self.cone().seen_from(self.cone(inner=True).plane)
        lines = edges.rays.shape[1] + sum(b.shape[1] == 1 for b in edges.blocks)
        matrices = [b.shape[1] for b in edges.blocks if b.shape[1] > 1]
        q = edges.plane.shape[1]
        if not lines and not matrices:
            return (
                f"All that the richer model adds lies inside its range: {found.words()}, as usual."
            )
        parts = [_COUNTED[lines > 1].format(lines)] * bool(lines)
        parts += [f"a covariance matrix of {m} columns without variance" for m in matrices]
        if q:
            parts.append(f"{q} more parameter{'s' * (q > 1)} that may go either way")
        how = "" if found.shares is None else ", by simulation"
        return f"Tested: {', '.join(parts)}. In large samples {found.words()}{how}."

    def _cone(self, tangents: Sequence[tuple[int, Tangent]]) -> Cone:
        free = [(p, d) for p, t in tangents for d in t.free]
        rays = [(p, d) for p, t in tangents for d in t.rays]
        blocks = []
        for place, tangent in tangents:
            m = tangent.null.shape[1]
            if m:
                null = tangent.null
                pairs = np.einsum("ia,jb->abij", null, null)
                pairs = 0.5 * (pairs + pairs.transpose(1, 0, 2, 3))
                flat = self._in_coordinates([(place, d) for row in pairs for d in row])
                blocks.append(flat.reshape(-1, m, m))
        return Cone(self._in_coordinates(free), self._in_coordinates(rays), tuple(blocks))

    def _in_coordinates(self, directions: Sequence[tuple[int, Floats]]) -> Floats:
        """Coordinates (d, count) with unit information of directions (place, matrix)."""
        whole = self.metric
        out = np.zeros((whole.shape[0], len(directions)))
        starts = np.cumsum([0, *(k * (k + 1) // 2 for k in self.sizes)])
        for i, (place, direction) in enumerate(directions):
            k = self.sizes[place]
            own = direction[np.tril_indices(k)]
            out[:, i] = whole[:, starts[place] : starts[place + 1]] @ own
        return out

    @property
    def metric(self) -> Floats:
        """A root (d, entries of the covariances) of the information."""
        if self._coordinates is None:
            known = _information(self._system, self._covariances)
            # Entries that the data tell nothing of are no directions.
            scale = np.sqrt(np.diag(known))
            units = np.where(scale > 0.0, scale, 1.0)
            values, vectors = np.linalg.eigh(known / np.outer(units, units))
            kept = values > _FLAT * values[-1]
            root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
            self._coordinates = root * scale
        return self._coordinates


def _behind(directions: Floats, count: int) -> Floats:
    """Put as many coordinates of zero in front of those of directions (d, ...)."""
    return np.concatenate([np.zeros((count, *directions.shape[1:])), directions])


def _information(system: ProfiledSystem, covariances: Sequence[Floats]) -> Floats:
    """Information about all entries of the covariances, beta and an unknown sigma estimated too.

    ``covariances`` (k, k) of the grouping factors, over sigma squared. Twice the expected
    information, whose size does not matter here; zero where no more than rounding is left of it.
    """
    directions = []
    for position, term in enumerate(system.terms):
        for i, j in zip(*np.tril_indices(term.size), strict=True):
            # Entry (i, j) of the covariance in the units of the columns.
            entry = np.zeros((term.size, term.size))
            entry[i, j] = entry[j, i] = 1.0
            directions.append(Direction(position, term.standard_covariance(entry)))
    roots = []
    for term, covariance in zip(system.terms, covariances, strict=True):
        values, vectors = np.linalg.eigh(term.standard_covariance(covariance))
        roots.append(vectors * np.sqrt(np.maximum(values, 0.0)))
    found = information(system, roots, directions)
    made = found.expected[:-1, :-1] if system.variance else found.relative
    there = np.diag(made) > _FLAT * np.diag(found.t)[:-1]
    return np.asarray(made * np.outer(there, there))


def _embedding(term: GroupEffects, system: ProfiledSystem) -> tuple[int, Floats]:
    """Which grouping factor of the richer model a term belongs to, and its columns as its own."""
    for place, outer in enumerate(system.terms):
        if outer.group != term.group:
            continue
        matrix = np.zeros((outer.size, term.size))
        for j, name in enumerate(term.names):
            if name in outer.names:
                matrix[outer.names.index(name), j] = 1.0
                continue
            indicated = [p for p in outer.design.parts if p.factor is not None]
            if name != _INTERCEPT or not indicated:
                break
            matrix[list(indicated[0].columns), j] = 1.0
        else:
            return place, matrix
    raise ModelError(
        f"The random effects of {term.group!r} in the poorer model are not among those of the "
        "richer one: there is no likelihood-ratio test between them."
    )


def _parts(term: GroupEffects, theta: Floats) -> list[tuple[slice, CovarianceStructure, Floats]]:
    """Columns, structure and theta of every part of a term."""
    out = []
    at = 0
    for part, structure in zip(term.design.parts, term.structures, strict=True):
        columns = slice(part.columns[0], part.columns[-1] + 1)
        out.append((columns, structure, theta[at : at + structure.n_theta]))
        at += structure.n_theta
    return out
