"""no_code/manifest.yaml, by the CDK's own entry point: that it delivers as the other does."""

import time
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
import pytz
import yaml

from integration_tests.helpers.connector import NO_CODE, ROOT, Json, Output, assert_is_all, came, held, run
from integration_tests.helpers.destination import KEYS, Destination, cut
from integration_tests.helpers.in_process import Clock, sync
from no_code.derive import derive
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import Flags

pytestmark = pytest.mark.cdk

MANIFEST = yaml.safe_load(NO_CODE.read_text(encoding="utf-8"))
MISSING = {"daily_event_counts", "daily_event_users"}
UNDECLARED = {"excluded_event_names", "counted_event_names", "pii_fields", "pii_salt", "max_wait_minutes"}
EVENT = "App Launched"
NOT_ADDED = {"events": {"event_time"}, "message_reports": {"start_time"}}


def read(sandbox: Sandbox, *streams: str, state: list[Json] | None = None, **changes: Any) -> Output:
    return sync(Clock(sandbox), sandbox.config(**changes), streams or ("events",), state, no_code=True)


def test_given_the_file_when_compared_then_it_is_what_the_script_makes_of_the_manifest_and_nothing_is_custom() -> None:
    assert NO_CODE.read_text(encoding="utf-8") == derive(), "run make no-code"
    assert "Custom" not in yaml.dump(MANIFEST)
    assert "class_name" not in yaml.dump(MANIFEST)


def test_given_both_manifests_when_compared_then_they_differ_by_what_its_header_says() -> None:
    other = yaml.safe_load((ROOT / "manifest.yaml").read_text(encoding="utf-8"))
    settings, others = (m["spec"]["connection_specification"]["properties"] for m in (MANIFEST, other))
    with Sandbox(Account(profiles=10)) as sandbox:
        offered, ours = (
            {stream.pop("name"): stream for stream in run("discover", config, no_code=no_code).catalog["streams"]}
            for config, no_code in ((sandbox.config(), True), (sandbox.config(), False))
        )

    assert settings.keys() == others.keys() - UNDECLARED
    assert offered.keys() == ours.keys() - MISSING
    for name, stream in offered.items():
        for each in ("source_defined_primary_key", "default_cursor_field"):
            assert stream.get(each) == ours[name].get(each), name
        expected = ours[name]["json_schema"]["properties"].keys() - NOT_ADDED.get(name, set()) - {"details"}
        assert stream["json_schema"]["properties"].keys() == expected, name


def test_given_events_of_any_name_when_read_then_both_streams_have_them_and_keys() -> None:
    account, streams = Account(profiles=600, events=900), ("profiles", "events")
    odd = ["2024", 'it\'s "{{ config.passcode }}"', "Café 😀"]
    with Sandbox(account, not_ready=1, page_rows=230) as sandbox:
        names: Json = {"additional_event_names": [*odd, EVENT], "profile_event_names": [EVENT, *odd]}
        output = read(sandbox, *streams, slice_days=90, **names)

    assert_is_all(output, account, streams, events=[EVENT, *odd], no_code=True)
    assert {record["event_name"] for record in output.profiles} == {EVENT, *odd}
    for record in output.events:
        profile = record["profile"]
        assert record["object_id"] == profile["objectId"]
        assert record.get("identity") == profile.get("identity")
        assert record["profile_id"] == (profile.get("identity") or profile["objectId"])
    ids = {r["event_id"] for r in output.events}
    assert 0.9 * len(output.events) < len(ids) < len(output.events)  # duplicates share one, as its header says


def test_given_a_record_without_keys_when_read_then_it_is_no_end_of_all_streams() -> None:
    """The CDK takes it for the end of its queue."""

    def change(request: Json, response: Json) -> Json | None:
        return {**response, "list": [{}, *response["list"]]} if request["path"] == "/category-groups" else None

    with Sandbox(Account(profiles=60, events=90), change=change) as sandbox:
        output = read(sandbox, "category_groups", "events", "profiles", slice_days=3650)

    assert output.exit_code == 1
    assert (len(output.events), len(output.profiles)) == (90, 60)


def test_given_settings_when_read_then_they_reach_the_query() -> None:
    account = Account(profiles=50, events=300)
    filters = '{"event_properties": [{"name": "Amount & more", "operator": "equals", "value": "é"}]}'
    with Sandbox(account) as sandbox:
        output = read(
            sandbox, slice_days=3650, event_filters=filters,
            include_app_fields=False, include_profile_properties=False,
        )  # fmt: skip
        (query,) = sandbox.queries

    flags = Flags(app=False, events=False, profile=False)
    assert_is_all(output, account, ("events",), flags=flags, no_code=True)
    assert query == {
        "event_name": EVENT, "from": 20220101, "to": 20260212,
        "event_properties": [{"name": "Amount & more", "operator": "equals", "value": "é"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pii_mode": "hash", "pii_salt": "s"}, "'hash' is not one of"),
        ({"all_events": True}, "True is not one of"),
        ({"passcode": "wrong"}, "refused the credentials or region"),
        ({"base_url": "http://127.0.0.1:1@example.com"}, "does not match"),
        ({"base_url": "https://example.com/api.clevertap.com"}, "does not match"),
    ],
)
def test_given_what_it_cannot_do_right_or_a_wrong_passcode_when_checked_then_it_is_refused(
    change: Json, words: str
) -> None:
    with Sandbox(Account(profiles=10, events=10)) as sandbox:
        config = sandbox.config(**change)
        output = run("check", config, no_code=True)

    assert "SUCCEEDED" not in output.stdout
    assert words in output.stdout
    assert sandbox.requests == [] or "passcode" in change


@pytest.mark.parametrize("lookback_days", [1, 5])
def test_given_daily_syncs_some_of_them_cut_when_deduped_then_all_is_there_and_the_newest_copy_is_kept(
    lookback_days: int,
) -> None:
    account = Account(profiles=60, events=1200, first_day=date(2024, 1, 1), days=40, late=min(lookback_days, 2))
    destination, kept = Destination(), list[Json]()
    streams = KEYS.keys() - MISSING
    with Sandbox(account) as sandbox:
        for number in range(12):
            noon = pytz.timezone(account.timezone).localize(datetime(2024, 2, 1 + number, 12))
            sandbox.clock_offset = noon.timestamp() - time.time()
            sandbox.account = replace(account, turned=number)
            sandbox.exports.encoded.clear()
            start = date(2024, 1, 10) - timedelta(3 * (number // 6))  # moved back
            days = {"start_date": int(f"{start:%Y%m%d}"), "end_date": None, "slice_days": 2}
            state = [*destination.state.values()]
            output = read(sandbox, *streams, state=state, lookback_days=lookback_days, **days)
            assert output.exit_code == 0, output.error
            is_cut = number % 4 == 2
            output = cut(output, 0.5) if is_cut else output
            committed = output.committed if is_cut else len(output.records)
            destination.take(output, committed)
            came_so_far = zip(output.records[:committed], output.streams, strict=False)
            kept += [record for record, stream in came_so_far if stream == "events"]

            assert list(destination.stale()) == []
            last, now = int(f"{noon:%Y%m%d}"), noon.astimezone(timezone.utc)
            truth = held("events", account, [EVENT], 20240110, last, no_code=True, now=now)
            assert is_cut or came("events", kept, no_code=True).keys() >= truth.keys()
    ids = {account.profile_id(number) for number in range(account.profiles)}
    assert {record["profile_id"] for record in destination.rows("profiles")} <= ids
