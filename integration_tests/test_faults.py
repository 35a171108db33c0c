"""Every fault of the sandbox, alone: `make faults` runs all, `make test` about one for each thing handled.

A read either ends well and has delivered exactly the account's records, by key and content, or fails and says why.
(The sequences combine them.) Both manifests are read.
"""

import pytest
from airbyte_cdk.sources.declarative.models.declarative_component_schema import HttpRequester
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ResponseAction

from integration_tests.helpers import tables
from integration_tests.helpers.connector import Json, came, held, run
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import Flags
from source_clevertap.sandbox.exports import LARGEST_BATCH

EVENT = "App Launched"
CAN_SPLIT = hasattr(ResponseAction, "SPLIT_REQUEST_WINDOW")  # not in older CDKs
CAN_TIME_OUT = "read_timeout_in_seconds" in HttpRequester.__fields__
COUNTS = ("daily_event_counts", "daily_event_users")
DELIVERS, SOME_ERROR = "", ": "
DOWN, NOT_READY = "transient_error: invalid response", "transient_error: still preparing"
EXPIRED = DELIVERS if CAN_SPLIT else "transient_error: cursor expired"

# Faults, and what must come of them: all records, or `failure_type: words of the message`. A row of SHORT is in `make
# test`, for profiles; of events those about cursors.
SHORT: dict[str, str] = {
    **dict.fromkeys(("not_ready:3", "throttled:3", "reset:3", "truncated:3", "no_status:3", "empty_page:3"), DELIVERS),
    **dict.fromkeys(
        ("page_as_500:2", "page_as_400:2", "partial:always", "open-lost_cursor:3", "open-html:3"), DELIVERS
    ),
    "throttled:1:1 truncated:2:1 empty_page:2:2": DELIVERS,
    "open-html:1 reset:2:0 not_ready:2:2": DELIVERS,
    "not_ready:2:0 error_500:2:1 dead_cursor:1:2": EXPIRED,
    "dead_cursor:5:2": EXPIRED,
    # Half the window has two pages, a quarter one: nothing expires there.
    "dead_cursor:always:1": EXPIRED,
    "not_ready:always:1": NOT_READY,
    "partial_without_cursor:always:2": NOT_READY,
    "empty_object:always:2": DOWN,
    "success_with_error:always:1": DOWN,
    "repeated_cursor:1:1": "system_error: same cursor twice",
    "cycle:1:1": "system_error: same cursor twice",
    "fail_with_records:1:1": "system_error: Shard 7 unavailable",
    "unauthorized:1:1": "config_error: credentials or region",
    "open-incorrect_usage:1": "system_error: Incorrect Usage",
    "open-not_exportable:1": "config_error: export not allowed",
}
PASSING = ("accepted", "too_many", "error_500", "error_503", "html", "empty_body", "empty_object", "success_with_error")
LONG: dict[str, str] = {
    **{f"{name}:3": DELIVERS for name in (*PASSING, "partial_without_cursor")},
    **{f"open-{name}:3": DELIVERS for name in (*PASSING, "not_ready", "throttled", "reset", "truncated", "no_status")},
    **dict.fromkeys(("empty_page:40:1", "hang:2", "open-page_as_500:2", "open-hang:1"), DELIVERS),
    "dead_cursor:3": EXPIRED,
    "dead_cursor:always": "transient_error: lower slice_days",
    "accepted:always": NOT_READY,
    "throttled:always:1": "transient_error: too many requests",
    "error_500:always:2": "transient_error: internal error",
    "hang:always:1": "transient_error: could not be reached",
    **{
        f"{name}:always": DOWN for name in ("reset", "truncated", "html", "empty_body", "no_status", "open-lost_cursor")
    },
    "not_exportable:1:1": "config_error: export not allowed",
}
# Of the streams of one response. (A list of campaigns or reports that is {"status": "success"} alone is an empty one.)
OF_LISTS_SHORT: dict[str, str] = {
    "truncated:1 throttled:1 error_500:1": DELIVERS,
    "empty_object:always": DOWN,
    "unauthorized:1": "config_error: credentials or region",
}
OF_LISTS_LONG: dict[str, str] = {
    **{f"{name}:3": DELIVERS for name in (*PASSING, "not_ready", "reset", "no_status")},
    **dict.fromkeys(("page_as_500:2", "page_as_400:2", "hang:1"), DELIVERS),
    "not_ready:always": NOT_READY,
    "throttled:always": "transient_error: too many requests",
    "error_503:always": "transient_error: internal error",
    "success_with_error:always": DOWN,
    "fail_with_records:1": "system_error: Shard 7 unavailable",
}
OF_COUNTS_SHORT: dict[str, str] = {"dead_cursor:3": EXPIRED, "lost_cursor:always": DOWN}
OF_COUNTS_LONG: dict[str, str] = {
    **dict.fromkeys(("open-throttled:3", "open-reset:3", "open-lost_cursor:3", "lost_cursor:3"), DELIVERS),
    "open-html:1 dead_cursor:1 not_ready:2": EXPIRED,
    "dead_cursor:always": "transient_error: before the last page",
    "open-empty_object:always": DOWN,
}
# Without custom code no cursor's second expiry is survived, and one that comes twice is followed.
NO_CODE = {
    **dict.fromkeys(("dead_cursor:3", "dead_cursor:5:2", "dead_cursor:always:1"), SOME_ERROR),
    **dict.fromkeys(("repeated_cursor:1:1", "cycle:1:1"), DELIVERS),
}
Case = tuple[str, str, int, str, bool]  # stream, faults, records, what is expected, whether of no_code


