"""The streams beside the exports: exact requests, every form of answer, state, and what is no answer."""

import json
from datetime import datetime
from typing import Any

import freezegun
import pytest
import requests_mock
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from source_clevertap.run import definition_file
from unit_tests.conftest import Read, first_error, rows, states
from unit_tests.mock_server.config import ACCOUNT_ID, PASSCODE, config
from unit_tests.mock_server.response_builder import Answer, fail, moved

pytestmark = pytest.mark.cdk

DAYS = {"start_date": 20220101, "end_date": 20220110}  # one window of every stream
BLOCK = {"id": 1, "updatedAt": "2024-02-01T06:29:48.965Z"}
REQ_ID = 2**53 + 1  # a float could not hold it

# For each stream what one answer holds, and the rows that must come of it.
WHOLE: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "event_schema": ({"events": [{"name": "A", "x y": {"z": 1}}]}, [{"name": "A", "x y": {"z": 1}}]),
    "user_properties": ({"userProperties": [{"name": "P"}]}, [{"name": "P"}]),
    "message_reports": (
        {
            "status": "success",
            "total_results": 1,
            "messages": [{"message id": 7, "start_date": "05 Jan, 2022 10:30:00", "sent": 82}],
        },
        [
            {
                "message_id": 7,
                "start_date": "05 Jan, 2022 10:30:00",
                "read_through": "2022-01-10",
                "start_time": "2022-01-05T10:30:00Z",
                "sent": 82,
            }
        ],
    ),
    "campaigns": (
        {"status": "success", "targets": [{"id": 2**40, "status": "completed"}]},
        [{"id": 2**40, "status": "completed", "read_through": "2022-01-10"}],
    ),
    "content_blocks": ({"contentBlocks": [BLOCK], "total": 1}, [BLOCK]),
    "category_groups": ({"status": "success", "list": [{"key": 1}]}, [{"key": 1}]),
    "daily_event_counts": (
        {"status": "success", "daily": {"20220102": 5, "20220101": 0}},
        [
            {"event_name": "App Launched", "date": "2022-01-01", "count": 0},
            {"event_name": "App Launched", "date": "2022-01-02", "count": 5},
        ],
    ),
}
PAGED: dict[str, dict[str, Any]] = {
    "content_blocks": {"contentBlocks": []},
}  # the page after the last
REQUESTS = {
    "event_schema": ("GET", "/getSchema?type=events", None),
    "user_properties": ("GET", "/getSchema?type=userProperties", None),
    "message_reports": ("POST", "/1/message/report.json", {"from": 20220101, "to": 20220110}),
    "campaigns": ("POST", "/1/targets/list.json", {"from": 20220101, "to": 20220110}),
    "content_blocks": (
        "GET",
        "/v1/contentBlock/list?pageNumber=1&pageSize=100",
        None,
    ),
    "category_groups": ("GET", "/category-groups", None),
    "daily_event_counts": (
        "POST",
        "/1/counts/trends.json",
        {
            "event_name": "App Launched",
            "from": 20220101,
            "to": 20220110,
            "groups": {"daily": {"trend_type": "daily"}},
        },
    ),
}
STREAMS = tuple(WHOLE)


def settings(**changes: Any) -> dict[str, Any]:
    return config(**{**DAYS, "timezone": "UTC", **changes})


def partial(req_id: int = REQ_ID) -> Answer:
    return {"json": {"status": "partial", "req_id": req_id}}


def targets(*ids: int) -> Answer:
    """The list of campaigns."""
    return {"json": {"status": "success", "targets": [{"id": number} for number in ids]}}


def answers_of(stream: str) -> list[Answer]:
    return [{"json": WHOLE[stream][0]}, *([{"json": PAGED[stream]}] if stream in PAGED else [])]


def paths(clevertap: requests_mock.Mocker) -> list[str]:
    return [request.url.partition(".clevertap.com")[2] for request in clevertap.request_history]


