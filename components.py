"""What manifest.yaml cannot say about CleverTap, in the order in which data flows.

One instance of a class serves all slices of a stream, on three threads: nothing about a slice is stored
on `self`. A class docstring covers the methods that the CDK calls. This file is pasted into the
Connector Builder: ASCII only, no backslash, no relative import.
"""

import hashlib
import hmac
import json
import logging
import re
import threading
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo

import airbyte_cdk as cdk
import orjson
import pytz
import requests
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers import ListPartitionRouter
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers import ErrorResolution, ResponseAction
from airbyte_cdk.sources.streams.http.pagination_reset_exception import PaginationResetRequiredException
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

try:
    from airbyte_cdk.sources.streams.http import request_window_split_exception as window_split
except ImportError:  # CDKs before 7.32 cannot split a window
    window_split = None  # type: ignore[assignment]

LOGGER = logging.getLogger("airbyte")
Json = dict[str, Any]


# What belongs to the export that this thread reads: the body of its POST, the cursors seen, how often it
# was created again, its duplicate events. The CDK reads a slice on one thread, but it shares the
# extra_fields of a slice between all windows of a partition and keeps them to the end of the stream.
CURRENT_EXPORT = threading.local()


def error(message: str, failure_type: str = "transient_error") -> cdk.AirbyteTracedException:
    """An error for the user."""
    return cdk.AirbyteTracedException(message=message, failure_type=cdk.FailureType[failure_type])


def evaluate(template: str, config: cdk.Config, parameters: Mapping[str, Any] | None = None) -> Any:
    """The value of a Jinja template of the manifest."""
    return cdk.InterpolatedString.create(template, parameters=parameters or {}).eval(config)


def project_zone(config: cdk.Config) -> ZoneInfo:
    """The project's time zone, from the data in pytz, because an image may have no tzdata."""
    name = config.get("timezone") or "UTC"
    return ZoneInfo.from_file(pytz.open_resource(name), key=name)  # type: ignore[attr-defined]


def today(config: cdk.Config) -> date:
    """Today's date in the project's time zone."""
    return datetime.now(project_zone(config)).date()


def to_date(day: int) -> date:
    """The date of a day like 20220101. Raises ValueError if it is not a valid date."""
    return datetime.strptime(str(int(day)), "%Y%m%d").date()


def describe(stream: str, body: bytes | str | None) -> str:
    """Names the stream of a request, and the event, campaign and dates in its body, for a message."""
    request, parts = json.loads(body or "{}"), [f"Stream {stream}"]
    for part in ("event '{event_name}'", "campaign {id}", "{from} to {to}"):
        with suppress(KeyError):
            parts.append(part.format_map(request))
    return ", ".join(parts)


# For bytes.translate(): maps digits and minus to 0, and whatever can precede a number to a colon.
CLASSES = bytes(48 if b in b"-0123456789" else 58 if b < 33 or b in b":,[" else 120 for b in range(256))
BACKSLASH, NUL, REPLACEMENT = bytes([92]), chr(0), chr(0xFFFD)


def is_inexact(body: bytes) -> bool:
    """Whether a body may contain NUL, or integers beyond 64 bits, which orjson turns into floats.

    A regular expression takes ten times as long.
    """
    pieces = (body[start : start + 2**18 + 20] for start in range(0, len(body), 2**18))
    has_nul = BACKSLASH in body and BACKSLASH + b"u0000" in body
    return has_nul or any(b":" + b"0" * 20 in piece.translate(CLASSES) for piece in pieces)


def number(digits: str) -> Any:
    """An int or a float, or the text itself if it exceeds 64 bits or a double."""
    if digits.lstrip("-").isdecimal():
        value = int(digits) if len(digits) <= 20 else 2**64
        return value if -(2**63) <= value < 2**64 else digits
    return digits if abs(float(digits)) == float("inf") else float(digits)


def clean(value: Any) -> Any:
    """Replaces NUL, which Postgres rejects, and half of a surrogate pair by U+FFFD, at any depth."""
    if isinstance(value, str):
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace(NUL, REPLACEMENT)
    if isinstance(value, list):
        return [clean(entry) for entry in value]
    return {clean(k): clean(v) for k, v in value.items()} if isinstance(value, dict) else value


