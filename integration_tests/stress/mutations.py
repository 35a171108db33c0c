"""Mutation tests: losses planted in the connector, which the sequences must find.

A test that cannot fail proves nothing.

Each replaces a function of components.py by one that a maintainer might write in good faith.
"""

import copy
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from unittest import mock

from airbyte_cdk.sources.declarative.requesters.paginators.strategies import CursorPaginationStrategy

from integration_tests.stress.row import Row
from integration_tests.stress.sequences import BATCH, syncs
from source_clevertap.run import COMPONENTS_MODULE, register_components

register_components()
components = sys.modules[COMPONENTS_MODULE]
HANDLER, REQUESTER = components.CleverTapErrorHandler, components.TwoStepRequester
PAGINATION, MIGRATION = CursorPaginationStrategy, components.PartitionStateMigration
ROUTER, EVENTS = components.EventPartitionRouter, components.EventTransformation
PERSONAL = components.PersonalDataTransformation
PROFILES, REPORTS = components.ProfileTransformation, components.MessageReportTransformation
Function = Callable[..., Any]


def passes(condition: Callable[[Any, Any], bool]) -> Callable[[Function], Function]:
    """A response counts as complete where the condition (of its page and of itself) holds, too."""

    def plant(original: Function) -> Function:
        def is_complete(self: Any, response: Any) -> bool:
            page = components.decode_body(response)
            return original(self, response) or (page is not None and condition(page, response))

        return is_complete

    return plant


def ends_if(condition: Callable[[int], bool]) -> Callable[[Function], Function]:
    """An export ends with a page whose number of records meets the condition."""

    def plant(original: Function) -> Function:
        def next_page_token(self: Any, response: Any, last_page_size: int, *args: Any, **more: Any) -> Any:
            is_page = response.request.method == "GET"
            ends = is_page and condition(last_page_size)
            return None if ends else original(self, response, last_page_size, *args, **more)

        return next_page_token

    return plant


def a_dead_cursor_ends(original: Function) -> Function:
    def send_request(self: Any, **request: Any) -> Any:
        try:
            return original(self, **request)
        except components.window_split.RequestWindowSplitRequiredException:
            return None
        except components.cdk.AirbyteTracedException as error:
            if "cursor expired" in str(error.message):
                return None
            raise

    return send_request


def without_lookback(original: Function) -> Function:
    """Of two days, or as many as there are."""

    def migrate(self: Any, stream_state: Any) -> Any:
        migrated = original(self, stream_state)
        for entry in migrated["states"]:
            ((name, day),) = entry["cursor"].items()
            later = date.fromisoformat(day) + timedelta(int(self.config.get("lookback_days") or 2))
            entry["cursor"] = {name: str(later)}
        return migrated

    return migrate


def complete_at_once(original: Function) -> Function:
    def get_stream_state(self: Any) -> Any:
        with mock.patch.object(self, "_all_sliced", True):
            return original(self)

    return get_stream_state


def any_start_date(original: Function) -> Function:
    def migrate(self: Any, stream_state: Any) -> Any:
        entries = [
            {**entry, "partition": {**entry["partition"], "start_date": 0}}
            for entry in stream_state.get("states") or ()
        ]
        return original(self, {**stream_state, "states": entries} if entries else stream_state)

    return migrate


def any_account(original: Function) -> Function:
    """Another account goes on where the one before it was."""

    def migrate(self: Any, stream_state: Any) -> Any:
        same = {"account_id": self.config["account_id"]}
        entries = [{**e, "partition": {**e["partition"], **same}} for e in stream_state.get("states") or ()]
        return original(self, {**stream_state, "states": entries} if entries else stream_state)

    return migrate


def all_refused_raises_late(original: Function) -> Function:
    """The error comes from get_stream_state, which the CDK's main thread calls, in place of a reading thread."""

    def note_answer(self: Any, name: str, is_allowed: bool) -> None:
        try:
            original(self, name, is_allowed)
        except components.cdk.AirbyteTracedException as error:
            if "Choose other events" not in str(error.message):
                raise
            self.get_stream_state = mock.Mock(side_effect=error)

    return note_answer


