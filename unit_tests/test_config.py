"""The settings: what each does to the requests, and how `check` refuses a bad one."""

import json
import re
from pathlib import Path

import freezegun
import pytest
from airbyte_cdk.models import Status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap.run import Entrypoint, SourceClevertap, check_environment, create_source
from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import DAY, HOST, Json, config
from unit_tests.mock_server.response_builder import empty, page, profile

ODD_TEXTS = [
    "2024", "007", "True", "null", "(1,2)", "[1]", "{'a': 1}", "1E5", "1_000", "0x10", "2+3j",
    "it's", 'say "hi"', "'quoted'", "{{ config['passcode'] }}", "{% raw %}", "a\\nb", "Caf\u00e9 \U0001f600",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_given_any_event_name_or_credentials_when_read_then_they_are_sent_as_typed(
    clevertap: CleverTap, text: str
) -> None:
    credentials = {"account_id": text, "passcode": "x" + text} if text.isascii() else {}

    output = clevertap.read_profiles(config(event_name=text, **credentials), [page(profile(1))])

    assert clevertap.bodies[0]["event_name"] == output.records[0]["event_name"] == text
    for request in clevertap.request_history if text.isascii() else ():
        assert request.headers["X-CleverTap-Account-Id"] == text
        assert request.headers["X-CleverTap-Passcode"] == "x" + text


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"region": "global"}, "https://api.clevertap.com"),
        ({"region": "us1"}, "https://us1.api.clevertap.com"),
        ({"base_url": "http://localhost/"}, "http://localhost"),
        ({"base_url": "https://new9.api.clevertap.com/"}, "https://new9.api.clevertap.com"),
    ],
)
def test_given_a_region_or_base_url_when_read_then_both_steps_go_to_its_host(
    clevertap: CleverTap, changes: Json, host: str
) -> None:
    output = clevertap.read_profiles(config(**changes), [page(profile(1))], host=host)

    assert len(output.records) == 1
    assert all(request.url.startswith(f"{host}/1/profiles.json?") for request in clevertap.request_history)


@pytest.mark.parametrize(
    ("stream", "value", "sent"),
    [
        ("profiles", False, "app=true&events=false&profile=true"),
        ("events", False, "app=false&events=false&profile=false"),
        ("events", None, "app=true&events=false&profile=true"),
    ],
)
def test_given_switches_when_creating_then_the_fields_are_asked_for_or_not(
    clevertap: CleverTap, stream: str, value: bool | None, sent: str
) -> None:
    switches = dict.fromkeys(("include_event_summary", "include_app_fields", "include_profile_properties"), value)

    clevertap.read(stream, config(**DAY, **switches), [empty()])

    assert clevertap.request_history[0].url == f"{HOST}/1/{stream}.json?batch_size=4991&{sent}"


@freezegun.freeze_time("2026-02-10T10:30:00Z", tick=True)
@pytest.mark.parametrize(
    ("zone", "end_date", "sent"),
    [
        (None, None, 20260210),
        ("Pacific/Kiritimati", None, 20260211),
        ("Pacific/Pago_Pago", None, 20260209),
        ("UTC", 20260209, 20260209),
        ("UTC", 20991231, 20260210),
    ],
)
def test_given_a_time_zone_when_creating_then_the_range_ends_at_its_today_or_before(
    clevertap: CleverTap, zone: str | None, end_date: int | None, sent: int
) -> None:
    output = clevertap.read_profiles(config(timezone=zone, end_date=end_date), [page(profile(1))])

    (record,) = output.records
    assert record["active_through"].replace("-", "") == str(sent)
    assert clevertap.bodies == [{"event_name": "App Launched", "from": 20220101, "to": sent}]


def test_given_what_the_forms_send_for_empty_fields_when_read_then_they_are_absent(clevertap: CleverTap) -> None:
    numbers = ("end_date", "lookback_days", "slice_days", "max_wait_minutes")
    texts = ("pii_mode", "timezone", "region", "event_filters", "profile_filters")
    sent = {**config(), **dict.fromkeys(numbers), **dict.fromkeys(texts, ""), "pii_fields": []}

    with freezegun.freeze_time("2026-02-10", tick=True):
        output = clevertap.read_profiles(sent, [page(profile(1))], host="https://api.clevertap.com")

    assert len(output.records) == 1
    assert clevertap.bodies[0]["to"] == 20260210


def test_given_whole_floats_when_used_then_they_are_integers(clevertap: CleverTap) -> None:
    days = {"start_date": 20221101.0, "end_date": 20221130.0, "slice_days": 15.0, "lookback_days": 2.0}

    output = clevertap.read_events(config(**days), [empty()])

    assert not output.errors
    assert clevertap.windows() == [(20221101, 20221115), (20221116, 20221130)]


