"""Seeds of everything that is drawn at random, all from one.

A seed is derived from that of the configuration and from what is drawn, by name: never from the
order in which jobs run, the number of cores or the machine.  Two things that should share their
random numbers (the data of two optimisers that are compared, say) are given the same names.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

__all__ = ["derive_seed", "generator"]


def derive_seed(seed: int, purpose: str, *, bits: int = 63, **keys: object) -> int:
    """Derive a seed for one purpose from that of the configuration, from 0 to below ``2**bits``.

    ``bits`` is 63, or 32 for generators that take no more. ``keys`` distinguish this draw from
    others of the same purpose: anything JSON can hold.
    """
    words = _sequence(seed, purpose, keys).generate_state(2, dtype=np.uint32)
    return int((int(words[0]) | int(words[1]) << 32) % (1 << bits))


def generator(seed: int, purpose: str, **keys: object) -> np.random.Generator:
    """Make a generator (PCG64) for one purpose; arguments as for `derive_seed`."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, keys)))


def _sequence(seed: int, purpose: str, keys: dict[str, object]) -> np.random.SeedSequence:
    """Child of a seed that a name picks: 128 bits of its hash are the spawn key."""
    text = purpose
    if keys:
        text += "\0" + json.dumps(keys, sort_keys=True, ensure_ascii=True, allow_nan=False)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], dtype="<u4")
    return np.random.SeedSequence(seed, spawn_key=tuple(int(w) for w in words))
