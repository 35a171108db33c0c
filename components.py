"""What manifest.yaml cannot say about CleverTap.

The manifest declares every request, answer, wait, window and field. In the order in which data flows,
the classes here choose what to read (`EventRouter`, `DayWindows`, and from where a sync goes on:
`LookbackStateMigration`),
send the requests of a table (`AnswerRequester`), of a count that is asked for until it is done
(`PolledRequester`) and of an export (`ExportRequester`: open it by POST, page through it by GET), tell
an answer from everything else that CleverTap may send with HTTP 200 (`CleverTapErrorHandler`), and give
records what they lack (`EventKeys`, `ProfileKeys`, `MessageKeys`), or take out what is personal
(`PersonalData`). The last functions check the configuration.

One instance of each class serves all slices of a stream, on several threads: nothing about a read
is kept on it. The state of an export travels in the page token (`ExportPosition`), what the slices
of a read share (`EventsOfRead`) on the slices. Only the router, which one thread asks, holds on to it.

This file is pasted into the Connector Builder: ASCII only, no backslash, no relative import.
"""

import hashlib
import hmac
import json
import logging
import re
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypedDict

import jsonschema  # type: ignore[import-untyped]
import orjson
import pytz
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers import (
    ListPartitionRouter,
    PartitionRouter,
    SinglePartitionRouter,
)
from airbyte_cdk.sources.declarative.requesters import HttpRequester
from airbyte_cdk.sources.declarative.requesters.error_handlers import (
    DefaultErrorHandler,
    HttpResponseFilter,
)
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.pagination_strategy import (
    PaginationStrategy,
)
from airbyte_cdk.sources.declarative.retrievers import Retriever, SimpleRetriever
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.streams.http.pagination_reset_exception import (
    PaginationResetRequiredException,
)
from airbyte_cdk.sources.types import Config, Record, StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

try:
    from airbyte_cdk.sources.streams.http.request_window_split_exception import (
        RequestWindowSplitRequiredException,
    )
except ImportError:  # the CDK of older Builders cannot split a window
    RequestWindowSplitRequiredException = None  # type: ignore[assignment,misc]

LOGGER = logging.getLogger("airbyte")
TWINS = "(twins)"  # no field of CleverTap's

REGIONS = ("global", "eu1", "in1", "us1", "sg1", "aps3", "mec1", "sk1")
BASE_URL = re.compile(
    "(https://([a-z0-9-]+[.])?api[.]clevertap[.]com|http://(127[.]0[.]0[.]1|localhost)(:[0-9]{1,5})?)/?"
)

DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")

READ_BYTES = 256 * 1024

Page = dict[str, Any]
Twins = dict[int, "array[int]"]


class ExportPosition(TypedDict):
    """Where an export stands: the page token, handed from page to page.

    cursor: of the page to fetch next, percent-encoded as CleverTap sent it.
    seen: short digests of the cursors fetched since the export was opened (a cursor has 2 KB).
    rows: records read since the export was opened.
    reopened: how often the export was opened again because its cursor had died.
    twins: what `occurrence` has counted since the export was opened.
    """

    cursor: str
    seen: set[bytes]
    rows: int
    reopened: int
    twins: Twins


class EventsOfRead(TypedDict):
    """The events of one read, handed on with its slices (`extra_fields`).

    names: all of them. through: the last day that is read, YYYY-MM-DD. opened, refused: those that
    CleverTap lets be read, and those that it does not. listed: whether a slice has been made for
    each.
    """

    names: list[str]
    through: str
    opened: set[str]
    refused: set[str]
    listed: bool


@dataclass
class EventRouter(ListPartitionRouter):
    """Partitions of a stream that is read by event: each event, and the start_date it is read from.

    `values` are the events that the user typed. With the setting all_events, a stream that
    `takes_all_events` has those of CleverTap's schema (`event_schema`, a GET) instead, less
    excluded_event_names. A partition is known by its start_date too: if the user moves it back, the
    state knows no such partition, and the older days are read.

    After the last slice of a stream that read all it was to read, the CDK asks for the state of the
    router, and keeps it beside the cursors. It holds the events and the day up to which each is
    complete, for the CDK's cursors only move with records: an event that nobody raises would be read
    from its start_date, every day.

    Raises config_error if no event is left to read.
    """

    event_schema: HttpRequester | None = None
    takes_all_events: bool = False

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        guard(self.event_schema)
        self._read: EventsOfRead | None = None  # of the one thread that makes slices

    def stream_slices(self) -> Iterable[StreamSlice]:
        """A partition for each event; the cursor cuts it into windows of days."""
        every = self.takes_all_events and self.config.get("all_events") is True
        names = self._names_of_schema() if every else list(dict.fromkeys(self.values))
        if not self.config.get("timezone"):
            LOGGER.warning(
                "timezone is not set: days, and event_time, are taken for UTC. CleverTap counts both in "
                "the project's time zone (dashboard: Settings > Project)."
            )
        read = self._read = EventsOfRead(
            names=names,
            through=last_day(self.config),
            opened=set(),
            refused=set(),
            listed=False,
        )
        for name in names:
            partition = {"event_name": name, "start_date": int(self.config["start_date"])}
            yield StreamSlice(partition=partition, cursor_slice={}, extra_fields={"read": read})
        read["listed"] = True

    def get_stream_state(self) -> Mapping[str, Any] | None:
        """{"complete": {event: day YYYY-MM-DD}} once all slices are made; before that no news."""
        read = self._read
        if read is None or not read["listed"]:
            return None
        if read["refused"]:
            LOGGER.warning(
                f"CleverTap does not let {len(read['refused'])} of {len(read['names'])} events be "
                f"read; they were skipped: {', '.join(sorted(read['refused']))}. To be rid of this "
                "warning, list them in excluded_event_names."
            )
        return {
            "complete": {name: read["through"] for name in read["names"] if name not in read["refused"]}
        }

    def _names_of_schema(self) -> list[str]:
        try:
            response = self.event_schema.send_request() if self.event_schema else None
        except AirbyteTracedException as error:
            error.message = f"The list of all events: {_message(error)}"
            raise
        schema = rows_of(response, "events", "list") if response is not None else None
        names = dict.fromkeys(str(event.get("name") or "") for event in schema or ())
        if "" in names:
            raise AirbyteTracedException(
                message="The list of all events: CleverTap sent one without a name.",
                failure_type=FailureType.system_error,
            )
        excluded = self.config.get("excluded_event_names") or ()
        left = [name for name in names if name not in excluded]
        if not left:
            raise AirbyteTracedException(
                message=f"all_events: none of the {len(names)} events in CleverTap's schema is left "
                "after excluded_event_names.",
                failure_type=FailureType.config_error,
            )
        return left


