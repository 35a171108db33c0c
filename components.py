"""What manifest.yaml cannot say about CleverTap's exports.

The manifest declares every request, answer, wait and field. The classes here hold the two steps of
an export together (open it by POST, page through it by GET), tell a page from everything else that
CleverTap may answer with HTTP 200, and check the configuration before the first request.

One instance of each class serves all slices of a stream, on several threads: nothing about a read
is kept on it. The state of an export travels in the page token (`ExportPosition`).

This file is pasted into the Connector Builder: ASCII only, no backslash, no relative import.
"""

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

import orjson
import pytz
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.requesters import HttpRequester
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.pagination_strategy import (
    PaginationStrategy,
)
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.streams.http.pagination_reset_exception import (
    PaginationResetRequiredException,
)
from airbyte_cdk.sources.types import Config, StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte")

REGIONS = ("global", "eu1", "in1", "us1", "sg1", "aps3", "mec1", "sk1")
BASE_URL = re.compile(
    "(https://([a-z0-9-]+[.])?api[.]clevertap[.]com|http://(127[.]0[.]0[.]1|localhost)(:[0-9]{1,5})?)/?"
)

Page = dict[str, Any]


class ExportPosition(TypedDict):
    """Where an export stands: the page token, handed from page to page.

    cursor: of the page to fetch next, percent-encoded as CleverTap sent it.
    seen: short digests of the cursors fetched since the export was opened (a cursor has 2 KB).
    rows: records read since the export was opened.
    reopened: how often the export was opened again because its cursor had died.
    """

    cursor: str
    seen: set[bytes]
    rows: int
    reopened: int


def page_of(response: requests.Response) -> Page | None:
    """The JSON object in a response's body, or None where there is none.

    A page has up to 30 MB: it is decoded once and kept on the response, where the error handler,
    the extractor and the pagination find it. orjson refuses half a surrogate pair, which apps do
    leave in names that they cut, and so do readers of our output: it becomes U+FFFD, the row stays.
    """
    kept = vars(response)
    if "export_page" not in kept:
        try:
            kept["export_page"] = _json_object(response.content)
        except requests.RequestException:
            kept["export_page"] = None
            kept["_content"] = b""  # the Builder's log reads the body again: not from a dead socket
    page: Page | None = kept["export_page"]
    return page


def _json_object(body: bytes) -> Page | None:
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


def is_page(response: requests.Response) -> bool:
    """Whether a response is a page of an export, or the answer that opens one.

    Only this makes a request a success. HTTP 200 says nothing: failures, "not ready yet" and unreadable
    bodies come with it. Without a cursor, "success" is the end of an export; "partial", or
    the answer to the opening POST, cannot be, so neither may pass for one.
    """
    page = page_of(response)
    if response.status_code != 200 or response.history or page is None or page.get("error"):
        return False  # (history: it was redirected, by something that is not CleverTap)
    if str(page.get("code")) in ("1", "2"):  # throttled, not ready: whatever the status says
        return False
    cursor, records = _next_cursor(page), page.get("records")
    if not all(isinstance(page.get(name), (str, type(None))) for name in ("next_cursor", "cursor")):
        return False  # not even 0 or {}: only null, "" or its absence say that there is no cursor
    if records is not None and not isinstance(records, list):
        return False
    if not all(isinstance(record, dict) for record in records or ()):
        return False
    may_be_last = page.get("status") == "success" and response.request.method != "POST"
    return may_be_last or (page.get("status") in ("success", "partial") and bool(cursor))


