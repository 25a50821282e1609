"""All displays of a model on one page, linked."""
