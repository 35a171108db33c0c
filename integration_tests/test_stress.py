"""A share of `make stress`: the same seed each time, so that what is red here is red everywhere."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from integration_tests.stress.corrupted_responses import corrupted_responses
from integration_tests.stress.mutations import mutation
from integration_tests.stress.row import Row
from integration_tests.stress.sequences import BATCH, syncs


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_given_sequences_of_syncs_when_they_end_then_nothing_is_lost(count: int) -> None:
    row = sum((syncs(BATCH, f"1/{start}") for start in range(0, count, BATCH)), Row("sequences"))

    assert row.wrong == []
    assert row.tried["failed"] > count / 10
    assert row.tried["cut"] > count / 10
    assert row.tried["records"] > 50 * count


def test_given_a_planted_loss_when_sequences_run_then_it_is_found() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        row = pool.submit(mutation, "start_date moved back is not noticed", 100, "1").result()

    assert row.wrong == []


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_given_corrupted_responses_when_read_then_nothing_is_lost(count: int) -> None:
    row = corrupted_responses(count, "1")

    assert row.wrong == []
    assert row.tried["errors"] > count / 60
    assert row.tried["records"] > 6 * count
