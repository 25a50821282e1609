"""Power of planned studies by simulation."""
