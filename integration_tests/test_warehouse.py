"""What a destination with Append + Deduped keeps after many syncs: the newest copy of each key."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import pytz

from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.sequences import KEYS, Destination
from source_clevertap.sandbox import Account, Sandbox

DAYS = 24  # a sync each
ACCOUNT = Account(profiles=60, events=600, first_day=date(2023, 12, 1), days=120, timezone="Asia/Kolkata")
STREAMS = (*KEYS,)
NO_CODE_STREAMS = tuple(name for name in KEYS if name != "daily_event_counts")


@pytest.mark.parametrize("lookback_days", [1, 5])
@pytest.mark.parametrize("no_code", [False, True])
def test_given_daily_syncs_start_dates_that_move_and_short_windows_when_deduped_then_the_newest_copy_is_kept(
    no_code: bool, lookback_days: int
) -> None:
    destination = Destination()
    with Sandbox(ACCOUNT) as sandbox:
        for number in range(DAYS):
            day = date(2024, 3, 1) + timedelta(number)
            noon = pytz.timezone(ACCOUNT.timezone).localize(datetime(day.year, day.month, day.day, 12))
            sandbox.clock_offset += noon.timestamp() - sandbox.now()
            sandbox.account = replace(ACCOUNT, turned=number)
            sandbox.exports.encoded.clear()
            start = date(2024, 1, 10) - timedelta(3 * (number // 8))  # moved back twice
            config = sandbox.config(
                start_date=int(f"{start:%Y%m%d}"), end_date=None, slice_days=2, lookback_days=lookback_days
            )
            streams = NO_CODE_STREAMS if no_code else STREAMS
            output = sync(Clock(sandbox), config, streams, [*destination.state.values()], no_code=no_code)

            assert output.exit_code == 0, output.error
            destination.take(output, len(output.records))
            assert list(destination.stale()) == []

    ids = {ACCOUNT.profile_id(number) for number in range(ACCOUNT.profiles)}
    assert {record["profile_id"] for record in destination.rows("profiles")} <= ids
    # Counts of reports keep changing for 25 days: those of the last sync are there.
    sent = {record["message_id"]: record["sent"] for record in output.by_stream["message_reports"]}
    kept = {record["message_id"]: record["sent"] for record in destination.rows("message_reports")}
    assert sent.items() <= kept.items()
    assert len(sent) > 2
