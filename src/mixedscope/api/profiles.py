"""Profiles of the parameters of a fit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from mixedscope.api.model_data import ModelData
from mixedscope.api.tabled_fit import TabledFit
from mixedscope.core.arguments import door
from mixedscope.inference.profiles.drawn import PAIRED, contour_tables, single_level
from mixedscope.inference.profiles.profile import (
    LEVELS,
    PAIR_LEVELS,
    Profile,
    from_stored,
    make_pairs,
    make_profile,
    to_stored,
)

if TYPE_CHECKING:
    from mixedscope.inference.profiles.profiler import Profiler

__all__ = ["FitProfiles"]

D = TypeVar("D", bound=ModelData)


class FitProfiles(TabledFit[D]):
    """Profiles of a fit, of a linear or generalised model."""

    #: Whether profiles of this fit were followed here, and none stands for those it was read with.
    _has_profiled: bool = False

    @property
    @abstractmethod
    def _profiler(self) -> Profiler:
        """What follows the profiles of this fit, and keeps what it found."""

    @door()
    def profile(
        self,
        parameters: Sequence[str] | None = None,
        *,
        levels: Sequence[float] | None = None,
    ) -> Profile:
        """Profile parameters: the deviance as each is moved and all others are optimised.

        Zeta is ``sign(psi - estimate) sqrt(d(psi) - d_min)``, d being -2 log-likelihood (or the
        REML criterion, of a fit by REML) at its least for this value psi of the parameter (Bates &
        Watts 1988, Nonlinear Regression Analysis and Its Applications, section 6.1). Where it is
        straight, Wald's interval is right; where it is not, the profile's is the better.

        Parameters
        ----------
        parameters : sequence of str, optional
            Kinds (``beta``, ``sigma``, ``sd``, ``correlation``, and of generalised models
            ``dispersion``), names of fixed effects, or names
            as in the columns of the table: ``sd Days | Subject``. All by default; what the data do
            not determine has no profile. Of parameters that a structure makes equal, or powers of
            one correlation, one is profiled. Fixed effects have a profile under maximum likelihood
            only: the REML criterion is no function of them.
        levels : sequence of float, optional
            Coverages whose ends are points of each profile, exactly; the largest says how far it is
            followed. By default it is followed as far as 0.95 at once, and to the ends of 0.5, 0.8,
            0.9 and 0.99 when its table is asked for, a picture is made or the fit is saved.

        Returns
        -------
        Profile
            Its ``table`` is stored with the fit. Of a fit that was loaded, the stored one if there
            is one and nothing else is asked for.

        Raises
        ------
        ModelError
            If a parameter is unknown or a level is no number between 0 and 1.
        UnsuitedError
            For fixed effects of a fit by REML; if sigma vanishes at the optimum; if a deviance
            lower than that of the fit is found.

        Notes
        -----
        What is found does not depend on what was asked before.

        Parameters are moved in coordinates in which zeta is nearly straight: the logarithm of
        sigma, standard deviations, angles whose sines are the correlations. A standard deviation
        of zero and a correlation of ± 1 are points of the curve, where it ends; kinks, where
        another parameter reaches its end, are located and kept. The profile of a correlation is
        nowhere higher than the deviance without one of its two effects, where it may be anything:
        if 0 is inside the interval of either standard deviation, all of the range is inside its.

        Of a generalised model the deviance is that of Laplace's approximation or of the quadrature,
        as it was fitted. Where the data leave a parameter open to one side - fixed effects that
        tell some responses without a miss, the size of negative binomial counts that vary no more
        than Poisson ones - zeta comes to a limit there: it is followed to where it does, and the
        interval has no end on that side.

        Examples
        --------
        >>> fit.profile("sd").confint(0.9)  # doctest: +SKIP
        """
        is_read = self._result is None and not self._has_profiled
        stored = self._tables.studies.get("profile") if is_read else None
        if parameters is None and levels is None and stored is not None:
            return Profile(
                lambda: from_stored(stored),
                lambda: self._profiler,
                self.estimates,
                info=lambda: self.info,
            )
        found = make_profile(
            self._profiler, self.estimates, parameters, levels, info=lambda: self.info
        )
        self._has_profiled = True
        self._tables.later("profile", lambda: to_stored(found.table))
        for name, make in found.pictured().items():
            self._tables.later(name, make)
        return found

    @door()
    def profile_pairs(
        self,
        parameters: Sequence[str] | None = None,
        *,
        levels: Sequence[float] = PAIR_LEVELS,
        vertices: int = 48,
    ) -> pd.DataFrame:
        """Contours of the deviance as two parameters are moved and all others are optimised.

        Every vertex is a root found by refits, to 1e-6 in the root of the rise, so that these are
        the joint confidence regions of likelihood ratios themselves. (lme4 interpolates them from
        profiles of single parameters.) At some vertices it is looked whether the others have a
        lower minimum elsewhere, and where they do at those beside.

        Parameters
        ----------
        parameters : sequence of str, optional
            As of :meth:`profile`: all pairs of these.
        levels : sequence of float
            Coverages, by the chi-squared distribution of two degrees of freedom.
        vertices : int
            Of each contour, at equal angles as seen from the optimum where the curvature is round.

        Returns
        -------
        pandas.DataFrame
            A row for each vertex: ``x_kind``, ``x_group``, ``x_term``, ``x_term2``, the same for
            ``y``, ``level``, ``vertex``, ``x``, ``y``, ``at_end`` (the range of a parameter ends
            there, within the region), then every parameter where the others are optimised, as in
            the table of :meth:`profile`. Stored with the fit.

        Raises
        ------
        ModelError
            If a parameter is unknown, there are fewer than two, a level is no number between 0 and
            1, or there are fewer than four vertices.
        UnsuitedError
            As of :meth:`profile`; also for two correlations of four different columns, and where a
            contour cannot be followed.

        Examples
        --------
        >>> fit.profile_pairs(["sigma", "sd Days | Subject"], levels=[0.95])  # doctest: +SKIP
        """
        table = make_pairs(self._profiler, parameters, levels, vertices)
        self._tables.studies["profile_pairs"] = to_stored(table)

        @cache
        def pictured() -> dict[str, pd.DataFrame]:
            more = [*LEVELS, *(single_level(level) for level in levels)]
            alone = make_profile(self._profiler, self.estimates, parameters, more=more)
            return contour_tables(alone.table, table)

        for name in PAIRED:
            self._tables.later(name, partial(lambda own: pictured()[own], name))
        return table
