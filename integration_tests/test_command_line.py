"""spec, check, discover and read through the real command line, over HTTP, against the sandbox."""

import hashlib
import hmac
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.helpers.connector import by_key, run
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import ALL_FLAGS, EVENTS, NOT_EXPORTABLE, Flags


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=1500), not_ready=1) as running:
        yield running


def truth(
    sandbox: Sandbox,
    event: str,
    first: int = 20220101,
    last: int = 20260212,
    flags: Flags = ALL_FLAGS,
) -> dict[str, Any]:
    rows = sandbox.account.truth(event, first, last, flags)
    return {row["key"]: row["record"] for row in rows}


def test_spec_names_every_setting() -> None:
    settings = run("spec").spec["connectionSpecification"]["properties"]

    assert list(settings)[:8] == [
        "account_id", "passcode", "region", "event_name", "additional_event_names",
        "profile_event_names", "counted_event_names", "all_events",
    ]  # fmt: skip


def test_discover_offers_both_exports_with_key_and_cursor(sandbox: Sandbox) -> None:
    offered = run("discover", sandbox.config()).catalog["streams"][:2]

    told = {
        s["name"]: (
            s["source_defined_primary_key"],
            s["default_cursor_field"],
            s["source_defined_cursor"],
        )
        for s in offered
    }
    assert told == {
        "profiles": ([["profile_id"]], ["active_through"], True),
        "events": ([["event_id"]], ["date"], True),
    }
    assert all(s["supported_sync_modes"] == ["full_refresh", "incremental"] for s in offered)


@pytest.mark.parametrize("event", EVENTS)
def test_read_delivers_every_profile_of_any_event(sandbox: Sandbox, event: str) -> None:
    output = sync(Clock(sandbox), sandbox.config(event_name=event), ("profiles",))

    assert output.exit_code == 0, output.error
    assert by_key(output.records) == truth(sandbox, event)
    assert len(output.records) > 50
    assert {record["event_name"] for record in output.records} == {event}


@pytest.mark.parametrize(("first", "last"), [(20220101, 20220101), (20230310, 20240229)])
def test_read_delivers_the_days_asked_for_both_ends_included(sandbox: Sandbox, first: int, last: int) -> None:
    config = sandbox.config(start_date=first, end_date=last)

    output = run("read", config)

    expected = truth(sandbox, "App Launched", first, last)
    assert by_key(output.records) == expected
    assert 0 < len(expected) < 1500


def test_read_without_the_event_summary_delivers_the_rest(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(include_event_summary=False))

    flags = Flags(events=False)
    assert by_key(output.records) == truth(sandbox, "App Launched", flags=flags)
    assert "events" not in output.records[0]


def test_read_without_end_date_asks_up_to_today_in_the_projects_zone(sandbox: Sandbox) -> None:
    config = sandbox.config()
    del config["end_date"]

    output = run("read", config)

    assert output.exit_code == 0, output.error  # the sandbox refuses a day in the future
    assert len(output.records) == 1500


def test_a_time_zone_ahead_of_the_projects_is_reported_as_a_config_error() -> None:
    # Kiritimati is 25 hours ahead of Midway: its today is always the future there.
    with Sandbox(Account(profiles=1, timezone="Pacific/Midway")) as sandbox:
        config = sandbox.config(timezone="Pacific/Kiritimati")
        del config["end_date"]

        output = run("read", config)

    assert output.exit_code
    assert output.error[0] == "config_error"
    assert "timezone" in output.error[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"passcode": "wrong"}, "credentials or region"),
        ({"account_id": "TEST-123-4567"}, "credentials or region"),
        ({"event_name": "app launched"}, "case-sensitive"),
        ({"event_name": NOT_EXPORTABLE[0]}, "S3, GCP"),
        ({"start_date": 20220230}, "Configuration: start_date and end_date must be dates"),
        ({"region": "mars1"}, "Config validation error: 'mars1' is not one of"),
    ],
)
def test_check_and_read_refuse_what_the_user_can_mend(sandbox: Sandbox, changes: dict[str, Any], words: str) -> None:
    checked = run("check", sandbox.config(**changes))
    read = sync(Clock(sandbox), sandbox.config(**changes), ("profiles",))

    assert checked.status["status"] == "FAILED"
    assert words in checked.status["message"]
    assert read.exit_code
    assert read.error[0] == "config_error"
    assert words in read.error[1]
    assert not read.records


def test_check_succeeds_on_an_empty_account() -> None:
    with Sandbox(Account(profiles=0)) as sandbox:
        assert run("check", sandbox.config()).status["status"] == "SUCCEEDED"


def test_check_ends_soon_when_nobody_answers() -> None:
    with Sandbox() as sandbox:
        config = sandbox.config()

    output = run("check", config)

    assert output.status["status"] == "FAILED"
    assert "could not be reached" in output.status["message"]
    assert "Gave up after 0.4 minutes" in output.status["message"]


