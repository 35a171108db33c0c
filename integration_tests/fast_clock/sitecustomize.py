"""Lets a connector's clock run FAST_CLOCK times faster: on the PYTHONPATH of its process, tests wait
seconds where CleverTap makes users wait minutes, and the CDK state messages come as much sooner. The
connector itself is run as it is. (`datetime` is not touched: today stays today.)
"""

import os
import socket
import time

_SPEED = float(os.environ.get("FAST_CLOCK", "1"))
_sleep, _settimeout, _time = time.sleep, socket.socket.settimeout, time.time
_started = _time()


def _fast_sleep(seconds: float) -> None:
    _sleep(seconds / _SPEED)


def _fast_settimeout(self: socket.socket, seconds: float | None) -> None:
    _settimeout(self, seconds / _SPEED if seconds and seconds > 1 else seconds)


def _fast_time() -> float:
    return _started + (_time() - _started) * _SPEED


time.time = _fast_time
time.sleep = _fast_sleep  # type: ignore[assignment]
socket.socket.settimeout = _fast_settimeout  # type: ignore[assignment,method-assign]