def decode_body(response: requests.Response) -> Json | None:
    """Returns the JSON object in a response's body, or None. A `message` is treated as an `error`.

    A page has up to 30 MB, so it is decoded once and kept on the response. The json module decodes what
    orjson alters or rejects (half of a surrogate pair, which apps leave when they truncate names).
    """
    kept = vars(response)
    if "page" not in kept:
        page, body = None, b""
        try:
            if response._content is False:  # type: ignore[comparison-overlap]  # not read yet
                pieces = bytearray()
                for piece in response.iter_content(2**18):
                    pieces += piece
                response._content = pieces
            body = response.content
            page = None if is_inexact(body) else orjson.loads(body)
        except requests.RequestException:
            response._content = b""  # the log of a test read accesses the body again
        except orjson.JSONDecodeError:
            pass
        if page is None and body:
            with suppress(ValueError, RecursionError):
                found = json.loads(body, parse_int=number, parse_float=number, parse_constant=int)
                page = clean(found)
                response._content = orjson.dumps(page)  # JsonDecoder returns {} for what it rejects
        kept["page"] = page if isinstance(page, dict) else None
        if isinstance(page, dict):
            page["error"] = page.get("error") or page.get("message")
    return cast("Json | None", kept["page"])


@dataclass
class EventPartitionRouter(ListPartitionRouter):
    """Yields a partition {event_name, start_date} for each event.

    `values` are the events that the user typed. With the setting all_events, a stream that
    `takes_all_events` reads those of CleverTap's schema (`event_schema`) except excluded_event_names.
    start_date is part of the partition, so that an earlier one reads the event again.

    The state, stored as parent_state, is {"complete": {event: last day read}}: cursors advance with
    records only, and an event that nobody raises would be read from start_date each time. Events that
    CleverTap refuses are not in it: one that is allowed later is read from start_date.

    Raises config_error if there are no events to read, or CleverTap refuses all of them.
    """

    event_schema: cdk.HttpRequester | None = None
    takes_all_events: bool = False
    _all_sliced = False

    def stream_slices(self) -> Iterable[cdk.StreamSlice]:
        all_events = self.takes_all_events and self.config.get("all_events") is True
        self._names = self._names_of_schema() if all_events else list(dict.fromkeys(self.values))
        self._through = min(today(self.config), to_date(self.config.get("end_date") or 99991231))
        self._allowed: dict[str, bool] = {}  # by event, filled by TwoStepRequester
        for name in self._names:
            partition = {"event_name": name, "start_date": int(self.config["start_date"])}
            extra = {"allowed": self._allowed}
            yield cdk.StreamSlice(partition=partition, cursor_slice={}, extra_fields=extra)
        self._all_sliced = True

    def get_stream_state(self) -> Mapping[str, Any] | None:
        if not self._all_sliced:
            return None  # the CDK calls this after each slice, and again when all are read
        refused = sorted(name for name, allowed in self._allowed.items() if not allowed)
        message = f"CleverTap refuses {len(refused)} of {len(self._names)} events: {', '.join(refused)}."
        if refused and len(refused) == len(self._names):
            raise error(message, "config_error")
        if refused:
            LOGGER.warning(f"{message} They are skipped. Add them to excluded_event_names.")
        return {"complete": {n: str(self._through) for n in self._names if n not in refused}}

    def _names_of_schema(self) -> list[str]:
        response = self.event_schema.send_request() if self.event_schema else None
        page = (decode_body(response) if response is not None else None) or {}
        names = dict.fromkeys(event["name"] for event in page["events"])
        left = [name for name in names if name not in (self.config.get("excluded_event_names") or ())]
        if not left:
            raise error(f"excluded_event_names excludes all {len(names)} events.", "config_error")
        return left


