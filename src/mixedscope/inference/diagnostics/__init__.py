"""How a model fits its observations, and what each of them does to the fit."""
