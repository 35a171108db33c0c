"""What manifest.yaml cannot say about CleverTap, in the order in which data flows.

It is pasted into the Connector Builder: ASCII, no backslash, no relative import. An instance serves three threads.
"""

import gc
import hashlib
import hmac
import json
import logging
import re
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, cast
from zoneinfo import ZoneInfo

import airbyte_cdk as cdk
import orjson
import pytz
import urllib3
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers import ListPartitionRouter
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.streams import http
from airbyte_cdk.sources.streams.http.error_handlers import ErrorResolution, ResponseAction
from airbyte_cdk.sources.streams.http.pagination_reset_exception import PaginationResetRequiredException
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from requests import Response

window_split = getattr(http, "request_window_split_exception", None)  # CDKs before 7.32 cannot split a window
LOGGER = logging.getLogger("airbyte")
# The CDK warns in each command that no window is ever split, because it cannot see that TwoStepRequester does.
logging.getLogger("airbyte.model_to_component_factory").addFilter(lambda line: "no response filter" not in line.msg)
Json = dict[str, Any]

# The CDK's main thread and the reading threads hand over Python's lock for each record, and a page has some hundred
# thousand objects without cycles: Python's defaults (5 ms, 700 objects) take half of the time of a read.
sys.setswitchinterval(0.1)
gc.set_threshold(100_000, 20, 100)


def error(message: str, failure_type: str = "transient_error") -> cdk.AirbyteTracedException:
    """An error for the user."""
    return cdk.AirbyteTracedException(message=message, failure_type=cdk.FailureType[failure_type])


def project_zone(config: cdk.Config) -> ZoneInfo:
    """The project's time zone, from the data in pytz, because an image may have no tzdata."""
    name = config.get("timezone") or "UTC"
    return ZoneInfo.from_file(pytz.open_resource(name), key=name)  # type: ignore[attr-defined]


def to_date(day: int) -> date:
    """The date of a day like 20220101. Raises ValueError if it is not a valid date."""
    return datetime.strptime(str(int(day)), "%Y%m%d").date()


def last_day(config: cdk.Config) -> date:
    """The last day to read: end_date, but at most today."""
    return min(datetime.now(project_zone(config)).date(), to_date(config.get("end_date") or 99991231))


# For bytes.translate(): maps digits and minus to 0, and whatever can precede a number to a colon.
CLASSES = bytes(48 if b in b"-0123456789" else 58 if b < 33 or b in b":,[" else 120 for b in range(256))
ESCAPED_NUL, REPLACEMENT = bytes([92]) + b"u0000", chr(0xFFFD)
ODD = re.compile(f"[{chr(0)}{chr(0xD800)}-{chr(0xDFFF)}]")


def number(digits: str) -> Any:
    """An int or a float, or the text itself if it exceeds 64 bits or a double."""
    if digits.lstrip("-").isdecimal():
        value = int(digits) if len(digits) <= 20 else 2**64
        return value if -(2**63) <= value < 2**64 else digits
    return digits if abs(float(digits)) == float("inf") else float(digits)


def clean(value: Any) -> Any:
    """Replaces NUL, which Postgres rejects, and half of a surrogate pair by U+FFFD, at any depth, in place."""
    if isinstance(value, list):
        value[:] = map(clean, value)
    elif isinstance(value, dict):
        for name in list(value):
            value[clean(name)] = clean(value[name] if clean(name) == name else value.pop(name))
    return ODD.sub(REPLACEMENT, value) if isinstance(value, str) else value


