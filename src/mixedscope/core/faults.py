"""Faults of a configuration in words: which key, and what was meant."""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mixedscope.core.errors import suggest, yaml_hint
from mixedscope.core.sections import FAULT

__all__ = ["describe_faults"]


def describe_faults(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Put the faults of a section ``root`` into words, each behind the path of its key."""
    found: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        location = tuple(p for p in details["loc"] if not _ALTERNATIVE.fullmatch(str(p)))
        found.setdefault(location, []).append(details)
    lines = []
    for location, faults in found.items():
        kinds = [_KINDS[f["type"]] for f in faults if f["type"] in _KINDS]
        told = [f for f in faults if f["type"] not in _KINDS]
        deeper = any(other[: len(location)] == location for other in found if other != location)
        # A key may have alternatives ("text or a list"): a fault within the one that was meant
        # says more than that the others were not.
        path = ".".join(str(part) for part in location if part != "[key]")
        if told:
            lines += [f"{path}: {_describe(fault, location, root)}" for fault in told]
        elif not deeper:
            if location[-1] == "[key]":
                lines.append(f"{path}: a name has to be text: put it into quotes")
            else:
                given = faults[0]["input"]
                hint = yaml_hint(given, "text") if "text" in kinds else ""
                lines.append(f"{path}: expected {' or '.join(kinds)}, got {_shown(given)}{hint}")
    return lines


#: Errors of the wrong kind of value, and what was wanted.
_KINDS = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
}


def _describe(details: ErrorDetails, location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        known = _keys_at(location[:-1], root)
        key = str(location[-1])
        meant = _ELSEWHERE.get(key.lower(), "")
        near = f" Did you mean {meant!r}?" if meant in known else suggest(key, known)
        if key.lower() == "reml" and meant in known:
            near += _criterion(details["input"])
        return f"unknown key.{near} Known: {', '.join(known) or 'none'}."
    if kind == "missing":
        return "this key is missing"
    message = details["msg"].replace("\n", "\n    ")
    if kind == FAULT:
        return message
    wanted = next((kind for kind in ("integer", "number") if kind in message), None)
    hint = "" if wanted is None else yaml_hint(details["input"], wanted)
    if location[-1] == "criterion":
        hint = _criterion(details["input"])
    return f"{message}, got {_shown(details['input'])}{hint}"


def _criterion(value: object) -> str:
    """What is written for lme4's REML = TRUE or FALSE; empty for other values."""
    if not isinstance(value, bool):
        return ""
    return f" Write criterion: {'REML' if value else 'ML'}."


#: Keys as other programs call them.
_ELSEWHERE = {
    "reml": "criterion",
    "method": "criterion",
    "data": "dataset",
    **dict.fromkeys(("sep", "delim", "delimiter", "separated"), "separator"),
    **dict.fromkeys(("na", "na_values", "na.strings", "nas"), "missing"),
    **dict.fromkeys(("dec", "decimal_mark"), "decimal"),
    **dict.fromkeys(("big_mark", "big.mark", "thousand"), "thousands"),
    **dict.fromkeys(("file", "path", "url"), "source"),
    **dict.fromkeys(("factor", "factors", "levels"), "categorical"),
    **dict.fromkeys(("subset", "where", "query"), "filter"),
    **dict.fromkeys(("mutate", "assign", "compute"), "derive"),
    "select": "columns",
}

#: What pydantic puts into a path to say which alternative of a type it tried.
_ALTERNATIVE = re.compile(r"str|function-after\[.*|(?:list|dict)\[.*")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Keys known at a path, by walking the classes alongside it."""
    here: Any = root
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = _bare(field.annotation) if field else None
        elif get_origin(here) is dict:
            here = _bare(get_args(here)[1])
        elif get_origin(here) is list:
            here = _bare(get_args(here)[0])
        else:
            return []
    if isinstance(here, type) and issubclass(here, BaseModel):
        return list(here.model_fields)
    return []


def _bare(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None`` from a type."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *about = get_args(annotation)
            # What is checked as a section and kept as it was written.
            annotation = next((a.section for a in about if hasattr(a, "section")), annotation)
        elif get_origin(annotation) in (Union, types.UnionType):
            rest = [a for a in get_args(annotation) if a is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation
