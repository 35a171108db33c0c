"""Runs the manifest itself, with requests-mock in place of CleverTap and no real waits."""

import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests_mock
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read

from source_clevertap.run import COMPONENTS_MODULE, SourceClevertap, register_components
from unit_tests.mock_server.config import URL
from unit_tests.mock_server.response_builder import Answer, opened

Read = Callable[..., EntrypointOutput]


@pytest.fixture(autouse=True, scope="session")
def component_schema_parsed_once() -> Iterator[None]:
    """Older CDKs parse their own schema of 5,000 lines for each source: half of the tests' time."""
    parse = getattr(concurrent_declarative_source, "_get_declarative_component_schema", None)
    with pytest.MonkeyPatch.context() as patch:
        if parse:
            name = "_get_declarative_component_schema"
            patch.setattr(concurrent_declarative_source, name, functools.cache(parse))
        yield


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
    """The seconds that were slept, in order, without sleeping them."""
    slept: list[float] = []
    # The CDK's threads poll in steps far below a second: those are no waits for CleverTap.
    real = __import__("time").sleep
    monkeypatch.setattr("time.sleep", lambda s: slept.append(s) if s >= 1 else real(s))
    return slept


@pytest.fixture
def read_profiles(clevertap: requests_mock.Mocker, waits: list[float]) -> Read:
    """Reads profiles: the POST answers `opens` in turn, the GET `pages` in turn."""

    def read_(
        config: dict[str, Any],
        pages: list[Answer],
        opens: list[Answer] | None = None,
        url: str = URL,
        debug: bool = False,
    ) -> EntrypointOutput:
        clevertap.post(url, opens or [opened()])
        clevertap.get(url, pages)
        catalog = CatalogBuilder().with_stream("profiles", SyncMode.full_refresh).build()
        source = SourceClevertap(config=config, catalog=catalog, state=None)
        return read(source, config, catalog, expecting_exception=True, debug=debug)

    return read_


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
