"""The connector's command: spec, check, discover and read, run from manifest.yaml and components.py."""

import functools
import importlib.util
import json
import logging
import os
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    FailureType,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

COMPONENTS_MODULE = "source_declarative_manifest.components"  # its name in Builder and image too

# The threads that read and the one that prints take turns holding the interpreter. At Python's 5 ms
# they hand it over so often that it costs throughput.
SWITCH_INTERVAL_SECONDS = 0.1

FLUSH_SECONDS = 0.1  # as the CDK's buffer does
FLUSH_LINES = 100


class SourceClevertap(YamlDeclarativeSource):
    """The manifest, with components.py registered under the name that the manifest calls it by."""

    def __init__(self, config_path: str | None = None, **inputs: Any) -> None:
        register_components()
        # requests would carry the passcode to wherever a redirect points.
        requests.sessions.DEFAULT_REDIRECT_LIMIT = 0
        # An absolute path: a relative one is looked up in the working directory first.
        super().__init__(
            path_to_yaml=str(definition_file("manifest.yaml")), config_path=config_path, **inputs
        )

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Nothing: the CDK would write it, passcode and all, to a file that nobody reads."""

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Reads; then fails if a stream was asked for that is not there, which the CDK lets pass."""
        yield from super().read(logger, config, catalog, state)
        offered = {stream["name"] for stream in self.resolved_manifest["streams"]}
        missing = {asked.stream.name for asked in catalog.streams} - offered
        if missing:
            raise AirbyteTracedException(
                message=f"There is no stream {', '.join(sorted(missing))}. Refresh the schema of the "
                "connection.",
                failure_type=FailureType.config_error,
            )


def definition_file(name: str) -> Path:
    """manifest.yaml or components.py: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    bundled = package / name
    return bundled if bundled.exists() else package.parent / name


def register_components() -> None:
    """Loads components.py, once, as the module that `class_name` in the manifest refers to."""
    if COMPONENTS_MODULE in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(COMPONENTS_MODULE, definition_file("components.py"))
    if spec is None or spec.loader is None:
        raise ImportError("components.py is missing: the package is incomplete")
    module = importlib.util.module_from_spec(spec)
    sys.modules[COMPONENTS_MODULE] = module  # before it runs: dataclasses look their module up
    spec.loader.exec_module(module)


def json_file(path: str, what: str) -> Any:
    """The content of a file that the command names. Raises config_error if it cannot be read."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _config_error(f"There is no file {path}, which --{what} names.") from error
    except (OSError, ValueError) as error:
        raise _config_error(f"The file {path}, which --{what} names, is not JSON.") from error
    if not isinstance(content, list if what == "state" else dict):
        raise _config_error(f"The file {path}, which --{what} names, does not hold a JSON object.")
    return content


def _config_error(message: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def create_source(args: list[str]) -> SourceClevertap:
    """The source with the config, catalog and state that the arguments of the command name.

    Raises config_error for a command or file that is not there.
    """
    if not args:
        raise _config_error(
            "No command. Type: source-clevertap spec, check, discover or read, or --help."
        )
    parsed = AirbyteEntrypoint.parse_args(args)
    for name in ("config", "catalog", "state"):
        if getattr(parsed, name, None):
            json_file(getattr(parsed, name), name)
    config_path: str | None = getattr(parsed, "config", None)
    catalog_path: str | None = getattr(parsed, "catalog", None)
    state_path: str | None = getattr(parsed, "state", None)
    config: Mapping[str, Any] = SourceClevertap.read_config(config_path) if config_path else {}
    catalog = SourceClevertap.read_catalog(catalog_path) if catalog_path else None
    state = SourceClevertap.read_state(state_path) if state_path else None
    if (
        catalog and state
    ):  # the CDK builds all streams, and a bad state of one that is not read is no matter
        names = {configured.stream.name for configured in catalog.streams}
        state = [s for s in state if s.stream and s.stream.stream_descriptor.name in names]
    return SourceClevertap(config=config, catalog=catalog, state=state, config_path=config_path)


@functools.cache
def stream_descriptor(name: str) -> HashableStreamDescriptor:
    """The key that the CDK counts a stream's records by."""
    return HashableStreamDescriptor(name=name)


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entry point; makes the key of the count of records once a stream, not once a record."""

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage, stream_message_count: defaultdict[HashableStreamDescriptor, float]
    ) -> AirbyteMessage:
        """Counts a record; what is none, a state above all, is left to the CDK."""
        if message.type is Type.RECORD and message.record:
            stream_message_count[stream_descriptor(message.record.stream)] += 1.0
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def print_messages(messages: Iterable[str]) -> None:
    """Prints each message as a line; records many at a time, what is no record at once.

    The CDK's buffer, where its logs go, holds the texts of a tenth of a second and copies them twice.
    Its lock keeps log lines out of ours.
    """
    lines: list[str] = []
    flushed = time.monotonic()
    stdout = open(1, "wb", closefd=False)  # noqa: SIM115 (it is not ours to close)

    def flush() -> None:
        lines.append("")
        with PRINT_BUFFER.lock:
            PRINT_BUFFER.flush()
            # Line by line: one letter beyond Latin-1 would make a joined text two or four times as big.
            stdout.write(b"\n".join([line.encode() for line in lines]))
            stdout.flush()
        lines.clear()

    try:
        for message in messages:
            lines.append(message)
            full = len(lines) >= FLUSH_LINES or time.monotonic() - flushed >= FLUSH_SECONDS
            if full or not message.startswith('{"type":"RECORD"'):
                flush()
                flushed = time.monotonic()
    finally:
        flush()


def check_environment() -> None:
    """Raises config_error for what requests would fail at without naming it."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name) and not Path(os.environ[name]).exists():
            raise _config_error(f"There is no file {os.environ[name]}, which {name} names.")
    proxies = urllib.request.getproxies()
    for name in ("http", "https", "all"):
        scheme, separator, _ = proxies.get(name, "").partition("://")
        if separator and scheme.lower() not in (
            "http",
            "https",
            "socks4",
            "socks4a",
            "socks5",
            "socks5h",
        ):
            raise _config_error(
                f"The proxy that {name.upper()}_PROXY names has the scheme {scheme}, which cannot be "
                "used. Write it as http://host:port."
            )


def run() -> None:
    """Runs what the arguments of the command say."""
    init_uncaught_exception_handler(init_logger("airbyte"))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        tempfile.gettempdir()  # the CDK makes a folder there
    except FileNotFoundError as error:
        raise AirbyteTracedException(
            message="No folder for temporary files can be written to: the disk of this machine is "
            "full, or read-only. Free some space, or set TMPDIR to a folder that can be written to.",
            failure_type=FailureType.transient_error,
        ) from error
    check_environment()
    args = sys.argv[1:]
    source = create_source(args)
    entrypoint = Entrypoint(source)
    with PRINT_BUFFER:
        print_messages(entrypoint.run(entrypoint.parse_args(args)))