def test_a_full_disk_is_reported(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(), variables={"FILE_BYTES": "0"})

    assert output.exit_code
    assert output.error[0] == "transient_error"
    assert "set TMPDIR" in output.error[1]


def test_a_stream_that_is_not_there_does_not_end_as_a_success(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(), streams=("users",))

    assert output.exit_code
    assert output.errors


def test_a_strangers_manifest_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("type: DeclarativeSource")
    (tmp_path / "components.py").write_text("raise SystemExit('not me')")

    output = run("spec", cwd=tmp_path)

    assert output.exit_code == 0, output.stderr
    assert output.spec["connectionSpecification"]["title"] == "CleverTap"


def test_three_faults_can_be_switched_on_over_http_while_it_runs(sandbox: Sandbox) -> None:
    faults: list[dict[str, Any]] = [
        {"name": "throttled", "times": 1},
        {"name": "truncated", "times": 1},
        {"name": "error_500", "times": 1, "opening": True},
    ]
    request = urllib.request.Request(  # noqa: S310
        f"{sandbox.url}/_sandbox/faults", json.dumps(faults).encode(), method="POST"
    )
    urllib.request.urlopen(request)  # noqa: S310

    output = run("read", sandbox.config())

    assert by_key(output.records) == truth(sandbox, "App Launched")
    assert all(fault.times == 0 for fault in sandbox.faults)


def test_the_truth_can_be_asked_for_over_http(sandbox: Sandbox) -> None:
    query = "event=Charged&from=20220101&to=20260212"
    url = f"{sandbox.url}/_sandbox/truth/profiles?{query}"
    lines = urllib.request.urlopen(url).read().splitlines()  # noqa: S310

    output = run("read", sandbox.config(event_name="Charged"))

    assert {row["key"]: row["record"] for row in map(json.loads, lines)} == by_key(output.records)


@pytest.mark.parametrize("debug", [False, True])
def test_nothing_personal_and_no_passcode_is_logged_over_http(debug: bool) -> None:
    account = Account(profiles=50, passcode="Se'sa\"me{{7}}")
    faults = (Fault("fail_with_records", 1, 0), Fault("truncated", 2, 0), Fault("reset", 1, 0))
    for order in (faults, faults[1:]):
        with Sandbox(account, faults=tuple(Fault(f.name, f.times, f.page) for f in order)) as sandbox:
            output = run("read", sandbox.config(), debug=debug)
        assert (output.exit_code == 0) == (order == faults[1:])
        told = output.all_but_records
        assert ("Making outbound API request" in told) == debug
        planted = [account.passcode, json.dumps(account.passcode)[1:-1], 'sa\\\\\\"me']
        for number in range(50):
            record = account.profile(number)
            planted += [account.key(number), str(record.get("email", account.passcode))]
        assert [value for value in planted if value in told] == []


@pytest.mark.parametrize("mode", ["drop", "hash"])
def test_nothing_personal_is_printed_where_it_is_hidden_and_joins_still_work(mode: str) -> None:
    account, salt, streams = Account(profiles=60, events=300), "the s\u00e4lt", ("profiles", "events")
    with Sandbox(account, faults=(Fault("truncated", 2), Fault("reset", 2))) as sandbox:
        hidden = run("read", sandbox.config(pii_mode=mode, pii_salt=salt), streams=streams, debug=True)
        kept = run("read", sandbox.config(), streams=streams)

    assert hidden.exit_code == kept.exit_code == 0, hidden.error
    assert {e["event_id"] for e in hidden.events} == {e["event_id"] for e in kept.events}
    planted = {salt, json.dumps(salt)[1:-1]}
    for profile in map(account.profile, range(60)):
        personal = [profile.get(name) for name in ("identity", "email", "phone", "name")]
        personal += [
            *profile.get("all_identities", []),
            *(d.get("push_token") for d in profile["platformInfo"]),
        ]
        planted |= {str(value) for value in personal if len(str(value or "")) > 2}  # not identity 3
    assert len(planted) > 150
    told = hidden.stdout + hidden.stderr + json.dumps(hidden.records, ensure_ascii=False)
    assert [value for value in sorted(planted) if value in told] == []

    def digest(identity: Any) -> str | None:
        text = str(identity).encode()
        return identity and hmac.new(salt.encode(), text, hashlib.sha256).hexdigest()

    ids = {account.key(n): account.profile(n).get("identity") for n in range(60)}
    expected = {digest(identity) if mode == "hash" and identity else key for key, identity in ids.items()}
    assert {row["profile_id"] for row in hidden.profiles} == expected
    assert {row["profile_id"] for row in hidden.events} <= expected
    raised = [{row["event_id"]: row.get("identity") for row in o.events} for o in (kept, hidden)]
    assert raised[1] == {k: digest(v) if mode == "hash" else None for k, v in raised[0].items()}
    assert len([identity for identity in raised[0].values() if identity]) > 100
