"""Fixed effects, standard deviations and correlations of fits, with their intervals."""
