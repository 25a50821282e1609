"""Keep compiled kernels on disk, whatever the state of the disk.

numba's own cache is used, with four weaknesses mended.  It raises where nothing can be written, or
where what was written is damaged; here the kernel is then compiled instead.  It does not notice
that a kernel called by another has changed in another file; here all kernels count.  And two
processes that compile for different types at once may file one's code under the other's name;
here what is loaded is compared with what was asked for.
"""

from __future__ import annotations

import warnings
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.sigutils import normalize_signature

__all__ = ["DiskCache", "keep_on_disk"]


class DiskCache(FunctionCache):
    """The cache of one kernel."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load compiled code, or give None where there is none to be trusted."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes may raise anything
            self._forget()
            return None
        if found is None or tuple(found.signature.args) == tuple(normalize_signature(sig)[0]):
            return found
        self._forget()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code if that is possible."""
        try:
            super().save_overload(sig, data)
        except OSError:  # a full disk, say: the code is in memory all the same
            self.disable()

    def _forget(self) -> None:
        """Empty the index, so that what is compiled now can be stored."""
        try:
            self.flush()
        except OSError:
            self.disable()

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _sources_digest())


def keep_on_disk(dispatcher: Any) -> None:
    """Give a compiled function a cache: beside its source, else in the user's cache folder.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Without cache so far. It stays so, with a warning, if no folder can be written.
    """
    try:
        dispatcher._cache = DiskCache(dispatcher.py_func)
    except RuntimeError:
        _warn_once()


@cache
def _warn_once() -> None:
    warnings.warn(
        "No folder for compiled code can be written, so every process compiles anew; set the "
        "environment variable NUMBA_CACHE_DIR to a folder that can.",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _sources_digest() -> str:
    digest = sha256()
    here = Path(__file__).parent
    for path in sorted([here / "compiled.py", *(here.parent / "kernels").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