@dataclass
class DayWindows(SinglePartitionRouter):
    """Partitions {from, to}, YYYYMMDD: windows of `days` days from start_date to end_date.

    Without an end_date they end `days_ahead` days after today, for campaigns are listed by the day that
    they are scheduled for.
    """

    config: Config
    days: int = 36500
    days_ahead: int = 0

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The windows; both ends are included, so they share no day."""
        last = date.fromisoformat(last_day(self.config, self.days_ahead))
        first = datetime.strptime(str(self.config["start_date"]), "%Y%m%d").date()
        while first <= last:
            end = min(first + timedelta(self.days - 1), last)
            window = {"from": int(f"{first:%Y%m%d}"), "to": int(f"{end:%Y%m%d}")}
            yield StreamSlice(partition=window, cursor_slice={})
            first = end + timedelta(1)


@dataclass
class LookbackStateMigration(StateMigration):
    """Turns the state of the last sync into the state that this sync starts from.

    Takes and returns the state in the CDK's public form; days are YYYY-MM-DD in the project's time zone.
    With lookback_days 2 and start_date 20220101

        {"states": [{"partition": {"event_name": "Charged", "start_date": 20220101},
                     "cursor": {"read_through": "2026-02-12"}}],
         "parent_state": {"complete": {"Charged": "2026-02-12"}}}

    becomes the same with the cursor {"read_through": "2026-02-10"}: the days from there on are read.

    - A cursor moves with records alone. `complete` (of `EventRouter`) holds the day up to which an event
      was read though nobody raised it; the later of the two counts.
    - The CDK's own lookback treats the days that it is to read again as read: if the later one of two
      windows ends first and the sync is cut off, it does not go back to the earlier one.
    - An event that is new in the settings has no entry and starts at start_date (the CDK starts it
      where the others are). An event that is no longer there, or all after start_date was moved
      back, is forgotten.
    - No cursor stays after today: it may stand there after a change of the time zone.

    A stream without event_names has no partitions: {"read_through": "2026-02-12"}.

    Raises config_error for a state that this connector cannot have written.
    """

    config: Config
    stream: str
    lookback_days: str
    event_names: str = ""

    def __post_init__(self) -> None:
        check_config(self.config)
        self._names = InterpolatedString.create(self.event_names, parameters={}).eval(self.config)
        lookback = InterpolatedString.create(self.lookback_days, parameters={}).eval(self.config)
        self._lookback = timedelta(int(lookback))

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Whether there is a state at all."""
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The state to start from; what it does not hold is read from start_date."""
        if not self._is_ours(stream_state):
            raise AirbyteTracedException(
                message=f"Stream {self.stream}: the saved state is not one that this connector writes. "
                "Clear the data of the stream, then sync again.",
                failure_type=FailureType.config_error,
            )
        if not self.event_names:
            moved = {name: self._through(day) for name, day in stream_state.items() if day is not True}
            return {name: day for name, day in moved.items() if day}
        complete = dict((stream_state.get("parent_state") or {}).get("complete") or {})
        start = int(self.config["start_date"])
        every, states = self.config.get("all_events") is True, []
        for entry in stream_state.get("states") or ():
            event, since = entry["partition"]["event_name"], entry["partition"]["start_date"]
            if since > start or not (every or event in self._names):
                continue
            ((field_name, day),) = entry["cursor"].items()
            through = self._through(max(day, complete.get(event, day)))
            if through:
                partition = {"event_name": event, "start_date": start}
                states.append({"partition": partition, "cursor": {field_name: through}})
        kept = {state["partition"]["event_name"] for state in states}
        complete = {event: day for event, day in complete.items() if event in kept}
        return {"use_global_cursor": False, "states": states, "parent_state": {"complete": complete}}

    def _through(self, day: str) -> str | None:
        """The day less the lookback; None if that is before start_date."""
        through = date.fromisoformat(min(day, _today(self.config))) - self._lookback
        return f"{through:%Y-%m-%d}" if f"{through:%Y%m%d}" >= str(self.config["start_date"]) else None

    def _is_ours(self, state: Mapping[str, Any]) -> bool:
        try:
            if not self.event_names and "__ab_no_cursor_state_message" not in state:
                state = {"parent_state": {"complete": state}}
            days = list(((state.get("parent_state") or {}).get("complete") or {}).values())
            for entry in state.get("states") or ():
                event, start_date = (entry["partition"][key] for key in ("event_name", "start_date"))
                ((_, day),) = entry["cursor"].items()
                if not isinstance(event, str) or not isinstance(start_date, int):
                    return False
                days.append(day)
            latest = date.fromisoformat(_today(self.config)) + timedelta(2)  # clocks differ
            known = {"states", "state", "parent_state", "use_global_cursor", "lookback_window"}
            is_known = state.keys() <= known or "__ab_no_cursor_state_message" in state
            return is_known and all(DAY.fullmatch(d) and date.fromisoformat(d) <= latest for d in days)
        except (AttributeError, KeyError, TypeError, ValueError):
            return False


def page_of(response: requests.Response) -> Page | None:
    """The JSON object in a response's body, or None where there is none.

    A page has up to 30 MB: it is decoded once and kept on the response, where the error handler,
    the extractor and the pagination find it. orjson refuses half a surrogate pair, which apps do
    leave in names that they cut, and so do readers of our output: it becomes U+FFFD, the row stays.
    """
    kept = vars(response)
    if "export_page" not in kept:
        try:
            if kept.get("_content") is False:  # not read yet; requests by itself reads 10 KB at a time
                kept["_content"] = b"".join(response.iter_content(READ_BYTES))
            kept["export_page"] = _json_object(response.content)
        except requests.RequestException:
            kept["export_page"] = None
            kept["_content"] = b""  # the Builder's log reads the body again: not from a dead socket
    page: Page | None = kept["export_page"]
    return page


def _json_object(body: bytes) -> Page | None:
    """The object in a body; None if there is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            text = json.dumps(json.loads(body, parse_constant=_refuse_constant), ensure_ascii=False)
            value = orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _next_cursor(page: Page) -> Any:
    """`next_cursor`, or `cursor` where a page carries none (one client saw that); falsy at the end."""
    return page.get("next_cursor") or page.get("cursor")


