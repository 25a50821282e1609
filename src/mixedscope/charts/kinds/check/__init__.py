"""A sheet of checks of a fit."""
