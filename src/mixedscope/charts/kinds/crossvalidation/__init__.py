"""The crossvalidation chart."""
