"""The efficiency chart."""
