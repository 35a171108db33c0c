"""The settings: what each does to the requests, and how `check` refuses a bad one."""

import json
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import freezegun
import pytest
import requests_mock
from airbyte_cdk.models import Status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap.run import Entrypoint, SourceClevertap, create_source
from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import config
from unit_tests.mock_server.response_builder import empty, fail, opened, page, profile

ODD_TEXTS = [
    "2024", "007", "True", "None", "null", "(1,2)", "[1]", "{'a': 1}", "1E5", "1_000", "0x10", "2+3j",
    "it's", 'say "hi"', "'quoted'", "{{ config['passcode'] }}", "{% raw %}", "a\\nb",
    "Caf\u00e9 \U0001f600",
]  # fmt: skip


def sent_body(clevertap: requests_mock.Mocker) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(str(clevertap.request_history[0].text))
    return body


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_given_any_event_name_when_read_then_it_is_sent_and_kept_as_typed(
    read_profiles: Read, clevertap: requests_mock.Mocker, name: str
) -> None:
    output = read_profiles(config(event_name=name), [page(profile(1))])

    assert sent_body(clevertap)["event_name"] == name
    assert rows(output)[0]["event_name"] == name


@pytest.mark.parametrize("text", [text for text in ODD_TEXTS if text.isascii()])
def test_given_any_credentials_when_read_then_they_are_sent_as_typed(
    read_profiles: Read, clevertap: requests_mock.Mocker, text: str
) -> None:
    read_profiles(config(account_id=text, passcode="x" + text), [empty()])
    read_profiles(config(passcode=text), [empty()])

    for request, passcode in zip(clevertap.request_history, ["x" + text] * 2 + [text] * 2, strict=True):
        assert request.headers["X-CleverTap-Passcode"] == passcode
    assert clevertap.request_history[0].headers["X-CleverTap-Account-Id"] == text


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "api.clevertap.com"),
        ("", "api.clevertap.com"),
        ("global", "api.clevertap.com"),
        *((r, f"{r}.api.clevertap.com") for r in ("in1", "us1", "sg1", "sk1", "eu1", "aps3", "mec1")),
    ],
)
def test_given_a_region_when_read_then_both_steps_go_to_its_host(
    read_profiles: Read, clevertap: requests_mock.Mocker, region: str | None, host: str
) -> None:
    output = read_profiles(config(region=region), [page(profile(1))], host=f"https://{host}")

    assert len(rows(output)) == 1
    assert {request.hostname for request in clevertap.request_history} == {host}


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://127.0.0.1:8023", "http://127.0.0.1:8023"),
        ("http://localhost/", "http://localhost"),
        ("https://api.clevertap.com", "https://api.clevertap.com"),
        ("https://new9.api.clevertap.com/", "https://new9.api.clevertap.com"),
    ],
)
def test_given_a_base_url_when_read_then_it_is_used_instead_of_the_region(
    read_profiles: Read, clevertap: requests_mock.Mocker, base_url: str, expected: str
) -> None:
    output = read_profiles(config(base_url=base_url), [page(profile(1))], host=expected)

    assert len(rows(output)) == 1


@pytest.mark.parametrize(("setting", "sent"), [(None, "true"), (True, "true"), (False, "false")])
def test_given_include_event_summary_when_opening_then_it_is_asked_for_or_not(
    read_profiles: Read, clevertap: requests_mock.Mocker, setting: bool | None, sent: str
) -> None:
    read_profiles(config(include_event_summary=setting), [empty()])

    assert clevertap.request_history[0].qs["events"] == [sent]


@pytest.mark.parametrize(
    ("now", "zone", "end_date", "sent"),
    [
        ("2026-02-10T23:30:00", None, None, 20260210),
        ("2026-02-10T23:30:00", "", None, 20260210),
        ("2026-02-10T23:30:00", "Asia/Kolkata", None, 20260211),
        ("2026-02-10T02:30:00", "America/New_York", None, 20260209),
        ("2026-02-10T10:30:00", "Pacific/Kiritimati", None, 20260211),
        ("2026-02-10T23:30:00", "UTC", 20260209, 20260209),
        ("2026-02-10T23:30:00", "UTC", 20260211, 20260210),
        ("2026-02-10T23:30:00", "UTC", 20991231, 20260210),
    ],
)
def test_given_a_time_zone_when_opening_then_the_range_ends_at_its_today_or_before(
    read_profiles: Read,
    clevertap: requests_mock.Mocker,
    now: str,
    zone: str | None,
    end_date: Any,
    sent: int,
) -> None:
    settings = config(timezone=zone, end_date=end_date)
    with freezegun.freeze_time(datetime.fromisoformat(now).replace(tzinfo=timezone.utc), tick=True):
        output = read_profiles(settings, [empty()])

    assert not output.errors
    assert sent_body(clevertap) == {"event_name": "App Launched", "from": 20220101, "to": sent}


