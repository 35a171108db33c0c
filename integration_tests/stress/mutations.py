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


def migrates(change: Callable[[Any], dict[str, Any]]) -> Callable[[Function], Function]:
    """A state is used as if its partitions were changed like this."""

    def plant(original: Function) -> Function:
        def migrate(self: Any, stream_state: Any) -> Any:
            entries = stream_state.get("states") or ()
            changed = [{**entry, "partition": {**entry["partition"], **change(self)}} for entry in entries]
            return original(self, {**stream_state, "states": changed} if changed else stream_state)

        return migrate

    return plant


def transforms(change: Callable[..., None]) -> Callable[[Function], Function]:
    """A record is changed afterwards, by what it was before, and by its window."""

    def plant(original: Function) -> Function:
        def transform(self: Any, record: Any, *args: Any, **more: Any) -> None:
            before = copy.deepcopy(dict(record))
            original(self, record, *args, **more)
            change(record, before, more.get("stream_slice"))

        return transform

    return plant


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


def only_the_top_is_hidden(record: Any, before: Any, window: Any) -> None:
    """Personal data within objects and lists stays."""
    nested = {name: value for name, value in before.items() if isinstance(value, (dict, list))}
    record.update({name: value for name, value in nested.items() if name in record})


def a_digest_needs_no_salt(record: Any, before: Any, window: Any) -> None:
    """The key is a digest of the identity that everybody can compute."""
    if record.get("identity") not in (None, before.get("identity")):
        record["identity"] = hashlib.sha256(str(before["identity"]).encode()).hexdigest()


def first_device_is_key(record: Any, before: Any, window: Any) -> None:
    record["profile_id"] = str(record["platformInfo"][0].get("objectId") or record["profile_id"])


MUTATIONS: dict[str, tuple[Any, str, Callable[[Function], Function]]] = {
    **{
        name: (HANDLER, "is_complete", passes(condition))
        for name, condition in {
            "a response of {} ends an export": lambda page, _: not page["error"] and len(page) == 1,
            "partial may be the last page": lambda page, _: page.get("status") == "partial" and not page["error"],
            "an opening without a cursor is an end": (
                lambda page, _: page.get("status") == "success" and not page["error"]
            ),
            "failed statuses pass": lambda page, response: response.status_code != 200 and not page["error"],
        }.items()
    },
    "a short page is the last": (PAGINATION, "next_page_token", ends_if(lambda size: size < 23)),
    "an empty page is the last": (PAGINATION, "next_page_token", ends_if(lambda size: not size)),
    "a dead cursor is an end": (REQUESTER, "send_request", a_dead_cursor_ends),
    "no lookback": (MIGRATION, "migrate", without_lookback),
    "complete before all is read": (ROUTER, "get_stream_state", complete_at_once),
    "start_date moved back is not noticed": (MIGRATION, "migrate", migrates(lambda self: {"start_date": 0})),
    "another account goes on where the other was": (
        *(MIGRATION, "migrate", migrates(lambda self: {"account_id": self.config["account_id"]})),
    ),
    "equal events are one": (
        *(EVENTS, "transform"),
        transforms(lambda record, *_: record.update(event_id=record["event_id"].partition("-")[0])),
    ),
    "a report's cursor is the end of its window": (
        *(REPORTS, "transform", transforms(lambda record, _, window: record.update(date=window["end_time"]))),
    ),
    "the first device is the key of a profile": (PROFILES, "transform", transforms(first_device_is_key)),
    "personal data is hidden at the top alone": (PERSONAL, "transform", transforms(only_the_top_is_hidden)),
    "a digest needs no salt": (PERSONAL, "transform", transforms(a_digest_needs_no_salt)),
    "all events refused is an error of the main thread": (ROUTER, "note_answer", all_refused_raises_late),
}


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
                kinds = " and ".join(sorted({kind for kind, _ in found.wrong}))
                print(f"{name}: {kinds}, in {row.tried['sequences']} sequences", flush=True)
                break
    return row
