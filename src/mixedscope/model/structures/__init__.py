"""Covariance structures, a class each; :mod:`mixedscope.model.covariance` lists them."""
