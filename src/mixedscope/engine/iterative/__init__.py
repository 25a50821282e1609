"""Large crossed models by conjugate gradients: exact solutions, estimated determinants."""
