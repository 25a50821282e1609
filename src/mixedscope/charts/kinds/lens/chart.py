"""Shrinkage as a lens: a grid of own estimates, and the grid of modes that the model makes of it.

What would the model make of any estimate that a level with so much data could have?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.absent import left_out
from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.groups import chosen_terms
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.labels import term_title
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.lens.options import LensOptions
from mixedscope.charts.kinds.lens.words import ROLES, lens_caption, lens_title, told_shares
from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.tables.store import FitTables

__all__ = ["lens_chart"]

Floats = NDArray[np.float64]

_LEFT: Final = 56
_GAP: Final = 12
_LARGEST: Final = 220
#: Lines of the grids, in standard deviations of own estimates, and the end of the frame.
_LINES: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
_FRAME: Final = 2.35
#: Points of the circle.
_ROUND: Final = 49


@drawn_with(LensOptions)
def lens_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: LensOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the stored study ``lens`` of fits side by side: a row for each level."""
    name = _factor(tables, group)
    found = [_Lens(fit, name) for fit in tables]
    richest = max(found, key=lambda lens: len(lens.terms))
    terms = _pair(richest, options.terms)
    fits = [lens for lens in found if set(terms) <= set(lens.terms)]
    missing = {
        lens.label: f"{name} has no random effect {lost!r} there"
        for lens in found
        for lost in [term for term in terms if term not in lens.terms][:1]
    }
    data = Datasets(digits=5)
    roles = [role for role in ROLES if role in fits[0].roles]
    width = min((inner() - _LEFT - _GAP * (len(fits) - 1)) // len(fits), _LARGEST)
    height = round(0.8 * width)
    rows = []
    for i, role in enumerate(roles):
        row = [
            lens.panel(
                data, role, terms, (width, height), theme,
                named=i == 0 and len(fits) > 1, x=i == len(roles) - 1, y=lens is fits[0],
            )
            for lens in fits
        ]  # fmt: skip
        rows.append(in_row(*row, spacing=_GAP, bounds="flush"))
    kept = [(lens.label, lens.kept) for lens in fits]
    title = lens_title(kept, name)
    caption = lens_caption(
        kept, [fits[0].level(role) for role in roles], terms, others=len(fits[0].terms) - 2
    ) + left_out(missing)
    key = mark_key(
        [
            Keyed(
                "line",
                "own estimates of a level",
                {"stroke": ink(theme)["soft"], "strokeDash": [3, 2], "strokeWidth": 1.2},
            ),
            Keyed(
                "line",
                "what the model makes of them",
                {"stroke": COLOURS["mode"], "strokeWidth": 1.6},
            ),
        ],
        width=inner() - _LEFT,
        theme=theme,
    )
    chart = data.give(in_column(*rows, key, spacing=14)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _factor(tables: Sequence[FitTables], group: str | None) -> str:
    """The grouping factor that is drawn: the first of several terms where none is asked for."""
    random = [term for fit in tables for term in fit.info["random"]]
    several = [term["group"] for term in random if len(term["names"]) > 1]
    if group is None:
        if not several:
            raise ModelError("A lens is over two terms, and every factor here has a single one.")
        return str(several[0])
    known = list(dict.fromkeys(term["group"] for term in random))
    if group not in known:
        raise ModelError(f"There is no grouping factor {group!r}.{suggest(group, known)}")
    if group not in several:
        raise ModelError(f"A lens is over two terms; {group!r} has a single one.")
    return group


def _pair(lens: _Lens, asked: Sequence[str | int] | None) -> tuple[str, str]:
    """The two terms: those asked for, or those of which one's data speak most for the other."""
    if asked is not None:
        chosen = chosen_terms(lens.terms, repr(lens.group), asked)
        if len(chosen) != 2:
            raise ModelError(f"A lens is over two terms; terms has {len(chosen)}: give two.")
        return chosen[0], chosen[1]
    k = len(lens.terms)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    weight = np.abs(lens.weights(lens.roles[0], lens.terms, relative=True))
    # Of equals the first.
    i, j = max(pairs, key=lambda pair: (round(weight[pair] + weight[pair[::-1]], 6), -sum(pair)))
    return lens.terms[i], lens.terms[j]


class _Lens:
    """What the study found of a factor under one fit."""

    def __init__(self, fit: FitTables, group: str) -> None:
        self.group, self.info, self.label = group, fit.info, structure_label(fit.info)
        stored, kept = fit.require("lens"), fit.require("lens_kept")
        self.table = stored[stored["group"] == group]
        self.kept = kept[kept["group"] == group]
        if self.table.empty:
            raise UnsuitedError(
                f"no level of {group!r} has an estimate of its own, or the data leave the "
                f"covariance of its effects open under {self.label}"
            )
        self.terms = list(dict.fromkeys(self.table["term"]))
        self.roles = list(dict.fromkeys(self.table["role"]))
        self.spread = self.table.drop_duplicates("term").set_index("term")["spread"]

    def level(self, role: str) -> tuple[str, str, int]:
        """Role, name and rows of a level."""
        row = self.table[self.table["role"] == role].iloc[0]
        return role, str(row["level"]), int(row["n_obs"])

    def weights(self, role: str, terms: Sequence[str], *, relative: bool = False) -> Floats:
        """The map between terms (k, k), in their units or per standard deviation of each."""
        own = self.table[self.table["role"] == role].pivot(
            index="term", columns="term2", values="weight"
        )
        found = own.loc[list(terms), list(terms)].to_numpy(dtype=float)
        if relative:
            sizes = self.sizes(terms)
            found = found * sizes / sizes[:, None]
        return np.asarray(found)

    def sizes(self, terms: Sequence[str]) -> Floats:
        """Standard deviations of own estimates; one where there are none to tell."""
        sizes = self.spread.loc[list(terms)].to_numpy(dtype=float)
        return np.where(np.isfinite(sizes) & (sizes > 0.0), sizes, 1.0)

    def panel(
        self,
        data: Datasets,
        role: str,
        terms: tuple[str, str],
        size: tuple[int, int],
        theme: str,
        *,
        named: bool,
        x: bool,
        y: bool,
    ) -> Any:
        """The two grids for one level, the circle of one standard deviation and its image."""
        there = role if role in self.roles else self.roles[0]
        sizes = self.sizes(terms)
        weight = self.weights(there, terms)
        own = [row for at in _LINES for row in _line(at, sizes)]
        turn = np.linspace(0.0, 2.0 * np.pi, _ROUND)
        circle = np.column_stack([np.cos(turn), np.sin(turn)]) * sizes
        axes = [
            _axis(alt.X, term_title(terms[0], self.info), sizes[0], shown=x),
            _axis(alt.Y, term_title(terms[1], self.info), sizes[1], shown=y),
        ]
        soft = ink(theme)["soft"]
        layers = [
            _drawn(data, own, axes, stroke=soft, strokeWidth=0.8, strokeDash=[3, 2], opacity=0.7),
            _drawn(data, [circle], axes, stroke=soft, strokeWidth=1.2, strokeDash=[3, 2]),
            _drawn(
                data, [points @ weight.T for points in own], axes,
                stroke=COLOURS["mode"], strokeWidth=1.2,
            ),
            _drawn(data, [circle @ weight.T], axes, stroke=COLOURS["mode"], strokeWidth=2.2),
        ]  # fmt: skip
        told = told_shares(self.kept[self.kept["role"] == there])
        n = self.level(there)[2]
        rows = "" if there == "every" else f" ({n:,} rows)"
        lines = [f"{ROLES[there]}{rows}: keeps {told}"]
        return layered(*layers, width=size[0], height=size[1]).properties(
            title=alt.TitleParams(
                text=self.label if named else lines[0],
                subtitle=lines if named else alt.Undefined,
                anchor="start",
                fontSize=11 if named else 10,
                fontWeight="bold" if named else "normal",
                subtitleFontSize=10,
                offset=4,
            )
        )


def _line(at: float, sizes: Floats) -> list[Floats]:
    """The upright and the level line of the grid at a place."""
    end = _LINES[-1]
    return [
        np.array([[at, -end], [at, end]]) * sizes,
        np.array([[-end, at], [end, at]]) * sizes,
    ]


def _axis(channel: Any, title: str, size: float, *, shown: bool) -> Any:
    name = "x" if channel is alt.X else "y"
    return channel(
        field=name,
        type="quantitative",
        scale=alt.Scale(domain=[-_FRAME * size, _FRAME * size], nice=False, zero=False),
        axis=alt.Axis(
            title=title if shown else None, labels=shown, ticks=shown, tickCount=4, grid=False
        ),
    )


def _drawn(data: Datasets, paths: Sequence[Floats], axes: Sequence[Any], **look: Any) -> Any:
    """Paths (m, 2), each in one stroke."""
    rows = pd.concat(
        [
            pd.DataFrame({"x": path[:, 0], "y": path[:, 1], "path": i, "step": range(len(path))})
            for i, path in enumerate(paths)
        ],
        ignore_index=True,
    )
    x, y = axes
    return (
        data.chart(rows)
        .mark_line(clip=True, aria=False, **look)
        .encode(
            x=x,
            y=y,
            detail=alt.Detail(field="path", type="nominal"),
            order=alt.Order(field="step", type="quantitative"),
        )
    )
