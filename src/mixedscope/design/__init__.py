"""Design matrices: frame, contrasts, terms, and which structure each term gets."""
