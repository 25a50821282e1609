"""The whole system as one sparse matrix, in an order of minimum degree."""
