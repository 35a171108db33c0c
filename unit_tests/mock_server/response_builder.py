"""CleverTap's answers, in the shapes of the fact sheet."""

from typing import Any

Answer = dict[str, Any]  # the arguments that requests-mock takes for one answer


def opened(cursor: str = "first%2Fcursor%3D%3D") -> Answer:
    """The answer to the POST that opens an export."""
    return {"json": {"status": "success", "cursor": cursor}}


def page(*records: dict[str, Any], **content: Any) -> Answer:
    """A page; without next_cursor it is the last."""
    return {"json": {"status": "success", "records": list(records), **content}}


def empty() -> Answer:
    """The only page of an export with no data: no records key at all."""
    return {"json": {"status": "success"}}


def fail(error: str, code: Any, http: int = 200) -> Answer:
    return {"status_code": http, "json": {"status": "fail", "error": error, "code": code}}


def moved(http: int = 302) -> Answer:
    """A redirect to another host, as a proxy or a sign-in page sends it."""
    return {"status_code": http, "headers": {"Location": "https://portal.example/"}}


def profile(number: int, **fields: Any) -> dict[str, Any]:
    return {"objectId": f"id-{number}", "profileData": {"n": number}, **fields}


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An occurrence: the number is its device and its second."""
    sent = {
        "profile": {"objectId": f"device-{number}", "identity": f"me-{number}"},
        "ts": 20221119054900 + number,
        "event_props": {"n": number},
    }
    return {**sent, **fields}


def schema(*names: str) -> Answer:
    """The answer of GET /getSchema?type=events."""
    return {"json": {"status": "success", "events": [{"name": name} for name in names]}}
