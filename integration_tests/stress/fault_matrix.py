"""`make faults`: every fault of the sandbox against the connector, as one table.

`make faults FAULTS=--no-code` runs it against no_code/manifest.yaml instead.

A read either exits 0 and has delivered exactly the account's rows of the stream, by key and content,
or exits otherwise and says why. The process ends with 1 if any row is neither, or not what it should be.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from airbyte_cdk.sources.declarative.models.declarative_component_schema import HttpRequester
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ResponseAction

from integration_tests.helpers import tables
from integration_tests.helpers.connector import (
    Json,
    by_key,
    deliveries,
    occurrences,
    run,
    true_deliveries,
    true_occurrences,
)
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import Flags
from source_clevertap.sandbox.exports import LARGEST_BATCH

ROWS, PAGE_ROWS = 1000, 460  # three pages
EVENT = "App Launched"
TABLES_FIRST = 20250101
CAN_SPLIT = hasattr(ResponseAction, "SPLIT_REQUEST_WINDOW")  # not in older CDKs
CAN_TIME_OUT = "read_timeout_in_seconds" in HttpRequester.__fields__
DELIVERS = ""


@dataclass(frozen=True)
class Case:
    """Faults, and what must come of them: DELIVERS, or `failure_type: words of the message`."""

    faults: str
    expected: str = DELIVERS
    rows: int = ROWS
    speed: float = 100
    stream: str = "profiles"
    no_code: bool = False

    @property
    def name(self) -> str:
        return f"{self.faults or 'none'}, {'' if self.stream in tables.STREAMS else f'{self.rows} '}{self.stream}"

    @property
    def dates(self) -> dict[str, int]:
        """The days to read, as settings."""
        if self.stream in tables.STREAMS:
            return {"start_date": TABLES_FIRST}
        return {"end_date": 20220130} if self.stream == "events" else {}

    @property
    def account(self) -> Account:
        """Profiles are one window of four years, events one of thirty days, tables several."""
        if self.stream in tables.STREAMS:
            return Account(profiles=60, events=400)
        if self.stream == "profiles":
            return Account(profiles=self.rows)
        return Account(profiles=300, events=self.rows, days=30)


TRANSIENT = "transient_error: "
EXPIRED = DELIVERS if CAN_SPLIT else TRANSIENT + "cursor expired"
PASSING = (
    "not_ready:3", "accepted:3", "throttled:3", "too_many:3", "error_500:3", "error_503:3", "reset:3",
    "truncated:3", "html:3", "empty_body:3", "empty_object:3", "no_status:3", "success_with_error:3",
    "partial_without_cursor:3", "empty_page:3", "empty_page:40:1", "partial:always", "dead_cursor:3",
    "dead_cursor:5:2", "hang:2", "page_as_500:2", "page_as_400:2", "open-page_as_500:2",
    "open-not_ready:3", "open-accepted:3", "open-throttled:3", "open-too_many:3", "open-error_500:3",
    "open-error_503:3", "open-reset:3", "open-truncated:3", "open-html:3", "open-empty_body:3",
    "open-empty_object:3", "open-no_status:3", "open-success_with_error:3", "open-lost_cursor:3",
    "open-hang:1",
)  # fmt: skip
LASTING = {
    "not_ready:always:1": TRANSIENT + "still preparing",
    "accepted:always": TRANSIENT + "still preparing",
    "throttled:always:1": TRANSIENT + "too many requests",
    "too_many:always": TRANSIENT + "too many requests",
    "error_500:always:2": TRANSIENT + "internal error",
    "reset:always:1": TRANSIENT + "invalid response",
    "truncated:always:2": TRANSIENT + "invalid response",
    "html:always": TRANSIENT + "invalid response",
    "empty_body:always:2": TRANSIENT + "invalid response",
    "empty_object:always:2": TRANSIENT + "invalid response",
    "no_status:always:2": TRANSIENT + "invalid response",
    "success_with_error:always:1": TRANSIENT + "invalid response",
    "partial_without_cursor:always:2": TRANSIENT + "still preparing",
    "dead_cursor:always": TRANSIENT + "lower slice_days",
    # Half the window has two pages, a quarter one: nothing dies there.
    "dead_cursor:always:1": DELIVERS if CAN_SPLIT else TRANSIENT + "cursor expired",
    "hang:always:1": TRANSIENT + "could not be reached",
    "open-lost_cursor:always": TRANSIENT + "invalid response",
    "open-html:always": TRANSIENT + "invalid response",
    "repeated_cursor:1:1": "system_error: same cursor twice",
    "cycle:1:1": "system_error: same cursor twice",
    "incorrect_usage:1:1": "system_error: Incorrect Usage",
    "not_exportable:1:1": "config_error: export not allowed",
    "fail_with_records:1:1": "system_error: Shard 7 unavailable",
    "open-incorrect_usage:1": "system_error: Incorrect Usage",
    "unauthorized:1:1": "config_error: credentials or region",
    "open-unauthorized:1": "config_error: credentials or region",
}
COMBINED = (
    "not_ready:2:0 error_500:2:1 dead_cursor:1:2",
    "throttled:1:1 truncated:2:1 empty_page:2:2",
    "open-html:1 reset:2:0 not_ready:2:2",
)
# Of the streams beside the exports. (A campaign list or message report that is {"status": "success"}
# alone is an empty one: no client could tell.)
TABLE_PASSING = (
    "", "not_ready:3", "accepted:3", "throttled:3", "too_many:3", "error_500:3", "error_503:3",
    "reset:3", "truncated:3", "html:3", "empty_body:3", "empty_object:3", "no_status:3",
    "success_with_error:3", "page_as_500:2", "page_as_400:2", "hang:1",
    "truncated:1 throttled:1 error_500:1",
)  # fmt: skip
TABLE_LASTING = {
    "not_ready:always": TRANSIENT + "still preparing",
    "throttled:always": TRANSIENT + "too many requests",
    "error_503:always": TRANSIENT + "internal error",
    "empty_object:always": TRANSIENT + "invalid response",
    "truncated:always": TRANSIENT + "invalid response",
    "success_with_error:always": TRANSIENT + "invalid response",
    "fail_with_records:1": "system_error: Shard 7 unavailable",
    "incorrect_usage:1": "system_error: Incorrect Usage",
    "unauthorized:1": "config_error: credentials or region",
}
COUNT_PASSING = (
    "open-throttled:3", "open-reset:3", "open-html:3", "open-lost_cursor:3", "open-hang:1",
    "lost_cursor:3", "dead_cursor:3", "open-html:1 dead_cursor:1 not_ready:2",
)  # fmt: skip
COUNT_LASTING = {
    "lost_cursor:always": TRANSIENT + "invalid response",
    "dead_cursor:always": TRANSIENT + "before the last page",
    "open-empty_object:always": TRANSIENT + "invalid response",
}
COUNTS = ("daily_event_counts", "daily_event_users")
SIZES = (0, 1, 22, 23, 4991, 4992, 200_000)


# What comes of these without custom code: no cursor's second death is survived, one that comes twice is
# followed, and an opening without one fails. Of what lasts the CDK says, in a system_error, that its
# retries are exhausted.
NO_STREAMS = ("daily_event_counts", "daily_event_users")
SOME_ERROR = ": "
NO_CODE = {
    **dict.fromkeys(("dead_cursor:3", "dead_cursor:5:2", "dead_cursor:always:1"), SOME_ERROR),
    **dict.fromkeys(("repeated_cursor:1:1", "cycle:1:1"), DELIVERS),
}


# The share of the table that `make test` runs, on both CDKs: about one row for each thing handled.
SHARE = (
    "not_ready:3", "throttled:3", "reset:3", "truncated:3", "no_status:3", "empty_page:3",
    "page_as_500:2", "page_as_400:2", "partial:always", "dead_cursor:5:2", "open-lost_cursor:3",
    "open-html:3", *COMBINED,
    "not_ready:always:1", "empty_object:always:2", "partial_without_cursor:always:2",
    "success_with_error:always:1", "dead_cursor:always:1", "repeated_cursor:1:1", "cycle:1:1",
    "fail_with_records:1:1", "unauthorized:1:1", "open-incorrect_usage:1",
)  # fmt: skip
TABLE_SHARE = (
    "truncated:1 throttled:1 error_500:1", "empty_object:always", "dead_cursor:3", "lost_cursor:always",
    "unauthorized:1",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All rows of the table; without those that hang, where the CDK knows no read time-out."""
    for case in _cases():
        if CAN_TIME_OUT or "hang" not in case.faults:
            yield case