def decode_body(response: Response) -> Json:
    """The JSON object in a response's body, {} if there is none; its `message` counts as `error`.

    A page of up to 30 MB is read into one buffer, decoded once, and kept. Reading ends after 15 minutes: a byte each
    second is no read timeout. The json module decodes what orjson alters (NUL, integers beyond 64 bits) or rejects
    (half a surrogate pair, which apps leave when they cut names, bytes that are not UTF-8, line breaks in a text, NaN).
    """
    kept: Json = vars(response)
    if "page" not in kept:
        if kept.get("_content") is False:  # not read yet, because it is streamed
            kept["_content"], body, end = b"", bytearray(), time.monotonic() + 900
            with suppress(urllib3.exceptions.HTTPError):  # a wrong checksum, too, though all of the JSON may be there
                while (piece := response.raw.read1(2**18, decode_content=True)) and time.monotonic() < end:
                    body += piece
                kept["_content"] = b"" if piece else body
            response.close()
        page, text = None, response.content
        pieces = (text[start : start + 2**18 + 20] for start in range(0, len(text), 2**18))
        is_inexact = ESCAPED_NUL in text or any(b":" + b"0" * 20 in piece.translate(CLASSES) for piece in pieces)
        with suppress(orjson.JSONDecodeError):
            page = None if is_inexact else orjson.loads(text)
        if page is None and text:
            as_exact: Json = {"parse_int": number, "parse_float": number, "parse_constant": lambda _: None}
            with suppress(AttributeError, ValueError, RecursionError):
                page = json.loads(text.decode(json.detect_encoding(text), "replace"), strict=False, **as_exact)
                if not isinstance(clean(page).get("records"), list):  # of an export: ExportExtractor has the page
                    response._content = orjson.dumps(page)  # JsonDecoder returns {} for what it rejects
        kept["page"] = page = page if isinstance(page, dict) else {}
        page["error"] = page.get("error") or page.get("message")
    return kept["page"]  # type: ignore[no-any-return]


@dataclass
class EventPartitionRouter(ListPartitionRouter):
    """Yields a partition {account_id, start_date, event_name} for each event of `values`.

    If the stream `takes_all_events`, all_events means those of CleverTap's `event_schema` but excluded_event_names;
    config_error if none is left. State, as parent_state: {"complete": {event: last day read}}, without refused events:
    cursors advance with records only, and silent events would be read from their start again.
    """

    event_schema: cdk.HttpRequester = None  # type: ignore[assignment]
    takes_all_events: bool = False
    _all_sliced = False

    def stream_slices(self) -> Iterable[cdk.StreamSlice]:
        all_events = self.takes_all_events and self.config.get("all_events") is True
        self._names = self._names_of_schema() if all_events else list(dict.fromkeys(self.values))
        self._through = str(last_day(self.config))
        self.allowed, self._lock = dict[str, bool](), threading.Lock()
        shared = {"account_id": self.config["account_id"], "start_date": int(self.config["start_date"])}
        for name in self._names:
            partition = {**shared, "event_name": name}
            yield cdk.StreamSlice(partition=partition, cursor_slice={}, extra_fields={"router": self})
        self._all_sliced = True

    def get_stream_state(self) -> Mapping[str, Any] | None:
        if not self._all_sliced:
            return None  # the CDK calls this after each slice, and again when all are read
        return {"complete": {n: self._through for n in self._names if self.allowed.get(n) is not False}}

    def note_answer(self, name: str, is_allowed: bool) -> None:
        """Keeps whether CleverTap allows an event. The last one warns of refused ones; config_error if all are."""
        with self._lock:
            is_new = name not in self.allowed
            if self.allowed.setdefault(name, is_allowed) != is_allowed:
                raise error("CleverTap allowed and then refused this event, or the reverse. Sync again.")
            refused = sorted(n for n in self._names if self.allowed.get(n) is False)
        if refused and is_new and len(self.allowed) == len(self._names):
            told = f"CleverTap refuses {len(refused)} of {len(self._names)} events: {', '.join(refused)}."
            if len(refused) == len(self._names):
                raise error(f"{told} Choose other events.", "config_error")
            LOGGER.warning(f"{told} They are skipped. Add them to excluded_event_names.")

    def _names_of_schema(self) -> list[str]:
        events = decode_body(cast("Response", self.event_schema.send_request()))["events"]
        names = [str(event.get("name") or "") if isinstance(event, dict) else "" for event in events]
        if "" in names:
            LOGGER.warning(f"{names.count('')} events of CleverTap's schema have no name. They are skipped.")
        left = [n for n in dict.fromkeys(names) if n and n not in (self.config.get("excluded_event_names") or ())]
        if not left:
            problem = f"excluded_event_names excludes all {len({*names} - {''})} events."
            raise error(problem if any(names) else "This account has no events yet.", "config_error")
        return left