@dataclass
class ExportRequester:
    """Sends the requests of an export: `open` by POST while there is no cursor, then `page` by GET.

    Both are ordinary HttpRequesters of the manifest. A dead cursor (the manifest's RESET_PAGINATION)
    opens the export again, at most `max_reopens` times; rows already read then come again, with the
    same keys. (The CDK's own reset allows one.) A cursor that comes twice would page for ever: it ends
    the read. Every error is given the stream, event and dates.
    """

    open: HttpRequester
    page: HttpRequester
    config: Config
    max_reopens: int = 5

    def __post_init__(self) -> None:
        # Bodies are read by `page_of`. Otherwise the CDK's debug log would print the records.
        self.open.stream_response = self.page.stream_response = True
        # The CDK masks a secret as it was typed, but prints headers with quotes and such escaped.
        printed = repr(str(self.config.get("passcode", "")))[1:-1]
        for escaped in (printed, json.dumps(printed)[1:-1]):
            add_to_secrets(escaped)

    def get_url(self, **context: Any) -> str:
        """The URL that opens the export (the CDK asks for it when it builds the paginator)."""
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
        """Fetches the page that `next_page_token` stands at, or opens the export.

        Raises AirbyteTracedException, its message saying stream, event and dates.
        """
        position: ExportPosition | None = (next_page_token or {}).get("next_page_token")
        try:
            if position:
                self._refuse_repeated_cursor(position)
                try:
                    return self.page.send_request(
                        stream_slice=stream_slice,
                        next_page_token=next_page_token,
                        log_formatter=log_formatter,
                    )
                except PaginationResetRequiredException:
                    self._count_reopening(position)
            return self.open.send_request(stream_slice=stream_slice, log_formatter=log_formatter)
        except PaginationResetRequiredException as error:
            raise AirbyteTracedException(
                message=f"{self._export(stream_slice)}: CleverTap refused to open the export.",
                failure_type=FailureType.transient_error,
            ) from error
        except AirbyteTracedException as error:
            cause = error.__context__  # retries that ran out: the CDK hides our message in its own
            message = str(cause) if isinstance(cause, BaseBackoffException) else str(error)
            error.message = f"{self._export(stream_slice)}: {message}"
            raise

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

    def _count_reopening(self, position: ExportPosition) -> None:
        if position["reopened"] >= self.max_reopens:
            raise AirbyteTracedException(
                message=f"CleverTap ended the export {self.max_reopens + 1} times before its last "
                f"page, the last time after {position['rows']} rows. Sync again later, or a shorter "
                "range of dates at a time.",
                failure_type=FailureType.transient_error,
            )
        LOGGER.warning(
            f"CleverTap ended an export after {position['rows']} rows; opening it again. "
            "Rows already read come again, with the same keys."
        )

    def _export(self, stream_slice: StreamSlice | None) -> str:
        asked = self.open.get_request_body_json(stream_slice=stream_slice) or {}
        return "Stream {}, event '{}', {} to {}".format(
            self.open.name, asked.get("event_name"), asked.get("from"), asked.get("to")
        )


@dataclass
class ExportErrorHandler(DefaultErrorHandler):
    """Tells pages from failures by the body, and paces the retries.

    A page (`is_page`) passes. For anything else the manifest's `response_filters` decide, first
    match wins, and what none of them knows is retried: it is never taken for a page. While they
    look, the body is cut down to `status`, `error` and `code`, for the CDK logs failed bodies.

    waits: for each response action that retries, the first and the longest wait in seconds; a wait
        is twice the one before it. A request may wait `max_wait_minutes` in all (the CDK's own
        ceiling is ten minutes and five retries), then its last error is raised as transient_error.

    Raises config_error where it is built with a configuration that has `config_problems`.
    """

    waits: Mapping[str, list[int]] = field(default_factory=dict)
    max_wait_minutes: str | float = 20
    max_retries: int | str | None = 100_000
    max_time: int = 7 * 24 * 3600

    def __post_init__(self, parameters: Any) -> None:
        # Here because every request of every stream has this handler, and it is built before it is
        # sent. (The spec's own validations cannot be ours: older Builders resolve a manifest without
        # its components.)
        problems = config_problems(self.config)
        if problems:
            raise AirbyteTracedException(
                message=f"Configuration: {' '.join(problems.values())}",
                failure_type=FailureType.config_error,
            )
        super().__post_init__(parameters or {})
        limit = InterpolatedString.create(str(self.max_wait_minutes), parameters={})
        self._max_wait = 60 * float(limit.eval(self.config))
        self._request = threading.local()  # all attempts of one request run on one thread
        self.backoff_strategies = [self]  # type: ignore[list-item]  # the CDK asks these, not us

    def interpret_response(
        self, response_or_exception: requests.Response | Exception | None
    ) -> ErrorResolution:
        """What to do with an answer, or with an exception where none came."""
        if not isinstance(response_or_exception, requests.Response):
            name = type(response_or_exception).__name__
            self._request.resolution = ErrorResolution(
                ResponseAction.RETRY,
                FailureType.transient_error,
                f"CleverTap could not be reached, or did not answer in time ({name}). "
                "Check the network between Airbyte and CleverTap, then sync again.",
            )
        elif is_page(response_or_exception):
            return SUCCESS_RESOLUTION
        else:
            self._request.resolution = self._resolve(response_or_exception)
        resolution: ErrorResolution = self._request.resolution
        return resolution

    def _resolve(self, response: requests.Response) -> ErrorResolution:
        page = page_of(response) or {}
        envelope = {key: page[key] for key in ("status", "error", "code") if key in page}
        if "error" in envelope:
            envelope["error"] = str(envelope["error"])[:300]
        response.json = lambda **_: envelope  # type: ignore[method-assign]
        for response_filter in self.response_filters or []:
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
        if max(request.slept, time.monotonic() - request.started) >= self._max_wait:
            raise AirbyteTracedException(
                message=f"{resolution.error_message} (Gave up after {self._max_wait / 60:g} minutes.)",
                failure_type=FailureType.transient_error,
            )
        wait: float = min(first * 2.0 ** min(request.tries.get(action, 0), 30), longest)
        request.tries[action] = request.tries.get(action, 0) + 1
        request.slept += wait
        LOGGER.info(f"{resolution.error_message} Asking again in {wait:g} s.")
        return wait - 1


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
        if last is None:
            seen, rows, reopened = set[bytes](), 0, 0
        elif response.request.method == "POST":
            seen, rows, reopened = set(), 0, last["reopened"] + 1
        else:
            seen, rows, reopened = last["seen"], last["rows"] + last_page_size, last["reopened"]
        return ExportPosition(cursor=cursor, seen=seen, rows=rows, reopened=reopened)


