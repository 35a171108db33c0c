"""Values that other readers change, over HTTP into DuckDB. (unit_tests/test_values.py has more, without DuckDB.)"""

from pathlib import Path

from integration_tests.test_sync import rows
from integration_tests.test_sync import sync as make_sync
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import ALL_FLAGS

BIG, BIGGER = "18446744073709551617", "18446744073709551618"
PROFILES = (
    f'{{"identity": {BIG}, "phone": {BIG}, "all_identities": [{BIG}, 7], "profileData": {{"n": 1e400}}}}',
    f'{{"identity": {BIGGER}, "name": "cut\\ud83d", ' r'"profileData": {"a\u0000": "b\u0000", "c": "\\u0000"}}',
    '{"identity": 0, "profileData": {"n": %s, "m": -9223372036854775809}}' % ("9" * 400),
)


def test_given_values_that_other_readers_change_when_synced_then_they_land_as_they_were_sent(tmp_path: Path) -> None:
    with Sandbox(Account(profiles=3, events=9, days=30)) as sandbox:
        sandbox.prebuild()
        for number, text in enumerate(PROFILES):
            sandbox.exports.encoded["profiles", "", ALL_FLAGS][number] = text.encode()
        code, _, errors = make_sync(tmp_path, sandbox.config(slice_days=3650), "--streams", "profiles")

    assert code == 0, errors
    profiles = {row["profile_id"]: row for row in rows(tmp_path, "profiles")}
    assert set(profiles) == {BIG, BIGGER, "0"}
    assert (profiles[BIG]["identity"], profiles[BIG]["phone"]) == (BIG, BIG)
    assert profiles[BIG]["all_identities"] == [BIG, "7"]
    assert profiles[BIG]["profileData"] == {"n": "1e400"}
    assert profiles[BIGGER]["name"] == "cut\ufffd"
    assert profiles[BIGGER]["profileData"] == {"a\ufffd": "b\ufffd", "c": "\\u0000"}
    assert profiles["0"]["profileData"] == {"n": "9" * 400, "m": "-9223372036854775809"}