@dataclass
class TwoStepRequester:
    """Creates an export or a count by POST (`create_requester`) and reads its pages by GET, with a cursor or req_id.

    These expire after hours: the window is then split in halves, and records come again with the same keys; if it
    cannot be split, it is a transient_error. A cursor that comes twice (there would be no end) is a system_error.
    Returns None for an event that CleverTap refuses. Puts stream, event and dates in front of any error. In a test read
    of the Builder, where the CDK does not retry, it asks again itself, every two seconds for a minute.
    filters_setting: the setting whose JSON is added to the POST. cursor_expired, cursor_repeated: messages.
    """

    create_requester: cdk.HttpRequester
    page_requester: cdk.HttpRequester
    config: cdk.Config
    name: str
    cursor_expired: str
    cursor_repeated: str
    filters_setting: str = ""

    def __post_init__(self) -> None:
        # The paginator needs both methods. The CDK logs the bodies of responses that are not streamed.
        self.get_url, self.get_url_base = self.create_requester.get_url, self.create_requester.get_url_base
        for requester in (self.create_requester, self.page_requester):
            requester.stream_response = True
            cast("CleverTapErrorHandler", requester.error_handler).is_retried = not requester.disable_retries
        self._export = threading.local()  # its cursors; one thread reads an export to its end

    def send_request(self, *, stream_slice: Any, next_page_token: Any, log_formatter: Any, **_: Any) -> Response | None:
        request = {"stream_slice": stream_slice, "log_formatter": log_formatter}
        event, first, last = (stream_slice[name] for name in ("event_name", "start_time", "end_time"))
        try:
            if not next_page_token:
                return self._create(stream_slice, request)
            if (cursor := next_page_token["next_page_token"]) in self._export.cursors:
                raise error(self.cursor_repeated, "system_error")
            self._export.cursors.add(cursor)
            return self._send(self.page_requester, next_page_token=next_page_token, **request)
        except PaginationResetRequiredException:
            if window_split and first != last:
                raise window_split.RequestWindowSplitRequiredException(stream_name=self.name) from None
            failure = error(self.cursor_expired)
        except cdk.AirbyteTracedException as raised:
            failure = raised
        failure.message = f"Stream {self.name}, event '{event}', {first} to {last}: {failure.message}"
        raise failure

    def _create(self, stream_slice: cdk.StreamSlice, request: Json) -> Response | None:
        event, router = stream_slice["event_name"], stream_slice.extra_fields["router"]
        self._export.cursors = set()
        if router.allowed.get(event) is False:
            return None
        filters = json.loads(self.config.get(self.filters_setting) or "{}")
        response = self._send(self.create_requester, request_body_json=filters, **request)
        if response is not None:
            router.note_answer(event, not decode_body(response).get("error"))  # the action IGNORE returns it
        return response

    def _send(self, requester: cdk.HttpRequester, **request: Any) -> Response | None:
        response = requester.send_request(**request)
        while requester.disable_retries and (response is None or "failing_since" in vars(response.request)):
            time.sleep(2)
            response = requester.send_request(**request)
        return response


