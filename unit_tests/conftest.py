"""Runs the manifest itself, with requests-mock in place of CleverTap and no real waits."""

import gc
import json
import logging
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest
import requests_mock
from airbyte_cdk.models import SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from airbyte_cdk.test.state_builder import StateBuilder

from source_clevertap.run import COMPONENTS_MODULE, register_components
from unit_tests.mock_server.config import HOST, Json
from unit_tests.mock_server.prepared_source import PreparedSource
from unit_tests.mock_server.response_builder import Response, created, fail


class Output:
    """What a read printed. error: failure type and message of the first (the last is the CDK's summary), or two ''."""

    def __init__(self, printed: EntrypointOutput) -> None:
        self.records: list[Json] = [dict(m.record.data) for m in printed.records if m.record]
        blobs = [m.state.stream.stream_state for m in printed.state_messages if m.state and m.state.stream]
        self.states: list[Json] = [json.loads(json.dumps(vars(blob))) for blob in blobs]
        self.logs: list[str] = [m.log.message for m in printed.logs if m.log]
        traced = [m.trace.error for m in printed.errors if m.trace and m.trace.error]
        self.errors = [(getattr(e.failure_type, "value", ""), str(e.message)) for e in traced]
        self.error = self.errors[0] if self.errors else ("", "")
        self.all_but_records = [str(m) for m in (*printed.logs, *printed.trace_messages, *printed.state_messages)]


class CleverTap(requests_mock.Mocker):
    """CleverTap's API, and reads from it. waits: the seconds that were slept, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def read(
        self,
        stream: str,
        config: Json,
        pages: list[Response] | None = None,
        posts: list[Response] | None = None,
        schema: list[Response] | None = None,
        state: Json | None = None,
        host: str = HOST,
        **more: Any,
    ) -> Output:
        """Reads an export: the POST gets `posts` in turn, the GET `pages`, and GET /getSchema `schema`."""
        self.post(f"{host}/1/{stream}.json", posts or [created()])
        self.get(f"{host}/1/{stream}.json", pages or [])
        self.get(f"{host}/getSchema?type=events", schema or [fail("unexpected", 0)])
        return self.run(stream, config, state, **more)

    def read_events(self, config: Json, pages: list[Response] | None = None, **more: Any) -> Output:
        return self.read("events", config, pages, **more)

    def read_profiles(self, config: Json, pages: list[Response] | None = None, **more: Any) -> Output:
        return self.read("profiles", config, pages, **more)

    def read_in_turn(self, stream: str, responses: list[Response], config: Json, **more: Any) -> Output:
        """Reads any stream: requests of all kinds get `responses` in turn."""
        self.register_uri(requests_mock.ANY, requests_mock.ANY, responses)
        return self.run(stream, config, **more)

    def run(
        self, stream: str, config: Json, state: Json | None = None, debug: bool = False, is_test_read: bool = False
    ) -> Output:
        """Reads from what is registered already. is_test_read: without retries, as the Builder's backend does."""
        logging.getLogger("airbyte").setLevel(logging.INFO)  # the last test may have left it at debug
        catalog = CatalogBuilder().with_stream(stream, SyncMode.incremental).build()
        states = StateBuilder().with_stream_state(stream, state).build() if state else None
        inputs: Any = {"config": config, "catalog": catalog, "state": states}
        source = PreparedSource(streams=(stream,), is_test_read=is_test_read, **inputs)
        return Output(read(source, config, catalog, states, expecting_exception=True, debug=debug))

    @property
    def bodies(self) -> list[Json]:
        """The bodies of the requests, sorted by event and dates."""
        sent = [json.loads(request.text) for request in self.request_history if request.text]
        return sorted(sent, key=lambda body: (str(body.get("event_name")), int(body.get("from", 0))))

    def windows(self, event: str = "App Launched") -> list[tuple[int, int]]:
        """The dates that were asked for of an event, or of a stream without events."""
        return [(body["from"], body["to"]) for body in self.bodies if body.get("event_name", event) == event]


@pytest.fixture(autouse=True)
def no_collection_while_threads_parse() -> Iterator[None]:
    """Python 3.11 before .8 (gh-106905): a collection within ast.literal_eval, which the CDK calls for
    each template, can let another thread in, and fails with "AST constructor recursion depth mismatch".
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def components() -> types.ModuleType:
    register_components()
    return sys.modules[COMPONENTS_MODULE]


@pytest.fixture
def clevertap(monkeypatch: pytest.MonkeyPatch) -> Iterator[CleverTap]:
    """Nothing waits: the clock goes on by what was slept."""
    # The CDK's threads poll in steps far below a second: those are no waits for CleverTap.
    sleep, monotonic = time.sleep, time.monotonic
    with CleverTap() as mocked:
        monkeypatch.setattr("time.sleep", lambda s: mocked.waits.append(s) if s >= 1 else sleep(s))
        monkeypatch.setattr("time.monotonic", lambda: monotonic() + sum(mocked.waits))
        yield mocked
