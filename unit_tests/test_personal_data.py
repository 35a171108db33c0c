"""What is personal is kept, dropped or hashed, wherever it lies, and keys depend only on what is shown."""

import copy
import hashlib
import hmac
import json
from typing import Any

import pytest

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import config
from unit_tests.mock_server.response_builder import page

Json = dict[str, Any]
DAY = {"start_date": 20221119, "end_date": 20221119, "timezone": "Asia/Kolkata"}
SALT = "pepper and salt"
HASH = {"pii_mode": "hash", "pii_salt": SALT}
EMAIL, NAME, PHONE, TOKEN, IDENTITY = (
    "zoe@private.example",
    "Zo\u00eb Private",
    919812345678,
    "95f98af6",
    "u-4711",
)
PERSON = {
    "identity": IDENTITY,
    "all_identities": [IDENTITY, EMAIL, "u-old"],
    "email": EMAIL,
    "name": NAME,
    "phone": str(PHONE),
    "profileData": {"Customer Type": "Gold", "Address": {"street": "Hidden Lane 7"}},
}
PROFILE = {
    **PERSON,
    "objectId": "__g1",
    "platformInfo": [{"platform": "iOS", "objectId": "__g1", "push_token": TOKEN}, "odd"],
}
EVENT = {
    "profile": {**PERSON, "objectId": "__g1", "push_token": TOKEN},
    "ts": "20221119054937",
    "event_props": {"Amount": 5, "Items": [{"SKU": "s", "email": EMAIL}]},
    "session_props": {"utm_source": "x"},
}
PLANTED = (EMAIL, NAME, str(PHONE), TOKEN, IDENTITY, "u-old")


def digest(value: Any) -> str:
    return hmac.new(SALT.encode(), str(value).encode(), hashlib.sha256).hexdigest()


def read_both(read_stream: Read, profile: Json, event: Json, **settings: Any) -> tuple[Json, Json]:
    """The one profile and the one event, read with the settings."""
    found = []
    for stream, record in (("profiles", profile), ("events", event)):
        output = read_stream(stream, config(**DAY, **settings), [page(copy.deepcopy(record))])
        assert not output.errors
        found += rows(output)
    return found[0], found[1]


@pytest.mark.parametrize("settings", [{}, {"pii_mode": "keep"}, {"pii_fields": []}])
def test_given_no_mode_then_everything_is_kept(read_stream: Read, settings: Json) -> None:
    profile, event = read_both(read_stream, PROFILE, EVENT, **settings)

    assert {name: profile[name] for name in PROFILE} == PROFILE
    assert {name: event[name] for name in EVENT} == EVENT
    assert event["identity"] == IDENTITY


def test_given_hash_then_equal_values_have_equal_digests_in_both_streams(read_stream: Read) -> None:
    profile, event = read_both(read_stream, PROFILE, EVENT, **HASH)

    assert profile["identity"] == event["identity"] == event["profile"]["identity"] == digest(IDENTITY)
    assert profile["all_identities"] == [digest(IDENTITY), digest(EMAIL), digest("u-old")]
    assert profile["all_identities"] == event["profile"]["all_identities"]
    assert profile["email"] == event["event_props"]["Items"][0]["email"] == digest(EMAIL)
    assert profile["phone"] == digest(PHONE) == digest(str(PHONE))
    assert profile["platformInfo"][0]["push_token"] == event["profile"]["push_token"] == digest(TOKEN)
    assert profile["name"] == digest(NAME)
    assert profile["profileData"] == PERSON["profileData"]
    assert event["event_props"]["Amount"] == 5


@pytest.mark.parametrize("mode", ["drop", "hash"])
def test_given_a_mode_then_no_planted_value_is_printed_anywhere(
    read_stream: Read, capfd: pytest.CaptureFixture[str], mode: str
) -> None:
    hidden = read_both(read_stream, PROFILE, EVENT, pii_mode=mode, pii_salt=SALT)

    told = json.dumps(hidden, ensure_ascii=False) + "".join(capfd.readouterr())
    assert "Gold" in told
    for value in (*PLANTED, SALT):
        assert value not in told


def test_given_drop_then_the_fields_are_gone_and_the_rest_is_there(read_stream: Read) -> None:
    profile, event = read_both(read_stream, PROFILE, EVENT, pii_mode="drop")

    personal = {"identity", "all_identities", "email", "name", "phone", "push_token"}
    assert not personal & {*profile, *event, *event["profile"], *profile["platformInfo"][0]}
    assert profile["profileData"] == PERSON["profileData"]
    assert profile["platformInfo"] == [{"platform": "iOS", "objectId": "__g1"}, "odd"]
    assert event["event_props"] == {"Amount": 5, "Items": [{"SKU": "s"}]}


@pytest.mark.parametrize("mode", ["drop", "hash"])
def test_given_chosen_fields_then_these_go_and_all_identities_with_them(read_stream: Read, mode: str) -> None:
    chosen = {"pii_fields": ["email", "Address"], "pii_mode": mode, "pii_salt": SALT}
    profile, event = read_both(read_stream, PROFILE, EVENT, **chosen)

    for person in (profile, event["profile"]):
        assert person["identity"] == IDENTITY
        assert person["name"] == NAME
        assert EMAIL not in json.dumps(person)
        assert "Hidden Lane" not in json.dumps(person)
        hashed = [digest(IDENTITY), digest(EMAIL), digest("u-old")]
        assert person.get("all_identities") == (hashed if mode == "hash" else None)
        assert person["profileData"]["Customer Type"] == "Gold"