def bodies(clevertap: requests_mock.Mocker) -> list[Any]:
    sent = [json.loads(request.text) for request in clevertap.request_history if request.text]
    return sorted(sent, key=lambda body: (str(body.get("event_name")), body["from"]))


def logged(output: EntrypointOutput, words: str) -> list[str]:
    found = [message.log for message in output.logs if message.log and words in message.log.message]
    return [f"{log.level.value}: {log.message}" for log in found]


# -------------------------------------------------------------------- requests and rows


@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_whole_answer_when_read_then_its_rows_come(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    output = read_table(stream, answers_of(stream), settings())

    assert first_error(output) == ("", "")
    assert rows(output) == WHOLE[stream][1]
    method, path, body = REQUESTS[stream]
    first = clevertap.request_history[0]
    assert (first.method, paths(clevertap)[0]) == (method, path)
    assert (json.loads(first.text) if first.text else None) == body
    assert len(paths(clevertap)) == len(answers_of(stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_given_any_stream_when_read_then_the_credentials_are_sent(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    read_table(stream, answers_of(stream), settings())

    for request in clevertap.request_history:
        sent = {n.lower(): v for n, v in request.headers.items() if n.startswith("X-")}
        assert sent == {"x-clevertap-account-id": ACCOUNT_ID, "x-clevertap-passcode": PASSCODE}
        assert (request.headers.get("Content-Type") is None) == (request.method == "GET")


NEVER_AN_ANSWER: list[Answer] = [
    {"text": ""},
    {"text": "<html>Sign in</html>"},
    {"text": "[]"},
    {"json": {}},
    {"json": {"status": "partial"}},
    {"json": {"status": "success", "error": "This has not been completed"}},
    {"status_code": 202},
    {"json": {"records": []}},
]


@pytest.mark.parametrize("answer", NEVER_AN_ANSWER)
@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
def test_given_what_is_no_answer_when_read_then_it_fails_as_transient(
    read_table: Read, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings(max_wait_minutes=1))

    kind, message = first_error(output)
    assert kind == "transient_error", message
    assert message.startswith("Stream campaigns" if "campaign" in stream else f"Stream {stream}")
    assert rows(output) == []


@pytest.mark.parametrize(
    ("stream", "before"),
    [
        *((stream, []) for stream in (*STREAMS, "campaign_reports")),
        ("campaign_reports", [targets(10)]),
        ("daily_event_counts", [partial()]),
        ("content_blocks", answers_of("content_blocks")[:1]),
    ],
)
def test_given_a_redirect_when_a_table_is_read_then_its_target_is_not_asked(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str, before: list[Answer]
) -> None:
    output = read_table(stream, [*before, moved()], settings(max_wait_minutes=1))

    assert {request.hostname for request in clevertap.request_history} == {"in1.api.clevertap.com"}
    assert first_error(output)[0] == "transient_error"
    assert "redirected" in first_error(output)[1]


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        ("event_schema", {"events": {"name": "A"}}),
        ("event_schema", {"status": "success"}),
        ("campaigns", {"status": "success", "targets": {}}),
        ("message_reports", {"status": "success", "reports": [{"message id": 1}]}),
        ("daily_event_counts", {"status": "success"}),
        ("daily_event_counts", {"daily": {"20220101": 1}}),
        ("daily_event_counts", {"status": "success", "daily": [1]}),
        ("daily_event_counts", {"status": "partial", "req_id": None}),
        ("content_blocks", {"status": "success", "total": 0}),
    ],
)
def test_given_half_an_answer_when_read_then_it_fails_as_transient(
    read_table: Read, stream: str, content: dict[str, Any]
) -> None:
    output = read_table(stream, [{"json": content}], settings(max_wait_minutes=1))

    assert first_error(output)[0] == "transient_error"
    assert rows(output) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_given_passing_faults_when_read_then_its_rows_come_once(
    read_table: Read, waits: list[float], stream: str
) -> None:
    passing = [fail("Too many concurrent requests", 429, 429), {"status_code": 500}, {"text": "{"}]

    output = read_table(stream, [*passing, *answers_of(stream)], settings())

    assert rows(output) == WHOLE[stream][1]
    assert len(waits) == len(passing)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_given_an_encoding_that_the_stock_decoder_cannot_read_when_read_then_the_rows_come(
    read_table: Read, encoding: str
) -> None:
    body = json.dumps(WHOLE["event_schema"][0]).encode(encoding)

    output = read_table("event_schema", [{"content": body}], settings())

    assert rows(output) == WHOLE["event_schema"][1]


@pytest.mark.parametrize("stream", ["message_reports", "campaigns"])
def test_given_a_window_with_nothing_in_it_when_read_then_it_is_empty(
    read_table: Read, stream: str
) -> None:
    output = read_table(stream, [{"json": {"status": "success"}}], settings())

    assert first_error(output) == ("", "")
    assert rows(output) == []


# -------------------------------------------------------------------- message_reports


def test_given_a_range_when_reports_are_read_then_windows_have_fourteen_days(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "messages": []}}

    read_table("message_reports", [nothing], settings(end_date=20220131))

    assert bodies(clevertap) == [
        {"from": 20220101, "to": 20220114},
        {"from": 20220115, "to": 20220128},
        {"from": 20220129, "to": 20220131},
    ]


def test_given_a_state_when_reports_are_read_then_the_lookback_is_read_again(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "messages": []}}

    read_table(
        "message_reports",
        [nothing],
        settings(end_date=20220220),
        state={"read_through": "2022-02-12"},
    )

    assert bodies(clevertap)[0]["from"] == 20220113
    assert bodies(clevertap)[-1]["to"] == 20220220


