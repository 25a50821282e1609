"""Tests of fixed and random effects of a fit, and degrees of freedom in small samples."""
