"""`make report`."""
