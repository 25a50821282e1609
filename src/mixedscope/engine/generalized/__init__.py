"""Generalised mixed models: conditional modes, Laplace approximation, its exact gradient."""
