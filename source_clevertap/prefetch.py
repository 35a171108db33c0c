"""The next page of an export is fetched while this one is converted.

The pages of an export come one after another. Without this CleverTap is idle while a page is converted,
and the connector while it waits for the next one.
"""

import threading
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import requests

PAGE_BYTES = 8_000_000  # two of a larger page would take more memory than the time is worth


class PrefetchingRequester:
    """A page requester; one request of an export is on its way at a time, as without it.

    Takes and returns what `HttpRequester.send_request` does, and raises what the request raised.
    """

    def __init__(self, requester: Any, components: ModuleType) -> None:
        self._requester, self._components = requester, components
        self._ahead = threading.local()  # of the thread that reads a slice

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
        body = self._components.CURRENT_EXPORT.body  # error messages name its event and dates

        def fetch() -> None:
            self._components.CURRENT_EXPORT.body = body
            try:
                fetched.set_result(self._requester.send_request(next_page_token=token, **request))
            except BaseException as error:
                fetched.set_exception(error)

        threading.Thread(target=fetch, daemon=True).start()  # daemon: it keeps no process alive
        return token, fetched


def install(components: ModuleType) -> None:
    """Makes the exports of components.py fetch ahead; once, however often it is called."""
    if components.TwoStepRequester.__module__ == __name__:
        return

    two_step: type = components.TwoStepRequester

    class TwoStepRequester(two_step):  # type: ignore[misc]
        def __post_init__(self) -> None:
            super().__post_init__()
            self.page_requester: Any = PrefetchingRequester(self.page_requester, components)

    components.TwoStepRequester = TwoStepRequester  # type: ignore[attr-defined]
