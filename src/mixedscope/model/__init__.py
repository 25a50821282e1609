"""The engine: designs, covariance structures, cross-products, the profiled objective."""