@pytest.mark.parametrize("day", ["9999-12-31", "garbage", 20220212])
def test_given_a_state_of_reports_that_is_not_ours_when_read_then_it_says_to_clear_it(
    read_table: Read, clevertap: requests_mock.Mocker, day: Any
) -> None:
    output = read_table("message_reports", [], settings(), state={"read_through": day})

    assert first_error(output)[0] == "config_error"
    assert first_error(output)[1].startswith("Stream message_reports: the saved state")
    assert clevertap.request_history == []


@pytest.mark.parametrize(
    ("name", "stream", "expected"),
    [
        ("sample", "message_reports", 20260111),
        ("sample", "daily_event_counts", 20260210),
    ],
)
def test_given_the_states_in_the_files_when_read_then_what_moves_is_read_again(
    read_table: Read, clevertap: requests_mock.Mocker, name: str, stream: str, expected: int
) -> None:
    folder = definition_file("manifest.yaml").parent / "integration_tests"
    (state,) = (
        entry["stream"]["stream_state"]
        for entry in json.loads((folder / f"{name}_state.json").read_text())
        if entry["stream"]["stream_descriptor"]["name"] == stream
    )
    nothing = {"json": {"status": "success", "messages": [], "daily": {}}}

    with freezegun.freeze_time("2026-02-12T12:00:00", tick=True):
        output = read_table(stream, [nothing], settings(end_date=None), state=state)

    assert first_error(output) == ("", "")
    assert bodies(clevertap)[0]["from"] == expected
    assert bodies(clevertap)[-1]["to"] == 20260212


