"""A share of `make stress`: the same seed each time, so that what is red here is red everywhere."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from integration_tests.stress.corrupted_responses import corrupted_responses
from integration_tests.stress.mutations import mutation
from integration_tests.stress.soak import days
from integration_tests.stress.syncs import BATCH, syncs
from integration_tests.stress.user_input import addresses, data


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_sequences_of_syncs_lose_nothing(count: int) -> None:
    first, *others = (syncs(BATCH, f"1/{start}") for start in range(0, count, BATCH))
    row = sum(others, first)

    assert row.wrong == []
    assert row.tried["failed"] > count / 10
    assert row.tried["cut"] > count / 10
    assert row.tried["rows"] > 50 * count


def test_a_planted_loss_is_found_by_them() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        row = pool.submit(mutation, "start_date moved back is not noticed", 100, "1").result()

    assert row.wrong == []


@pytest.mark.parametrize("count", [600, pytest.param(3000, marks=pytest.mark.slow)])
def test_corrupted_responses_lose_nothing(count: int) -> None:
    row = corrupted_responses(count, "1")

    assert row.wrong == []
    assert row.tried["errors"] > count / 60
    assert row.tried["rows"] > 6 * count


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
