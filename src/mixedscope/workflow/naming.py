"""Errors about a model that say which key of the configuration is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["naming"]


@contextmanager
def naming(info: Mapping[str, Any], key: str) -> Iterator[None]:
    """Say which key of the configuration is wrong about the model of ``fit.json``."""
    from mixedscope.core.errors import FormulaError, ModelError, UnsuitedError

    try:
        yield
    except UnsuitedError:
        raise
    except (FormulaError, ModelError) as error:
        raise ModelError(f"models.{info['model']}.{key}: {error}") from error
