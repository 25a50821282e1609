"""Covariance structures: how theta makes relative covariance factors."""