def _cases() -> Iterator[Case]:
    for stream in ("profiles", "events"):
        for rows in SIZES:
            yield Case("", rows=rows, stream=stream)
        for faults in (*PASSING, *COMBINED):
            yield Case(faults, EXPIRED if "dead" in faults else DELIVERS, stream=stream)
        for faults, expected in LASTING.items():
            yield Case(faults, expected, speed=1000 if "hang" in faults else 100, stream=stream)
    for stream in tables.STREAMS:
        counts = stream in COUNTS
        lasting = {**TABLE_LASTING, **(COUNT_LASTING if counts else {})}
        for faults in (*TABLE_PASSING, *(COUNT_PASSING if counts else ())):
            yield Case(faults, EXPIRED if "dead" in faults else DELIVERS, stream=stream)
        for faults, expected in lasting.items():
            yield Case(faults, expected, speed=400, stream=stream)


def no_code(rows: Iterable[Case]) -> Iterator[Case]:
    """The same rows for no_code/manifest.yaml."""
    for case in rows:
        lasting = SOME_ERROR if case.expected.startswith(TRANSIENT) else case.expected
        expected = NO_CODE.get(case.faults, DELIVERS if case.expected == EXPIRED else lasting)
        if case.stream not in NO_STREAMS and "open-lost_cursor" not in case.faults:  # as its header says
            yield replace(case, no_code=True, expected=expected)


