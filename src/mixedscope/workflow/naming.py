"""Errors about a model that say which key of the configuration is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["naming"]


@contextmanager
def naming(info: Mapping[str, Any], key: str, data: str | None = None) -> Iterator[None]:
    """Say which key of the configuration is wrong about the model of ``fit.json``.

    ``data``: the key that names other data than the model's, whose faults are its own.
    """
    from mixedscope.core.errors import DataError, FormulaError, ModelError, UnsuitedError

    try:
        yield
    except UnsuitedError:
        raise
    except DataError as error:
        raise DataError(f"models.{info['model']}.{data or key}: {error}") from error
    except (FormulaError, ModelError) as error:
        raise ModelError(f"models.{info['model']}.{key}: {error}") from error
