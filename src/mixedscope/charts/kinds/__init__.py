"""One folder a chart."""