@dataclass
class TwoStepRequester:
    """Creates an export or a count by POST (`create_requester`) and reads its pages by GET.

    The page token is the cursor or req_id. Cursors expire after hours; the manifest's RESET_PAGINATION
    then makes this class create the export again. If it expires again, the window is split, down to one
    day; at one day, or if the CDK cannot split windows, the export is created again, `max_recreations`
    times in all. Records that were already read are emitted again, with the same primary keys.
    filters_setting: the setting whose JSON is added to the body of the POST.

    Returns None for an event that CleverTap refused before. Raises system_error for a cursor that comes
    twice (pagination would never end), transient_error if the export expires too often, or if an event
    is allowed in one window and refused in another (records would be missing).
    """

    create_requester: cdk.HttpRequester
    page_requester: cdk.HttpRequester
    config: cdk.Config
    name: str
    filters_setting: str = ""
    max_recreations: int = 5

    def __post_init__(self) -> None:
        # The paginator needs both methods. The CDK logs the bodies of responses that are not streamed.
        self.get_url = self.create_requester.get_url
        self.get_url_base = self.create_requester.get_url_base
        self.create_requester.stream_response = self.page_requester.stream_response = True

    def send_request(
        self, stream_slice: Any = None, next_page_token: Any = None, log_formatter: Any = None, **_: Any
    ) -> requests.Response | None:
        request = {"stream_slice": stream_slice, "log_formatter": log_formatter}
        if not next_page_token:
            CURRENT_EXPORT.recreations = 0
            return self._create(request)
        where, cursor = describe(self.name, CURRENT_EXPORT.body), str(next_page_token["next_page_token"])
        if cursor in CURRENT_EXPORT.cursors:
            message = "CleverTap returned the same cursor twice, so the export would never end."
            advice = "Sync again. If it persists, contact CleverTap support."
            raise error(f"{where}: {message} {advice}", "system_error")
        CURRENT_EXPORT.cursors.add(cursor)
        try:
            return self.page_requester.send_request(next_page_token=next_page_token, **request)
        except PaginationResetRequiredException:
            first_day, last_day = stream_slice.cursor_slice.values()
            if CURRENT_EXPORT.recreations and first_day != last_day and window_split:
                raise window_split.RequestWindowSplitRequiredException(stream_name=self.name) from None
        if CURRENT_EXPORT.recreations >= self.max_recreations:
            message = f"The cursor expired {self.max_recreations + 1} times before the last page."
            advice = "Sync again later. If it persists, lower slice_days or read fewer days."
            raise error(f"{where}: {message} {advice}")
        CURRENT_EXPORT.recreations += 1
        message = "The cursor expired before the last page, so the export is created again."
        LOGGER.warning(f"{where}: {message} Records are emitted again, with the same primary keys.")
        return self._create(request)

    def _create(self, request: Json) -> requests.Response | None:
        event = request["stream_slice"]["event_name"]
        allowed: dict[str, bool] = request["stream_slice"].extra_fields["allowed"]
        if allowed.get(event) is False:
            return None
        filters = json.loads(self.config.get(self.filters_setting) or "{}")
        response = self.create_requester.send_request(request_body_json=filters, **request)
        if response is not None:
            CURRENT_EXPORT.body, CURRENT_EXPORT.cursors = response.request.body, set()
            CURRENT_EXPORT.duplicates = {}
            is_allowed = not (decode_body(response) or {}).get("error")  # the action IGNORE returns it
            if allowed.setdefault(event, is_allowed) != is_allowed:
                where = describe(self.name, response.request.body)
                message = "CleverTap allowed and then refused the export of this event, or the reverse."
                raise error(f"{where}: {message} Sync again.")
        return response


