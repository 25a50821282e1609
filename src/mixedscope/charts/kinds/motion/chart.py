"""Shrinkage in motion: how the conditional modes, or θ itself, moved while the optimiser did.

One animation is three things: a page to play with, a film for talks (GIF and MP4), and a small
multiple for print.  All are made from the same frames, which come from stored tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mixedscope.charts.common.embedding import image_data
from mixedscope.charts.common.groups import chosen_terms, grouping_factor
from mixedscope.charts.common.interactive import Page
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.theme import configure, ink
from mixedscope.charts.kinds.motion.film import Reel, gif, gif_and_mp4, mp4
from mixedscope.charts.kinds.motion.frames import scene_of
from mixedscope.charts.kinds.motion.options import MotionOptions
from mixedscope.charts.kinds.motion.player import modes_film, page
from mixedscope.charts.kinds.motion.scenes import modes_reel
from mixedscope.charts.kinds.motion.still import modes_still
from mixedscope.charts.kinds.motion.words import (
    motion_caption,
    motion_title,
)
from mixedscope.tables.store import FitTables

__all__ = ["Motion", "film_of", "motion", "motion_chart", "motion_films"]

#: A still of more bytes as SVG is put into the page as PNG.
_MOST_SVG: Final = 700_000


@dataclass(frozen=True)
class Motion:
    """An animation.

    Attributes
    ----------
    draw : callable
        Draws what is for print.
    title, caption : str
    html : Page
        Holds its still, or takes it from beside it.
    gif, mp4 : callable
        Give the bytes of the films.
    both : callable
        Gives the bytes of GIF and MP4 in less time than one after the other.
    """

    draw: Callable[[], Any]
    title: str
    caption: str
    html: Page
    gif: Callable[[], bytes]
    mp4: Callable[[], bytes]
    both: Callable[[], tuple[bytes, bytes]]

    @cached_property
    def still(self) -> Any:
        """The chart for print, without theme; drawn when first asked for."""
        return self.draw()

    @property
    def files(self) -> dict[str, Callable[..., bytes]]:
        """Formats that are not made from the still, and what gives their bytes."""
        return {"html": self.html, **self.films}

    @property
    def films(self) -> dict[str, Callable[[], bytes]]:
        """Formats of films, and what gives their bytes."""
        return {"gif": self.gif, "mp4": self.mp4}

    @property
    def all_films(self) -> dict[str, Callable[[], bytes]]:
        """As `films`, for who wants all of them: they are made together."""
        made = cache(self.both)
        return {"gif": lambda: made()[0], "mp4": lambda: made()[1]}

    @property
    def parts(self) -> tuple[Any, ...]:
        """Still, title, caption and files."""
        return self.still, self.title, self.caption, self.files


@drawn_with(MotionOptions)
def motion(
    tables: Sequence[FitTables],
    group: str,
    terms: Sequence[str],
    *,
    options: MotionOptions,
    parts: int | None = None,
    theme: str,
) -> Motion:
    """Set the shrinkage of these terms of one grouping factor in motion, fits side by side.

    ``parts`` says into how many parts the path of the modes was cut, for the caption.
    """
    ink(theme)
    frames = options.frames
    if frames == "every":
        for fit in tables:
            fit.require("modes_every")
    scene = scene_of(tables, group, terms, reference=options.reference, ellipses=options.ellipses)
    title, caption = motion_title(scene), motion_caption(scene, parts=parts)
    return film_of(
        lambda: modes_still(scene, title, caption, theme=theme),
        title,
        caption,
        lambda: modes_film(scene, theme=theme),
        lambda: modes_reel(scene, title, track=frames, theme=theme),
        theme,
    )


@drawn_with(MotionOptions)
def motion_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: MotionOptions, theme: str
) -> tuple[Any, ...]:
    """Give the still of `motion` with title, caption, page and films."""
    name, known = grouping_factor(tables, group)
    terms = chosen_terms(known, repr(name), options.terms)
    return motion(tables, name, terms, options=options, theme=theme).parts


@drawn_with(MotionOptions)
def motion_films(
    tables: Sequence[FitTables], group: str | None = None, *, options: MotionOptions, theme: str
) -> dict[str, Callable[[], bytes]]:
    """Give what makes the films of `motion`, by format."""
    name, known = grouping_factor(tables, group)
    terms = chosen_terms(known, repr(name), options.terms)
    return motion(tables, name, terms, options=options, theme=theme).all_films


def film_of(
    draw: Callable[[], Any],
    title: str,
    caption: str,
    film: Callable[[], dict[str, Any]],
    reel: Callable[[], Reel],
    theme: str,
) -> Motion:
    """Put still, page and films of one animation together."""

    def html(
        back: tuple[str, str] | None, shared: tuple[Path, Path] | None, beside: str | None
    ) -> bytes:
        if beside is not None:
            return page(film(), title, caption, quote(beside), back)
        from mixedscope.charts.common.render import FORMATS, to_spec

        spec = to_spec(configure(made.still, theme))
        image, kind = FORMATS["svg"](spec), "image/svg+xml"
        if len(image) > _MOST_SVG:
            image, kind = FORMATS["png"](spec), "image/png"
        return page(film(), title, caption, image_data(image, kind), back)

    # Both films show some of the same pictures.
    shared = cache(reel)
    made = Motion(
        draw,
        title,
        caption,
        Page(html),
        lambda: gif(shared()),
        lambda: mp4(shared()),
        lambda: gif_and_mp4(shared()),
    )
    return made