@dataclass
class CleverTapErrorHandler(DefaultErrorHandler):
    """Decides by its body whether a response is complete, because CleverTap returns all errors with HTTP 200, too.

    For others the manifest's first filter that matches decides. In place of the body, which would be logged, it gets
    status, error, code, http_status, method, all_events, fault (of the network), position (of what is no object).
    records_key: of the records. records_type: "list" (of objects), "mixed", "object". records_optional: may be missing.
    page_parameter: "cursor" for an export, "req_id" for a count, "none" without two steps.
    max_wait_minutes: how long a request is retried, and a stream while none succeeds (78 windows would outlast an
    outage by hours); then it is a transient_error. Raises config_error (`check_config`) when it is built.
    """

    name: str = ""
    records_key: str = "records"
    records_type: str = "list"
    records_optional: bool = False
    page_parameter: str = "none"
    max_wait_minutes: str = "20"
    is_retried, _failing_since = True, 0.0  # not retried in a test read of the Builder

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        check_config(json.dumps(self.config, sort_keys=True))
        super().__post_init__(parameters or {})
        # The CDK masks secrets as typed, but logs headers with quotes and other characters escaped.
        printed = repr(self.config["passcode"])[1:-1]
        add_to_secrets(printed)
        add_to_secrets(json.dumps(printed)[1:-1])
        self._limit = 60 * float(cdk.InterpolatedString.create(self.max_wait_minutes, parameters={}).eval(self.config))

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        response, request = response_or_exception, getattr(response_or_exception, "request", None)
        seen: Json = {"all_events": self.config.get("all_events") is True, "method": getattr(request, "method", None)}
        if isinstance(response, Response):
            if self.is_complete(response):
                self._failing_since = 0.0
                return ErrorResolution(ResponseAction.SUCCESS)
            page = decode_body(response)
            seen |= {key: page[key] for key in ("status", "code", "position") if key in page}
            seen |= {"http_status": response.status_code, "error": str(page["error"] or "")[:300]}
        else:
            seen["fault"], response = repr(response), Response()
        response._content, response.encoding = orjson.dumps(seen), "utf-8"
        resolution = next(filter(None, (each.matches(response) for each in self.response_filters or ())))
        if self.page_parameter == "none":  # TwoStepRequester names the others
            body = json.loads(getattr(request, "body", None) or "{}")  # dates, or the ID of a campaign
            where = ", ".join([f"Stream {self.name}", *(f"{key} {value}" for key, value in body.items())])
            resolution.error_message = f"{where}: {resolution.error_message}"
        if resolution.response_action not in (ResponseAction.RETRY, ResponseAction.RATE_LIMITED):
            self._failing_since = 0.0  # a definite response, so CleverTap is up
            return resolution
        return self._retry_or_give_up(resolution, request)

    def _retry_or_give_up(self, resolution: ErrorResolution, request: Any) -> ErrorResolution:
        now, resolution.failure_type = time.monotonic(), cdk.FailureType.transient_error
        self._failing_since = self._failing_since or now
        started = vars(request or resolution).setdefault("failing_since", now)  # a retry sends the same request
        limit = self._limit if self.is_retried else 60
        if now - min(started, self._failing_since) >= limit:
            resolution.response_action = ResponseAction.FAIL
            resolution.error_message = f"{resolution.error_message} (Gave up after {limit / 60:g} minutes.)"
        elif not self.is_retried:
            resolution.response_action = ResponseAction.IGNORE  # TwoStepRequester sends it again
        LOGGER.info(f"{self.name}: {resolution.error_message}")
        return resolution

    def is_complete(self, response: Response) -> bool:
        page, creates = decode_body(response), response.request.method == "POST"
        rows, status = page.get(self.records_key), page.get("status")
        cursors = [page.get("next_cursor"), page.get("cursor")]
        is_export, is_count = self.page_parameter == "cursor", self.page_parameter == "req_id"
        types = (dict if self.records_type == "object" else list, type(None))
        if response.status_code != 200 or response.history or page["error"] or str(page.get("code")) in ("1", "2"):
            return False  # 1 is throttled and 2 not ready, whatever the status says
        if not isinstance(rows, types) or not all(isinstance(cursor, (str, type(None))) for cursor in cursors):
            return False  # a cursor of 0 or {} does not mean that there is no next page
        if self.records_type == "list" and any(not isinstance(row, dict) for row in rows or ()):
            page["position"] = next(n for n, row in enumerate(rows or ()) if not isinstance(row, dict))
            return False
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
        if status is None and self.records_type != "object":  # events, properties and content blocks
            return rows is not None
        return status == "success" and (rows is not None or self.records_optional)


