"""What is personal is kept, dropped or hashed, wherever it lies, and keys depend only on what is shown."""

import copy
import hashlib
import hmac
import json
from typing import Any

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import DAY, Json, config
from unit_tests.mock_server.response_builder import page

SALT = "pepper and Salz \u00e9\U0001f600"
HASH = {"pii_mode": "hash", "pii_salt": SALT}
DROP = {"pii_mode": "drop"}
EMAIL, NAME, PHONE, TOKEN, IDENTITY = "zoe@private.example", "Zo\u00eb Private", 919812345678, "95f98af6", "u-4711"
PERSON: Json = {
    **{"identity": IDENTITY, "all_identities": [IDENTITY, EMAIL, "u-old"], "email": EMAIL, "name": NAME},
    **{"phone": str(PHONE), "profileData": {"Customer Type": "Gold", "Address": {"street": "Hidden Lane 7"}}},
}
PROFILE: Json = {
    **{**PERSON, "objectId": "__g1"},
    "platformInfo": [{"platform": "iOS", "objectId": "__g1", "push_token": TOKEN}, "odd"],
}
EVENT: Json = {
    "profile": {**PERSON, "objectId": "__g1", "push_token": TOKEN},
    "ts": "20221119054937",
    "event_props": {"Amount": 5, "Items": [{"SKU": "s", "email": EMAIL}]},
}
PLANTED = (EMAIL, NAME, str(PHONE), TOKEN, IDENTITY, "u-old", SALT)


def digest(value: Any, salt: str = SALT) -> str:
    return hmac.new(salt.encode(), str(value).encode(), hashlib.sha256).hexdigest()


def planted_in(*records: Json) -> list[str]:
    text = json.dumps(records, ensure_ascii=False)
    return [value for value in PLANTED if value in text]


def read_both(clevertap: CleverTap, profile: Json, event: Json, **settings: Any) -> tuple[Json, Json]:
    """The one profile and the one event, read with the settings."""
    found = []
    for stream, record in (("profiles", profile), ("events", event)):
        output = clevertap.read(stream, config(**DAY, **settings), [page(copy.deepcopy(record))])
        assert not output.errors
        found += output.records
    return found[0], found[1]


def test_given_hash_when_read_then_equal_values_have_equal_digests_in_both_streams(clevertap: CleverTap) -> None:
    profile, event = read_both(clevertap, PROFILE, EVENT, **HASH)

    assert profile["identity"] == event["identity"] == event["profile"]["identity"] == digest(IDENTITY)
    assert profile["profile_id"] == event["profile_id"] == digest(IDENTITY)  # the join
    assert profile["all_identities"] == [digest(IDENTITY), digest(EMAIL), digest("u-old")]
    assert profile["all_identities"] == event["profile"]["all_identities"]
    assert profile["email"] == event["event_props"]["Items"][0]["email"] == digest(EMAIL)
    assert profile["phone"] == digest(PHONE)
    assert profile["platformInfo"][0]["push_token"] == event["profile"]["push_token"] == digest(TOKEN)
    assert profile["name"] == digest(NAME)
    assert profile["profileData"] == PERSON["profileData"]
    assert event["event_props"]["Amount"] == 5
    assert planted_in(profile, event) == []


def test_given_drop_when_read_then_the_fields_are_gone_and_the_rest_is_there(clevertap: CleverTap) -> None:
    profile, event = read_both(clevertap, PROFILE, EVENT, **DROP, pii_fields=[])

    personal = {"identity", "all_identities", "email", "name", "phone", "push_token"}
    assert not personal & {*profile, *event, *event["profile"], *profile["platformInfo"][0]}
    assert profile["profileData"] == PERSON["profileData"]
    assert profile["platformInfo"] == [{"platform": "iOS", "objectId": "__g1"}, "odd"]
    assert event["event_props"] == {"Amount": 5, "Items": [{"SKU": "s"}]}
    assert planted_in(profile, event) == []


@pytest.mark.parametrize("settings", [DROP, HASH])
def test_given_chosen_fields_when_read_then_these_go_and_all_identities_with_them(
    clevertap: CleverTap, settings: Json
) -> None:
    profile, event = read_both(clevertap, PROFILE, EVENT, **settings, pii_fields=["email", "Address"])

    for person in (profile, event["profile"]):
        assert (person["identity"], person["name"]) == (IDENTITY, NAME)
        assert EMAIL not in json.dumps(person)
        assert "Hidden Lane" not in json.dumps(person)
        hashed = [digest(IDENTITY), digest(EMAIL), digest("u-old")]
        assert person.get("all_identities") == (hashed if settings is HASH else None)
        assert person["profileData"]["Customer Type"] == "Gold"


def test_given_fields_that_are_no_identity_when_read_then_all_identities_stay(clevertap: CleverTap) -> None:
    profile, _ = read_both(clevertap, PROFILE, EVENT, **DROP, pii_fields=["name"])

    assert profile["all_identities"] == PERSON["all_identities"]
    assert "name" not in profile


def test_given_nothing_personal_when_hashed_then_nothing_is_invented(clevertap: CleverTap) -> None:
    odd: Json = {"objectId": "__g1", "identity": None, "email": "", "all_identities": [None, "u-1"], "phone": []}

    profile, event = read_both(clevertap, odd, {"profile": None, "ts": 1}, **HASH)

    assert profile.get("identity") is event.get("identity") is None
    assert (profile["email"], profile["phone"]) == ("", [])
    assert profile["all_identities"] == [None, digest("u-1")]
