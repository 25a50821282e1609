"""What follows from a fit: estimates, references, modes, comparisons."""
