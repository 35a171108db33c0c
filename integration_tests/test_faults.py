"""Every fault of the sandbox, for a stream that it can happen to, and of no_code some of each outcome.

A read either ends well and has delivered exactly the account's records, by key and content, or fails and says why.
(The sequences combine them.)
"""

import pytest
from airbyte_cdk.sources.declarative.models.declarative_component_schema import HttpRequester
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ResponseAction

from integration_tests.helpers import tables
from integration_tests.helpers.connector import Json, came, held, run
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.exports import LARGEST_BATCH

CAN_SPLIT = hasattr(ResponseAction, "SPLIT_REQUEST_WINDOW")  # not in older CDKs
CAN_TIME_OUT = "read_timeout_in_seconds" in HttpRequester.__fields__
DELIVERS, SOME_ERROR = "", ": "
DOWN, NOT_READY = "transient_error: invalid response", "transient_error: still preparing"
EXPIRED = DELIVERS if CAN_SPLIT else "transient_error: cursor expired"
CREDENTIALS, REFUSED = "config_error: credentials or region", "system_error: Shard 7 unavailable"
PASSING = (
    *("not_ready", "accepted", "throttled", "too_many", "error_500", "error_503", "reset", "truncated", "html"),
    *("empty_body", "empty_object", "no_status", "success_with_error", "partial_without_cursor", "empty_page"),
)
LISTS = {"truncated:1 throttled:1 error_500:1": DELIVERS}
# By stream numbers of records, or faults; and what must come of them: all records, or `failure_type: words`.
OURS: dict[str, dict[str, str]] = {
    "profiles": {
        **dict.fromkeys(("0", "1", "4991", "4992", *(f"{name}:3" for name in PASSING)), DELIVERS),
        **dict.fromkeys(("page_as_500:2", "page_as_400:2", "partial:always", "empty_page:40:1", "hang:2"), DELIVERS),
        **dict.fromkeys(("open-html:3", "open-lost_cursor:3"), DELIVERS),
        "dead_cursor:3": EXPIRED,
        # Half the window has two pages, a quarter one: nothing expires there.
        "dead_cursor:always:1": EXPIRED,
        "dead_cursor:always": "transient_error: lower slice_days",
        "accepted:always:1": NOT_READY,
        "throttled:always:1": "transient_error: too many requests",
        "error_500:always:2": "transient_error: internal error",
        "hang:always:1": "transient_error: could not be reached",
        "open-lost_cursor:always": DOWN,
        "repeated_cursor:1:1": "system_error: same cursor twice",
        "cycle:1:1": "system_error: same cursor twice",
        "fail_with_records:1:1": REFUSED,
        "unauthorized:1:1": CREDENTIALS,
        "open-incorrect_usage:1": "system_error: Incorrect Usage",
        "open-not_exportable:1": "config_error: export not allowed",
    },
    "events": {"4992": DELIVERS, "error_500:2:1 dead_cursor:1:2": EXPIRED, "dead_cursor:5:2": EXPIRED},
    **dict.fromkeys(tables.STREAMS, LISTS),
    # (A list of campaigns or reports that is {"status": "success"} alone is an empty one.)
    "campaign_reports": LISTS | {"page_as_500:2": DELIVERS, "empty_object:always": DOWN, "unauthorized:1": CREDENTIALS},
    "category_groups": LISTS | {"not_ready:always": NOT_READY, "fail_with_records:1": REFUSED},
    "daily_event_counts": LISTS
    | {
        **dict.fromkeys(("open-throttled:3", "open-lost_cursor:3", "lost_cursor:3"), DELIVERS),
        "dead_cursor:3": EXPIRED,
        "dead_cursor:always": "transient_error: before the last page",
        "lost_cursor:always": DOWN,
    },
}
# Without custom code no cursor's second expiry is survived, and one that comes twice is followed. Of what lasts the CDK
# says, in a system_error, that its retries are exhausted.
OF_NO_CODE: dict[str, dict[str, str]] = {
    "profiles": {
        **dict.fromkeys(("4992", "throttled:3", "truncated:3", "empty_page:3", "partial_without_cursor:3"), DELIVERS),
        **dict.fromkeys(("open-html:3", "partial:always", "cycle:1:1"), DELIVERS),
        "dead_cursor:3": SOME_ERROR,
        "fail_with_records:1:1": REFUSED,
        "unauthorized:1:1": CREDENTIALS,
    },
    "events": {"dead_cursor:1:2": DELIVERS, "dead_cursor:5:2": SOME_ERROR},
    **{name: LISTS for name in tables.STREAMS if not name.startswith("daily")},
    "campaign_reports": LISTS | {"empty_object:always": SOME_ERROR},
}
CASES = [
    pytest.param(
        *(stream, text, expected, bool(no_code)),
        marks=[pytest.mark.slow] * ("hang" in text),
        id=f"{stream} {text}{' no_code' * no_code}",
    )
    for no_code, streams in enumerate((OURS, OF_NO_CODE))
    for stream, rows in streams.items()
    for text, expected in rows.items()
    if CAN_TIME_OUT or "hang" not in text
]


@pytest.mark.cdk
@pytest.mark.parametrize(("stream", "text", "expected", "no_code"), CASES)
def test_given_faults_when_read_then_every_record_comes_or_an_error_says_why(
    stream: str, text: str, expected: str, no_code: bool
) -> None:
    # Profiles are one window of four years, events one of thirty days, others several.
    dates, account = {"start_date": 20250101}, Account(profiles=60, events=400)
    size = int(text) if text.isdigit() else 1000
    faults = () if text.isdigit() else tuple(map(Fault.parse, text.split()))
    if stream == "profiles":
        dates, account = {}, Account(profiles=size)
    if stream == "events":
        dates, account = {"end_date": 20220130}, Account(profiles=300, events=size, days=30)
    with Sandbox(account, faults=faults, page_rows=460 if faults else LARGEST_BATCH) as sandbox:
        config = sandbox.config(**dates)
        if stream in tables.STREAMS and not no_code:  # many windows, of which each waits
            config["max_wait_minutes"] = 3
        if "hang" in text:  # a real process: time-outs of sockets are no waits of ours
            sandbox.prebuild()  # a clock as fast as theirs gives up on a page that is yet to be made
            output = run("read", config, streams=(stream,), speed=1000)
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
