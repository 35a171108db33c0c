"""What a hand-written connector does: a Stream of the Python CDK, and requests in a loop.

It waits for nothing and retries nothing; it shows what the CDK costs where no manifest is read.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import requests
from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream


class Profiles(Stream):
    """The users that raised the event."""

    name = "profiles"
    primary_key = "object_id"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._config = config

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Open."""
        return {"type": "object", "additionalProperties": True, "properties": {}}

    def read_records(self, *_: Any, **__: Any) -> Iterable[Mapping[str, Any]]:
        """Opens the export and walks it."""
        config, session = self._config, requests.Session()
        session.headers["X-CleverTap-Account-Id"] = config["account_id"]
        session.headers["X-CleverTap-Passcode"] = config["passcode"]
        url = f"{config['base_url']}/1/profiles.json"
        body = {
            "event_name": config["event_name"],
            "from": config["start_date"],
            "to": config["end_date"],
        }
        query = "batch_size=4991&app=true&events=true&profile=true"
        cursor = session.post(f"{url}?{query}", json=body).json()["cursor"]
        while cursor:
            page = session.get(f"{url}?cursor={cursor}").json()
            for record in page.get("records", ()):
                devices = record.get("platformInfo") or [{}]
                record["object_id"] = record.get("objectId") or devices[0].get("objectId")
                record["event_name"] = config["event_name"]
                yield record
            cursor = page.get("next_cursor")


class Source(AbstractSource):
    """A source of one stream."""

    def spec(self, logger: Any) -> ConnectorSpecification:
        """Anything goes."""
        return ConnectorSpecification(connectionSpecification={"type": "object"})

    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, None]:
        """All is well."""
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """The one stream."""
        return [Profiles(config)]


if __name__ == "__main__":
    launch(Source(), sys.argv[1:])
