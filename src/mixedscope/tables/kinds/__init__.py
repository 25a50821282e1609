"""The schemas of the stored tables: a file for each, or for a few made together."""
