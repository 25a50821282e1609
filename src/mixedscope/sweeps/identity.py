"""Identity of runs, batches and data: digests of what determines them."""

from __future__ import annotations

import hashlib
import json

__all__ = ["digest"]


def digest(value: object) -> str:
    """Digest of anything JSON can hold, 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
