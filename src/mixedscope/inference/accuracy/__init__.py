"""How accurate the structures of a model are."""