def share() -> Iterator[Case]:
    """The rows of SHARE, and the sizes that take no long time; of events those about cursors."""
    for case in cases():
        if case.stream in tables.STREAMS:
            if case.faults in TABLE_SHARE:
                yield case
            continue
        if case.stream == "events" and "dead" not in case.faults and case.faults:
            continue
        if case.faults in SHARE or (not case.faults and case.rows < ROWS):
            yield case


def outcome(case: Case) -> tuple[str, str]:
    """Runs a case. Returns what is wrong, '' if nothing, and what happened."""
    faults = tuple(Fault.parse(text) for text in case.faults.split())
    page_rows = PAGE_ROWS if case.rows == ROWS else LARGEST_BATCH
    with Sandbox(case.account, faults=faults, page_rows=page_rows) as sandbox:
        if "hang" in case.faults:  # a clock as fast as theirs gives up on a page that is yet to be made
            sandbox.prebuild()
            sandbox.prebuild_events(EVENT, Flags(events=False))
        config, streams = sandbox.config(**case.dates), (case.stream,)
        if case.stream in tables.STREAMS and not case.no_code:  # many windows, of which each waits
            config["max_wait_minutes"] = 3
        if "hang" in case.faults:  # a real process: time-outs of sockets are no waits of ours
            output = run("read", config, streams=streams, speed=case.speed, no_code=case.no_code)
        else:
            output = sync(Clock(sandbox), config, streams, no_code=case.no_code)
        if sandbox.max_in_flight > 3:
            return "more than 3 requests in flight", ""
    if output.exit_code:
        printed = "{}: {}".format(*output.error)
        kind, _, words = case.expected.partition(": ")
        as_expected = case.expected and printed.startswith(kind) and words in printed
        return "" if as_expected else "UNEXPECTED ERROR", re.sub("Stream [^:]*: ", "", printed)
    printed = f"exit 0, {len(output.records)} records of {case.rows}"
    if not is_complete(case, output.records):
        return "RECORDS MISSING OR CHANGED", printed
    return ("AN ERROR WAS EXPECTED" if case.expected else ""), printed


def is_complete(case: Case, records: list[Json]) -> bool:
    """Whether the records are exactly those of the account. (Of no_code, equal events share a key.)"""
    account = case.account
    if case.stream in tables.STREAMS:
        expected = tables.truth(case.stream, account, first=TABLES_FIRST)
        if case.no_code:
            expected = tables.spread(tables.without(expected, "start_time"))
        return bool(expected) and tables.keyed(case.stream, records) == expected
    if case.stream == "profiles":
        truth = {row["key"]: row["record"] for row in account.truth(EVENT, 20220101, 20260212)}
        return len(truth) == case.rows and by_key(records) == truth
    if case.no_code:
        came, held = deliveries(records), true_deliveries(account, [EVENT])
        return came.keys() == held.keys() and came >= held
    return occurrences(records) == true_occurrences(account, [EVENT])


def _timed(case: Case) -> tuple[Case, str, str, float]:
    started = time.monotonic()
    return case, *outcome(case), time.monotonic() - started


def main() -> None:
    """Prints the table."""
    failed = 0
    rows = no_code(cases()) if "--no-code" in sys.argv else cases()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for case, wrong, printed, seconds in pool.map(_timed, rows):
            failed += bool(wrong)
            print(f"{wrong or 'ok':4} {seconds:5.1f} s  {case.name:62} {printed[:150]}", flush=True)
    print(f"{failed} rows are not as they should be" if failed else "every row is as it should be")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
