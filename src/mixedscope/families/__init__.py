"""Families of responses: one class a family, one a link."""
