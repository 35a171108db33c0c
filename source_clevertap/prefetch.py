"""Fetches the next page of an export while the current one is converted.

The pages of an export come one after another. Without this, CleverTap is idle while a page is converted,
and the connector is idle while it waits for the next page.
"""

import threading
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import requests

PAGE_BYTES = 8_000_000  # two larger pages in memory are not worth the time


class PrefetchingRequester:
    """A page requester that sends one request at a time for an export, as `HttpRequester` does.

    Has the arguments, results and exceptions of `HttpRequester.send_request`.
    """

    def __init__(self, requester: Any, components: ModuleType) -> None:
        self._requester, self._components = requester, components
        self._ahead = threading.local()  # each slice is read on one thread

    def send_request(self, next_page_token: Any, **request: Any) -> requests.Response | None:
        token, fetched = getattr(self._ahead, "page", (None, None))
        self._ahead.page = (None, None)
        response: requests.Response | None
        if fetched and token == next_page_token:
            response = fetched.result()
        else:
            response = self._requester.send_request(next_page_token=next_page_token, **request)
        if response is not None and len(response.content) <= PAGE_BYTES:
            page = self._components.decode_body(response) or {}
            cursor = page.get("next_cursor") or page.get("cursor")
            if cursor:
                self._ahead.page = self._fetch({"next_page_token": cursor}, request)
        return response

    def _fetch(self, token: Any, request: Any) -> tuple[Any, Future[requests.Response | None]]:
        fetched: Future[requests.Response | None] = Future()
        body = self._components.CURRENT_EXPORT.body  # for the event and dates in messages

        def fetch() -> None:
            self._components.CURRENT_EXPORT.body = body
            try:
                fetched.set_result(self._requester.send_request(next_page_token=token, **request))
            except BaseException as error:
                fetched.set_exception(error)

        threading.Thread(target=fetch, daemon=True).start()  # a daemon does not keep the process alive
        return token, fetched


def install(components: ModuleType) -> None:
    """Replaces the requester of components.py by one that fetches the next page, once."""
    if components.TwoStepRequester.__module__ == __name__:
        return

    two_step: type = components.TwoStepRequester

    class TwoStepRequester(two_step):  # type: ignore[misc]
        def __post_init__(self) -> None:
            super().__post_init__()
            self.page_requester: Any = PrefetchingRequester(self.page_requester, components)

    components.TwoStepRequester = TwoStepRequester  # type: ignore[attr-defined]
