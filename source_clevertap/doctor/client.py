"""The doctor's requests: those of the manifest, one at a time, up to a limit."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.sources.declarative.models.declarative_component_schema import HttpRequester
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import ModelToComponentFactory
from airbyte_cdk.sources.types import StreamSlice

from source_clevertap.run import COMPONENTS_MODULE, SourceClevertap

Json = dict[str, Any]

MOST_REQUESTS = 60
TIMEOUT_SECONDS = (30, 600)
WAITS = (2, 4, 8, 15, 30)  # seconds, while CleverTap prepares an answer


class OutOfRequestsError(Exception):
    """The doctor has reached its limit of requests."""


@dataclass
class Answer:
    """A response of CleverTap.

    page: its JSON object, empty if there is none. waited: how often CleverTap said "not ready" before.
    """

    stream: str
    part: str
    http: int
    seconds: float
    headers: tuple[str, ...]
    page: Json = field(repr=False)
    waited: int = 0

    @property
    def error(self) -> str:
        """CleverTap's error text in lower case, or ""."""
        return str(self.page.get("error") or "").lower()

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return self.http == 200 and bool(self.page) and not self.error

    @property
    def is_not_ready(self) -> bool:
        """Whether CleverTap is still preparing it."""
        return self.http == 202 or str(self.page.get("code")) == "2" or self._is_partial_count

    @property
    def _is_partial_count(self) -> bool:
        is_count = self.stream.startswith("daily_") and self.part == "page"
        return is_count and self.page.get("status") == "partial"


class Client:
    """Sends the requests that the manifest defines for a stream.

    part: "" for a stream with one response, else "open" or "page". Raises requests.RequestException if
    there is no response, and OutOfRequestsError.
    """

    def __init__(self, config: Mapping[str, Any], sleep: Callable[[float], Any] = time.sleep) -> None:
        source = SourceClevertap(config=config)
        config = source.configure(config, "")  # as the manifest transforms it
        AirbyteEntrypoint.validate_connection(source.spec(source.logger), dict(config))
        factory = ModelToComponentFactory()
        self.requests, self._sleep = 0, sleep
        self.schemas: Json = {}
        self._session = requests.Session()
        self._requesters: dict[tuple[str, str], Any] = {}
        for stream in source.resolved_manifest["streams"]:
            self.schemas[stream["name"]] = stream["schema_loader"]["schema"]
            requester = stream["retriever"]["requester"]
            parts = {"": requester}
            if "create_requester" in requester:
                parts = {"open": requester["create_requester"], "page": requester["page_requester"]}
            for part, definition in parts.items():
                self._requesters[stream["name"], part] = factory.create_component(
                    HttpRequester, definition, config, name=stream["name"]
                )

    def ask(
        self,
        stream: str,
        part: str = "",
        days: tuple[str, str] = ("2022-01-01", "2022-01-01"),
        token: Any = None,
        body: Callable[[Json], Json] = dict,
        wait: bool = True,
        **partition: Any,
    ) -> Answer:
        """Sends a request, and retries it while CleverTap is preparing the response.

        days: the first and the last day. token: a cursor, req_id or page number. body: alters the body.
        """
        requester = self._requesters[stream, part]
        what: Json = {
            "stream_state": None,
            "stream_slice": StreamSlice(partition=partition, cursor_slice={"start_time": days[0], "end_time": days[1]}),
            "next_page_token": {"next_page_token": token} if token else None,
        }
        request = requests.Request(
            requester.get_method().value,
            requester.get_url(**what),
            params=requester.get_request_params(**what),
            headers={
                **requester.get_request_headers(**what),
                **requester.get_authenticator().get_auth_header(),
            },
            json=body(dict(requester.get_request_body_json(**what))) or None,
        )  # fmt: skip
        for waited, seconds in enumerate((*WAITS, None) if wait else (None,)):
            answer = self._send(stream, part, request)
            answer.waited = waited
            if seconds is None or not answer.is_not_ready:
                break
            self._sleep(seconds)
        return answer

    def _send(self, stream: str, part: str, request: requests.Request) -> Answer:
        if self.requests >= MOST_REQUESTS:
            raise OutOfRequestsError
        self.requests += 1
        started = time.monotonic()
        prepared = self._session.prepare_request(request)
        settings = self._session.merge_environment_settings(prepared.url, {}, None, None, None)
        response = self._session.send(prepared, allow_redirects=False, timeout=TIMEOUT_SECONDS, **settings)
        page = sys.modules[COMPONENTS_MODULE].decode_body(response) or {}
        if page.get("error") is None:
            page.pop("error", None)  # decode_body adds it
        headers = tuple(sorted(name.lower() for name in response.headers))
        return Answer(stream, part, response.status_code, time.monotonic() - started, headers, page)
