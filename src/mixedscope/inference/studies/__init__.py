"""What is studied about a fit."""
