"""The components of θ in motion."""
