"""A share of the table that `make faults` prints: about one row for each thing handled."""

from integration_tests.faults import run_all, share


def test_reads_deliver_every_row_or_say_that_they_did_not() -> None:
    rows = list(run_all(share()))

    assert [f"{case.name}: {wrong}: {told}" for case, wrong, told, _ in rows if wrong] == []
    assert len(rows) > 25