def cursor_is_end_of_window(original: Function) -> Function:
    def transform(self: Any, record: Any, *args: Any, stream_slice: Any = None, **more: Any) -> None:
        original(self, record, *args, stream_slice=stream_slice, **more)
        record["date"] = stream_slice["end_time"]

    return transform


def first_device_is_key(original: Function) -> Function:
    def transform(self: Any, record: Any, *args: Any, **more: Any) -> None:
        original(self, record, *args, **more)
        record["profile_id"] = str(record["platformInfo"][0].get("objectId") or record["profile_id"])

    return transform


def only_the_top_is_hidden(original: Function) -> Function:
    """Personal data within objects and lists stays."""

    def transform(self: Any, record: Any, *args: Any, **more: Any) -> None:
        nested = {name: copy.deepcopy(value) for name, value in record.items() if isinstance(value, (dict, list))}
        original(self, record, *args, **more)
        record |= {name: value for name, value in nested.items() if name in record}

    return transform


def a_digest_needs_no_salt(original: Function) -> Function:
    """The key is a digest of the identity that everybody can compute."""

    def transform(self: Any, record: Any, *args: Any, **more: Any) -> None:
        identity = record.get("identity")
        original(self, record, *args, **more)
        if record.get("identity") not in (None, identity):
            record["identity"] = hashlib.sha256(str(identity).encode()).hexdigest()

    return transform


def equal_events_are_one(original: Function) -> Function:
    def transform(self: Any, record: Any, **more: Any) -> None:
        original(self, record, **more)
        record["event_id"] = record["event_id"].partition("-")[0]

    return transform


MUTATIONS: dict[str, tuple[Any, str, Callable[[Function], Function]]] = {
    "a response of {} ends an export": (
        HANDLER,
        "is_complete",
        passes(lambda page, _: not page["error"] and len(page) == 1),
    ),
    "partial may be the last page": (
        HANDLER,
        "is_complete",
        passes(lambda page, _: page.get("status") == "partial" and not page["error"]),
    ),
    "an opening without a cursor is an end": (
        HANDLER,
        "is_complete",
        passes(lambda page, _: page.get("status") == "success" and not page["error"]),
    ),
    "a short page is the last": (PAGINATION, "next_page_token", ends_if(lambda size: size < 23)),
    "an empty page is the last": (PAGINATION, "next_page_token", ends_if(lambda size: not size)),
    "a dead cursor is an end": (REQUESTER, "send_request", a_dead_cursor_ends),
    "failed statuses pass": (
        HANDLER,
        "is_complete",
        passes(lambda page, response: response.status_code != 200 and not page["error"]),
    ),
    "no lookback": (MIGRATION, "migrate", without_lookback),
    "complete before all is read": (ROUTER, "get_stream_state", complete_at_once),
    "start_date moved back is not noticed": (MIGRATION, "migrate", any_start_date),
    "equal events are one": (EVENTS, "transform", equal_events_are_one),
    "another account goes on where the other was": (MIGRATION, "migrate", any_account),
    "a report's cursor is the end of its window": (REPORTS, "transform", cursor_is_end_of_window),
    "the first device is the key of a profile": (PROFILES, "transform", first_device_is_key),
    "personal data is hidden at the top alone": (PERSONAL, "transform", only_the_top_is_hidden),
    "a digest needs no salt": (PERSONAL, "transform", a_digest_needs_no_salt),
    "all events refused is an error of the main thread": (ROUTER, "note_answer", all_refused_raises_late),
}  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The connector with a loss in it."""
    owner, attribute, plant = MUTATIONS[name]
    with mock.patch.object(owner, attribute, plant(getattr(owner, attribute))):
        yield


def mutation(name: str, limit: int, recipe: str) -> Row:
    """Plants a loss; it must be found within `limit` sequences."""
    row = Row("mutations", wrong=[("unclear", f"'{name}' was not found by {limit} sequences")])
    row.tried.update(mutations=1)
    with planted(name):
        for start in range(0, limit, BATCH):
            found = syncs(BATCH, f"{recipe}/{name}/{start}", shrinks=False)
            row.tried.update(found.tried)
            if found.wrong:
                row.tried.update(found=1)
                row.wrong = []
                break
    return row