def _answer(response: requests.Response) -> Page | None:
    """The JSON object of a response that does not say by itself that it is a failure."""
    page = page_of(response)
    if response.status_code != 200 or page is None or page.get("error"):
        return None
    if str(page.get("code")) in ("1", "2"):  # throttled, not ready: whatever the status says
        return None
    return page


def is_page(response: requests.Response) -> bool:
    """Whether a response is a page of an export, or the answer that opens one.

    Only this makes a request a success. HTTP 200 says nothing: failures, "not ready yet" and unreadable
    bodies come with it. Without a cursor, "success" is the end of an export; "partial", or
    the answer to the opening POST, cannot be, so neither may pass for one.
    """
    page = _answer(response)
    if page is None:
        return False
    cursor, records = _next_cursor(page), page.get("records")
    if not all(isinstance(page.get(name), (str, type(None))) for name in ("next_cursor", "cursor")):
        return False  # 0 or {} is no end: only null, "" or its absence say that there is no cursor
    if records is not None and not isinstance(records, list):
        return False
    if "records" not in page and any(isinstance(value, list) and value for value in page.values()):
        return False  # rows under another name
    if not cursor and any(map(_is_like_a_cursor, page, page.values())):
        return False
    may_be_last = page.get("status") == "success" and response.request.method != "POST"
    return may_be_last or (page.get("status") in ("success", "partial") and bool(cursor))


def _is_like_a_cursor(name: str, value: Any) -> bool:
    """Whether a text has the length of a cursor (2 KB), and a name that nobody has told us."""
    known = ("next_cursor", "cursor", "previous_cursor", "status", "error", "message")
    return isinstance(value, str) and len(value) > 200 and name not in known


def rows_of(response: requests.Response, key: str, kind: str) -> list[Any] | None:
    """The rows of a whole answer of another endpoint than the exports; None if it is not whole.

    `key` is where they lie. `kind` is what must lie there: a `list` of objects; an `optional_list`,
    which is left out if it is empty; `days`, a count for each YYYYMMDD; an `object`.
    """
    page = _answer(response)
    if page is None or page.get("status", "success" if kind == "list" else None) != "success":
        return None
    value = page.get(key)
    if kind == "optional_list" and key not in page:  # (rows under another name are not none)
        value = None if any(isinstance(other, list) and other for other in page.values()) else []
    if kind in ("list", "optional_list"):
        return value if isinstance(value, list) and all(isinstance(r, dict) for r in value) else None
    if kind == "days":
        if not isinstance(value, dict) or not all(map(_is_count, value.values())):
            return None
        if not all(map(_is_date, value)):
            return None
        return [{"date": f"{d[:4]}-{d[4:6]}-{d[6:]}", "count": value[d]} for d in sorted(value)]
    return [{key: value}] if isinstance(value, dict) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def guard(requester: HttpRequester | None) -> None:
    """Keeps what a requester sends and receives between CleverTap and us.

    Bodies are read by `page_of`: otherwise the CDK's debug log would print the records. A redirect
    fails (`requests.TooManyRedirects`): requests would send our headers, the passcode among them, to
    wherever it points, and what stands there could look like an export with no data.
    """
    if requester is not None:
        requester.stream_response = True
        requester._http_client._session.max_redirects = 0  # the CDK has no setting for it


@dataclass
class AnswerRequester:
    """Sends the requests of a table: `open`, an ordinary HttpRequester of the manifest.

    Every error is given the stream, and the event, campaign and dates that were asked for. What the
    manifest says to IGNORE is told: of events in one warning at the end of the stream (`EventRouter`),
    of a whole stream in a warning here.
    """

    open: HttpRequester
    config: Config

    def __post_init__(self) -> None:
        guard(self.open)
        # The CDK masks a secret as it was typed, but prints headers with quotes and such escaped.
        for name in ("passcode", "pii_salt"):
            printed = repr(str(self.config.get(name) or ""))[1:-1]
            for escaped in (printed, json.dumps(printed)[1:-1]) if printed else ():
                add_to_secrets(escaped)

    def get_url(self, **context: Any) -> str:
        """The URL of the first request (the CDK asks for it when it builds the paginator)."""
        return self.open.get_url(**context)

    def get_url_base(self, **context: Any) -> str:
        """The deprecated half of get_url, which the CDK asks for too."""
        return self.open.get_url_base(**context)

    def send_request(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
        log_formatter: Callable[[requests.Response], Any] | None = None,
        **_: Any,
    ) -> requests.Response | None:
        """Fetches what `next_page_token` stands for; without one, the first answer.

        Returns None where there is nothing to read. Raises AirbyteTracedException, its message saying
        stream, event and dates.
        """
        request = {"stream_slice": stream_slice, "next_page_token": next_page_token}
        try:
            return self._send({**request, "log_formatter": log_formatter})
        except PaginationResetRequiredException as error:
            raise AirbyteTracedException(
                message=f"{self._asked(stream_slice)}: CleverTap refused the first request as one that "
                "came too late. Sync again.",
                failure_type=FailureType.transient_error,
            ) from error
        except AirbyteTracedException as error:
            error.message = f"{self._asked(stream_slice)}: {_message(error)}"
            raise

    def _send(self, request: Page) -> requests.Response | None:
        return self._open(request)

    def _open(self, request: Page, **more: Any) -> requests.Response | None:
        """Sends `open`; None if CleverTap refuses it and the manifest says IGNORE."""
        stream_slice: StreamSlice | None = request["stream_slice"]
        shared = stream_slice.extra_fields if stream_slice else {}
        read: EventsOfRead | None = shared.get("read")
        if read and stream_slice and stream_slice["event_name"] in read["refused"] - read["opened"]:
            return None
        response = self.open.send_request(**request, **more)
        skipped = vars(response).get("skipped") if response is not None else None
        if read and stream_slice:
            self._note_event(read, stream_slice["event_name"], skipped is None)
        elif skipped and request["next_page_token"]:
            raise AirbyteTracedException(message=skipped, failure_type=FailureType.transient_error)
        elif skipped:
            LOGGER.warning(f"{self._asked(stream_slice)}: {skipped}")
        return None if skipped is not None else response

    @staticmethod
    def _note_event(read: EventsOfRead, event: str, opened: bool) -> None:
        (read["opened"] if opened else read["refused"]).add(event)
        if event in read["opened"] & read["refused"]:  # it has rows that came, or windows passed over
            raise AirbyteTracedException(
                message="CleverTap let this event be read, and did not, in one sync. Sync again.",
                failure_type=FailureType.transient_error,
            )
        if len(read["refused"]) == len(read["names"]):
            raise AirbyteTracedException(
                message=f"CleverTap lets none of the {len(read['names'])} events be read.",
                failure_type=FailureType.config_error,
            )

    def _asked(self, stream_slice: StreamSlice | None) -> str:
        asked = dict(self.open.get_request_body_json(stream_slice=stream_slice) or {})
        parts = [
            f"Stream {self.open.name}",
            *(f"event '{asked[key]}'" for key in ("event_name",) if key in asked),
            *(f"campaign {asked[key]}" for key in ("id",) if key in asked),
            *(f"{asked[key]} to {asked['to']}" for key in ("from",) if key in asked),
        ]
        return ", ".join(parts)


