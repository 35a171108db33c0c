"""Reads events into DuckDB and pandas: `python examples/pyairbyte_events.py secrets/config.json`."""

import json
import sys
from pathlib import Path

import airbyte as ab

config = json.loads(Path(sys.argv[1]).read_text())
command = Path(sys.executable).with_name("source-clevertap")
source = ab.get_source("source-clevertap", config, local_executable=command, install_if_missing=False)
source.select_streams(["events"])
result = source.read(cache=ab.caches.DuckDBCache(db_path="events.duckdb"))
events = result["events"].to_pandas()
print(events.groupby("event_name").size().to_json())