@pytest.mark.parametrize("mode", ["drop", "hash"])
@pytest.mark.parametrize("identity", ["u-4711", 4711])
def test_given_a_user_without_a_device_then_the_key_is_no_identity_but_still_a_key(
    read_stream: Read, mode: str, identity: Any
) -> None:
    profile, _ = read_both(read_stream, {"identity": identity}, EVENT, pii_mode=mode, pii_salt=SALT)

    assert profile["profile_id"].startswith("no-id-") if mode == "drop" else profile["profile_id"] == digest(identity)
    assert str(identity) not in json.dumps({**profile, "profile_id": ""})


def test_given_nothing_personal_then_nothing_is_invented(read_stream: Read) -> None:
    odd: Json = {"objectId": "__g1", "identity": None, "email": "", "all_identities": None, "phone": []}
    profile, event = read_both(read_stream, odd, {"profile": None, "ts": 1}, **HASH)

    assert profile.get("identity") is None
    assert profile["email"] == ""
    assert profile["phone"] == []
    assert event.get("identity") is None


@pytest.mark.parametrize("device", [["__g1"], {"id": 1}, 7, "Zoe", "None", None])
def test_given_a_device_id_of_any_kind_then_it_stays_the_key(read_stream: Read, device: Any) -> None:
    person = {
        "objectId": device,
        "name": "Zoe",
        "all_identities": [None, "None", "u-1"],
        "identity": "u-1",
    }
    for mode in ("drop", "hash"):
        output = read_stream(
            "events",
            config(**DAY, pii_mode=mode, pii_salt=SALT, pii_fields=["name", "identity"]),
            [page({"profile": copy.deepcopy(person), "ts": 1})],
        )

        assert not output.errors
        (event,) = rows(output)
        assert event.get("object_id") == device
        left = event["profile"].get("all_identities")
        assert left == ([None, digest("None"), digest("u-1")] if mode == "hash" else None)


@pytest.mark.parametrize("salt", ["salt", "Salz \u00e9\U0001f600"])
def test_given_another_salt_then_all_digests_differ(read_stream: Read, salt: str) -> None:
    profile, _ = read_both(read_stream, PROFILE, EVENT, pii_mode="hash", pii_salt=salt)

    assert profile["email"] == hmac.new(salt.encode(), EMAIL.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"pii_mode": "mask"}, "'mask' is not one of"),
        ({"pii_mode": "hash"}, "requires pii_salt"),
        ({"pii_mode": "hash", "pii_salt": ""}, "requires pii_salt"),
        ({"pii_mode": "hash", "pii_salt": 7}, "is not of type 'string'"),
        ({"pii_mode": "drop", "pii_fields": "email"}, "is not of type 'array'"),
        ({"pii_mode": "drop", "pii_fields": [""]}, "does not match"),
        ({"pii_mode": "drop", "pii_fields": ["email", "object_id"]}, "'object_id' does not match"),
        ({"pii_mode": "drop", "pii_fields": ["profile_id"]}, "'profile_id' does not match"),
    ],
)
def test_given_a_setting_that_cannot_be_then_it_is_named(read_profiles: Read, settings: Json, told: str) -> None:
    output = read_profiles(config(**DAY, **settings), [page()])

    kind, message = first_error(output)
    assert kind == "config_error"
    assert told in message


HIDDEN = {"phone": PHONE + 1, "email": "other@private.example", "identity": "u-4712"}


def keys_of(read_stream: Read, person: Json, **pii: Any) -> set[str]:
    """All keys of a user without a device, and of an event whose properties have a phone number."""
    event = {"profile": person, "ts": "20221119054937", "event_props": {"Phone": 7, **person}}
    settings = {"pii_fields": ["identity", "email", "phone", "name"], **pii}
    profile, event = read_both(read_stream, {"profileData": {"n": 1}, **person}, event, **settings)
    return {profile["profile_id"], event["event_id"], *([event["profile_id"]] if "profile_id" in event else [])}


def test_given_drop_then_two_hidden_values_have_the_same_keys(read_stream: Read) -> None:
    person = {"phone": PHONE, "email": EMAIL, "identity": IDENTITY}

    keys = keys_of(read_stream, person, pii_mode="drop")

    assert keys == keys_of(read_stream, HIDDEN, pii_mode="drop")


@pytest.mark.parametrize("person", [{"phone": PHONE}, {"email": EMAIL}, {"identity": IDENTITY}])
def test_given_hash_then_no_key_is_the_same_under_two_salts(read_stream: Read, person: Json) -> None:
    keys, others = (keys_of(read_stream, person, pii_mode="hash", pii_salt=salt) for salt in ("a", "b"))

    assert not keys & others


def test_given_hash_then_the_join_between_the_streams_holds(read_stream: Read) -> None:
    profile, event = read_both(read_stream, PROFILE, EVENT, **HASH)

    assert profile["profile_id"] == event["profile_id"] == digest(IDENTITY)
