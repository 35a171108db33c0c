"""The two steps of the profiles export, as exact requests, and the records that come of them."""

import json
from typing import Any

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import ACCOUNT_ID, HOST, PASSCODE, Json, config
from unit_tests.mock_server.response_builder import Response, created, empty, page, profile

pytestmark = pytest.mark.cdk

URL = f"{HOST}/1/profiles.json"


def test_given_an_export_when_read_then_it_is_created_by_post_and_paged_by_get(clevertap: CleverTap) -> None:
    of_events = config(additional_event_names=["Viewed"], all_events=True)  # only profile_event_names is its own

    output = clevertap.read_profiles(of_events, [page(profile(1), next_cursor="b"), page(profile(2))])

    post, first, second = clevertap.request_history
    assert (post.method, post.url) == ("POST", f"{URL}?batch_size=4991&app=true&events=true&profile=true")
    assert json.loads(post.text) == {"event_name": "App Launched", "from": 20220101, "to": 20260212}
    assert post.headers["Content-Type"] == "application/json"
    for get, cursor in ((first, "first%2Fcursor%3D%3D"), (second, "b")):
        assert (get.method, get.url) == ("GET", f"{URL}?cursor={cursor}")
        assert "Content-Type" not in get.headers
        assert get.body is None
    for request in clevertap.request_history:
        assert request.headers["X-CleverTap-Account-Id"] == ACCOUNT_ID
        assert request.headers["X-CleverTap-Passcode"] == PASSCODE
    assert [record["profile_id"] for record in output.records] == ["id-1", "id-2"]
    assert not output.errors


@pytest.mark.parametrize("cursor", ["a%2Fb%2Bc%3D%3D", "raw==", "a-b_c.d~e", "%25"])
def test_given_any_cursor_when_paging_then_it_is_sent_exactly_as_received(clevertap: CleverTap, cursor: str) -> None:
    pages = [page(next_cursor=cursor, cursor="not-this-one"), page()]

    clevertap.read_profiles(config(), pages, posts=[created("x" + cursor)])

    assert [r.url for r in clevertap.request_history[1:]] == [f"{URL}?cursor=x{cursor}", f"{URL}?cursor={cursor}"]


@pytest.mark.parametrize(
    ("pages", "records"),
    [
        ([empty()], 0),
        ([page(profile(1), next_cursor="")], 1),
        ([page(profile(1), next_cursor="", cursor="b"), page(profile(2))], 2),
        ([page(profile(1), cursor="b", status="partial"), page(profile(2))], 2),
        ([page(profile(1), next_cursor="b"), page(next_cursor="c"), {**empty()}], 1),
        ([page(next_cursor="b"), {"json": {"status": "success", "next_cursor": "c"}}, page(profile(1))], 1),
    ],
)
def test_given_short_and_empty_pages_when_paging_then_only_one_without_a_cursor_is_the_last(
    clevertap: CleverTap, pages: list[Response], records: int
) -> None:
    output = clevertap.read_profiles(config(), pages)

    assert not output.errors
    assert len(output.records) == records
    assert clevertap.call_count == 1 + len(pages)


def test_given_a_record_when_read_then_it_is_unchanged_but_for_key_and_event(clevertap: CleverTap) -> None:
    sent = {
        **{"identity": 42, "phone": 919800000001, "name": "Zo\u00eb \U0001f600", "objectId": "top"},
        "platformInfo": [{"objectId": "device"}, {"platform": "Web"}],
        "profileData": {"Customer Type": "Gold", "a.b": [1, None, {"c d": 1.5}], "": ""},
        "events": {"App Launched": {"count": 10, "first_seen": 1457271567}},
        "all_identities": [42, None, "x"],
        "somethingNew": {"deep": [True]},
        "big": 2**63,
    }

    (record,) = clevertap.read_profiles(config(), [page(sent)]).records

    added = {"profile_id": "42", "event_name": "App Launched", "active_through": "2026-02-12"}
    text = {"identity": "42", "phone": "919800000001", "all_identities": ["42", None, "x"]}  # always
    assert record == {**sent, **added, **text}


def test_given_ids_in_odd_places_when_read_then_the_key_is_the_first_of_them(clevertap: CleverTap) -> None:
    profiles: dict[str, Json] = {
        "a": {"objectId": "a", "platformInfo": [{"objectId": "b"}]},
        "b": {"identity": "", "platformInfo": [{"objectId": "b"}, {"objectId": "c"}]},
        "c": {"objectId": "", "platformInfo": [{"platform": "Web"}, None, {"objectId": "c"}]},
        "77": {"objectId": 77, "platformInfo": "?"},
        "me": {"identity": "me", "objectId": "a", "platformInfo": [{"objectId": "b"}]},
        "0": {"identity": 0},
        **{str(number): {"identity": number} for number in (2**64 + 1, 2**64 + 2)},
    }

    output = clevertap.read_profiles(config(), [page(*profiles.values())])

    assert [record["profile_id"] for record in output.records] == list(profiles)


def test_given_profiles_without_any_id_when_read_then_each_has_a_key_of_its_own_that_stays(
    clevertap: CleverTap,
) -> None:
    def keys(*numbers: int, count: int) -> list[Any]:
        records = [{"profileData": {"n": n}, "events": {"A": {"count": count}}} for n in numbers]
        return [record["profile_id"] for record in clevertap.read_profiles(config(), [page(*records)]).records]

    assert len(set(keys(1, 2, count=1))) == 2
    assert keys(1, 2, count=1) == keys(2, 1, count=5)[::-1]


def test_given_a_cursor_that_comes_again_when_paging_then_the_read_fails(clevertap: CleverTap) -> None:
    cursors = ["b", "c", "first%2Fcursor%3D%3D"]  # the last is that of the POST

    output = clevertap.read_profiles(config(), [page(profile(1), next_cursor=cursor) for cursor in cursors])

    assert output.error[0] == "system_error"
    assert "same cursor twice" in output.error[1]
    assert "event 'App Launched', 2022-01-01 to 2026-02-12" in output.error[1]
    assert clevertap.call_count == 1 + len(cursors)