@dataclass
class CleverTapErrorHandler(DefaultErrorHandler):
    """Decides by its body whether a response is complete, and how long to wait before a retry.

    CleverTap returns errors, "not ready yet" and unreadable bodies with HTTP 200. A request succeeds
    only if `is_complete`. Other responses go through the manifest's `response_filters`: the first match
    wins, and without one the request is retried. In place of the body, which would be logged, a filter
    gets `status`, `error`, `code`, `http_status` and `is_first` (no request has succeeded yet).

    records_key, records_type: the key of the records, and whether it holds a "list" or an "object".
    records_optional: whether the key may be missing if there are no records.
    page_parameter: "cursor" for an export, "req_id" for a count, "" for a stream without two steps.
    first_filters: filters that precede the others if `first_filters_if` is true.
    network_errors: messages for network faults that do not pass, by a part of the exception.
    waits: the first and the longest wait in seconds, for each response action that retries.
    max_wait_minutes: how long a request is retried. It is also how long all requests of a stream are
        retried while none succeeds: 78 windows would otherwise outlast an outage by hours.

    Raises config_error (`check_config`) when it is built, because every request has an error handler.
    """

    name: str = ""
    records_key: str = "records"
    records_type: str = "list"
    records_optional: bool = False
    page_parameter: str = ""
    first_filters: list[Any] = field(default_factory=list)
    first_filters_if: str = "{{ True }}"
    network_errors: Mapping[str, str] = field(default_factory=dict)
    waits: Mapping[str, list[int]] = field(default_factory=dict)
    max_wait_minutes: str = "20"
    max_retries: int | str | None = 1_000_000
    max_time: int = 7 * 24 * 3600

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        check_config(self.config)
        super().__post_init__(parameters or {})
        # The CDK masks secrets as typed, but logs headers with quotes and other characters escaped.
        printed = repr(self.config["passcode"])[1:-1]
        add_to_secrets(printed)
        add_to_secrets(json.dumps(printed)[1:-1])
        if evaluate(self.first_filters_if, self.config, parameters) is True:
            self.response_filters = [*self.first_filters, *(self.response_filters or [])]
        self._max_wait = 60 * float(evaluate(str(self.max_wait_minutes), self.config))
        self._is_first, self._failing_since = True, 0.0
        self._request = threading.local()  # the attempts of a request run on one thread
        self.backoff_strategies = [self]  # type: ignore[list-item]  # the CDK calls their backoff_time

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        is_response = isinstance(response_or_exception, requests.Response)
        if is_response and self.is_complete(response_or_exception):
            self._is_first, self._failing_since = False, 0.0
            return ErrorResolution(ResponseAction.SUCCESS)
        resolution = self._resolve(response_or_exception)
        if resolution.response_action.name not in self.waits:  # type: ignore[union-attr]
            self._failing_since = 0.0  # a definite response, so CleverTap is up
        if resolution.response_action == ResponseAction.IGNORE and resolution.error_message:
            LOGGER.warning(resolution.error_message)
        return resolution

    def is_complete(self, response: requests.Response) -> bool:
        """Whether a response is a complete page, count, list, or created export."""
        page, creates = decode_body(response), response.request.method == "POST"
        if page is None or response.status_code != 200 or response.history or page["error"]:
            return False
        if str(page.get("code")) in ("1", "2"):  # throttled or not ready, whatever the status says
            return False
        rows, status = page.get(self.records_key), page.get("status")
        is_export, is_count = self.page_parameter == "cursor", self.page_parameter == "req_id"
        if rows is not None and not isinstance(rows, list if self.records_type == "list" else dict):
            return False
        cursors = [page.get("next_cursor"), page.get("cursor")]
        if not all(isinstance(cursor, (str, type(None))) for cursor in cursors):
            return False  # 0 or {} does not mean that there is no next page
        if not rows or (is_export and not any(cursors)):
            # If CleverTap renames records or next_cursor, this must not look like an empty last page.
            known = (self.records_key, "next_cursor", "cursor", "previous_cursor", "error", "message")
            unknown = [value for name, value in page.items() if name not in known and value]
            if any(isinstance(v, list) or (isinstance(v, str) and len(v) > 200) for v in unknown):
                return False
        if status == "partial":
            return any(cursors) if is_export else is_count and creates and bool(page.get("req_id"))
        if is_export:
            return status == "success" and (any(cursors) or not creates)
        if status is None and self.records_type == "list":  # events, properties and content blocks
            return rows is not None
        return status == "success" and (rows is not None or self.records_optional)

    def _resolve(self, failure: requests.Response | Exception) -> ErrorResolution:
        resolution = ErrorResolution(
            ResponseAction.RETRY,
            cdk.FailureType.transient_error,
            f"CleverTap could not be reached, or the request was redirected ({type(failure).__name__}). "
            "Check the network, and any proxy or sign-in page, between Airbyte and CleverTap.",
        )
        for part, message in self.network_errors.items():
            if isinstance(failure, requests.RequestException) and part in repr(failure):
                config_error = cdk.FailureType.config_error
                resolution = ErrorResolution(ResponseAction.FAIL, config_error, message)
        if isinstance(failure, requests.Response):
            page = decode_body(failure) or {}
            seen: Json = {key: page[key] for key in ("status", "code") if key in page}
            seen |= {"error": str(page["error"])[:300]} if page.get("error") else {}
            seen |= {"http_status": failure.status_code, "is_first": self._is_first}
            failure.json = lambda **_: seen  # type: ignore[method-assign]
            matches = (each.matches(failure) for each in self.response_filters or ())
            resolution = next(filter(None, matches), resolution)
        if resolution.response_action.name in self.waits:  # type: ignore[union-attr]
            resolution.failure_type = cdk.FailureType.transient_error
        body = getattr(getattr(failure, "request", None), "body", None)
        if body is None and self.page_parameter:
            body = getattr(CURRENT_EXPORT, "body", None)
        if resolution.error_message:
            resolution.error_message = f"{describe(self.name, body)}: {resolution.error_message}"
        return resolution

    def backoff_time(self, response_or_exception: Any, attempt_count: int = 0) -> float | None:
        resolution, now = self._resolve(response_or_exception), time.monotonic()
        self._request.started = now if attempt_count <= 1 else self._request.started
        self._failing_since = self._failing_since or now
        if now - min(self._request.started, self._failing_since) >= self._max_wait:
            raise error(f"{resolution.error_message} (Gave up after {self._max_wait / 60:g} minutes.)")
        first, longest = self.waits[resolution.response_action.name]  # type: ignore[union-attr]
        wait = min(first * 2 ** max(attempt_count - 1, 0), longest)
        LOGGER.info(f"{resolution.error_message} Retrying in {wait} s.")
        return float(wait - 1)  # the CDK adds one second


