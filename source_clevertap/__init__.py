"""Airbyte source for CleverTap: the launcher of the manifest.yaml and components.py at the root."""
