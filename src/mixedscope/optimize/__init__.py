"""Optimisation of a profiled likelihood: backends, the trace, phases and the certificate."""