def test_given_what_the_forms_send_for_empty_fields_when_read_then_they_are_absent(
    read_profiles: Read, clevertap: requests_mock.Mocker
) -> None:
    numbers = ("end_date", "lookback_days", "slice_days", "max_wait_minutes")
    sent = {**config(region="in1"), **dict.fromkeys(numbers), "pii_mode": "", "timezone": "", "pii_fields": []}

    with freezegun.freeze_time("2026-02-10", tick=True):
        output = read_profiles(sent, [page(profile(1))])

    assert not output.errors
    assert len(rows(output)) == 1
    assert sent_body(clevertap)["to"] == 20260210


@pytest.mark.parametrize("command", ["check", "read"])
def test_given_settings_that_do_not_exist_when_used_then_a_warning_names_them_and_the_nearest(
    command: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(piimode="drop", end_dat=20220101, start_date="2026-01-01")))
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": []}))
    args = [command, "--config", str(tmp_path / "config.json")]
    args += ["--catalog", str(tmp_path / "catalog.json")] if command == "read" else []
    entrypoint = Entrypoint(create_source(args), print)

    with suppress(AirbyteTracedException):  # of read
        print(*entrypoint.run(entrypoint.parse_args(args)))

    told = capsys.readouterr().out + caplog.text
    assert "There is no setting end_dat: it has no effect. Is it end_date?" in told
    assert "There is no setting piimode: it has no effect. Is it pii_mode?" in told
    assert command == "read" or "Config validation error: start_date: '2026-01-01' is not of type 'integer'" in told


# What the spec refuses, in the words of the CDK.
REFUSED_BY_SPEC: list[dict[str, Any]] = [
    *({"account_id": value} for value in ("", 12, "ABC ", None)),
    {"passcode": None},
    *({"region": value} for value in ("mars1", "IN1", 7)),
    *({"event_name": value} for value in ("", 2024, None)),
    *({"start_date": value} for value in ("2022-01-01", "20220101", 2022, True, 20220101.5, None)),
    {"end_date": "tomorrow"},
    *({"timezone": value} for value in (5, "../etc/passwd", "Mars Olympus")),
    *({name: "Charged"} for name in ("additional_event_names", "profile_event_names", "pii_fields")),
    {"additional_event_names": ["Charged", 2024]},
    {"excluded_event_names": {"a": 1}},
    {"all_events": "true"},
    {"include_event_summary": "yes"},
    {"include_app_fields": 0},
    {"include_profile_properties": "no"},
    *({"slice_days": value} for value in (0, 1, -1, 1.5, "7", True, 10**9)),
    *({"lookback_days": value} for value in (0, -1, 0.5, "2", False, 10**9)),
    *({"max_wait_minutes": value} for value in (0, "long", True)),
    {"profile_filters": {"advanced_query": {}}},
    {"base_url": ["https://api.clevertap.com"]},
    *(
        {"base_url": url}
        for url in (
            "https://evil.com", "http://api.clevertap.com", "https://api.clevertap.com.evil.com",
            "https://evilapi.clevertap.com", "https://api.clevertap.com@evil.com", "http://127.0.0.1@evil.com",
            "https://in1.api.clevertap.com/evil", "https://api.clevertap.com:8443", "http://127.0.0.2",
            "http://localhost.evil.com", "ftp://localhost", "//localhost", "https://api\u3002clevertap.com",
            "http://localhost:99999999", "http://127.0.0.1:80\nx", "https://api.clevertap.com\n",
        )
    ),
]  # fmt: skip
BAD_FILTERS = [
    "{", "[]", "null", "1", "'", '{"event_name": "Charged"}', '{"from": 20220101}', '{"groups": {}}',
    '{"event_propertys": []}',
]  # fmt: skip
BAD = [
    *(
        ("passcode", {"passcode": bad})
        for bad in ("", "line\nbreak-Sesame", "\u00dcmlaut-Sesame", " Sesame")
    ),
    ("start_date and end_date", {"start_date": 20220230}),
    ("start_date and end_date", {"start_date": 20220011}),
    ("start_date", {"start_date": 20260213}),
    ("start_date", {"start_date": 99990101, "end_date": None}),
    ("start_date", {"start_date": 99990101, "end_date": 99990102}),
    ("start_date and end_date", {"end_date": 20221301}),
    ("timezone", {"timezone": "Mars/Olympus"}),
    *(
        ("profile_filters and event_filters", {name: filters})
        for name in ("profile_filters", "event_filters")
        for filters in BAD_FILTERS
    ),
]  # fmt: skip