@dataclass
class PolledRequester(AnswerRequester):
    """Sends the requests of a count: `open` by POST, then `page` by GET until the count is done.

    The POST may bring it at once, or only a req_id ("partial"). waits: the first and the longest time
    between two GETs, in seconds; each is twice the one before, and all of them `max_wait_minutes` at
    most. (As retries of the error handler they would not be made in the Builder's test reads.) A req_id
    that CleverTap knows no more begins anew, five times.
    """

    page: HttpRequester | None = None
    waits: list[int] = field(default_factory=list)
    max_wait_minutes: str | float = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        limit = InterpolatedString.create(str(self.max_wait_minutes), parameters={})
        self._max_wait = 60 * float(limit.eval(self.config))
        guard(self.page)

    def _send(self, request: Page) -> requests.Response | None:
        for _ in range(6):
            response = self._open(request)
            try:
                return self._poll(request, response)
            except PaginationResetRequiredException:
                LOGGER.info(f"{self._asked(request['stream_slice'])}: it ended; asking once more.")
        raise AirbyteTracedException(
            message="CleverTap ended the count six times before it was done. Sync again later.",
            failure_type=FailureType.transient_error,
        )

    def _poll(self, request: Page, response: requests.Response | None) -> requests.Response | None:
        (wait, longest), slept = self.waits, 0
        while response is not None and self.page is not None:
            page = page_of(response) or {}
            if page.get("status") != "partial":
                break
            if slept >= self._max_wait:
                raise AirbyteTracedException(
                    message="CleverTap is still preparing this count. Sync again later. (Gave up after "
                    f"{self._max_wait / 60:g} minutes.)",
                    failure_type=FailureType.transient_error,
                )
            time.sleep(wait)
            slept, wait = slept + wait, min(2 * wait, longest)
            token = {"next_page_token": {"cursor": page["req_id"]}}
            response = self.page.send_request(**{**request, "next_page_token": token})
        return response


@dataclass
class ExportRequester(AnswerRequester):
    """Sends the requests of an export: `open` by POST while there is no cursor, then `page` by GET.

    Both are ordinary HttpRequesters of the manifest. `filters` names the setting whose JSON joins the
    body of the POST. A dead cursor (the manifest's RESET_PAGINATION) opens the export again. If the
    new one dies too, the window is halved, down to a day, where the CDK can do that; a day, or a
    window of an older CDK, is opened again at most `max_reopens` times. (The CDK's own reset allows
    one.) Rows already read then come again, with the same keys. A cursor that comes twice would page
    for ever: it ends the read.
    """

    page: HttpRequester | None = None
    filters: str = ""
    max_reopens: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._filters = json.loads(self.config.get(self.filters) or "{}")
        guard(self.page)

    def _send(self, request: Page) -> requests.Response | None:
        position: ExportPosition | None = (request["next_page_token"] or {}).get("next_page_token")
        if position and self.page is not None:
            self._refuse_repeated_cursor(position)
            try:
                response = self.page.send_request(**request)
                vars(response)["export_twins"] = position["twins"]
                return response
            except PaginationResetRequiredException:
                self._split_or_count_reopening(position, request["stream_slice"])
        return self._open({**request, "next_page_token": None}, request_body_json=self._filters)

    def _refuse_repeated_cursor(self, position: ExportPosition) -> None:
        digest = hashlib.blake2b(position["cursor"].encode(), digest_size=12).digest()
        if digest in position["seen"]:
            raise AirbyteTracedException(
                message=f"CleverTap sent the same cursor twice in one export, after {position['rows']} "
                "rows, so its end cannot be reached. Sync again; if it happens again, tell CleverTap "
                "support.",
                failure_type=FailureType.system_error,
            )
        position["seen"].add(digest)

    def _split_or_count_reopening(
        self, position: ExportPosition, stream_slice: StreamSlice | None
    ) -> None:
        window = stream_slice.cursor_slice if stream_slice else {}
        days = len(set(window.values()))  # first and last: the same, or two
        if position["reopened"] and days > 1 and RequestWindowSplitRequiredException is not None:
            raise RequestWindowSplitRequiredException(stream_name=self.open.name)
        if position["reopened"] >= self.max_reopens:
            raise AirbyteTracedException(
                message=f"CleverTap ended the export {self.max_reopens + 1} times before its last "
                f"page, the last time after {position['rows']} rows. Sync again later; if it happens "
                "again, set slice_days lower (events), or read a shorter range of dates at a time.",
                failure_type=FailureType.transient_error,
            )
        LOGGER.warning(
            f"CleverTap ended an export after {position['rows']} rows; opening it again. "
            "Rows already read come again, with the same keys."
        )


def _message(error: AirbyteTracedException) -> str:
    """What an error says; where retries ran out, the CDK hides our message in its own."""
    cause = error.__context__
    return str(cause) if isinstance(cause, BaseBackoffException) else str(error)


