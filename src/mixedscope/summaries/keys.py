"""Keys that a sweep can vary, and their names for readers."""

from __future__ import annotations

from typing import Final

__all__ = ["KEYS", "SIMULATE", "key_words"]

#: Beginning of the keys that override a parameter of a simulated data set.
SIMULATE: Final = "simulate."

#: Every other key, in the order of the columns of ``runs.parquet``, with its name for readers.
KEYS: Final[dict[str, str]] = {
    "model": "model",
    "structure": "covariance structure",
    "optimizer": "optimiser",
    "tolerance": "tolerance",
    "start": "start",
    "criterion": "criterion",
    "intervals": "method of the intervals",
    "tests": "degrees of freedom of the tests",
    "level": "level",
    "subset": "subset",
    "of": "what a share is taken of",
    "share": "share of the data",
    "size": "size of the data",
    "replicate": "replicate",
    "seed": "seed",
}


def key_words(key: str) -> str:
    """Give the name of a key for the title of an axis: ``number of subject``, say."""
    if key in KEYS:
        return KEYS[key]
    parts = key.removeprefix(SIMULATE).split(".")
    if parts == ["replicates"]:
        return "rows per cell"
    if parts == ["trials"]:
        return "trials of a row"
    if parts[0] == "units":
        return f"number of levels of {'.'.join(parts[1:])}"
    if parts[0] == "random" and len(parts) > 2:
        return f"true {parts[2]} of {'.'.join([parts[1], *parts[3:]])}"
    if parts[0] in ("beta", "sigma", "dispersion"):
        return f"true {' of '.join(parts)}"
    return " ".join(parts)
