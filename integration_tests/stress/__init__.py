"""Machines that try hard to make the connector lose a row: `make stress`."""
