"""The yardstick: requests and orjson in one loop that prints the same record messages, no more.

It handles nothing that goes wrong, so it is no connector; it shows what the wire and JSON cost.
"""

import json
import sys
import time
from pathlib import Path

import orjson
import requests


def main(config_path: str) -> None:
    """Reads profiles with the configuration at `config_path`."""
    config = json.loads(Path(config_path).read_text())
    session = requests.Session()
    session.headers["X-CleverTap-Account-Id"] = config["account_id"]
    session.headers["X-CleverTap-Passcode"] = config["passcode"]
    url = f"{config['base_url']}/1/profiles.json"
    body = {
        "event_name": config["event_name"],
        "from": config["start_date"],
        "to": config["end_date"],
    }
    page = session.post(f"{url}?batch_size=4991&app=true&events=true&profile=true", json=body).json()
    cursor = page["cursor"]
    while cursor:
        page = orjson.loads(session.get(f"{url}?cursor={cursor}").content)
        for record in page.get("records", ()):
            devices = record.get("platformInfo") or [{}]
            record["object_id"] = record.get("objectId") or devices[0].get("objectId")
            record["event_name"] = config["event_name"]
            message = {"stream": "profiles", "data": record, "emitted_at": int(time.time() * 1000)}
            line = orjson.dumps({"type": "RECORD", "record": message}).decode()
            print(f"{line}\n", end="")
        cursor = page.get("next_cursor")


main(sys.argv[1])