@dataclass
class ExportExtractor(cdk.RecordExtractor):
    """Yields the records of a page, or {date, `count_field`} for each day of a count {YYYYMMDD: n}.

    The rest of a page becomes the response's body, and a record is released once it is yielded. (DpathExtractor walks
    through all of a page of 30 MB for one key, and keeps it.)
    """

    records_key: str = "records"
    count_field: str = ""

    def extract_records(self, response: Response) -> Iterator[Json]:
        page = decode_body(response)
        records = page.pop(self.records_key, None) or []
        response._content = orjson.dumps(page)
        if isinstance(records, dict):
            records = [{"date": f"{d[:4]}-{d[4:6]}-{d[6:]}", self.count_field: n} for d, n in sorted(records.items())]
        records.reverse()
        while records:
            yield records.pop()


@dataclass
class PersonalDataTransformation(cdk.RecordTransformation):
    """Drops or hashes (HMAC-SHA-256) `pii_fields`, and all_identities with them, at any depth, before keys are made."""

    config: cdk.Config
    default_fields: list[str]

    def __post_init__(self) -> None:
        self._mode, self._salt = self.config.get("pii_mode") or "keep", self.config.get("pii_salt") or ""
        self._fields = set(self.config.get("pii_fields") or self.default_fields)
        if self._fields & {"identity", "email", "phone"}:
            self._fields.add("all_identities")

    def transform(self, record: Json, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        if self._mode != "keep":
            self._hide(record)

    def _hide(self, value: Any) -> None:
        for entry in value if isinstance(value, list) else ():
            self._hide(entry)
        for name, inner in list(value.items()) if isinstance(value, dict) else ():
            if name not in self._fields:
                self._hide(inner)
            elif self._mode == "drop":
                del value[name]
            else:
                value[name] = [self._hash(e) for e in inner] if isinstance(inner, list) else self._hash(inner)

    def _hash(self, value: Any) -> Any:
        if value in (None, ""):
            return value
        plain = orjson.dumps(value) if isinstance(value, (dict, list)) else str(value).encode()
        return hmac.digest(self._salt.encode(), plain, "sha256").hex()


def digest_of(value: Any) -> bytes:
    """The digest of a value as JSON with sorted keys; 16 bytes."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


CLOCK = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
MINUTES = {clock.replace(":", ""): minute for minute, clock in enumerate(CLOCK)}


@lru_cache(10_000)
def days_of(digits: str, zone: ZoneInfo) -> tuple[list[str], int | None]:
    """A day like 20221119 between its neighbours (2022-11-19), and its offset from UTC in minutes if it has one."""
    midnight = datetime.strptime(digits, "%Y%m%d").replace(tzinfo=zone)
    offsets = {cast("timedelta", (midnight + timedelta(n)).utcoffset()) // timedelta(minutes=1) for n in (0, 1)}
    return [str(midnight.date() + timedelta(days)) for days in (-1, 0, 1)], offsets.pop() if len(offsets) == 1 else None


def read_time(ts: str, zone: ZoneInfo, window: Mapping[str, str]) -> tuple[str, str | None]:
    """The cursor and the time in UTC (ISO 8601) of a `ts` like 20221119054937 in `zone`; of equal hours the first.

    The cursor is its day, or the nearest in its window (the last if `ts` is invalid): all copies have the same one, the
    latest wins in Append + Deduped, and no device's clock moves the state too far.
    """
    first, last = window["start_time"], window["end_time"]
    try:
        days, offset = days_of(ts[:8], zone)
        minute, seconds = MINUTES[ts[8:12]], ts[12:]
        if len(ts) != 14 or not seconds.isdecimal() or seconds > "59":
            return last, None
        if offset is None:
            local = datetime.strptime(ts[:12], "%Y%m%d%H%M").replace(tzinfo=zone)
            offset = cast("timedelta", local.utcoffset()) // timedelta(minutes=1)
        day, minute = divmod(minute - offset, 1440)
        return min(max(days[1], first), last), f"{days[1 + day]}T{CLOCK[minute]}:{seconds}Z"
    except (KeyError, ValueError, OverflowError):
        return last, None


def make_text(person: Json) -> None:
    """Converts identity, phone and all_identities to text, because CleverTap sends some as numbers."""
    for name in ("identity", "phone"):
        if isinstance(person.get(name), (int, float)):
            person[name] = str(person[name])
    if isinstance(identities := person.get("all_identities"), list):
        identities[:] = [str(each) if isinstance(each, (int, float)) else each for each in identities]


@dataclass
class EventTransformation(cdk.RecordTransformation):
    """Adds the fields that CleverTap leaves out of an event. AddFields would take ten times as long.

    event_id: the primary key, a digest of account, event name, device, `ts` and properties; further events that are
    equal in all of these have a number after it: two taps in one second are two events.
    object_id: the device. identity: the user. profile_id: as of profiles. date: the cursor. event_time: `ts` in UTC.
    Warns if `timezone` is not the project's: CT Session Id is when a session began, in epoch seconds.
    """

    config: cdk.Config

    def __post_init__(self) -> None:
        self._account, self._zone = self.config["account_id"], project_zone(self.config)
        self._distances: list[float] = []  # seconds from session start to event, for the first events
        self._export = threading.local()  # its slice, and the digests seen, by their first two bytes

    def transform(self, record: Json, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        profile, ts, export = record.get("profile"), record.get("ts"), self._export
        if vars(export).get("slice") is not stream_slice:
            export.slice, export.digests = stream_slice, defaultdict(partial(array, "Q"))
            export.event, export.window = stream_slice["event_name"], stream_slice.cursor_slice
        profile = profile if isinstance(profile, dict) else {}
        make_text(profile)
        device, properties, text = profile.get("objectId"), record.get("event_props"), str(ts)
        digest = digest_of([self._account, export.event, device, text, properties])
        short = int.from_bytes(digest[:8], "big")
        same = export.digests[short >> 48]
        repeats = same.count(short)
        same.append(short)
        record["date"], record["event_time"] = read_time(text, self._zone, export.window)
        record["event_id"] = digest.hex() + (f"-{repeats}" if repeats else "")
        record["event_name"], record["object_id"], record["identity"] = export.event, device, profile.get("identity")
        record["ts"] = text if isinstance(ts, (int, float)) else ts
        record["profile_id"] = str(profile.get("identity") or device or "") or None
        if len(self._distances) < 50 and record["event_time"] and isinstance(properties, dict):
            self._compare(record["event_time"], str(properties.get("CT Session Id")))

    def _compare(self, event_time: str, session: str) -> None:
        if len(session) != 10 or not session.isdecimal():
            return
        distance = datetime.fromisoformat(f"{event_time[:-1]}+00:00").timestamp() - int(session)
        if abs(distance) <= 26 * 3600:  # no two time zones are farther apart
            self._distances.append(distance)
        if len(self._distances) == 50 and not -15 * 60 <= (nearest := min(self._distances)) <= 45 * 60:
            off = f"event_time is {nearest // 900 / 4:+g} hours off, as the sessions of 50 events show"
            LOGGER.warning(f"{off}. The project is not in {self._zone.key}. Copy timezone from Settings > Project.")


@dataclass
class ProfileTransformation(cdk.RecordTransformation):
    """Adds the fields that CleverTap leaves out of a profile. IDs become text.

    profile_id: the primary key: identity, else `objectId`, else the first device's (nobody has published whether their
    order is stable), else a digest of all but `events`, which change. active_through: the cursor, the last day of the
    whole read: a part of a window that is split ends before it.
    """

    config: cdk.Config

    def __post_init__(self) -> None:
        self._through = str(last_day(self.config))

    def transform(self, record: Json, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        make_text(record)
        devices = record.get("platformInfo")
        devices = [d for d in devices if isinstance(d, dict)] if isinstance(devices, list) else []
        ids = (record.get("identity"), record.get("objectId"), *(d.get("objectId") for d in devices))
        lasting = (item for item in record.items() if item[0] != "events")
        record["profile_id"] = next((str(i) for i in ids if i), None) or f"no-id-{digest_of(dict(lasting)).hex()}"
        record["event_name"] = stream_slice["event_name"]
        record["active_through"] = self._through


@dataclass
class MessageReportTransformation(cdk.RecordTransformation):
    """Adds start_time, in UTC, and the cursor date from `start_date`, English text in the project's zone."""

    config: cdk.Config

    def transform(self, record: Json, config: Any = None, stream_state: Any = None, stream_slice: Any = None) -> None:
        ts = ""
        with suppress(ValueError):
            ts = f"{datetime.strptime(str(record.get('start_date')), '%d %b, %Y %H:%M:%S'):%Y%m%d%H%M%S}"
        record["date"], record["start_time"] = read_time(ts, project_zone(self.config), stream_slice.cursor_slice)


