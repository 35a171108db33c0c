"""CleverTap's responses, in the shapes of the fact sheet."""

from typing import Any

from unit_tests.mock_server.config import Json

Response = Json  # the arguments that requests-mock takes for one


def created(cursor: str = "first%2Fcursor%3D%3D") -> Response:
    """To the POST that creates an export."""
    return {"json": {"status": "success", "cursor": cursor}}


def page(*records: Any, **content: Any) -> Response:
    """A page; without next_cursor it is the last."""
    return {"json": {"status": "success", "records": list(records), **content}}


def empty() -> Response:
    """The only page of an export with no data: no records key at all."""
    return {"json": {"status": "success"}}


def fail(error: str, code: Any, http: int = 200) -> Response:
    return {"status_code": http, "json": {"status": "fail", "error": error, "code": code}}


def profile(number: int, **fields: Any) -> Json:
    return {"objectId": f"id-{number}", "profileData": {"n": number}, **fields}


def event(number: int = 1, **fields: Any) -> Json:
    """The number is its device and its second."""
    person = {"objectId": f"device-{number}", "identity": f"me-{number}"}
    return {"profile": person, "ts": 20221119054900 + number, "event_props": {"n": number}, **fields}


def schema(*names: str) -> Response:
    """To GET /getSchema?type=events."""
    return {"json": {"status": "success", "events": [{"name": name} for name in names]}}


def by_request(choose: Any) -> list[Response]:
    """The response that `choose` returns for the JSON of each request."""

    def content(request: Any, context: Any) -> Json:
        response = choose(request.json())
        context.status_code = response.get("status_code", 200)
        return response["json"] and dict(response["json"])

    return [{"json": content}]