@dataclass
class CleverTapErrorHandler(DefaultErrorHandler):
    """Tells answers from failures by the body, and paces the retries.

    A page of an export (`is_page`) passes, or, where `answer_key` is set, an answer that has its rows
    there (`rows_of`). For anything else the manifest's `response_filters` decide, first match wins, and
    what none of them knows is retried: it is never taken for an answer. While they look, the body is cut
    down to `status`, `error` (or `message`), `code` and `http_status`, for the CDK logs failed bodies.

    answer: the kind of rows, as in `rows_of`. may_be_partial: whether "partial" with a req_id passes, as
        it does where a count is asked for.
    skips: filters (IGNORE) for answers that there is nothing to read; they come first, if `skips_if`
        is true. An IGNORE of a page within an export would end it in silence: only openings have them.
    waits: for each response action that retries, the first and the longest wait in seconds; a wait
        is twice the one before it. A request may wait `max_wait_minutes` in all (the CDK's own
        ceiling is ten minutes and five retries), then its last error is raised as transient_error. The
        patience is shared: when no request has succeeded for so long, the next failure is raised at
        once, or a first sync of 78 windows would outlast an outage by hours.

    Raises config_error where it is built with a configuration that has `config_problems`.
    """

    answer_key: str = ""
    answer: str = "list"
    may_be_partial: bool = False
    skips: list[HttpResponseFilter] = field(default_factory=list)
    skips_if: str = "{{ True }}"
    waits: Mapping[str, list[int]] = field(default_factory=dict)
    max_wait_minutes: str | float = 20
    max_retries: int | str | None = 100_000
    max_time: int = 7 * 24 * 3600

    def __post_init__(self, parameters: Any) -> None:
        # Here because every request of every stream has this handler, and it is built before it is
        # sent. (The spec's own validations cannot be ours: older Builders resolve a manifest without
        # its components.)
        check_config(self.config)
        super().__post_init__(parameters or {})
        skips_if = InterpolatedString.create(self.skips_if, parameters=parameters or {})
        self._skips = self.skips if skips_if.eval(self.config) is True else []
        limit = InterpolatedString.create(str(self.max_wait_minutes), parameters={})
        self._max_wait = 60 * float(limit.eval(self.config))
        self._request = threading.local()  # all attempts of one request run on one thread
        self._failing_since: float | None = None
        self.backoff_strategies = [self]  # type: ignore[list-item]  # the CDK asks these, not us

    def interpret_response(
        self, response_or_exception: requests.Response | Exception | None
    ) -> ErrorResolution:
        """What to do with an answer, or with an exception where none came."""
        if not isinstance(response_or_exception, requests.Response):
            self._request.resolution = self._unanswered(response_or_exception)
        elif self._is_answer(response_or_exception):
            self._failing_since = None
            return SUCCESS_RESOLUTION
        else:
            self._request.resolution = self._resolve(response_or_exception)
        resolution: ErrorResolution = self._request.resolution
        if resolution.response_action and resolution.response_action.name not in self.waits:
            self._failing_since = None  # CleverTap is there, and has said what it means
        if resolution.response_action == ResponseAction.IGNORE:
            vars(response_or_exception)["skipped"] = resolution.error_message or ""
            return SUCCESS_RESOLUTION  # for the CDK would log each; `AnswerRequester` says it once
        return resolution

    @staticmethod
    def _unanswered(exception: Exception | None) -> ErrorResolution:
        if isinstance(exception, requests.TooManyRedirects):
            return ErrorResolution(
                ResponseAction.RETRY,
                FailureType.transient_error,
                "The request was redirected to another address, which CleverTap never does. It was not "
                "followed: the passcode would have gone there. Look for a proxy or a sign-in page "
                "between Airbyte and CleverTap, then sync again.",
            )
        return ErrorResolution(
            ResponseAction.RETRY,
            FailureType.transient_error,
            f"CleverTap could not be reached, or did not answer in time ({type(exception).__name__}). "
            "Check the network between Airbyte and CleverTap, then sync again.",
        )

    def _is_answer(self, response: requests.Response) -> bool:
        if not self.answer_key:
            return is_page(response)
        page = _answer(response) or {}
        if self.may_be_partial and page.get("status") == "partial" and _is_count(page.get("req_id")):
            return True
        return rows_of(response, self.answer_key, self.answer) is not None

    def _resolve(self, response: requests.Response) -> ErrorResolution:
        page = page_of(response) or {}
        envelope: Page = {key: page[key] for key in ("status", "code") if key in page}
        for key in ("message", "error"):
            if page.get(key):
                envelope["error"] = str(page[key])[:300]
        envelope["http_status"] = response.status_code
        response.json = lambda **_: envelope  # type: ignore[method-assign]
        for response_filter in [*self._skips, *(self.response_filters or [])]:
            resolution = response_filter.matches(response)
            if resolution:
                break
        else:
            resolution = ErrorResolution(ResponseAction.RETRY, None, "CleverTap sent no page.")
        if resolution.response_action and resolution.response_action.name in self.waits:
            resolution.failure_type = FailureType.transient_error
        return resolution

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int = 0,
    ) -> float | None:
        """Seconds to wait before the next attempt, less the one that the CDK adds."""
        request, resolution = self._request, self._request.resolution
        if attempt_count <= 1:
            request.started, request.slept, request.tries = time.monotonic(), 0.0, {}
        action = resolution.response_action.name
        first, longest = self.waits[action]
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        first_failure = min(request.started, self._failing_since)
        if max(request.slept, now - first_failure) >= self._max_wait:
            raise AirbyteTracedException(
                message=f"{resolution.error_message} (Gave up after {self._max_wait / 60:g} minutes.)",
                failure_type=FailureType.transient_error,
            )
        wait: float = min(first * 2.0 ** min(request.tries.get(action, 0), 30), longest)
        request.tries[action] = request.tries.get(action, 0) + 1
        request.slept += wait
        LOGGER.info(f"{resolution.error_message} Asking again in {wait:g} s.")
        return wait - 1


class CursorKnown(dict[str, Any]):
    """The data of a record whose cursor value the CDK has learned from the record before.

    Its cursor looks for the value by `get`, and leaves the state as it is where it finds none. All else
    that reads a dictionary finds what is there.
    """

    def get(self, key: str, default: Any = None) -> Any:
        """The default."""
        return default


