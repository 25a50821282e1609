"""Kernels compile with little garbage collection, and leave the collector as it was."""

from __future__ import annotations

import gc

import pytest
from numba import njit
from numba.extending import overload

from mixedscope.engine.compile import compiler


def probe(seen):
    """Give a function for compiled code whose compilation notes the collector's thresholds."""

    def collecting():
        raise NotImplementedError

    @overload(collecting)
    def _collecting():
        seen.append(gc.get_threshold())
        return lambda: True

    return collecting


def of_the_package(function):
    """Make a function look like one of the package's, without a place in its cache."""
    function.__module__ = "mixedscope.engine.kernels.elimination"
    return function


@pytest.fixture
def own_thresholds():
    """Thresholds that a user has chosen."""
    before = gc.get_threshold()
    gc.set_threshold(701, 11, 12)
    yield (701, 11, 12)
    gc.set_threshold(*before)


def test_the_collector_works_less_while_a_kernel_compiles_and_then_as_before(own_thresholds):
    seen: list[tuple[int, int, int]] = []
    collecting = probe(seen)
    inner = njit(of_the_package(lambda: collecting()))
    outer = njit(of_the_package(lambda: inner() and collecting()))
    assert outer()
    assert gc.get_threshold() == own_thresholds
    assert seen
    assert all(first > 10_000 for first, _, _ in seen)


def test_the_collector_works_on_while_others_compile(own_thresholds):
    seen: list[tuple[int, int, int]] = []
    collecting = probe(seen)
    assert njit(lambda: collecting())()
    assert seen
    assert set(seen) == {own_thresholds}


def test_a_kernel_that_fails_to_compile_leaves_the_collector_as_it_was(own_thresholds):
    broken = njit(of_the_package(lambda: compiler.no_such_name))
    with pytest.raises(Exception, match="no_such_name"):
        broken()
    assert gc.get_threshold() == own_thresholds
