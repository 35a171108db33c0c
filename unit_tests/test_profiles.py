"""The two steps of the profiles export, as exact requests, and the records that come of them."""

import json
from typing import Any

import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import ACCOUNT_ID, PASSCODE, URL, config
from unit_tests.mock_server.response_builder import empty, opened, page, profile

pytestmark = pytest.mark.cdk


def test_given_an_export_when_read_then_it_is_opened_by_post_and_paged_by_get(
    read_profiles: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_profiles(config(), [page(profile(1), next_cursor="b"), page(profile(2))])

    post, first, second = clevertap.request_history
    assert [r.method for r in clevertap.request_history] == ["POST", "GET", "GET"]
    assert post.url == f"{URL}?batch_size=4991&app=true&events=true&profile=true"
    assert post.text is not None
    sent = json.loads(post.text)
    assert sent == {"event_name": "App Launched", "from": 20220101, "to": 20260212}
    assert post.headers["Content-Type"] == "application/json"
    assert first.url == f"{URL}?cursor=first%2Fcursor%3D%3D"
    assert second.url == f"{URL}?cursor=b"
    for get in (first, second):
        assert "Content-Type" not in get.headers
        assert get.body is None
    for request in clevertap.request_history:
        assert request.headers["X-CleverTap-Account-Id"] == ACCOUNT_ID
        assert request.headers["X-CleverTap-Passcode"] == PASSCODE
    assert [row["profile_id"] for row in rows(output)] == ["id-1", "id-2"]
    assert not output.errors


@pytest.mark.parametrize("cursor", ["a%2Fb%2Bc%3D%3D", "raw==", "a-b_c.d~e", "%25"])
def test_given_any_cursor_when_paging_then_it_is_sent_exactly_as_received(
    read_profiles: Read, clevertap: requests_mock.Mocker, cursor: str
) -> None:
    read_profiles(config(), [page(next_cursor=cursor), page()], [opened("x" + cursor)])

    assert [r.url for r in clevertap.request_history[1:]] == [
        f"{URL}?cursor=x{cursor}",
        f"{URL}?cursor={cursor}",
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"next_cursor": "b"},
        {"cursor": "b"},
        {"cursor": "b", "status": "partial"},
        {"next_cursor": "b", "cursor": "not-this-one"},
        {"next_cursor": "", "cursor": "b"},
        {"next_cursor": None, "cursor": "b"},
    ],
)
def test_given_either_cursor_name_when_paging_then_the_next_page_is_fetched(
    read_profiles: Read, clevertap: requests_mock.Mocker, content: dict[str, Any]
) -> None:
    output = read_profiles(config(), [page(profile(1), **content), page(profile(2))])

    assert clevertap.request_history[-1].url == f"{URL}?cursor=b"
    assert len(rows(output)) == 2


@pytest.mark.parametrize("end", [{}, {"next_cursor": ""}, {"next_cursor": None}])
def test_given_no_next_cursor_when_paging_then_the_export_ends(
    read_profiles: Read, clevertap: requests_mock.Mocker, end: dict[str, Any]
) -> None:
    output = read_profiles(config(), [page(profile(1), **end)])

    assert clevertap.call_count == 2
    assert len(rows(output)) == 1
    assert not output.errors


def test_given_short_and_empty_pages_when_paging_then_the_read_goes_on(read_profiles: Read) -> None:
    output = read_profiles(
        config(),
        [
            page(profile(1), next_cursor="b"),
            page(next_cursor="c"),
            {"json": {"status": "success", "next_cursor": "d"}},
            page(profile(2)),
        ],
    )

    assert [row["profile_id"] for row in rows(output)] == ["id-1", "id-2"]


def test_given_no_data_in_range_when_read_then_it_succeeds_empty(read_profiles: Read) -> None:
    output = read_profiles(config(), [empty()])

    assert rows(output) == []
    assert not output.errors