@dataclass
class CursorPaginationStrategy(cdk.PaginationStrategy):
    """Returns the cursor of the next page of an export, the req_id of a count, or None at the end.

    A short or empty page is not the last one, because an account's data is spread over 23 shards: only a
    missing cursor ends an export. stop_if: a template that is true for a connection check, which creates
    an export without reading it.
    """

    config: cdk.Config
    stop_if: str
    initial_token = None

    def get_page_size(self) -> int | None:
        return None

    def next_page_token(self, response: requests.Response, *_: Any, **__: Any) -> Any:
        page = decode_body(response) or {}
        # One client saw pages with the status "partial" and the next cursor in `cursor`.
        cursor = page.get("next_cursor") or page.get("cursor")
        req_id = page.get("req_id") if page.get("status") == "partial" else None
        return None if evaluate(self.stop_if, self.config) is True else cursor or req_id


@dataclass
class ExportExtractor(cdk.RecordExtractor):
    """Yields the `records` of a page. An export without data has no such key.

    Each record is released once it is yielded; DpathExtractor keeps the whole page in memory.
    """

    def extract_records(self, response: requests.Response) -> Iterator[Json]:
        records = (decode_body(response) or {}).pop("records", None) or []
        response._content = b""
        for position, record in enumerate(records):
            records[position] = None
            yield record


@dataclass
class DailyCountExtractor(cdk.RecordExtractor):
    """Yields records {date, `count_field`} from a count, an object {YYYYMMDD: count}."""

    records_key: str
    count_field: str

    def extract_records(self, response: requests.Response) -> Iterator[Json]:
        counts = (decode_body(response) or {}).get(self.records_key) or {}
        for day, count in sorted(counts.items()):
            yield {"date": f"{day[:4]}-{day[4:6]}-{day[6:]}", self.count_field: count}