@dataclass
class PageRecordExtractor(RecordExtractor):
    """The `records` of a page; none where the key is missing (an export with no data has none)."""

    def extract_records(self, response: requests.Response) -> Iterator[MutableMapping[str, Any]]:
        """The page's records as CleverTap sent them, each let go of as it is taken."""
        records = (page_of(response) or {}).pop("records", None) or []
        vars(response)["_content"] = b""  # up to 30 MB that nobody reads again
        for position, record in enumerate(records):
            records[position] = None
            yield record


@dataclass
class ProfileKeys(RecordTransformation):
    """Adds what CleverTap leaves out of a profile: `event_name` and the key, `object_id`.

    `object_id` is `objectId`, which lies on the profile or only on its devices (`platformInfo`). A
    profile without any takes its identity, or a digest of itself: a destination that dedupes would
    drop all rows without a key but one.
    """

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Adds both fields to `record`, in place."""
        object_id = record.get("objectId") or self._device_id(record.get("platformInfo"))
        object_id = object_id or record.get("identity")
        if not object_id:
            canonical = json.dumps(record, sort_keys=True).encode()
            object_id = "no-id-" + hashlib.blake2b(canonical, digest_size=16).hexdigest()
        record["object_id"] = str(object_id)
        record["event_name"] = stream_slice["event_name"] if stream_slice else None

    @staticmethod
    def _device_id(devices: Any) -> Any:
        for device in devices if isinstance(devices, list) else ():
            if isinstance(device, dict) and device.get("objectId"):
                return device["objectId"]
        return None


def config_problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration: a sentence for each bad setting, by its name.

    A setting that is None or empty counts as absent, a date may be typed as text.
    """
    return dict(_setting_problems({k: v for k, v in config.items() if v is not None and v != ""}))


def _setting_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("account_id", "passcode", "event_name", "start_date"):
        if name not in config:
            yield name, f"{name} is missing."
    for name in ("account_id", "passcode"):
        # What an HTTP header can carry. The value may be a secret: it is not repeated.
        if not re.fullmatch("[!-~]([ -~]*[!-~])?", str(config.get(name, "-"))):
            yield name, f"{name} has a space at an end, or a character that is not plain ASCII."
    for name in ("account_id", "passcode", "event_name"):
        if not isinstance(config.get(name, ""), str):
            yield name, f"{name} must be text, in quotes."
    if config.get("region", "global") not in REGIONS:
        yield "region", f"region '{config['region']}' is none of {', '.join(REGIONS)}."
    base_url = config.get("base_url", "http://localhost")
    if not (isinstance(base_url, str) and BASE_URL.fullmatch(base_url.replace("[::1]", "localhost"))):
        yield "base_url", "base_url must be https://...api.clevertap.com or http://localhost, no path."
    if not isinstance(config.get("include_event_summary", True), bool):
        yield "include_event_summary", "include_event_summary must be true or false."
    minutes = config.get("max_wait_minutes", 20)
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not minutes > 0:
        yield "max_wait_minutes", "max_wait_minutes must be a number above 0."
    yield from _date_problems(config)


def _date_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    dates_are_good = True
    for name in ("start_date", "end_date"):
        if name in config and not _is_date(config[name]):
            dates_are_good = False
            yield name, f"{name} {config[name]} is no date. Write it as YYYYMMDD: 20220101."
    try:
        today = int(datetime.now(pytz.timezone(config.get("timezone", "UTC"))).strftime("%Y%m%d"))
    except (pytz.UnknownTimeZoneError, AttributeError):
        yield "timezone", f"timezone '{config['timezone']}' is unknown. Example: Asia/Kolkata."
        return
    if dates_are_good and "start_date" in config:
        start, end = int(config["start_date"]), int(config.get("end_date", today))
        if start > end:
            yield "start_date", f"start_date {start} is after end_date {end}."
        elif start > today:
            yield "start_date", f"start_date {start} is after today, {today} in the timezone set."


def _is_date(value: Any) -> bool:
    try:
        datetime.strptime(str(value), "%Y%m%d")
    except ValueError:
        return False
    return re.fullmatch("[0-9]{8}", str(value)) is not None
