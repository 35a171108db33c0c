"""The manifest without custom code, and what makes it."""
