"""The blocked factorisation, objective and gradient of a model."""
