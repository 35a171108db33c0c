"""Runs the manifest itself, with requests-mock in place of CleverTap and no real waits."""

import functools
import gc
import json
import logging
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests_mock
from airbyte_cdk.models import SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from airbyte_cdk.test.state_builder import StateBuilder

from source_clevertap.run import COMPONENTS_MODULE, register_components
from unit_tests.mock_server.config import HOST
from unit_tests.mock_server.prepared_source import PreparedSource
from unit_tests.mock_server.response_builder import Answer, fail, opened

Read = Callable[..., EntrypointOutput]


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
def clevertap() -> Iterator[requests_mock.Mocker]:
    with requests_mock.Mocker() as mocker:
        yield mocker


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, in order; the clock goes on by them, and nothing waits."""
    slept: list[float] = []
    # The CDK's threads poll in steps far below a second: those are no waits for CleverTap.
    sleep, monotonic = time.sleep, time.monotonic
    monkeypatch.setattr("time.sleep", lambda s: slept.append(s) if s >= 1 else sleep(s))
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + sum(slept))
    return slept


@pytest.fixture
def read_stream(clevertap: requests_mock.Mocker, waits: list[float]) -> Read:
    """Reads a stream: the POST answers `opens` in turn, the GET `pages`, and GET /getSchema `schema`."""

    def read_(
        stream: str,
        config: dict[str, Any],
        pages: list[Answer],
        opens: list[Answer] | None = None,
        schema: list[Answer] | None = None,
        state: dict[str, Any] | None = None,
        host: str = HOST,
        debug: bool = False,
    ) -> EntrypointOutput:
        clevertap.post(f"{host}/1/{stream}.json", opens or [opened()])
        clevertap.get(f"{host}/1/{stream}.json", pages)
        clevertap.get(f"{host}/getSchema?type=events", schema or [fail("unexpected", 0)])
        return run_read(stream, config, state, debug)

    return read_


@pytest.fixture
def read_table(clevertap: requests_mock.Mocker, waits: list[float]) -> Read:
    """Reads a stream; `answers` come in turn to a request of any kind."""

    def read_(
        stream: str,
        answers: list[Answer],
        config: dict[str, Any],
        state: dict[str, Any] | None = None,
        debug: bool = False,
    ) -> EntrypointOutput:
        clevertap.register_uri(requests_mock.ANY, requests_mock.ANY, answers)
        return run_read(stream, config, state, debug)

    return read_


def run_read(stream: str, config: dict[str, Any], state: dict[str, Any] | None, debug: bool) -> EntrypointOutput:
    logging.getLogger("airbyte").setLevel(logging.INFO)  # the last test may have left it at debug
    catalog = CatalogBuilder().with_stream(stream, SyncMode.incremental).build()
    states = StateBuilder().with_stream_state(stream, state).build() if state else None
    source = PreparedSource(streams=(stream,), config=config, catalog=catalog, state=states)
    return read(source, config, catalog, states, expecting_exception=True, debug=debug)


@pytest.fixture
def read_profiles(read_stream: Read) -> Read:
    return functools.partial(read_stream, "profiles")


@pytest.fixture
def read_events(read_stream: Read) -> Read:
    return functools.partial(read_stream, "events")


def states(output: EntrypointOutput) -> list[dict[str, Any]]:
    """The stream's state in each state message."""
    blobs = [m.state.stream.stream_state for m in output.state_messages if m.state and m.state.stream]
    return [json.loads(json.dumps(vars(blob))) for blob in blobs]


def bodies(clevertap: requests_mock.Mocker) -> list[dict[str, Any]]:
    """The bodies that exports were opened with, sorted by event and dates."""
    sent = [json.loads(r.text) for r in clevertap.request_history if r.method == "POST"]
    return sorted(sent, key=lambda body: (body["event_name"], body["from"]))


def rows(output: EntrypointOutput) -> list[dict[str, Any]]:
    """The data of the records read."""
    return [dict(message.record.data) for message in output.records if message.record]


def first_error(output: EntrypointOutput) -> tuple[str, str]:
    """Failure type and message of the first error (the last is the CDK's own summary)."""
    for message in output.errors:
        if message.trace and message.trace.error:
            error = message.trace.error
            return getattr(error.failure_type, "value", ""), str(error.message)
    return "", ""
