"""Values that other readers change, over HTTP into DuckDB."""

from pathlib import Path

from integration_tests.test_sync import rows
from integration_tests.test_sync import sync as make_sync
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import ALL_FLAGS, Flags

BIG, BIGGER = "18446744073709551617", "18446744073709551618"
EVENT = "App Launched"
EVENT_FLAGS = Flags(app=True, events=False, profile=True)
PROFILES = (
    f'{{"identity": {BIG}, "phone": {BIG}, "all_identities": [{BIG}, 7], "profileData": {{"n": 1e400}}}}',
    f'{{"identity": {BIGGER}, "name": "cut\\ud83d", '
    r'"profileData": {"a\u0000": "b\u0000", "c": "\\u0000"}}',
    '{"identity": 0, "profileData": {"n": %s, "m": -9223372036854775809}}' % ("9" * 400),
)
EVENT_TEXT = (
    f'{{"profile": {{"objectId": "d", "identity": {BIG}, "phone": 5}}, "ts": 20220101101112, '
    f'"event_props": {{"id": {BIG}, "list": [{{"x": -{BIG}, "y": 1e999}}], "f": 0.1, '
    r'"t": "\ud83d"}}'
)


def test_values_that_other_readers_change_land_as_they_were_sent(tmp_path: Path) -> None:
    account = Account(profiles=3, events=9, days=30)
    with Sandbox(account) as sandbox:
        sandbox.prebuild()
        sandbox.prebuild_events(EVENT, EVENT_FLAGS)
        for number, text in enumerate(PROFILES):
            sandbox.exports.encoded["profiles", "", ALL_FLAGS][number] = text.encode()
        events = sandbox.exports.encoded["events", EVENT, EVENT_FLAGS]
        events[0] = EVENT_TEXT.encode()
        code, _, errors = make_sync(tmp_path, sandbox.config(slice_days=3650), "--streams", "profiles", "events")

    assert code == 0, errors
    profiles = {row["profile_id"]: row for row in rows(tmp_path, "profiles")}
    assert set(profiles) == {BIG, BIGGER, "0"}
    assert (profiles[BIG]["identity"], profiles[BIG]["phone"]) == (BIG, BIG)
    assert profiles[BIG]["all_identities"] == [BIG, "7"]
    assert profiles[BIG]["profileData"] == {"n": "1e400"}
    assert profiles[BIGGER]["name"] == "cut\ufffd"
    assert profiles[BIGGER]["profileData"] == {"a\ufffd": "b\ufffd", "c": "\\u0000"}
    assert profiles["0"]["profileData"] == {"n": "9" * 400, "m": "-9223372036854775809"}
    (event,) = (row for row in rows(tmp_path, "events") if row["ts"] == "20220101101112")
    assert (event["object_id"], event["identity"], event["profile"]["phone"]) == ("d", BIG, "5")
    assert event["event_props"] == {
        "id": BIG, "list": [{"x": "-" + BIG, "y": "1e999"}], "f": 0.1, "t": "\ufffd",
    }  # fmt: skip
