"""Reads events with quickhouse (from PyPI, written in Rust) into CSV files.

Its CleverTap source takes the columns that one names. Run with a Python that has quickhouse.
"""

import json
import sys
import tempfile
from pathlib import Path

import quickhouse  # type: ignore[import-not-found]

COLUMNS = [
    ("ts", "STRING"),
    ("object_id", "STRING", "profile.objectId"),
    ("identity", "STRING", "profile.identity"),
    ("profile", "JSON"),
    ("event_props", "JSON"),
    ("session_props", "JSON"),
]


def main(config_path: str, records: int) -> None:
    """Reads with the configuration at `config_path`; fails unless so many rows were written."""
    config = json.loads(Path(config_path).read_text())
    first, last = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (
        str(config["start_date"]), str(config["end_date"])))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        result = quickhouse.sync(
            quickhouse.CleverTap(
                config["account_id"], config["passcode"], config["event_name"], columns=COLUMNS,
                base_url=config["base_url"], from_date=first, to_date=last,
            ),
            quickhouse.Csv(folder), dest_table="events", mode="full",
        )  # fmt: skip
    if result.rows_written != records:
        sys.exit(f"quickhouse wrote {result.rows_written} rows of {records}")


main(sys.argv[1], int(sys.argv[2]))