@pytest.mark.parametrize("failing", range(4))
def test_given_a_window_of_reports_that_fails_when_read_again_then_its_messages_come(
    read_table: Read, clevertap: requests_mock.Mocker, failing: int
) -> None:
    days = [20220103, 20220117, 20220131, 20220214]  # a message in each window

    def answer(request: Any, _: Any) -> dict[str, Any]:
        first, last = request.json()["from"], request.json()["to"]
        if broken and first <= days[failing] <= last:
            return dict(fail("Shard 7 unavailable", 77)["json"])
        sent = [
            {
                "message id": day,
                "start_date": f"{datetime.strptime(str(day), '%Y%m%d'):%d %b, %Y} 10:00:00",
            }
            for day in days
            if first <= day <= last
        ]
        return {"status": "success", "messages": sent}

    broken = True
    first = read_table("message_reports", [{"json": answer}], settings(end_date=20220220))
    state = states(first)[-1] if states(first) else None
    broken = False
    one_day = settings(end_date=20220220)
    second = read_table("message_reports", [{"json": answer}], one_day, state=state)

    assert first_error(first)[0] == "system_error"
    assert first_error(second) == ("", "")
    assert {row["message_id"] for row in [*rows(first), *rows(second)]} == set(days)


@pytest.mark.parametrize(
    ("start_date", "zone", "start_time"),
    [
        ("25 Dec, 2017 00:30:00", "Asia/Kolkata", "2017-12-24T19:00:00Z"),
        ("25 Dec, 2017 23:30:00", "America/New_York", "2017-12-26T04:30:00Z"),
        ("2017-12-25", "UTC", None),
        (None, "UTC", None),
        (20171225, "UTC", None),
    ],
)
def test_given_a_start_as_text_when_read_then_it_is_kept_and_told_in_utc(
    read_table: Read, start_date: Any, zone: str, start_time: str | None
) -> None:
    message = {"message id": 1, "start_date": start_date}
    answer = {"json": {"status": "success", "messages": [message]}}

    (row,) = rows(read_table("message_reports", [answer], settings(timezone=zone)))

    assert row.get("start_time") == start_time
    assert row.get("start_date") == start_date
    assert row["message_id"] == 1
    assert "message id" not in row


# -------------------------------------------------------------------- campaigns and their reports


@freezegun.freeze_time("2022-03-01T20:00:00Z")
def test_given_no_end_when_campaigns_are_read_then_windows_go_twelve_months_ahead(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    # In Kolkata it is the second of March already.
    open_end = settings(end_date=None, timezone="Asia/Kolkata")
    read_table("campaigns", [{"json": {"status": "success"}}], open_end)

    sent = bodies(clevertap)
    assert sent[:2] == [{"from": 20220101, "to": 20220131}, {"from": 20220201, "to": 20220303}]
    assert sent[-1]["to"] == 20230302
    assert len(sent) == 14


def reports(*answers: Answer) -> list[Answer]:
    """A list of as many campaigns as there are answers, and the answers to their reports."""

    def of_campaign(request: Any, context: Any) -> str:
        answer = answers[request.json()["id"] - 10]
        context.status_code = answer.get("status_code", 200)
        return json.dumps(answer["json"]) if "json" in answer else ""

    return [targets(*range(10, 10 + len(answers))), {"text": of_campaign}]


def report(**result: Any) -> Answer:
    return {"json": {"status": "success", "result": result}}


NO_REPORT: list[Answer] = [
    {"status_code": 409},
    fail("This target has no result as of yet", 500, 500),
    {"json": {"status": "success", "error": "This target hasn't been completed", "code": 200}},
    {"json": {"status": "fail", "error": "This target hasn't been completed"}},
]


def test_given_reports_when_read_then_each_has_its_campaign_and_all_that_was_sent(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_table("campaign_reports", reports(report(sent=8, new={"a": 1}), report()), settings())

    assert sorted(rows(output), key=lambda row: row["campaign_id"]) == [
        {"campaign_id": 10, "result": {"sent": 8, "new": {"a": 1}}},
        {"campaign_id": 11, "result": {}},
    ]
    asked = [json.loads(r.text) for r in clevertap.request_history if "result.json" in r.url]
    assert sorted(body["id"] for body in asked) == [10, 11]


@pytest.mark.parametrize("form", NO_REPORT)
def test_given_no_report_yet_when_read_then_it_is_skipped_at_once(
    read_table: Read, waits: list[float], form: Answer
) -> None:
    output = read_table("campaign_reports", reports(form, report(sent=1), form), settings())

    assert first_error(output) == ("", "")
    assert rows(output) == [{"campaign_id": 11, "result": {"sent": 1}}]
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (fail("Invalid campaign id", 400, 400), "system_error", "Invalid campaign id"),
        (fail("An unknown error occurred", 500, 500), "transient_error", "fault of its own"),
        ({"json": {"status": "success"}}, "transient_error", "incomplete response"),
        ({"json": {"status": "success", "result": [1]}}, "transient_error", "incomplete response"),
        ({"json": {"status": "partial", "req_id": 1}}, "transient_error", "still preparing"),
        (fail("Invalid Credentials", 401, 401), "config_error", "credentials or region"),
    ],
)
def test_given_a_report_that_fails_otherwise_when_read_then_it_says_so(
    read_table: Read, answer: Answer, kind: str, words: str
) -> None:
    output = read_table("campaign_reports", reports(answer), settings(max_wait_minutes=1))

    assert first_error(output)[0] == kind
    assert first_error(output)[1].startswith("Stream campaign_reports, campaign 10: ")
    assert words in first_error(output)[1]
    assert logged(output, "no report") == []


