"""The yardstick: requests and orjson in one loop that prints the same record messages, no more.

It handles nothing that goes wrong, so it is no connector; it shows what the wire and JSON cost. With
--fetch-only it does not even decode a page: that is as fast as the sandbox goes.
"""

import json
import re
import sys
import time
from pathlib import Path

import orjson
import requests

CURSOR = re.compile(b'"next_cursor":"([^"]*)"')


def main(stream: str, config_path: str, fetch_only: bool) -> None:
    """Reads a stream with the configuration at `config_path`."""
    config = json.loads(Path(config_path).read_text())
    session = requests.Session()
    session.headers["X-CleverTap-Account-Id"] = config["account_id"]
    session.headers["X-CleverTap-Passcode"] = config["passcode"]
    url = f"{config['base_url']}/1/{stream}.json"
    for event in config.get("profile_event_names") or [config["event_name"]]:
        body = {"event_name": event, "from": config["start_date"], "to": config["end_date"]}
        query = "batch_size=4991&app=true&events=true&profile=true"
        if stream == "events":
            query = query.replace("events=true", "events=false")
        cursor = session.post(f"{url}?{query}", json=body).json()["cursor"]
        while cursor:
            content = session.get(f"{url}?cursor={cursor}").content
            if fetch_only:
                found = CURSOR.search(content[:10_000]) or CURSOR.search(content[-10_000:])
                cursor = found and found.group(1).decode()
                continue
            page = orjson.loads(content)
            for record in page.get("records", ()):
                profile = record.get("profile") or record
                devices = profile.get("platformInfo") or [{}]
                record["object_id"] = profile.get("objectId") or devices[0].get("objectId")
                record["event_name"] = event
                message = {"stream": stream, "data": record, "emitted_at": int(time.time() * 1000)}
                line = orjson.dumps({"type": "RECORD", "record": message}).decode()
                print(f"{line}\n", end="")
            cursor = page.get("next_cursor")


main(sys.argv[1], sys.argv[2], "--fetch-only" in sys.argv)
