"""A share of `make stress`: the same seed each time, so that what is red here is red everywhere."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from integration_tests.stress.corrupted_responses import corrupted_responses
from integration_tests.stress.mutations import mutation
from integration_tests.stress.sequences import BATCH, syncs


@pytest.mark.cdk
def test_given_sequences_of_syncs_when_they_end_then_nothing_is_lost() -> None:
    row = syncs(BATCH, "1/0") + syncs(BATCH, "1/10")

    assert row.wrong == []
    assert row.tried["failed"] > 2
    assert row.tried["cut"] > 2
    assert row.tried["records"] > 1000


def test_given_a_planted_loss_when_sequences_run_then_it_is_found() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        row = pool.submit(mutation, "start_date moved back is not noticed", 100, "1").result()

    assert row.wrong == []


def test_given_corrupted_responses_when_read_then_nothing_is_lost() -> None:
    row = corrupted_responses(60, "1")

    assert row.wrong == []
    assert row.tried["errors"] > 3
    assert row.tried["records"] > 400
