"""docs/openapi.yaml is what the sandbox answers and what the connector sends."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from datetime import date
from itertools import product
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote_plus, urlsplit

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator, exceptions  # type: ignore[import-untyped]

from integration_tests.helpers import tables
from integration_tests.helpers.connector import ROOT, Json, ask
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import EVENTS

CONTRACT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))
COMPONENTS, SCHEMAS = CONTRACT["components"], CONTRACT["components"]["schemas"]
HEADERS = [scheme["name"] for scheme in COMPONENTS["securitySchemes"].values()]
OPERATIONS = {(method.upper(), path): op for path, ops in CONTRACT["paths"].items() for method, op in ops.items()}
JSON = "application/json"
MONTH = {"from": 20240101, "to": 20240131}
EVENT = {"event_name": "Charged", **MONTH}
USERS = {"common_profile_properties": {"profile_fields": [{"name": "tier", "operator": "equals", "value": "Gold"}]}}
FILTERS = json.dumps({**USERS, "advanced_query": {"did_none": [EVENT]}})
CREATING = ("not_ready", "accepted", "throttled", "too_many")
READING = (*CREATING, "error_500", "error_503", "empty_page", "partial", "dead_cursor")
ODD: list[tuple[str, str, Any, str]] = [  # requests, and the schemas of their responses
    ("GET", "/1/events.json?cursor=x", None, "CursorExpired"),
    ("GET", "/1/counts/trends.json?req_id=1", None, "InvalidRequestId"),
    ("GET", "/v1/contentBlock/list?updatedFrom=2024-01-01T00:00:00Z", None, "NotIsoDate"),
    ("GET", "/getSchema?type=x", None, "IncorrectUsage"),
    ("POST", "/1/profiles.json", MONTH, "IncorrectUsage"),
    ("POST", "/1/events.json", {**EVENT, "to": 20231231}, "InvalidDates"),
    ("POST", "/1/events.json", {**EVENT, "event_name": "charged"}, "InvalidEvent"),
    ("POST", "/1/targets/result.json", {"id": 1}, "InvalidCampaign"),
    ("POST", "/1/counts/trends.json", EVENT, "InvalidGroup"),
    ("POST", "/1/counts/trends.json", {**EVENT, "groups": {"a": {}}}, "InvalidGroup"),
    ("POST", "/1/events.json?batch_size=x", EVENT, "IncorrectUsage"),
    ("GET", "/v1/contentBlock/list?pageNumber=x", None, "IncorrectUsage"),
    ("POST", "/1/message/report.json", {"from": "20240101", "to": "20240131"}, "Messages"),
]


class TimelessSandbox(Sandbox):
    """Its clock stands at 12 February 2026."""

    def now(self) -> float:
        return 1770877800 + self.clock_offset


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    account = Account(profiles=150, events=300, first_day=date(2025, 3, 1), days=300)
    with TimelessSandbox(account, not_ready=1, page_rows=23) as sandbox:
        yield sandbox


def operation_of(sent: requests.PreparedRequest) -> tuple[str, str]:
    return str(sent.method), urlsplit(str(sent.url)).path


def resolved(node: Json) -> Any:
    return COMPONENTS[(path := node["$ref"].split("/"))[2]][path[3]] if "$ref" in node else node


def wrong(value: Any, schema: Any) -> list[str]:
    errors = Draft202012Validator({"allOf": [schema], "components": COMPONENTS}).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}"] if (error := exceptions.best_match(errors)) else []


def wrong_request(sent: requests.PreparedRequest) -> list[str]:
    """What the contract does not allow in a request."""
    operation = OPERATIONS[operation_of(sent)]
    known = {parameter["name"]: parameter for parameter in map(resolved, operation.get("parameters", []))}
    query: Json = dict(pair.split("=", 1) for pair in urlsplit(str(sent.url)).query.split("&") if pair)
    for name in [name for name in query if not known.get(name, {}).get("allowReserved")]:
        query[name] = unquote_plus(query[name])
        with suppress(ValueError):  # a text
            query[name] = json.loads(query[name])
    schema: Json = {
        "properties": {name: each.get("schema") or each["content"][JSON]["schema"] for name, each in known.items()},
        "required": [name for name, each in known.items() if each.get("required")],
        "additionalProperties": False,
        "oneOf": [{"required": [name]} for name in operation.get("x-exactly-one-of", [])] or [{}],
    }
    told = wrong(query, schema) + [f"no {name}" for name in HEADERS if name not in sent.headers]
    bodies = operation.get("requestBody", {}).get("content", {None: {"schema": {"const": None}}})
    if (kind := sent.headers.get("Content-Type")) not in bodies:
        return [*told, f"Content-Type {kind}"]
    return told + wrong(json.loads(sent.body) if sent.body else None, bodies[kind]["schema"])


def wrong_response(response: requests.Response) -> list[str]:
    """What the contract does not allow in a response."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    known = OPERATIONS[operation_of(response.request)]["responses"].get(str(response.status_code), {"content": {}})
    if "content" not in (known := resolved(known)):
        return []
    content = known["content"].get(kind)
    return wrong(response.json(), content["schema"]) if content else [f"HTTP {response.status_code} {kind}"]


