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


class Export(Stream):
    """A stream that is exported."""

    primary_key = None

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._name, self._config = name, config

    @property
    def name(self) -> str:
        """Of the stream."""
        return self._name

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Open."""
        return {"type": "object", "additionalProperties": True, "properties": {}}

    def read_records(self, *_: Any, **__: Any) -> Iterable[Mapping[str, Any]]:
        """Opens the exports and walks them."""
        config, session = self._config, requests.Session()
        session.headers["X-CleverTap-Account-Id"] = config["account_id"]
        session.headers["X-CleverTap-Passcode"] = config["passcode"]
        url = f"{config['base_url']}/1/{self._name}.json"
        query = "batch_size=4991&app=true&events=true&profile=true"
        if self._name == "events":
            query = query.replace("events=true", "events=false")
        for event in config.get("profile_event_names") or [config["event_name"]]:
            body = {"event_name": event, "from": config["start_date"], "to": config["end_date"]}
            cursor = session.post(f"{url}?{query}", json=body).json()["cursor"]
            while cursor:
                page = session.get(f"{url}?cursor={cursor}").json()
                for record in page.get("records", ()):
                    profile = record.get("profile") or record
                    devices = profile.get("platformInfo") or [{}]
                    record["object_id"] = profile.get("objectId") or devices[0].get("objectId")
                    record["event_name"] = event
                    yield record
                cursor = page.get("next_cursor")


class Source(AbstractSource):
    """A source of both exports."""

    def spec(self, logger: Any) -> ConnectorSpecification:
        """Anything goes."""
        return ConnectorSpecification(connectionSpecification={"type": "object"})

    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, None]:
        """All is well."""
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Both."""
        return [Export("profiles", config), Export("events", config)]


if __name__ == "__main__":
    launch(Source(), sys.argv[1:])
