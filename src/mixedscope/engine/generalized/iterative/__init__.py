"""Large crossed models of a family by conjugate gradients: exact modes, estimated determinants."""
