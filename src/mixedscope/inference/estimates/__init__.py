"""What a fit estimates: parameters, modes, references, refits."""
