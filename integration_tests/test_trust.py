"""A share of `make trust`: the same seed each time, so that what is red here is red everywhere."""

from integration_tests.trust.__main__ import run_bodies, run_sequences


def test_sequences_of_syncs_lose_nothing() -> None:
    row = run_sequences(100, 1)

    assert row.wrong == []
    assert row.tried["failed"] > 10
    assert row.tried["rows"] > 5000


def test_spoilt_answers_lose_nothing() -> None:
    row = run_bodies(3000, 1)

    assert row.wrong == []
    assert row.tried["errors"] > 50
    assert row.tried["rows"] > 20_000