def test_given_settings_that_do_not_exist_when_used_then_a_warning_names_them_and_the_nearest(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(piimode="drop", end_dat=20220101, start_date="2026-01-01")))
    args = ["check", "--config", str(tmp_path / "config.json")]
    entrypoint = Entrypoint(create_source(args), print)

    print(*entrypoint.run(entrypoint.parse_args(args)))

    printed = capsys.readouterr().out + caplog.text
    assert "There is no setting end_dat: it has no effect. Is it end_date?" in printed
    assert "There is no setting piimode: it has no effect. Is it pii_mode?" in printed
    assert "Config validation error: start_date: '2026-01-01' is not of type 'integer'" in printed


# What the spec refuses, in the words of the CDK.
REFUSED_BY_SPEC: list[Json] = [
    *({"account_id": value} for value in ("", 12, "ABC ", None)),
    {"passcode": None},
    {"region": "mars1"},
    *({"event_name": value} for value in ("", 2024, None)),
    {"end_date": "tomorrow"},
    *({"start_date": value} for value in ("20220101", 2022, 20220101.5, None)),
    {"timezone": "../etc/passwd"},
    *({f"{name}_event_names": "Charged"} for name in ("additional", "profile", "excluded", "counted")),
    {"additional_event_names": ["Charged", 2024]},
    *({f"include_{name}": "yes"} for name in ("event_summary", "app_fields", "profile_properties")),
    {"all_events": "yes"},
    *({"slice_days": value} for value in (1, 1.5, 10**9)),
    *({"lookback_days": value} for value in (0, 10**9)),
    {"max_wait_minutes": 0},
    {"pii_mode": "mask"},
    {"pii_fields": ["object_id"]},
    *({"base_url": url} for url in ("https://evil.com", "http://api.clevertap.com", "http://127.0.0.1:80\nx")),
    *({"base_url": f"https://{host}"} for host in ("api.clevertap.com.evil.com", "evilapi.clevertap.com")),
    {"base_url": "https://api.clevertap.com@evil.com"},
]
TWO = "start_date and end_date must be dates (YYYYMMDD, like 20220101); timezone is unknown"
BAD: list[tuple[str, Json]] = [
    *(("passcode must be ASCII", {"passcode": bad}) for bad in ("", "break\n-Sesame", "\u00dc-Sesame", " Sesame")),
    *(("start_date and end_date must be dates", {"start_date": day}) for day in (20220230, 20220011)),
    ("start_date and end_date must be dates", {"end_date": 20221301}),
    ("start_date must not be after end_date or after today", {"start_date": 20260213}),
    ("start_date must not be after end_date or after today", {"start_date": 99990101, "end_date": None}),
    (TWO, {"timezone": "Mars/Olympus", "start_date": 20221301}),
    *(("profile_filters and event_filters", {"profile_filters": bad}) for bad in ("{", "[]", "null", '{"groups": {}}')),
    ("profile_filters and event_filters", {"event_filters": '{"event_name": "Charged"}'}),
    ("pii_mode hash requires pii_salt", {"pii_mode": "hash"}),
]


@pytest.mark.parametrize("changes", REFUSED_BY_SPEC)
def test_given_a_setting_that_the_spec_refuses_when_used_then_it_is_a_config_error_before_any_request(
    clevertap: CleverTap, changes: Json
) -> None:
    output = clevertap.read_profiles(config(**changes), [empty()])

    assert output.error[0] == "config_error"
    assert output.error[1].startswith("Config validation error: ")
    assert clevertap.call_count == 0


@pytest.mark.parametrize(("words", "changes"), BAD)
def test_given_a_bad_setting_when_used_then_a_config_error_names_it_before_any_request(
    clevertap: CleverTap, words: str, changes: Json
) -> None:
    output = clevertap.read_profiles(config(**changes), [empty()])

    assert output.error[0] == "config_error"
    assert f"Configuration: {words}" in output.error[1]
    assert "Sesame" not in output.error[1]
    assert clevertap.call_count == 0

    source = SourceClevertap(config=config(**changes), catalog=None, state=None)
    status = source.check(source.logger, {})
    assert status.status == Status.FAILED
    assert f"Configuration: {words}" in str(status.message)
    with pytest.raises(AirbyteTracedException, match=re.escape(f"Configuration: {words}")):
        source.discover(source.logger, {})


def test_given_the_hidden_check_setting_in_a_configuration_when_read_then_it_reads_all(clevertap: CleverTap) -> None:
    output = clevertap.read_profiles(config(checking=True), [page(profile(1), next_cursor="b"), page(profile(2))])

    assert len(output.records) == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "/no/such/file.pem", "The file /no/such/file.pem"),
        ("CURL_CA_BUNDLE", "/no/such/file.pem", "[(]CURL_CA_BUNDLE[)] does not exist"),
        ("https_proxy", "ftp://proxy:3128", "HTTPS_PROXY has the scheme ftp"),
    ],
)
def test_given_a_variable_that_cannot_be_used_when_started_then_it_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv("http_proxy", "proxy:3128")
    check_environment()

    monkeypatch.setenv(name, value)
    with pytest.raises(AirbyteTracedException, match=words):
        check_environment()
