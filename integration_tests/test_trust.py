"""A share of `make trust`: the same seed each time, so that what is red here is red everywhere."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from integration_tests.trust.planted import planted_loss
from integration_tests.trust.soak import days
from integration_tests.trust.spoilt import spoilt
from integration_tests.trust.syncs import BATCH, syncs
from integration_tests.trust.typed import addresses, data


def test_sequences_of_syncs_lose_nothing() -> None:
    first, *others = (syncs(BATCH, f"1/{start}") for start in range(0, 100, BATCH))
    row = sum(others, first)

    assert row.wrong == []
    assert row.tried["failed"] > 10
    assert row.tried["cut"] > 10
    assert row.tried["rows"] > 5000


def test_a_planted_loss_is_found_by_them() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        row = pool.submit(planted_loss, "start_date moved back is not noticed", 100, "1").result()

    assert row.wrong == []


def test_spoilt_answers_lose_nothing() -> None:
    row = spoilt(3000, "1")

    assert row.wrong == []
    assert row.tried["errors"] > 50
    assert row.tried["rows"] > 20_000


def test_no_base_url_leads_the_passcode_elsewhere() -> None:
    row = addresses(2000, "1")

    assert row.wrong == []
    assert 10 < row.tried["accepted"] < 500


def test_what_looks_like_code_is_sent_as_it_was_typed() -> None:
    assert data(30, "1").wrong == []


def test_a_month_of_daily_syncs_loses_nothing() -> None:
    row = days(30, "1")

    assert row.wrong == []
    assert row.tried["rows"] > 3000
