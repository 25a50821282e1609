"""Keep compiled kernels on disk, whatever the state of the disk.

numba's own cache is used, with five weaknesses mended.  It raises where nothing can be written, or
where what was written is damaged; here the kernel is then compiled instead.  It does not notice
that a kernel called by another has changed in another file; here all kernels count.  And two
processes that compile for different types at once may file one's code under the other's name;
here what is loaded is compared with what was asked for.  Nor does it keep processes that start
together from compiling the same; here one compiles, and the others wait for its result.
"""

from __future__ import annotations

import warnings
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.sigutils import normalize_signature

from mixedscope.engine.compile.kernel_lock import KernelLock

__all__ = ["DiskCache", "keep_on_disk", "sources_digest"]


class DiskCache(FunctionCache):
    """The cache of one kernel."""

    def __init__(self, function: Any, *, is_part: bool = False) -> None:
        super().__init__(function)
        self._is_part = is_part
        self.lock = KernelLock(Path(self._cache_path) / f"{self._impl.filename_base}.lock")

    def make_folder(self) -> Path:
        """Give the folder where what compiles is kept; raises OSError if there can be none."""
        self._impl.locator.ensure_cache_path()
        return Path(self._cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load compiled code, or give None where there is none to be trusted.

        After None other processes wait for what this one saves, or fails to compile.
        """
        found = self._load(sig, target_context)
        if found is not None or not self._enabled:
            return found
        try:
            self.make_folder()
        except OSError:  # nothing can be saved, so nobody need wait
            self.disable()
            return None
        self.lock.acquire()
        try:
            found = self._load(sig, target_context, forget=True)
        except BaseException:
            self.lock.release()
            raise
        if found is not None:
            self.lock.release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code if that is possible."""
        try:
            super().save_overload(sig, data)
        except OSError:  # a full disk, say: the code is in memory all the same
            self.disable()
        finally:
            self.lock.release()

    def _load(self, sig: Any, target_context: Any, *, forget: bool = False) -> Any:
        """Load compiled code; what cannot be trusted is gone for good if that is asked for."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes may raise anything
            pass
        else:
            if found is None or tuple(found.signature.args) == tuple(normalize_signature(sig)[0]):
                return found
        if forget:
            self._forget()
        return None

    def _forget(self) -> None:
        """Empty the index, so that what is compiled now can be stored."""
        try:
            self.flush()
        except OSError:
            self.disable()

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # The same function may be compiled as a part too, which Python cannot call.
        return (*super()._index_key(sig, codegen), sources_digest(), self._is_part)


class _Failures(event.Listener):
    """Let other processes go on when a kernel fails to compile: nothing of it is ever saved."""

    def on_start(self, event: Any) -> None:
        pass

    def on_end(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        lock = getattr(getattr(dispatcher, "_cache", None), "lock", None)
        if isinstance(lock, KernelLock) and tuple(event.data["args"]) not in dispatcher.overloads:
            lock.release()


event.register("numba:compile", _Failures())


def keep_on_disk(dispatcher: Any) -> None:
    """Give a compiled function a cache: beside its source, else in the user's cache folder.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Without cache so far. It stays so, with a warning, if no folder can be written.
    """
    try:
        is_part = bool(dispatcher.targetoptions.get("no_cpython_wrapper"))
        dispatcher._cache = DiskCache(dispatcher.py_func, is_part=is_part)
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
def sources_digest() -> str:
    """Digest of all that compiled code comes of."""
    digest = sha256()
    here = Path(__file__).parent
    for path in sorted(
        [here / f"{name}.py" for name in ("compiled", "compiler", "logarithm", "step")]
        + list((here.parent / "kernels").glob("*.py"))
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()