@dataclass
class PartitionStateMigration(StateMigration):
    """Prepares the saved state for the partitions that the settings ask for, and drops all others.

    A partition starts at the later of its cursor and its event's `complete` (`EventPartitionRouter`), today at most: a
    change of timezone can leave a later one. `state` is dropped: the CDK would start new partitions there. event_names:
    a template; [none] without events. config_error for a state that this connector cannot have written.
    """

    config: cdk.Config
    name: str
    event_names: str = "{{ [none] }}"

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._of_settings(stream_state)
        except (AttributeError, KeyError, TypeError, ValueError) as cause:
            message = "the saved state was not written by this connector. Clear the stream's data, then sync again."
            raise error(f"Stream {self.name}: {message}", "config_error") from cause

    def _of_settings(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        complete = (stream_state.get("parent_state") or {}).get("complete") or {}
        names = cdk.InterpolatedString.create(self.event_names, parameters={}).eval(self.config)
        start, today = int(self.config["start_date"]), datetime.now(project_zone(self.config)).date()
        states, kept = [], dict[str, str]()
        for entry in stream_state["states"]:
            partition, event = entry["partition"], entry["partition"].get("event_name")
            ((field_name, day),) = entry["cursor"].items()
            through = max(datetime.strptime(d, "%Y-%m-%d").date() for d in (day, complete.get(event, day)))
            if through > today + timedelta(2):  # time zones and clocks differ by less
                raise ValueError(f"{through} is in the future")
            through = min(through, today)
            is_asked = partition["account_id"] == self.config["account_id"]
            is_asked &= event in names or bool(event and self.config.get("all_events") is True)
            if is_asked and partition["start_date"] <= start <= int(f"{through:%Y%m%d}"):
                states.append({"partition": {**partition, "start_date": start}, "cursor": {field_name: str(through)}})
                kept |= {event: complete[event]} if event in complete else {}
        return {"use_global_cursor": False, "states": states, "parent_state": {"complete": kept}}


FILTERS = {"event_properties", "session_properties", "common_profile_properties", "advanced_query"}
RULES: dict[str, Callable[[cdk.Config], Any]] = {
    "start_date and end_date must be dates (YYYYMMDD, like 20220101)": lambda c: [
        to_date(c.get(name) or 99991231) for name in ("start_date", "end_date")
    ],
    "timezone is unknown (an example: Asia/Kolkata)": project_zone,
    "start_date must not be after end_date or after today": lambda c: to_date(c["start_date"]) <= last_day(c),
    # CleverTap ignores unknown keys and returns more.
    f"profile_filters and event_filters must be JSON objects with keys from {', '.join(sorted(FILTERS))}": lambda c: (
        all(json.loads(c.get(name) or "{}").keys() <= FILTERS for name in ("profile_filters", "event_filters"))
    ),
    "pii_mode hash requires pii_salt, any long text": lambda c: c.get("pii_mode") != "hash" or c.get("pii_salt"),
    # No pattern in the spec, because the validator would print it.
    "passcode must be ASCII without a space at its ends": lambda c: re.fullmatch("[!-~]([ -~]*[!-~])?", c["passcode"]),
}


@lru_cache(1)
def check_config(settings: str) -> None:
    """Raises config_error for what the spec cannot check in the settings (as JSON)."""
    config, problems = json.loads(settings), []
    for problem, rule in RULES.items():
        try:
            problems += [] if rule(config) else [problem]
        except (AttributeError, OSError, ValueError):
            problems.append(problem)
    if problems:
        raise error(f"Configuration: {'; '.join(problems)}.", "config_error")