@pytest.mark.parametrize("changes", REFUSED_BY_SPEC)
def test_given_a_setting_that_the_spec_refuses_when_used_then_it_is_a_config_error_before_any_request(
    read_profiles: Read, clevertap: requests_mock.Mocker, changes: dict[str, Any]
) -> None:
    output = read_profiles(config(**changes), [empty()])

    assert first_error(output)[0] == "config_error"
    assert first_error(output)[1].startswith("Config validation error: ")
    assert clevertap.call_count == 0


@pytest.mark.parametrize(("field", "changes"), BAD)
def test_given_a_bad_setting_when_used_then_a_config_error_names_it_before_any_request(
    read_profiles: Read, clevertap: requests_mock.Mocker, field: str, changes: dict[str, Any]
) -> None:
    output = read_profiles(config(**changes), [empty()])

    assert first_error(output)[0] == "config_error"
    assert f"Configuration: {field} " in first_error(output)[1]
    assert "Sesame" not in first_error(output)[1]
    assert clevertap.call_count == 0

    source = SourceClevertap(config=config(**changes), catalog=None, state=None)
    status = source.check(source.logger, {})
    assert status.status == Status.FAILED
    assert f"Configuration: {field} " in str(status.message)
    with pytest.raises(AirbyteTracedException, match=f"Configuration: {field} "):
        source.discover(source.logger, {})


@pytest.mark.parametrize("text", ["", "{}", '{"event_properties": []}', ' {"advanced_query":{}} '])
def test_given_no_filter_or_an_empty_one_when_read_then_it_is_accepted(read_stream: Read, text: str) -> None:
    for stream in ("events", "profiles"):
        output = read_stream(stream, config(event_filters=text, profile_filters=text), [empty()])
        assert not output.errors


def test_given_a_start_after_today_and_no_end_when_used_then_the_message_speaks_of_today(
    read_profiles: Read,
) -> None:
    output = read_profiles(config(start_date=99990101, end_date=None), [empty()])

    assert "after today" in first_error(output)[1]


def test_given_two_bad_settings_when_used_then_both_are_named(read_profiles: Read) -> None:
    output = read_profiles(config(timezone="Mars/Olympus", start_date=20221301), [empty()])

    assert "timezone is unknown" in first_error(output)[1]
    assert "start_date and end_date must be dates" in first_error(output)[1]


def test_given_the_hidden_check_setting_in_a_configuration_when_read_then_it_reads_all(
    read_profiles: Read,
) -> None:
    output = read_profiles(config(checking=True), [page(profile(1), next_cursor="b"), page(profile(2))])

    assert len(rows(output)) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (opened(), None),
        (fail("Invalid Credentials", 401, 401), "credentials or region"),
        (fail('["Invalid event : X"]', 400), "case-sensitive"),
        (fail("Export not allowed for this event", 400, 400), "S3, GCP"),
        (fail("Request still in progress", 2), "still preparing"),
    ],
)
def test_given_an_account_when_checked_then_the_answer_to_the_opening_decides(
    clevertap: requests_mock.Mocker, waits: list[float], answer: dict[str, Any], words: str | None
) -> None:
    clevertap.post(requests_mock.ANY, [answer])
    clevertap.get(requests_mock.ANY, [empty()])
    source = SourceClevertap(config=config(), catalog=None, state=None)

    status = source.check(source.logger, {})

    assert status.status == (Status.FAILED if words else Status.SUCCEEDED)
    assert (words or "") in (status.message or "")
