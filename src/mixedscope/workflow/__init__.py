"""Configuration, plan, steps and pages of a run."""