def test_given_a_record_when_read_then_it_is_unchanged_but_for_key_and_event(
    read_profiles: Read,
) -> None:
    sent = {
        "identity": 42,
        "phone": 919800000001,
        "name": "Zo\u00eb \U0001f600",
        "objectId": "top",
        "platformInfo": [{"objectId": "device"}, {"platform": "Web"}],
        "profileData": {"Customer Type": "Gold", "a.b": [1, None, {"c d": 1.5}], "": ""},
        "events": {"App Launched": {"count": 10, "first_seen": 1457271567}},
        "somethingNew": {"deep": [True]},
        "big": 2**63,
    }

    (row,) = rows(read_profiles(config(), [page(sent)]))

    added = {"profile_id": "42", "event_name": "App Launched", "active_through": "2026-02-12"}
    assert row == {**sent, **added, "identity": "42", "phone": "919800000001"}  # text always


@pytest.mark.parametrize(
    ("fields", "profile_id"),
    [
        ({"objectId": "a", "platformInfo": [{"objectId": "b"}]}, "a"),
        ({"platformInfo": [{"objectId": "b"}, {"objectId": "c"}]}, "b"),
        ({"platformInfo": [{"platform": "Web"}, None, {"objectId": "c"}]}, "c"),
        ({"objectId": "", "platformInfo": [{"objectId": "b"}]}, "b"),
        ({"objectId": 77}, "77"),
        ({"identity": "me", "objectId": "a", "platformInfo": [{"objectId": "b"}]}, "me"),
        ({"identity": "", "platformInfo": [{"objectId": "b"}]}, "b"),
        ({"identity": "me", "platformInfo": "?"}, "me"),
    ],
)
def test_given_ids_in_odd_places_when_read_then_the_key_is_the_first_of_them(
    read_profiles: Read, fields: dict[str, Any], profile_id: str
) -> None:
    (row,) = rows(read_profiles(config(), [page(fields)]))

    assert row["profile_id"] == profile_id


def test_given_profiles_without_any_id_when_read_then_each_has_a_key_of_its_own(
    read_profiles: Read,
) -> None:
    records = [{"profileData": {"n": 1}}, {"profileData": {"n": 2}}]

    first = [row["profile_id"] for row in rows(read_profiles(config(), [page(*records)]))]
    again = [row["profile_id"] for row in rows(read_profiles(config(), [page(*records[::-1])]))]

    assert len(set(first)) == 2
    assert first == again[::-1]


def test_given_half_an_emoji_in_a_name_when_read_then_the_row_comes(read_profiles: Read) -> None:
    body = b'{"status":"success","records":[{"objectId":"a","name":"\\ud83dcut\\ud83d \\ud83d\\ude00"}]}'

    (row,) = rows(read_profiles(config(), [{"content": body}]))

    assert row["name"] == "\ufffdcut\ufffd \U0001f600"


def test_given_devices_in_another_order_when_read_then_the_user_has_the_same_key(read_profiles: Read) -> None:
    devices = [{"objectId": f"d{n}"} for n in range(3)]
    person = {"identity": "me", "platformInfo": devices}
    moved = [person | {"platformInfo": d} for d in (devices[::-1], devices[1:], [{"objectId": "new"}, *devices])]

    read = rows(read_profiles(config(), [page(person, *moved)]))

    assert [row["profile_id"] for row in read] == ["me"] * 4


@pytest.mark.parametrize("cursors", [["first%2Fcursor%3D%3D"], ["b", "c", "b"], ["b", "b"]])
def test_given_a_cursor_that_comes_again_when_paging_then_the_read_fails(
    read_profiles: Read, clevertap: requests_mock.Mocker, cursors: list[str]
) -> None:
    output = read_profiles(config(), [page(profile(1), next_cursor=cursor) for cursor in cursors])

    assert first_error(output)[0] == "system_error"
    assert "same cursor twice" in first_error(output)[1]
    assert "event 'App Launched', 2022-01-01 to 2026-02-12" in first_error(output)[1]
    assert clevertap.call_count == 1 + len(cursors)
