"""What surrounds every step: its log, its threads, its errors in words."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from mixedscope.core.errors import DataWarning, MixedscopeError

__all__ = ["job"]


@contextmanager
def job(log: str | os.PathLike[str], *, threads: int = 1) -> Iterator[None]:
    """Run the body of a script: output into its log, threads as granted, errors in words.

    ``log``: receives everything the body prints. ``threads``: threads of linear algebra and
    compiled kernels. Raises SystemExit if the body fails: with the one message of an error that a
    user can mend, or after the traceback of any other.
    """
    # Read by libraries that are loaded later; those already loaded are limited below.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    os.environ["MIXEDSCOPE_THREADS"] = str(threads)
    if "mixedscope.engine.lapack" in sys.modules:  # in the process that this one is a fork of
        from mixedscope.engine.lapack import set_threads

        set_threads(threads)
    from threadpoolctl import threadpool_limits

    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    message = None
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(stream))
        stack.enter_context(redirect_stderr(stream))
        stack.enter_context(threadpool_limits(threads))
        # What the package tells its logger, as how long a fit will take.
        handler = logging.StreamHandler(stream)
        logging.getLogger("mixedscope").addHandler(handler)
        stack.callback(logging.getLogger("mixedscope").removeHandler, handler)
        # A fit prints what is doubtful about its data itself.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", DataWarning)
        try:
            yield
        except MixedscopeError as error:
            message = str(error)
            print(message)
        except Exception:
            message = traceback.format_exc()
            print(message)
    if message is not None:
        print(message, file=sys.stderr)
        raise SystemExit(1)
