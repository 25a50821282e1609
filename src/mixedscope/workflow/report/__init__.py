"""What a run is shown by: pages that need no network and no script, and captions of a report."""
