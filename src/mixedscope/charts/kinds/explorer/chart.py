"""The explorer: the displays of a model on one page; what is chosen in one is marked in all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mixedscope.charts.common.embedding import image_data
from mixedscope.charts.common.interactive import Page
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, configure
from mixedscope.charts.kinds.explorer.contents import factors_of, page_data
from mixedscope.charts.kinds.explorer.options import ExplorerOptions
from mixedscope.charts.kinds.explorer.page import explorer_page
from mixedscope.charts.kinds.explorer.still import explorer_still
from mixedscope.charts.kinds.explorer.views import views
from mixedscope.charts.kinds.explorer.words import (
    OPENED,
    explorer_caption,
    explorer_title,
    findings,
    movers,
)
from mixedscope.tables.store import FitTables

__all__ = ["explorer_chart"]


@drawn_with(ExplorerOptions)
def explorer_chart(
    tables: Sequence[FitTables], *, options: ExplorerOptions, theme: str
) -> tuple[Any, str, str, dict[str, Callable[[], bytes]], dict[str, Any]]:
    """Draw the page as it opens; give what makes the page, and what it answers."""
    factors = factors_of(tables, options)
    found = findings(tables, factors)
    title, caption = explorer_title(factors, found), explorer_caption(tables, factors)
    contents = page_data(tables, factors, found, options, theme=theme) | {"opened": OPENED}
    groups = [COLOURS["observations"]]
    groups += [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(factors))]
    low, high = contents["gap"]
    unsure = any("unsure" in fit for fit in contents["fits"])
    infinite = any(pull.infinite.any() for factor in factors for pull in factor.pulls)
    specifications = views((low, high), groups, unsure=unsure, infinite=infinite, theme=theme)
    still = explorer_still(
        specifications,
        tables,
        factors,
        found[OPENED]["set"],
        options.ellipses,
        title,
        theme=theme,
    )

    def page(
        back: tuple[str, str] | None, shared: tuple[Path, Path] | None, beside: str | None
    ) -> bytes:
        from mixedscope.charts.common.render import FORMATS, to_spec

        configured = to_spec(configure(still, theme))
        shown = contents | {"views": specifications, "config": configured["config"]}
        image = beside or image_data(FORMATS["png"](configured), "image/png")
        return explorer_page(shown, title, caption, image, back, shared)

    told = {
        "findings": [{key: one[key] for key in ("question", "text", "short")} for one in found],
        "movers": movers(factors),
    }
    return still, title, caption, {"html": Page(page)}, told