def digest_of(value: Any) -> bytes:
    """The digest of a value as JSON with sorted keys; 16 bytes."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


@lru_cache(10_000)
def offset_of(day: str, zone: ZoneInfo) -> timedelta | None:
    """The offset from UTC on a day like 20221119; None if clocks change on that day."""
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=zone)
    offsets = {(midnight + timedelta(days=days)).utcoffset() for days in (0, 1)}
    return offsets.pop() if len(offsets) == 1 else None


def utc_time(ts: Any, zone: ZoneInfo) -> datetime | None:
    """Converts a `ts` like 20221119054937 from `zone` to UTC; None if it is not a valid time.

    When clocks are set back and an hour repeats, the first one is assumed.
    """
    d = str(ts)
    if len(d) != 14 or not d.isdecimal():
        return None
    try:
        local = datetime.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}:{d[10:12]}:{d[12:]}")
        offset = offset_of(d[:8], zone)
        return local - (local.replace(tzinfo=zone).utcoffset() if offset is None else offset)  # type: ignore[operator]
    except (ValueError, OverflowError):
        return None


def iso(instant: datetime | None) -> str | None:
    """An instant in UTC as ISO 8601."""
    return f"{instant.isoformat()}Z" if instant else None


def make_text(person: Json) -> None:
    """Converts identity, phone and all_identities to text, because CleverTap sends some as numbers."""
    for name in ("identity", "phone"):
        if isinstance(person.get(name), (int, float)):
            person[name] = str(person[name])
    identities = person.get("all_identities")
    if isinstance(identities, list):
        identities[:] = [str(each) if isinstance(each, (int, float)) else each for each in identities]


@dataclass
class EventTransformation(cdk.RecordTransformation):
    """Adds the fields that CleverTap leaves out of an event. AddFields would take ten times as long.

    event_id: the primary key, because CleverTap has no ID. A digest of account, event name, device, `ts`
        and properties, so it is the same each time the event is read. Further events that are equal in
        all of these have a number after it: two taps in one second are two events. (Eight bytes of each
        digest are kept per export, grouped by the first two: 25 MB for a million records.)
    event_name: from the partition. object_id, identity: the IDs of device and user, from `profile`.
    event_time: `ts`, which is in the project's time zone, in UTC; None if it is not a valid time.
    read_through: the cursor, the last day of the window (`ts` depends on the device's clock).

    IDs and `ts` become text. Logs a warning if `timezone` is not the project's: the property CT Session
    Id is the epoch second at which a session began, by the same clock as `ts`.
    """

    config: cdk.Config

    def __post_init__(self) -> None:
        self._account, self._zone = self.config["account_id"], project_zone(self.config)
        self._distances: list[float] = []  # seconds from session start to event, for the first events

    def transform(self, record: Json, *_: Any, stream_slice: Any = None, **__: Any) -> None:
        profile, ts, event = record.get("profile"), record.get("ts"), stream_slice["event_name"]
        if not isinstance(profile, dict):
            profile = {}
        device = profile.get("objectId")
        make_text(profile)
        properties, instant = record.get("event_props"), utc_time(ts, self._zone)
        digest = digest_of([self._account, event, device, str(ts), properties])
        short = int.from_bytes(digest[:8], "big")
        same = CURRENT_EXPORT.duplicates.setdefault(short >> 48, array("Q"))
        duplicate_index = same.count(short)
        same.append(short)
        record["event_id"] = digest.hex() + (f"-{duplicate_index}" if duplicate_index else "")
        record["event_name"] = event
        record["event_time"] = iso(instant)
        record["ts"] = str(ts) if isinstance(ts, (int, float)) else ts
        record["object_id"] = device
        record["identity"] = profile.get("identity")
        record["read_through"] = stream_slice["end_time"]
        if len(self._distances) < 50 and instant and isinstance(properties, dict):
            self._compare(instant, str(properties.get("CT Session Id")))

    def _compare(self, instant: datetime, session: str) -> None:
        """Logs a warning after 50 events if their sessions began in another time zone."""
        if len(session) != 10 or not session.isdecimal():
            return
        distance = instant.replace(tzinfo=timezone.utc).timestamp() - int(session)
        if abs(distance) <= 26 * 3600:  # no two time zones are farther apart
            self._distances.append(distance)
        nearest = min(self._distances, default=0)
        if len(self._distances) == 50 and not -15 * 60 <= nearest <= 45 * 60:
            message = (
                f"event_time is {nearest // 900 / 4:+g} hours off, as the sessions of 50 events show."
            )
            advice = "Copy timezone from Settings > Project in the dashboard."
            LOGGER.warning(f"{message} The project is not in {self._zone.key}. {advice}")


@dataclass
class ProfileTransformation(cdk.RecordTransformation):
    """Adds the fields that CleverTap leaves out of a profile.

    object_id: the primary key. `objectId` is on the profile, or only on its devices. Without any it is
        the identity, or a digest of the profile except `events`, which change. (Append + Deduped would
        keep only one of all profiles without a key.)
    event_name: from the partition. active_through: the cursor, the last day of the window.

    IDs become text.
    """

    def transform(self, record: Json, *_: Any, stream_slice: Any = None, **__: Any) -> None:
        make_text(record)
        devices = record.get("platformInfo")
        devices = [d for d in devices if isinstance(d, dict)] if isinstance(devices, list) else []
        ids = (record.get("objectId"), *(d.get("objectId") for d in devices), record.get("identity"))
        object_id = next((str(each) for each in ids if each or each == 0), None)
        if not object_id:
            lasting = {name: value for name, value in record.items() if name != "events"}
            object_id = f"no-id-{digest_of(lasting).hex()}"
        record["object_id"] = object_id
        record["event_name"] = stream_slice["event_name"]
        record["active_through"] = stream_slice["end_time"]


@dataclass
class MessageReportTransformation(cdk.RecordTransformation):
    """Adds start_time: `start_date`, English text in the project's time zone, converted to UTC."""

    config: cdk.Config

    def transform(self, record: Json, *_: Any, **__: Any) -> None:
        try:
            started = datetime.strptime(str(record.get("start_date")), "%d %b, %Y %H:%M:%S")
            instant = utc_time(f"{started:%Y%m%d%H%M%S}", project_zone(self.config))
            record["start_time"] = iso(instant)
        except ValueError:
            record["start_time"] = None


@dataclass
class DetailsTransformation(cdk.RecordTransformation):
    """Moves all fields that are not in `fields` into the object `details`.

    CleverTap's documents do not name all fields of these endpoints, and destinations with typed columns
    drop fields that the schema does not declare.
    """

    fields: list[str]

    def transform(self, record: Json, *_: Any, **__: Any) -> None:
        details = {name: record.pop(name) for name in list(record) if name not in self.fields}
        if details:
            record["details"] = details


@dataclass
class PersonalDataTransformation(cdk.RecordTransformation):
    """Drops or hashes the `pii_fields` of a profile or an event, at any depth.

    A hash is the HMAC-SHA-256 of the value as text, keyed with pii_salt, in hex. Equal values have equal
    hashes in both streams, whether CleverTap sends a number or text. all_identities is hidden with any
    field whose values it holds, and so is an object_id that is the identity. Other keys do not change.
    """

    config: cdk.Config
    default_fields: list[str]

    def __post_init__(self) -> None:
        self._mode = self.config.get("pii_mode") or "keep"
        self._salt = self.config.get("pii_salt") or self.config["account_id"]  # mode drop hashes keys
        self._fields = set(self.config.get("pii_fields") or self.default_fields)
        if self._fields & {"identity", "email", "phone"}:
            self._fields.add("all_identities")

    def transform(self, record: Json, *_: Any, **__: Any) -> None:
        if self._mode != "keep":
            identity = str(record.get("identity") or "")
            if "identity" in self._fields and record.get("object_id") == identity:
                record["object_id"] = self._digest(identity)
            self._hide(record)

    def _hide(self, value: Any) -> None:
        for entry in value if isinstance(value, list) else ():
            self._hide(entry)
        for name, inner in list(value.items()) if isinstance(value, dict) else ():
            if name not in self._fields:
                self._hide(inner)
            elif self._mode == "drop":
                del value[name]
            elif isinstance(inner, list):
                value[name] = [self._digest(entry) for entry in inner]
            else:
                value[name] = self._digest(inner)

    def _digest(self, value: Any) -> Any:
        if value in (None, ""):
            return value
        plain = orjson.dumps(value) if isinstance(value, (dict, list)) else str(value).encode()
        return hmac.digest(self._salt.encode(), plain, "sha256").hex()


@dataclass
class LookbackStateMigration(StateMigration):
    """Subtracts the lookback from the saved state.

    With lookback_days 2 and start_date 20220101,

        {"states": [{"partition": {"event_name": "Charged", "start_date": 20220101},
                     "cursor": {"read_through": "2026-02-12"}}],
         "parent_state": {"complete": {"Charged": "2026-02-12"}}}

    becomes the same with the cursor {"read_through": "2026-02-10"}, the first day to read. The state of
    a stream without `event_names` has no partitions: {"read_through": "2026-02-12"}.

    - The later of the cursor and `complete` (`EventPartitionRouter`) counts.
    - The CDK's own lookback window treats the days to be read again as read, so that a sync that fails
      half-way loses them.
    - An event that is new in the settings has no entry and starts at start_date; the CDK would start it
      where the others are. Removed events are dropped, and so are all if start_date moves back.
    - A cursor after today, which a change of timezone can leave, is set back to today.

    Raises config_error for a state that this connector cannot have written.
    """

    config: cdk.Config
    name: str
    lookback_days: str
    event_names: str = ""

    def __post_init__(self) -> None:
        check_config(self.config)  # the cursor, which is built later, fails on an invalid date

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            if not self.event_names:
                ((field_name, day),) = stream_state.items()
                return self._cursor(field_name, day)
            return self._of_events(stream_state)
        except (AttributeError, KeyError, TypeError, ValueError) as cause:
            raise error(
                f"Stream {self.name}: the saved state was not written by this connector. Clear the "
                "stream's data, then sync again.",
                "config_error",
            ) from cause

    def _of_events(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        complete = (stream_state.get("parent_state") or {}).get("complete") or {}
        names, start = evaluate(self.event_names, self.config), int(self.config["start_date"])
        states, kept = [], dict[str, str]()
        for entry in stream_state["states"]:
            event, since = entry["partition"]["event_name"], entry["partition"]["start_date"]
            ((field_name, day),) = entry["cursor"].items()
            cursor = self._cursor(field_name, day, complete.get(event, day))
            if cursor and since <= start and (event in names or self.config.get("all_events") is True):
                partition = {"event_name": event, "start_date": start}
                states.append({"partition": partition, "cursor": cursor})
                kept |= {event: complete[event]} if event in complete else {}
        return {"use_global_cursor": False, "states": states, "parent_state": {"complete": kept}}

    def _cursor(self, field_name: str, *days: str) -> Mapping[str, Any]:
        """The latest of the days minus the lookback; empty if that is before start_date."""
        through, now = max(datetime.strptime(d, "%Y-%m-%d").date() for d in days), today(self.config)
        if through > now + timedelta(2):  # time zones and clocks differ by less
            raise ValueError(f"{through} is in the future")
        through = min(through, now) - timedelta(int(evaluate(self.lookback_days, self.config)))
        return {field_name: str(through)} if through >= to_date(self.config["start_date"]) else {}


BASE_URL = re.compile(
    "https://([a-z0-9-]+[.])?api[.]clevertap[.]com/?|http://(127[.]0[.]0[.]1|localhost)(:[0-9]{1,5})?/?"
)
FILTERS = {"event_properties", "session_properties", "common_profile_properties", "advanced_query"}


def check_config(config: cdk.Config) -> None:
    """Raises config_error for what the spec cannot check: dates, and rules between settings."""
    problems, days = [], {"start_date": date.min, "end_date": date.max}
    for name in days:
        try:
            days[name] = to_date(config[name]) if config.get(name) else days[name]
        except ValueError:
            problems.append(f"{name} {config[name]} is not a valid date (YYYYMMDD, like 20220101).")
    try:
        now = today(config)
    except (OSError, ValueError):
        now = date.max
        problems.append(f"timezone '{config['timezone']}' is unknown. Example: Asia/Kolkata.")
    start, end = days.values()
    if start > end:
        problems.append(f"start_date {start:%Y%m%d} is after end_date {end:%Y%m%d}.")
    elif start > now:
        problems.append(f"start_date {start:%Y%m%d} is after today ({now:%Y%m%d} in that timezone).")
    if not BASE_URL.fullmatch(config.get("base_url") or "http://localhost"):  # it gets the passcode
        problems.append("base_url must be https://...api.clevertap.com or http://localhost, no path.")
    if config.get("pii_mode") == "hash" and not config.get("pii_salt"):
        problems.append("pii_mode hash requires pii_salt. Any long random text will do.")
    if not re.fullmatch("[!-~]([ -~]*[!-~])?", config["passcode"]):  # the CDK would print it
        problems.append("passcode is empty, not ASCII, or starts or ends with a space. Copy it again.")
    for name in ("profile_filters", "event_filters"):
        try:
            known = json.loads(config.get(name) or "{}").keys() <= FILTERS
        except (ValueError, AttributeError):
            known = False
        if not known:  # CleverTap ignores unknown keys and returns more
            problems.append(f"{name} must be a JSON object with keys from {', '.join(sorted(FILTERS))}.")
    if problems:
        raise error(f"Configuration: {' '.join(problems)}", "config_error")