@dataclass
class ExportRetriever(Retriever):
    """Reads by `retriever`, an ordinary SimpleRetriever, and shows the CDK's cursor each value once.

    All records of a window have the same value in `cursor_field`, its last day. To learn it from each
    of them takes the CDK a quarter of the time of a read. No schema is handed on: with one, the CDK
    copies each record so as to normalize it, and these are not normalized.
    """

    retriever: SimpleRetriever
    cursor_field: str
    partition_router: PartitionRouter | None = None  # the CDK asks this one for slices

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[StreamData]:
        """The records of a slice. Raises system_error at one that is nested too deep for Python."""
        try:
            yield from self._read(stream_slice)
        except RecursionError as error:
            raise AirbyteTracedException(
                message=f"Stream {self.retriever.name}, {stream_slice}: CleverTap sent a record that is "
                "nested too deep to be read. Please report it to the maintainers of this connector.",
                failure_type=FailureType.system_error,
            ) from error

    def _read(self, stream_slice: StreamSlice | None) -> Iterator[StreamData]:
        shown = None
        for record in self.retriever.read_records({}, stream_slice):
            if isinstance(record, Record):
                data = record.data
                value = data[self.cursor_field]
                if value == shown:
                    record = Record(CursorKnown(data), record.stream_name, record.associated_slice)
                shown = value
            yield record


