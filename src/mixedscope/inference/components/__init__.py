"""What the variance of the response is made of, and how sure coefficients are without a model."""
