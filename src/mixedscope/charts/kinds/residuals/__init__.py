"""Residuals of a fit."""
