"""Profiles: zeta of every parameter."""
