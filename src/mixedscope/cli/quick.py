"""``mixedscope fit``: one model of one file, printed, and drawn into a folder that is named."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mixedscope import charts
from mixedscope.api.generalized.glmer import glmer
from mixedscope.api.lmer import lmer
from mixedscope.charts.registry import SPECS, file_slugs
from mixedscope.cli.families import suggested_for
from mixedscope.core.errors import DataWarning, UnsuitedError
from mixedscope.data.prepare import load_dataset
from mixedscope.design.missing_codes import finding
from mixedscope.families.registry import is_normal

__all__ = ["draw_charts", "fit_file"]

#: What a first look asks: what was estimated, who is pulled, what the data are, how it was found,
#: where the model does not fit; and the page on which all of it is linked.
_CHARTS: Final = (
    "coefficients", "shrinkage", "caterpillar", "panels", "trace", "check", "explorer",
)  # fmt: skip


def fit_file(
    source: str,
    formula: str,
    *,
    family: str | None = None,
    reml: bool = False,
    structure: str = "full",
    written: Mapping[str, Any] | None = None,
) -> tuple[Any, list[str]]:
    """Fit a model to a file or a packaged data set.

    ``written`` is what is known of how a text file is written, as for `load_dataset`. Gives the
    fit, and what was doubtful about the data.

    ``family``: gaussian, or None, of a linear model; where None is said and the response suggests
    another, that is told.
    """
    suggestion = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        data = load_dataset(source, **(written or {}))
        if family is None or is_normal(family):
            if family is None:
                suggestion = suggested_for(formula, data)
            fit: Any = lmer(formula, data, reml=reml, structure=structure)
        else:
            fit = glmer(formula, data, family, structure=structure)
    notes = [str(w.message) for w in caught if issubclass(w.category, DataWarning)]
    if suggestion is not None:
        notes.append(
            f"{suggestion.reason}, and the model is linear: --family {suggestion.family} is for "
            "such a response, --family gaussian ends this note."
        )
    # The model says of its columns what reading the file said of all.
    return fit, list({finding(note): note for note in reversed(notes)}.values())[::-1]


def draw_charts(
    fit: Any, folder: str | os.PathLike[str], formats: Sequence[str]
) -> Iterator[tuple[Path | None, str]]:
    """Draw the charts of a first look: each file with the title of its chart.

    A chart that the fit does not have is no file, and the reason.
    """
    groups = list(dict.fromkeys(term["group"] for term in fit.info["random"]))
    slugs = file_slugs(groups)
    known = {spec.name: spec for spec in SPECS}
    for name in _CHARTS:
        spec = known[name]
        draw = getattr(charts, name)
        for group in groups if spec.per_group else [None]:
            stem = name if group is None else f"{name}-{slugs[group]}"
            try:
                chart = draw(fit) if group is None else draw(fit, group)
            except UnsuitedError as error:
                yield None, f"{stem}: {error}"
                continue
            wanted = ["html"] if spec.page else list(formats)
            for file in charts.save(chart, Path(folder, stem), wanted):
                yield file, ""
