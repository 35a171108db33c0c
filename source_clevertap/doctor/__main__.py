"""The command `source-clevertap-doctor`, also `python -m source_clevertap.doctor`."""

import argparse
import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import requests
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap.doctor.client import Client, OutOfRequestsError
from source_clevertap.doctor.examination import Examination, NoEventError, RefusedError, local_day
from source_clevertap.doctor.report import print_all, report
from source_clevertap.run import COMPONENTS_MODULE, check_environment, check_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Examines the account, prints, writes the report. Returns 1, and prints why, if it cannot run."""
    parser = argparse.ArgumentParser(
        prog="source-clevertap-doctor",
        description="Checks the connector's assumptions on your account. It only reads.",
    )
    account = parser.add_mutually_exclusive_group(required=True)
    account.add_argument("--config", type=Path, help="the connector's settings, a JSON file")
    account.add_argument("--sandbox", action="store_true", help="a fake account, to see what it prints")
    parser.add_argument("--report", help="a file for the report, which contains no value of the account")
    options = parser.parse_args(arguments)
    logging.getLogger("airbyte").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        if options.sandbox:
            from source_clevertap.sandbox.demo import demo  # ends the process where aiohttp is missing

            config = stack.enter_context(demo(not_ready=1, page_rows=23))
            return examine(config, options.report, sleep=lambda _: None)
        if not options.config.exists():
            return _cannot(
                f"There is no file {options.config}. Copy secrets/config.json.example to it and fill it in. "
                "DOCTOR=--sandbox make doctor shows a fake account."
            )
        try:
            check_file(str(options.config), "config")
        except AirbyteTracedException as error:
            return _cannot(str(error.message))
        return examine(json.loads(options.config.read_text(encoding="utf-8")), options.report)


def examine(config: dict[str, Any], report_file: str | None, sleep: Callable[[float], Any] = time.sleep) -> int:
    """Examines the account with these settings."""
    try:
        check_environment()
        client = Client(config, sleep)
        components = sys.modules[COMPONENTS_MODULE]
        zone = components.project_zone(config)
        last = components.to_date(config.get("end_date") or 99991231)
        examination = Examination(client, config, _say, min(local_day(zone), last))
    except (AirbyteTracedException, KeyError, ValueError) as error:
        return _cannot(getattr(error, "message", None) or f"A setting is missing: {error}.")
    try:
        examination.run()
    except KeyboardInterrupt:
        _say("Stopped. What is known so far:")
    except OutOfRequestsError:
        _say("The limit of requests is reached. What is known so far:")
    except RefusedError:
        return _cannot(
            "CleverTap refused the credentials or the region. Compare account_id, passcode and region "
            "with the dashboard."
        )
    except NoEventError:
        return _cannot("The account has no events yet. Check account_id: a test project has its own.")
    except requests.RequestException as error:
        if not examination.seen.answers:
            kind = type(error).__name__
            return _cannot(f"CleverTap could not be reached ({kind}). Check the network and the proxy.")
        _say(f"The network failed ({type(error).__name__}). What is known so far:")
    print_all(examination)
    if report_file:
        content = report(examination, str(config.get("region") or "global"), _version())
        try:
            Path(report_file).write_text(json.dumps(content, indent=1) + "\n")
        except OSError as error:
            return _cannot(f"The report cannot be written: {error}.")
        _say(f"{report_file} contains no value of your account. Please share it: see docs/doctor.md.")
    return 0


def _version() -> str:
    try:
        return version("source-clevertap")
    except PackageNotFoundError:
        return "from a folder"


def _say(text: Any) -> None:
    print(text, file=sys.stderr, flush=True)


def _cannot(message: str) -> int:
    _say(message)
    return 1


if __name__ == "__main__":
    sys.exit(main())
