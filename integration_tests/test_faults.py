"""A share of the table that `make faults` prints: about one row for each thing handled."""

import pytest

from integration_tests.helpers.connector import Json
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.fault_matrix import Case, no_code, outcome, share
from source_clevertap.sandbox import Account, Fault, Sandbox

OURS = list(share())
LONG = "empty_object:always, message_reports"  # stock windows wait one after the other
NO_CODE = [
    pytest.param(case, marks=pytest.mark.slow) if case.name == LONG else case
    for case in no_code(OURS)
    if case.stream != "events"
]


@pytest.mark.cdk
@pytest.mark.parametrize("case", [*OURS, *NO_CODE], ids=lambda case: f"{case.name}{' no_code' * case.no_code}")
def test_given_faults_when_read_then_every_record_comes_or_an_error_says_why(case: Case) -> None:
    wrong, printed = outcome(case)

    assert wrong == "", printed


def test_given_clevertap_is_down_when_read_then_the_windows_of_a_stream_share_their_patience() -> None:
    days: Json = {"start_date": 20220101, "end_date": 20220822, "slice_days": 3, "lookback_days": 1}
    with Sandbox(Account(profiles=10, events=10), faults=(Fault("error_503", None, None, True),)) as sandbox:
        output = sync(Clock(sandbox), sandbox.config(**days, max_wait_minutes=0.25), ("events",))

    assert output.exit_code
    assert output.error[0] == "transient_error"
    assert len(output.errors) >= 78
    assert len(sandbox.requests) < 78 + 20
    assert sandbox.clock_offset < 3 * 60  # of three threads together
