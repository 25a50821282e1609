"""Kernels compile without garbage collection, everything else with it."""

from __future__ import annotations

import gc

import pytest
from numba import njit
from numba.extending import overload

from mixedscope.model import compiled


def probe(seen):
    """Give a function for compiled code whose compilation notes whether the collector is on."""

    def collecting():
        raise NotImplementedError

    @overload(collecting)
    def _collecting():
        seen.append(gc.isenabled())
        return lambda: True

    return collecting


def of_the_package(function):
    """Make a function look like one of the package's, without a place in its cache."""
    function.__module__ = "mixedscope.model.kernels"
    return function


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_rests_while_a_kernel_compiles_and_then_is_as_it_was(was_on):
    seen: list[bool] = []
    collecting = probe(seen)
    inner = njit(of_the_package(lambda: collecting()))
    outer = njit(of_the_package(lambda: inner() and collecting()))
    try:
        (gc.enable if was_on else gc.disable)()
        assert outer()
        assert gc.isenabled() is was_on
    finally:
        gc.enable()
    assert seen
    assert not any(seen)


def test_the_collector_works_on_while_others_compile():
    seen: list[bool] = []
    collecting = probe(seen)
    assert njit(lambda: collecting())()
    assert seen
    assert all(seen)


def test_a_kernel_that_fails_to_compile_leaves_the_collector_on():
    broken = njit(of_the_package(lambda: compiled.no_such_name))
    with pytest.raises(Exception, match="no_such_name"):
        broken()
    assert gc.isenabled()