def test_given_all_that_syncs_send_and_get_when_compared_then_it_is_in_the_contract_which_has_no_more(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, came = requests.Session.send, list[requests.Response]()

    def recorded(*args: Any, **more: Any) -> requests.Response:
        response = send(*args, **more)
        came.append(copy(response))  # the connector alters its own
        return response

    monkeypatch.setattr(requests.Session, "send", recorded)
    streams = ["profiles", "events", *tables.STREAMS]
    skipped = sorted(EVENTS.keys() - {"App Launched", "Charged"})
    config = sandbox.config(start_date=20250301, slice_days=3650, event_filters=FILTERS, profile_filters=FILTERS)
    sandbox.faults = [Fault(name, page=5) for name in READING]
    output = sync(Clock(sandbox), {**config, "all_events": True, "excluded_event_names": skipped}, tuple(streams))
    assert output.exit_code == 0, output.error
    faults, sandbox.faults = sandbox.faults, [Fault(name, opening=True) for name in CREATING]
    sandbox.page_rows = 4991
    no_code = tuple(name for name in streams if not name.startswith("daily"))
    output = sync(Clock(sandbox), config, no_code, no_code=True)
    assert output.exit_code == 0, output.error
    assert not any(fault.times for fault in faults + sandbox.faults)

    sent = [response.request for response in came]
    assert {operation_of(request) for request in sent} == OPERATIONS.keys()
    assert [told for request in sent if (told := wrong_request(request))] == []
    cursors = {cursor for response in came for cursor in re.findall(r'cursor": ?"([^"]+)', response.text)}
    assert {str(request.url).partition("cursor=")[2] for request in sent} - {""} <= cursors

    twice = ask(sandbox, "GET", f"/1/events.json?cursor={quote(max(cursors))}")
    assert wrong(twice.json(), SCHEMAS["IncorrectUsage"]) == []
    for method, target, body, schema in ODD:
        assert wrong(ask(sandbox, method, target, body).json(), SCHEMAS[schema]) == []
    assert ask(sandbox, "GET", "/category-groups", passcode="wrong").status_code == 401
    sandbox.features_off = ("content_blocks",)
    assert ask(sandbox, "GET", "/v1/contentBlock/list").status_code == 403
    assert [told for response in came if (told := wrong_response(response))] == []
    by_length = sorted(came, key=lambda response: len(response.content))
    samples = {(operation_of(each.request), each.status_code, each.text[:34]): each for each in by_length}.values()
    for name in SCHEMAS.keys() - {"WrongMethod"}:  # which no sync meets
        with mock.patch.dict(SCHEMAS, {name: False}):
            found = any(map(wrong_request, {operation_of(request): request for request in sent}.values()))
            assert found or any(map(wrong_response, samples)), f"nothing is a {name}"
    assert wrong(ask(sandbox, "GET", "/1/targets/list.json").json(), SCHEMAS["WrongMethod"]) == []
    assert ask(sandbox, "GET", "/1/counts/event.json").content == b""  # an unknown path


def test_given_a_body_that_the_contract_forbids_when_sent_then_it_is_refused(sandbox: Sandbox) -> None:
    values: tuple[Any, ...] = (..., [], {}, None, "x", -1, 1.5, True)  # none, and wrong ones
    for path in (path for (_, path), operation in OPERATIONS.items() if "requestBody" in operation):
        right = CONTRACT["paths"][path]["post"]["requestBody"]["content"][JSON]["example"]
        for name, value in product(right, values):
            body = {key: each for key, each in {**right, name: value}.items() if each is not ...}
            response = ask(sandbox, "POST", path, body)
            refused = response.status_code == 400 or response.json()["status"] == "fail"
            assert refused or wrong_request(response.request) == [], (path, body)
            assert wrong_response(response) == [], (path, body)
