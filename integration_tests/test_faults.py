"""A share of the table that `make faults` prints: about one row for each thing handled."""

import pytest

from integration_tests.faults import Case, no_code, outcome, share

OURS = list(share())
LONG = "empty_object:always, message_reports"  # stock windows wait one after the other
NO_CODE = [
    pytest.param(case, marks=pytest.mark.slow) if case.name == LONG else case
    for case in no_code(OURS)
    if case.stream != "events"
]


@pytest.mark.cdk
@pytest.mark.parametrize(
    "case", [*OURS, *NO_CODE], ids=lambda case: f"{case.name}{' no_code' * case.no_code}"
)
def test_a_read_delivers_every_row_or_says_that_it_did_not(case: Case) -> None:
    wrong, told = outcome(case)

    assert wrong == "", told
