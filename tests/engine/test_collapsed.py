"""Which terms have no variance, and which only none of their own."""

from __future__ import annotations

import numpy as np
import pytest

from mixedscope.inference.estimates.estimates import _collapsed


@pytest.mark.parametrize("ratio", [0.5, 0.05, 0.003])
def test_a_small_slope_that_goes_with_the_intercept_varies(ratio):
    """A standard deviation of a few thousandths of another is small, and no zero."""
    null = np.array([[ratio], [-1.0]]) / np.hypot(ratio, 1.0)
    assert _collapsed(("(Intercept)", "x"), null, 1) == (
        "(Intercept) and x are perfectly correlated (+1)"
    )


@pytest.mark.parametrize("ratio", [0.0, 1e-4])
def test_a_slope_of_no_size_has_no_variance(ratio):
    null = np.array([[ratio], [-1.0]]) / np.hypot(ratio, 1.0)
    assert _collapsed(("(Intercept)", "x"), null, 1) == "x has no variance"
