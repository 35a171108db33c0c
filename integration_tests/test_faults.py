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
def test_a_read_delivers_every_row_or_says_that_it_did_not(case: Case) -> None:
    wrong, told = outcome(case)

    assert wrong == "", told


def test_while_clevertap_is_down_the_windows_of_a_stream_share_their_patience() -> None:
    settings: Json = {
        "start_date": 20220101,
        "end_date": 20220822,
        "slice_days": 3,
        "lookback_days": 1,
        "max_wait_minutes": 0.25,
    }
    with Sandbox(Account(profiles=10, events=10), faults=(Fault("error_503", None, None, True),)) as sandbox:
        output = sync(Clock(sandbox), sandbox.config(**settings), ("events",))

    assert output.exit_code
    assert output.error[0] == "transient_error"
    assert len(output.errors) >= 78
    assert len(sandbox.requests) < 78 + 20
    assert sandbox.clock_offset < 3 * 60  # of three threads together
