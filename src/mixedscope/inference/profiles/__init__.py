"""Profiles of the likelihood: one parameter, or two, held and all others optimised."""