def cases() -> list[tuple[Case, bool]]:
    """Each with whether it is slow."""
    found: list[tuple[Case, bool]] = []
    for stream in ("profiles", "events"):
        found += [((stream, "", size, DELIVERS, False), size > 1000) for size in (0, 1, 22, 23, 4991, 4992, 200_000)]
        found += [((stream, f, 1000, e, False), stream == "events" and "dead" not in f) for f, e in SHORT.items()]
        found += [((stream, f, 1000, e, False), True) for f, e in LONG.items()]
    for stream in tables.STREAMS:
        short, long = OF_LISTS_SHORT, OF_LISTS_LONG
        if stream in COUNTS:
            short, long = short | OF_COUNTS_SHORT, long | OF_COUNTS_LONG
        found += [((stream, f, 1000, e, False), False) for f, e in short.items()]
        found += [((stream, f, 1000, e, False), True) for f, e in long.items()]
    for (stream, faults, records, expected, _), slow in [*found]:
        # Of what lasts the CDK says, in a system_error, that its retries are exhausted.
        lasting = SOME_ERROR if expected.startswith("transient_error") and expected != EXPIRED else expected
        if stream not in COUNTS and "open-lost_cursor" not in faults:  # as its header says
            of_no_code = NO_CODE.get(faults, DELIVERS if expected == EXPIRED else lasting)
            is_long = stream == "events" or (stream, faults) == ("message_reports", "empty_object:always")
            found.append(((stream, faults, records, of_no_code, True), slow or is_long))
    return [(case, slow) for case, slow in found if CAN_TIME_OUT or "hang" not in case[1]]


CASES = [
    pytest.param(*case, marks=[pytest.mark.slow] * slow, id=f"{case[0]} {case[1] or case[2]}{' no_code' * case[4]}")
    for case, slow in cases()
]


@pytest.mark.cdk
@pytest.mark.parametrize(("stream", "text", "size", "expected", "no_code"), CASES)
def test_given_faults_when_read_then_every_record_comes_or_an_error_says_why(
    stream: str, text: str, size: int, expected: str, no_code: bool
) -> None:
    # Profiles are one window of four years, events one of thirty days, others several.
    dates, account = {"start_date": 20250101}, Account(profiles=60, events=400)
    if stream == "profiles":
        dates, account = {}, Account(profiles=size)
    if stream == "events":
        dates, account = {"end_date": 20220130}, Account(profiles=300, events=size, days=30)
    faults = tuple(map(Fault.parse, text.split()))
    with Sandbox(account, faults=faults, page_rows=460 if size == 1000 else LARGEST_BATCH) as sandbox:
        if "hang" in text:  # a clock as fast as theirs gives up on a page that is yet to be made
            sandbox.prebuild()
            sandbox.prebuild_events(EVENT, Flags(events=False))
        config = sandbox.config(**dates)
        if stream in tables.STREAMS and not no_code:  # many windows, of which each waits
            config["max_wait_minutes"] = 3
        if "hang" in text:  # a real process: time-outs of sockets are no waits of ours
            output = run("read", config, streams=(stream,), speed=1000, no_code=no_code)
        else:
            output = sync(Clock(sandbox), config, (stream,), no_code=no_code)

    assert sandbox.max_in_flight <= 3
    if expected:
        kind, _, words = expected.partition(": ")
        assert output.exit_code
        assert output.error[0].startswith(kind)
        assert words in output.error[1]
        return
    assert output.exit_code == 0, output.error
    if stream == "profiles":
        assert len(held(stream, account)) == size
    delivered = came(stream, output.records, no_code)
    truth = held(stream, account, first=dates.get("start_date", 20220101), no_code=no_code)
    assert truth or not size
    if stream == "events" and no_code:  # equal events share a key
        assert delivered.keys() == truth.keys()
        assert delivered >= truth
    else:
        assert delivered == truth


def test_given_clevertap_is_down_when_read_then_the_windows_of_a_stream_share_their_patience() -> None:
    days: Json = {"start_date": 20220101, "end_date": 20220822, "slice_days": 3, "lookback_days": 1}
    with Sandbox(Account(profiles=10, events=10), faults=(Fault("error_503", None, None, True),)) as sandbox:
        output = sync(Clock(sandbox), sandbox.config(**days, max_wait_minutes=0.25), ("events",))

    assert (output.exit_code, output.error[0]) == (1, "transient_error")
    assert len(output.errors) >= 78
    assert len(sandbox.requests) < 78 + 20
    assert sandbox.clock_offset < 3 * 60  # of three threads together
