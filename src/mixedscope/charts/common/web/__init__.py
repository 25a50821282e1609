"""Pages that run a script: what stands around their content, and what their scripts share."""
