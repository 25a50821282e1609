"""Covariance structures that are asked for, and which of them make different models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.covariance.registry import USUAL

__all__ = ["distinct_models", "is_generalized", "refuse_generalized", "refuse_twice", "told_same"]


def distinct_models(
    model: Any, structures: Sequence[str] | None, *, own: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """A model under structures, and those left out with the one whose model they make again.

    ``structures``: by default the usual ones. ``own``: that of the model is the first of them.
    A term of one column is the same under every structure. Raises ModelError if a structure is
    listed twice.
    """
    refuse_twice("structures", structures or ())
    wanted = [*([model.structure] if own else []), *(USUAL if structures is None else structures)]
    models: dict[str, Any] = {}
    same: dict[str, str] = {}
    seen: dict[str, Any] = {}
    for name in dict.fromkeys(wanted):
        made = model if own and name == model.structure else model.with_structure(name)
        parts = [
            (r.group, r.names, [(p.columns, p.structure) for p in r.parts if len(p.columns) > 1])
            for r in made.design.random
        ]
        twin = next((first for first, known in seen.items() if known == parts), None)
        if twin is None:
            models[name], seen[name] = made, parts
        else:
            same[name] = twin
    return models, same


def refuse_twice(what: str, names: Iterable[str]) -> None:
    """Raise ModelError if one of these names occurs twice."""
    listed = list(names)
    for name in listed:
        if listed.count(name) > 1:
            raise ModelError(f"{what} has {name!r} twice: give each structure once.")


def is_generalized(item: Any) -> bool:
    """Whether a model or a fit has a family."""
    return _family(item) is not None


def _family(item: Any) -> str | None:
    spec = getattr(item, "spec", None) or getattr(item, "_spec", None)
    return getattr(spec, "family", None)


def refuse_generalized(items: Iterable[Any], why: str) -> None:
    """Raise UnsuitedError if one of these models or fits has a family, and say why."""
    for item in items:
        family = _family(item)
        if family is not None:
            raise UnsuitedError(f"{why}, and this one has the family {family!r}.")


def told_same(same: dict[str, str]) -> str:
    """Say which structures were left out, a sentence for each model that they make again."""
    left_out: dict[str, list[str]] = {}
    for name, twin in same.items():
        left_out.setdefault(twin, []).append(name)
    return " ".join(
        f"Left out, for this formula gives the model of {twin} again: {', '.join(names)}."
        for twin, names in left_out.items()
    )