# -------------------------------------------------------------------- content_blocks


def test_given_pages_when_read_then_a_short_one_is_not_the_end(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    pages: list[Answer] = [{"json": {"contentBlocks": [{**BLOCK, "id": n}]}} for n in range(3)]

    output = read_table("content_blocks", [*pages, {"json": {"contentBlocks": []}}], settings())

    assert [row["id"] for row in rows(output)] == [0, 1, 2]
    assert [int(request.qs["pagenumber"][0]) for request in clevertap.request_history] == [1, 2, 3, 4]


OFF: list[Answer] = [
    fail("Content blocks are not enabled on this account", 403, 403),
    fail("Catalog feature is not enabled for this account.", 401, 401),
    fail("Forbidden", 403, 403),
    {"status_code": 403, "json": {"status": "fail", "message": "Not available in your plan"}},
]
NOT_OFF: list[Answer] = [
    fail("Invalid Credentials", 401, 401),
    fail("Account ID is not valid", 401, 401),
    fail("Authentication failed", 403, 403),
    fail("Invalid passcode", 403, 403),
    {"status_code": 403, "text": "<html>Forbidden</html>"},
    {"status_code": 401, "json": {"message": "Unauthorized"}},
]


@pytest.mark.parametrize("answer", OFF)
@pytest.mark.parametrize("stream", ["content_blocks"])
def test_given_a_feature_that_is_off_when_read_then_a_warning_says_so(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings())

    assert first_error(output) == ("", "")
    assert rows(output) == []
    assert len(clevertap.request_history) == 1
    warning, _ = logged(output, "not enabled for the account")  # the CDK logs it, too
    assert warning.startswith(f"WARN: Stream {stream}: this feature")


@pytest.mark.parametrize("answer", NOT_OFF)
@pytest.mark.parametrize("stream", ["content_blocks"])
def test_given_wrong_credentials_when_read_then_it_is_no_feature_that_is_off(
    read_table: Read, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings())

    assert first_error(output)[0] == "config_error"
    assert "credentials or region" in first_error(output)[1]


def test_given_a_feature_that_goes_off_half_way_when_read_then_it_fails(read_table: Read) -> None:
    output = read_table("content_blocks", [*answers_of("content_blocks")[:1], OFF[0]], settings())

    assert first_error(output)[0] == "config_error"


@pytest.mark.parametrize("stream", [name for name in STREAMS if name not in PAGED])
def test_given_another_stream_when_it_is_refused_then_it_is_never_skipped(
    read_table: Read, stream: str
) -> None:
    for answer in OFF:
        output = read_table(stream, [answer], settings())

        assert first_error(output)[0] == "config_error", answer


# -------------------------------------------------------------------- counts


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_a_partial_count_when_read_then_it_is_asked_for_until_it_is_done(
    read_table: Read, clevertap: requests_mock.Mocker, waits: list[float], stream: str
) -> None:
    output = read_table(stream, [partial()] * 7 + answers_of(stream), settings())

    assert rows(output) == WHOLE[stream][1]
    requests = clevertap.request_history
    assert [request.method for request in requests] == ["POST", *["GET"] * 7]
    assert {request.url.partition("?")[2] for request in requests[1:]} == {f"req_id={REQ_ID}"}
    assert {request.text for request in requests[1:]} == {None}
    assert waits == [2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_a_count_that_ended_when_read_then_it_is_begun_again(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    ended = fail("Invalid request id", 400, 400)

    output = read_table(stream, [partial(), ended, partial(8), *answers_of(stream)], settings())

    assert rows(output) == WHOLE[stream][1]
    assert [r.method for r in clevertap.request_history] == ["POST", "GET", "POST", "GET"]
    assert clevertap.request_history[-1].url.endswith("?req_id=8")


def test_given_a_count_that_always_ends_when_read_then_it_fails(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    ended = fail("Invalid request id", 400, 400)
    day = settings(start_date=20220110)

    output = read_table("daily_event_counts", [partial(), ended] * 9, day)

    assert first_error(output)[0] == "transient_error"
    asked = "Stream daily_event_counts, event 'App Launched', 20220110 to 20220110: "
    assert first_error(output)[1].startswith(asked + "CleverTap ended the export 6 times")
    assert len(clevertap.request_history) == 12


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_a_count_that_is_never_done_when_read_then_it_gives_up(
    read_table: Read, stream: str
) -> None:
    output = read_table(stream, [partial()], settings(max_wait_minutes=1))

    assert first_error(output)[0] == "transient_error"
    assert "still preparing" in first_error(output)[1]


def test_given_years_when_days_are_counted_then_a_request_asks_for_one_at_most(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "daily": {}}}

    read_table("daily_event_counts", [nothing], settings(end_date=20230105))

    sent = [(body["from"], body["to"]) for body in bodies(clevertap)]
    assert sent == [(20220101, 20221231), (20230101, 20230105)]


def test_given_days_without_any_when_counted_again_then_only_the_lookback_is(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "daily": {}}}
    first = read_table("daily_event_counts", [nothing], settings())
    clevertap.reset_mock()

    read_table("daily_event_counts", [nothing], settings(end_date=20220115), state=states(first)[-1])

    assert [(b["from"], b["to"]) for b in bodies(clevertap)] == [(20220108, 20220115)]


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_an_event_that_is_unknown_when_counted_then_it_is_a_config_error(
    read_table: Read, stream: str
) -> None:
    output = read_table(stream, [fail('["Invalid event : App Launched"]', 400)], settings())

    assert first_error(output)[0] == "config_error"
    assert f"Stream {stream}, event 'App Launched'" in first_error(output)[1]


def test_given_several_events_when_they_are_counted_then_each_has_a_row(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    names = settings(additional_event_names=["Charged", "it's {{ 7 }}"])

    output = read_table(
        "daily_event_counts", [{"json": {"status": "success", "daily": {"20220101": 3}}}], names
    )

    expected = ["App Launched", "Charged", "it's {{ 7 }}"]
    assert sorted(row["event_name"] for row in rows(output)) == expected
    assert sorted(body["event_name"] for body in bodies(clevertap)) == expected


# -------------------------------------------------------------------- all of them


@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
def test_given_a_bad_setting_when_any_stream_is_read_then_no_request_is_sent(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    output = read_table(stream, [{"json": {}}], settings(start_date=20220230))

    assert first_error(output)[0] == "config_error"
    assert "start_date 20220230" in first_error(output)[1]
    assert clevertap.request_history == []
