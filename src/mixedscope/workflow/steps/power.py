"""Steps that tell what a planned study would find: draws of a size in batches, and their sum."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixedscope.inference.estimates.stored import StoredFit

__all__ = ["power", "power_batch", "power_search"]


def power_batch(
    *,
    fit: str | os.PathLike[str],
    sizes: Mapping[str, int],
    draws: Sequence[int],
    seed: int,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    newdata: Sequence[str] = (),
) -> None:
    """Draw, fit and test some studies of one size.

    ``fit``: ``fit.json`` of the fit that studies are planned from. ``sizes``: how many of what, by
    name. ``draws``: the first draw, and the one after the last. ``settings``: ``power`` of the
    model in the configuration. ``output``: a Parquet file. ``newdata``: prepared rows of the
    planned study, where they are not those of the fit.
    """
    from mixedscope.core.errors import UnsuitedError
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.power.stored import stored_study
    from mixedscope.tables.kinds.power import POWER_DRAWS
    from mixedscope.tables.table_files import skipped_table, write_table
    from mixedscope.workflow.naming import naming

    stored = open_fit(Path(fit).parent)
    try:
        with naming(stored.info, "power", _key_of(newdata)):
            study = stored_study(stored, settings, seed, *newdata)
            numbers = range(*draws)
            outcomes = study.part(sizes, numbers)
            labels = study.contrasts(sizes).labels
            made = outcomes.frame([*sizes.values()], labels, numbers)
            print(f"{len(outcomes)} draws, {int(outcomes.certified.sum())} certified")
    except UnsuitedError as error:
        print(f"power is left out: {str(error).rstrip('.')}.")
        made = skipped_table(POWER_DRAWS, "power", str(error))
    write_table(output, made, POWER_DRAWS, **_named(stored))


def power_search(
    *,
    fit: str | os.PathLike[str],
    search: Mapping[str, Any],
    seed: int,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    newdata: Sequence[str] = (),
) -> None:
    """Draw, fit and test studies of sizes between two until the smallest that is enough is found.

    ``search``: ``along``, one thing with its smallest and its largest size, ``draws`` of each size
    and the power that is ``wanted``. The other arguments are those of `power_batch`; ``output``
    holds the draws of all sizes that were looked at.
    """
    import pandas as pd

    from mixedscope.core.errors import UnsuitedError
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.power.stored import stored_study
    from mixedscope.tables.kinds.power import POWER_DRAWS
    from mixedscope.tables.table_files import skipped_table, write_table
    from mixedscope.workflow.naming import naming

    stored = open_fit(Path(fit).parent)
    ((name, ends),) = search["along"].items()
    try:
        with naming(stored.info, "power", _key_of(newdata)):
            study = stored_study(stored, settings, seed, *newdata)
            points = study.search(name, ends[0], ends[-1], search["draws"], search["wanted"])
            made = pd.concat([point.frame() for point in points], ignore_index=True)
            print(f"looked at {', '.join(str(point.sizes[name]) for point in points)}")
    except UnsuitedError as error:
        print(f"power is left out: {str(error).rstrip('.')}.")
        made = skipped_table(POWER_DRAWS, "power", str(error))
    write_table(output, made, POWER_DRAWS, **_named(stored))


def power(
    *,
    fit: str | os.PathLike[str],
    points: Sequence[Mapping[str, int]],
    factors: Sequence[str],
    batches: Sequence[str],
    seed: int,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    newdata: Sequence[str] = (),
) -> None:
    """Put the batches of all sizes together, and say what they amount to.

    ``points``: sizes of each point, by name; none of a search, whose sizes are in its draws.
    ``factors``: what grows. ``batches``: written by `power_batch`, in any order, or by
    `power_search`. ``output``: ``power.parquet``; ``power_sizes`` is written beside it, both as CSV
    too.
    """
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.power.outcomes import Outcomes
    from mixedscope.inference.power.performance import frame_of
    from mixedscope.inference.power.smallest import smallest_sizes
    from mixedscope.inference.power.stored import stored_study
    from mixedscope.tables.kinds.power import POWER, POWER_DRAWS, POWER_SIZES
    from mixedscope.tables.table_files import read_table, skipped_table, write_table
    from mixedscope.workflow.naming import naming

    stored = open_fit(Path(fit).parent)
    files = {Path(output).with_name(f"{s.kind}.parquet"): s for s in (POWER, POWER_SIZES)}
    tables = [read_table(path, POWER_DRAWS) for path in batches]
    skipped = [table.attrs["skipped"] for table in tables if "skipped" in table.attrs]
    if skipped:
        reason = str(skipped[0]["reason"])
        made = [skipped_table(schema, "power", reason) for schema in files.values()]
    else:
        with naming(stored.info, "power", _key_of(newdata)):
            study = stored_study(stored, settings, seed, *newdata)
        if not points:
            (whole,) = tables
            looked = sorted(set(whole["size"].astype(int)))
            points = [{factors[0]: size} for size in looked]
            tables = [whole[whole["size"] == size] for size in looked]
        rows = []
        for sizes in points:
            wanted = ([*sizes.values(), None, None])[:2]
            own = [t for t in tables if len(t) and _sizes_of(t) == wanted]
            own.sort(key=lambda table: int(table["draw"].iloc[0]))
            count = len(study.contrasts(sizes).labels)
            outcomes = Outcomes.joined([Outcomes.of_frame(table, count) for table in own])
            rows += study.summed(sizes, outcomes).rows
        table = frame_of(rows)
        made = [table, smallest_sizes(table, settings["wanted"])]
        print(table[["size", "size2", "effect", "power", "draws", "tested"]].to_string())
    for (path, schema), one in zip(files.items(), made, strict=True):
        write_table(path, one, schema, **_named(stored), csv=True)


def _named(stored: StoredFit) -> dict[str, Any]:
    return {"formula": stored.info["formula"], "sha256": stored.info["dataset"]["sha256"]}


def _key_of(newdata: Sequence[str]) -> str | None:
    """The key that is at fault where planned rows cannot be those of the model."""
    return "power.newdata" if newdata else None


def _sizes_of(table: Any) -> list[int | None]:
    """Sizes of the draws of a batch."""
    first = table.iloc[0]
    values = (first["size"], first["size2"])
    return [None if value is None or value != value else int(value) for value in values]
