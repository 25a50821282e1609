"""The keys of a configuration."""