@dataclass
class ExportPagination(PaginationStrategy):
    """Follows an export from cursor to cursor until a page brings none.

    Short and empty pages are ordinary (an account's data lies in 23 shards): only the missing cursor
    is the end.

    opening_only: while Airbyte checks a connection, stop once the export is open.
    """

    config: Config
    opening_only: str = ""

    def __post_init__(self) -> None:
        opening_only = InterpolatedString.create(self.opening_only, parameters={})
        self._opening_only = opening_only.eval(self.config) is True

    @property
    def initial_token(self) -> ExportPosition | None:
        """None: an export is opened without a cursor."""
        return None

    def get_page_size(self) -> int | None:
        """None: the size of a page says nothing here."""
        return None

    def next_page_token(
        self,
        response: requests.Response,
        last_page_size: int,
        last_record: Any,
        last_page_token_value: ExportPosition | None = None,
        page_size_override: int | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> ExportPosition | None:
        """The position after this response; None at the export's end."""
        cursor: str = _next_cursor(page_of(response) or {})
        if not cursor or self._opening_only:
            return None
        last = last_page_token_value
        if last is None or response.request.method == "POST":
            reopened = 0 if last is None else last["reopened"] + 1
            twins = vars(response).get("export_twins", {})
            return ExportPosition(cursor=cursor, seen=set(), rows=0, reopened=reopened, twins=twins)
        return ExportPosition(**{**last, "cursor": cursor, "rows": last["rows"] + last_page_size})


@dataclass
class PageRecordExtractor(RecordExtractor):
    """The `records` of a page; none where the key is missing (an export with no data has none).

    Each record is lent the counter of its export, under TWINS; the transformation takes it out.
    """

    def extract_records(self, response: requests.Response) -> Iterator[MutableMapping[str, Any]]:
        """The page's records as CleverTap sent them, each let go of as it is taken."""
        records = (page_of(response) or {}).pop("records", None) or []
        vars(response)["_content"] = b""  # up to 30 MB that nobody reads again
        twins = vars(response).setdefault("export_twins", {})
        for position, record in enumerate(records):
            records[position] = None
            record[TWINS] = twins
            yield record


@dataclass
class AnswerExtractor(RecordExtractor):
    """The rows of an answer that is no export (`rows_of`)."""

    answer_key: str
    answer: str = "list"

    def extract_records(self, response: requests.Response) -> Iterator[MutableMapping[str, Any]]:
        """The rows as CleverTap sent them; none where the answer was passed over."""
        yield from rows_of(response, self.answer_key, self.answer) or ()


def occurrence(twins: Twins, digest: bytes) -> int:
    """How many records with this digest came before in the export; counts this one.

    Eight bytes of a digest are kept for each record of an open export, in 65,536 lists by the first
    two of them: 25 MB for the first million records, 10 to 20 for each one after it. (A set of whole
    digests takes 70.)
    """
    number = int.from_bytes(digest[:8], "big")
    same = twins.get(number >> 48)
    if same is None:
        same = twins[number >> 48] = array("Q")
    count = same.count(number)
    same.append(number)
    return count


@dataclass
class EventKeys(RecordTransformation):
    """Adds what CleverTap leaves out of an event, all in one pass.

    (As AddFields in the manifest, four of the fields take ten times as long as all of this.)

    event_id: the key. A digest of account, event name, device, `ts` and properties, so that it is the
        same whenever the event is read. Events that are equal in all of these are told apart by their
        number in the export: CleverTap has no ids, and two taps in one second are two events.
    event_name: of the slice. object_id, identity: the device's and the person's id, of `profile`.
    event_time: `ts`, which is in the project's time zone, in UTC; None if it is no time. In the hour
        that comes twice when summer time ends, the first is meant.
    read_through: the last day of the window that it was read in. Unlike `ts`, which a device's clock
        may set, it can be the cursor.
    """

    config: Config

    def __post_init__(self) -> None:
        self._account, self._zone = self.config["account_id"], self.config.get("timezone") or "UTC"

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Adds the fields to `record`, in place."""
        if stream_slice is None:
            raise ValueError("an event without a slice has no name")
        twins = record.pop(TWINS)
        profile, ts = record.get("profile"), record.get("ts")
        if not isinstance(profile, dict):
            profile = {}
        event, object_id = stream_slice["event_name"], profile.get("objectId")
        parts = [self._account, event, object_id, str(ts), record.get("event_props")]
        digest = hashlib.blake2b(_canonical(parts), digest_size=16)
        before = occurrence(twins, digest.digest())
        record["event_id"] = f"{digest.hexdigest()}-{before}" if before else digest.hexdigest()
        record["event_name"] = event
        record["event_time"] = utc_time(ts, self._zone)
        record["object_id"] = object_id
        record["identity"] = profile.get("identity")
        record["read_through"] = stream_slice["end_time"]


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than orjson goes
        return json.dumps(value, sort_keys=True).encode()


def utc_time(ts: Any, zone: str) -> str | None:
    """A `ts` like 20221119054937 in `zone`, as ISO 8601 in UTC; None if it is not of that form."""
    text = str(ts)
    if len(text) != 14 or not (text.isascii() and text.isdecimal()):
        return None
    try:
        year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
        local = datetime(year, month, day, int(text[8:10]), int(text[10:12]), int(text[12:]))
        offset = _offset_of_day(text[:8], zone)
        if offset is None:
            offset = _offset(local, zone)
        return (local - offset).isoformat() + "Z"
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=10_000)  # a time zone takes longer than all else
def _offset_of_day(day: str, zone: str) -> timedelta | None:
    """From UTC to the zone, on a day YYYYMMDD; None if the clocks change on it."""
    start = datetime.strptime(day, "%Y%m%d")
    offset = _offset(start, zone)
    return offset if offset == _offset(start + timedelta(1), zone) else None


def _offset(local: datetime, zone: str) -> timedelta:
    return pytz.timezone(zone).localize(local, is_dst=True).utcoffset() or timedelta()


@dataclass
class ProfileKeys(RecordTransformation):
    """Adds what CleverTap leaves out of a profile: the key, the event, and the day.

    object_id: `objectId`, which lies on the profile or only on its devices (`platformInfo`). A profile
        without any takes its identity, or a digest of itself: a destination that dedupes would drop
        all rows without a key but one.
    event_name: of the slice. active_through: the last day of the window that the user came in.
    """

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Adds the fields to `record`, in place."""
        if stream_slice is None:
            raise ValueError("a profile without a slice has no event")
        record.pop(TWINS)
        object_id = record.get("objectId") or self._device_id(record.get("platformInfo"))
        object_id = object_id or record.get("identity")
        if not object_id:
            canonical = json.dumps(record, sort_keys=True).encode()
            object_id = "no-id-" + hashlib.blake2b(canonical, digest_size=16).hexdigest()
        record["object_id"] = str(object_id)
        record["event_name"] = stream_slice["event_name"]
        record["active_through"] = stream_slice["end_time"]

    @staticmethod
    def _device_id(devices: Any) -> Any:
        for device in devices if isinstance(devices, list) else ():
            if isinstance(device, dict) and device.get("objectId"):
                return device["objectId"]
        return None


@dataclass
class PersonalData(RecordTransformation):
    """Takes what is personal out of a profile or an event, or puts a digest in its place.

    pii_mode: keep; drop; or hash: HMAC-SHA-256 of the value as text, keyed with pii_salt, in hex. Equal
    values have equal digests in both streams, whether CleverTap sent a number or a text. pii_fields: the
    names of the fields, wherever in a record they lie. An entry of all_identities that is the value of
    another field goes with it, and so does an object_id that is the identity (`ProfileKeys`). All other
    keys were made before, and stay as they are.
    """

    config: Config

    def __post_init__(self) -> None:
        self._mode = self.config.get("pii_mode") or "keep"
        self._fields = frozenset(self.config.get("pii_fields") or PERSONAL)
        self._salt = str(self.config.get("pii_salt") or self.config["account_id"]).encode()

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Changes `record`, in place."""
        if self._mode == "keep":
            return
        identity, hidden = str(record.get("identity")), set[str]()
        self._hide(record, hidden)
        profile = record.get("profile")
        person = profile if isinstance(profile, dict) else record
        identities = person.get("all_identities")
        if isinstance(identities, list) and "all_identities" not in self._fields:
            left = [e for e in identities if self._mode == "hash" or str(e) not in hidden]
            person["all_identities"] = [self._digest(e) if str(e) in hidden else e for e in left]
        if "identity" in self._fields and record.get("object_id") == identity:
            record["object_id"] = self._digest(record["object_id"])

    def _hide(self, value: Any, hidden: set[str]) -> None:
        """Hides the fields in `value`, at any depth; adds what their values were to `hidden`."""
        if isinstance(value, list):
            for entry in value:
                self._hide(entry, hidden)
        if not isinstance(value, dict):
            return
        for name, inner in list(value.items()):
            if name not in self._fields:
                self._hide(inner, hidden)
            elif inner not in (None, ""):
                entries = inner if isinstance(inner, list) else [inner]
                hidden.update(str(entry) for entry in entries if entry is not None)
                if self._mode == "drop":
                    del value[name]
                else:
                    digests = [self._digest(entry) for entry in entries]
                    value[name] = digests if isinstance(inner, list) else digests[0]

    def _digest(self, value: Any) -> str | None:
        if value is None:
            return None
        text = _canonical(value) if isinstance(value, (dict, list)) else str(value).encode()
        return hmac.digest(self._salt, text, "sha256").hex()


@dataclass
class MessageKeys(RecordTransformation):
    """Gives a message report a key, a time that a warehouse can use, and a cursor.

    message_id: CleverTap's `message id`, whose name has a space. read_through: the last day of the
    window that it was read in; unlike a start, it is never after today. start_time: `start_date`, which
    is English text in the project's time zone, in UTC; None if it is of another form.
    """

    config: Config

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Adds the fields to `record`, in place."""
        record["message_id"] = record.pop("message id", None)
        record["read_through"] = stream_slice["end_time"] if stream_slice else None
        try:
            started = datetime.strptime(str(record.get("start_date")), "%d %b, %Y %H:%M:%S")
        except ValueError:
            record["start_time"] = None
        else:
            record["start_time"] = utc_time(
                f"{started:%Y%m%d%H%M%S}", self.config.get("timezone") or "UTC"
            )


def check_config(config: Mapping[str, Any]) -> None:
    """Raises config_error if the configuration has problems, with a sentence for each."""
    problems = config_problems(config)
    if problems:
        raise AirbyteTracedException(
            message=f"Configuration: {' '.join(problems.values())}",
            failure_type=FailureType.config_error,
        )


def last_day(config: Mapping[str, Any], days_ahead: int = 0) -> str:
    """The last day to read, YYYY-MM-DD: end_date, but not after today, or the days after it."""
    end = str(config.get("end_date") or "99991231")
    return min(f"{end[:4]}-{end[4:6]}-{end[6:]}", _today(config, days_ahead))


def _today(config: Mapping[str, Any], days_ahead: int = 0) -> str:
    zone = pytz.timezone(config.get("timezone") or "UTC")
    return (datetime.now(zone) + timedelta(days_ahead)).strftime("%Y-%m-%d")


# ---------------------------------------------------------------- the configuration

REQUIRED = {  # and where the value is found
    "account_id": "It stands in the dashboard, Settings > Project.",
    "passcode": "Make one in the dashboard, Settings > Passcode.",
    "event_name": "Copy one from the dashboard, Settings > Schema > Events.",
    "start_date": "Write it as YYYYMMDD: 20220101.",
}
FILTER_EXAMPLE = (
    'Example: {"event_properties": [{"name": "Amount", "operator": "greater_than", "value": 100}]}'
)
PERSONAL = ("identity", "email", "phone", "name", "push_token", "all_identities")
# What rows are found or filed by; it cannot be hidden.
FIXED = (
    *("object_id", "objectId", "event_id", "event_name", "event_time", "ts", "read_through", "events"),
    *("active_through", "profile", "profileData", "platformInfo", "event_props", "session_props"),
)
SWITCHES = (
    *("all_events", "include_event_summary", "include_app_fields", "include_profile_properties"),
)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


# The query language as far as CleverTap documents it. It ignores what it does not know, and sends more.
COMPARISON = {
    "operator": {
        "enum": [
            *("equals", "not_equals", "contains", "does_not_contain", "exists", "does_not_exist"),
            *("greater_than", "greater_than_equals", "less_than", "less_than_equals"),
        ]
    },
    "value": {"type": ["string", "number", "array"], "items": {"type": ["string", "number"]}},
}
CONDITIONS = _list(_object(name={"type": "string"}, **COMPARISON))
RAISED = _list(
    _object(
        event_name={"type": "string"},
        **{"from": {"type": "integer"}, "to": {"type": "integer"}},
        event_properties=CONDITIONS,
        **COMPARISON,
    )
)
FILTERS = _object(
    event_properties=CONDITIONS,
    session_properties=CONDITIONS,
    common_profile_properties=_object(
        app_fields=CONDITIONS,
        profile_fields=CONDITIONS,
        demographics=CONDITIONS,
        technographics=CONDITIONS,
        reachability=CONDITIONS,
        geo_fields=_list({"type": "array"}),
        geo_radius=_list({"type": "array"}),
    ),
    advanced_query=_object(
        did_all=RAISED, did_any=_object(any_events=RAISED, **COMPARISON), did_none=RAISED
    ),
)


def config_problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration: a sentence for each bad setting, by its name.

    A setting that is None or empty counts as absent, a date may be typed as text.
    """
    return dict(_setting_problems({k: v for k, v in config.items() if v is not None and v != ""}))


def _setting_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, where in REQUIRED.items():
        if name not in config:
            yield name, f"{name} is missing. {where}"
    for name in ("account_id", "passcode"):
        # What an HTTP header can carry. The value may be a secret: it is not repeated.
        if not re.fullmatch("[!-~]([ -~]*[!-~])?", str(config.get(name, "-"))):
            yield name, f"{name} has a space at an end, or a letter that is not ASCII. Copy it again."
    for name in ("account_id", "passcode", "event_name", "pii_salt"):
        if not isinstance(config.get(name, ""), str):
            yield name, f"{name} must be text, in quotes."
    for name in ("additional_event_names", "profile_event_names", "excluded_event_names"):
        names = config.get(name, [])
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            yield name, f'{name} must be a list of event names, like ["Charged"].'
    region = config.get("region", "global")
    if region not in REGIONS:
        yield (
            "region",
            f"region '{region}' is none of {', '.join(REGIONS)}. It is the first part of your "
            "dashboard's address.",
        )
    base_url = config.get("base_url", "http://localhost")
    if not (isinstance(base_url, str) and BASE_URL.fullmatch(base_url.replace("[::1]", "localhost"))):
        yield "base_url", "base_url must be https://...api.clevertap.com or http://localhost, no path."
    mode = config.get("pii_mode", "keep")
    if mode not in ("keep", "drop", "hash"):
        yield "pii_mode", f"pii_mode '{mode}' is none of keep, drop, hash."
    if mode == "hash" and "pii_salt" not in config:
        yield "pii_salt", "pii_salt is missing: pii_mode hash needs one. Any long secret text will do."
    fields = config.get("pii_fields", [])
    if not isinstance(fields, list) or not all(isinstance(f, str) and f for f in fields):
        yield "pii_fields", 'pii_fields must be a list of names of fields, like ["email"].'
    elif set(fields) & set(FIXED):
        keys = ", ".join(sorted(set(fields) & set(FIXED)))
        yield "pii_fields", f"pii_fields cannot name {keys}: rows are found or filed by it."
    for name in SWITCHES:
        if not isinstance(config.get(name, True), bool):
            yield name, f"{name} must be true or false."
    for name, least in (("slice_days", 2), ("lookback_days", 1)):
        days = config.get(name, least)
        if isinstance(days, bool) or not isinstance(days, int) or not least <= days <= 36500:
            yield name, f"{name} must be a whole number, {least} or more."
    minutes = config.get("max_wait_minutes", 20)
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not minutes > 0:
        yield "max_wait_minutes", "max_wait_minutes must be a number above 0."
    yield from _date_problems(config)
    for name in ("profile_filters", "event_filters"):
        try:
            filters = json.loads(config.get(name, "{}"))
        except (ValueError, TypeError):
            yield name, f"{name} is no JSON. {FILTER_EXAMPLE}"
            continue
        error = next(jsonschema.Draft7Validator(FILTERS).iter_errors(filters), None)
        if error:
            where = "".join(f"{part}: " for part in error.absolute_path if isinstance(part, str))
            yield (
                name,
                f"{name} is not CleverTap's query language. {where}{error.message}. {FILTER_EXAMPLE}",
            )


def _date_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    dates_are_good = True
    for name in ("start_date", "end_date"):
        if name in config and not _is_date(config[name]):
            dates_are_good = False
            yield name, f"{name} {config[name]} is no date. Write it as YYYYMMDD: 20220101."
    try:
        today = int(_today(config).replace("-", ""))
    except (pytz.UnknownTimeZoneError, AttributeError):
        yield "timezone", f"timezone '{config['timezone']}' is unknown. Example: Asia/Kolkata."
        return
    if dates_are_good and "start_date" in config:
        start, end = int(config["start_date"]), int(config.get("end_date", 99991231))
        if start > end:
            yield "start_date", f"start_date {start} is after end_date {end}. Move one of them."
        elif start > today:
            yield (
                "start_date",
                f"start_date {start} is after today, {today} in the timezone set. Set an earlier one.",
            )


def _is_date(value: Any) -> bool:
    try:
        datetime.strptime(str(value), "%Y%m%d")
    except ValueError:
        return False
    return re.fullmatch("[0-9]{8}", str(value)) is not None
