"""One sync in this process, on a clock of its own: thousands of them can be afforded.

What runs is the command's own: its source, entry point and messages, over HTTP to a sandbox. Not in
it are the start of a process and the printing, which the other parts go through.
"""

import contextlib
import gc
import io
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytz
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.sources.declarative.incremental import concurrent_partition_cursor
from airbyte_cdk.sources.declarative.interpolation import jinja
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests.helpers.connector import Json, Output, catalog, written
from source_clevertap import run
from source_clevertap.run import COMPONENTS_MODULE, Entrypoint, register_components
from source_clevertap.sandbox import Sandbox
from unit_tests.mock_server.prepared_source import PreparedNoCodeSource, PreparedSource

_sleep, _monotonic = time.sleep, time.monotonic


class Clock:
    """The time of the connector and the sandbox; waits of a second and more pass at once.

    ahead: how far, in seconds, the connector's calendar is ahead of the sandbox's, once it has been
    looked at `ahead_after` times. pace: seconds that pass each time the CDK asks whether a state
    message is due (they are ten minutes apart).
    """

    def __init__(self, sandbox: Sandbox, ahead: float = 0, ahead_after: int = 0, pace: float = 0) -> None:
        self.sandbox, self.ahead, self.ahead_after, self.pace = sandbox, ahead, ahead_after, pace
        self._slept = threading.local()
        self._asked = 0.0

    def sleep(self, seconds: float) -> None:
        """Counts it, to the thread's own time and to everyone's."""
        if seconds < 1:
            return _sleep(seconds)
        self._slept.seconds = getattr(self._slept, "seconds", 0.0) + seconds
        self.sandbox.clock_offset += seconds
        return None

    def monotonic(self) -> float:
        """As the thread sees it."""
        return _monotonic() + float(getattr(self._slept, "seconds", 0.0))

    def now(self, zone: Any = None) -> datetime:
        """As the connector sees it."""
        self.ahead_after -= 1
        ahead = self.ahead if self.ahead_after < 0 else 0
        return datetime.fromtimestamp(self.sandbox.now() + ahead, zone)

    def asked(self) -> float:
        """Of the CDK's, for its state messages."""
        self._asked += self.pace
        return 1e9 + self._asked

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While this lasts, it is the only clock."""
        register_components()
        clock = self

        class Calendar(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> "Calendar":
                return cls.fromtimestamp(clock.now(timezone.utc).timestamp(), tz)

        paced = SimpleNamespace(**{**vars(time), "time": self.asked})
        today = {"today_with_timezone": lambda zone: clock.now(pytz.timezone(zone)).date()}
        with (
            mock.patch("time.sleep", self.sleep),
            mock.patch("time.monotonic", self.monotonic),
            mock.patch.object(sys.modules[COMPONENTS_MODULE], "datetime", Calendar),
            mock.patch.dict(jinja._ENVIRONMENT.globals, today),
            mock.patch.object(concurrent_partition_cursor, "time", paced),
        ):
            yield


def sync(
    clock: Clock,
    config: Mapping[str, Any],
    streams: tuple[str, ...],
    state: list[Json] | None = None,
    debug: bool = False,
    no_code: bool = False,
    entry: str = "package",
) -> Output:
    """Reads, and returns what the command would have printed.

    no_code: by no_code/manifest.yaml. entry: "package", or "manifest" for the CDK's own, as of a published manifest.
    """
    stock = no_code or entry == "manifest"
    PreparedSource.streams_read = streams
    prepared = PreparedNoCodeSource if no_code else PreparedSource
    printed = io.StringIO()  # the log, and "rate limited", which the CDK prints by itself
    log, root = logging.StreamHandler(printed), logging.getLogger()
    log.setFormatter(AirbyteLogFormatter("%(message)s"))
    handlers, root.handlers = root.handlers, [log]
    messages: list[str] = []
    exit_code = 0
    gc.disable()  # Python 3.11 before .8 (gh-106905): else other threads' collections break literal_eval
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            clock.running(),
            mock.patch.object(run, "SourceClevertap", prepared),
            mock.patch.dict(os.environ, {"CLEVERTAP_BATCHES": "false"} if stock else {}),
            contextlib.redirect_stdout(printed),
        ):
            files = written(folder, config=config, catalog=catalog(*streams), state=state or None)
            args = ["read", *(["--debug"] if debug else []), *files]
            try:
                source = run.create_source(args)
                ours = Entrypoint(source, lambda lines: messages.extend(lines.decode().split("\n")[:-1]))
                entrypoint = AirbyteEntrypoint(source) if stock else ours
                messages.extend(entrypoint.run(AirbyteEntrypoint.parse_args(args)))
            except Exception as error:
                if not isinstance(error, AirbyteTracedException):
                    error = AirbyteTracedException.from_exception(error)
                messages.append(Entrypoint.airbyte_message_to_string(error.as_sanitized_airbyte_message()))
                exit_code = 1
    finally:
        root.handlers = handlers
        gc.enable()
    return Output(exit_code, "".join(f"{line}\n" for line in messages), printed.getvalue())
