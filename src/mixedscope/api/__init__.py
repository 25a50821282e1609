"""Models and fits as users meet them."""
