"""Lets a connector's clock run FAST_CLOCK times faster: on the PYTHONPATH of its process, tests wait
seconds where CleverTap makes users wait minutes, and the CDK state messages come as much sooner. The
connector itself is run as it is. (`datetime` is not touched: today stays today.)

FAST_TIME, FAST_MONOTONIC: how much faster time.time() and time.monotonic() run. FILE_BYTES: no
file can be larger, as on a full disk.
"""

import os
import resource
import socket
import time

_SPEED = float(os.environ.get("FAST_CLOCK", "1"))
_TIME_SPEED = float(os.environ.get("FAST_TIME", _SPEED))
_sleep, _settimeout, _time = time.sleep, socket.socket.settimeout, time.time
_monotonic = time.monotonic
_started, _began = _time(), _monotonic()
_MONOTONIC_SPEED = float(os.environ.get("FAST_MONOTONIC", "1"))


def _fast_sleep(seconds: float) -> None:
    _sleep(seconds / _SPEED)


def _fast_settimeout(self: socket.socket, seconds: float | None) -> None:
    _settimeout(self, seconds / _SPEED if seconds and seconds > 1 else seconds)


def _fast_time() -> float:
    return _started + (_time() - _started) * _TIME_SPEED


def _fast_monotonic() -> float:
    return _began + (_monotonic() - _began) * _MONOTONIC_SPEED


time.time = _fast_time
time.monotonic = _fast_monotonic
time.sleep = _fast_sleep  # type: ignore[assignment]
socket.socket.settimeout = _fast_settimeout  # type: ignore[assignment,method-assign]
if "FILE_BYTES" in os.environ:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["FILE_BYTES"]),) * 2)
