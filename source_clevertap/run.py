"""The connector's command: runs spec, check, discover and read with manifest.yaml and components.py."""

import importlib.util
import io
import json
import logging
import os
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage, ConfiguredAirbyteCatalog, FailureType
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap import batches

COMPONENTS_MODULE = "source_declarative_manifest.components"  # the name in the Builder and the image, too


class SourceClevertap(YamlDeclarativeSource):
    """The source that manifest.yaml and components.py define."""

    def __init__(self, config_path: str | None = None, in_batches: bool = False, **inputs: Any) -> None:
        register_components()
        # requests would send the passcode to the target of a redirect.
        requests.sessions.DEFAULT_REDIRECT_LIMIT = 0
        # The path is absolute, because a relative one is looked up in the working directory first.
        super().__init__(path_to_yaml=str(definition_file("manifest.yaml")), config_path=config_path, **inputs)
        self.room, self._in_batches = batches.Room(), in_batches

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Does nothing: the CDK would write the passcode to a file that nobody reads."""

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        """Returns the streams; those of a read in batches yield batches."""
        streams = super().streams(config)
        return (
            [cast("AbstractStream", batches.BatchStream(s, self.room)) for s in streams]
            if self._in_batches
            else streams
        )

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Reads. Raises config_error if a configured stream does not exist; the CDK would skip it."""
        yield from super().read(logger, config, catalog, state)
        offered = {stream["name"] for stream in self.resolved_manifest["streams"]}
        missing = {asked.stream.name for asked in catalog.streams} - offered
        if missing:
            raise AirbyteTracedException(
                message=f"There is no stream {', '.join(sorted(missing))}. Refresh the schema of the connection.",
                failure_type=FailureType.config_error,
            )


def definition_file(name: str) -> Path:
    """The path of manifest.yaml or components.py: in a wheel's package, or next to it in a checkout."""
    package = Path(__file__).resolve().parent
    bundled = package / name
    return bundled if bundled.exists() else package.parent / name


def register_components() -> None:
    """Loads components.py once, as the module to which `class_name` in the manifest refers."""
    if COMPONENTS_MODULE in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(COMPONENTS_MODULE, definition_file("components.py"))
    if spec is None or spec.loader is None:
        raise ImportError("components.py is missing: the package is incomplete")
    module = importlib.util.module_from_spec(spec)
    sys.modules[COMPONENTS_MODULE] = module  # before it runs, because dataclasses look up their module
    spec.loader.exec_module(module)


def json_file(path: str, what: str) -> Any:
    """Reads the file of an argument. Raises config_error if it cannot be read."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _config_error(f"The file {path} (--{what}) does not exist.") from error
    except (OSError, ValueError) as error:
        raise _config_error(f"The file {path} (--{what}) is not JSON.") from error
    if not isinstance(content, list if what == "state" else dict):
        raise _config_error(f"The file {path} (--{what}) does not contain a JSON object.")
    return content


def _config_error(message: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def create_source(args: list[str]) -> SourceClevertap:
    """Creates the source with the config, catalog and state of the command's arguments.

    Raises config_error for a missing command or file.
    """
    if not args:
        raise _config_error("The command is missing. Use source-clevertap spec, check, discover, read or --help.")
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
    if catalog and state:  # the CDK builds all streams, and would fail for the state of one that is not read
        names = {configured.stream.name for configured in catalog.streams}
        state = [s for s in state if s.stream and s.stream.stream_descriptor.name in names]
    in_batches = parsed.command == "read" and os.environ.get("CLEVERTAP_BATCHES") != "false"
    return SourceClevertap(config=config, catalog=catalog, state=state, config_path=config_path, in_batches=in_batches)


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entry point with support for batches, whose lines it passes to `write`."""

    def __init__(self, source: SourceClevertap, write: Callable[[bytes], Any]) -> None:
        super().__init__(source)
        self._write, self._room = write, source.room
        if hasattr(self, "_memory_monitor"):  # not in older CDKs
            self._memory_monitor: Any = batches.BatchMemoryMonitor(self._memory_monitor)

    def read(self, *args: Any) -> Iterable[AirbyteMessage]:
        """Yields the messages of a read that are not batches, and writes the batches."""
        self.logger.addFilter(is_right)
        try:
            for message in super().read(*args):
                if batch := batches.batch_of(message):
                    if hasattr(self, "_memory_monitor"):
                        self._memory_monitor.records = batch.count
                    self._write(batch.lines)
                    self._room.give_back()
                else:
                    yield message
        finally:
            self.logger.removeFilter(is_right)

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage, stream_message_count: defaultdict[HashableStreamDescriptor, float]
    ) -> AirbyteMessage:
        """Counts the records of a batch, and leaves other messages to the CDK."""
        batch = batches.batch_of(message)
        if batch and message.record:
            stream_message_count[HashableStreamDescriptor(name=message.record.stream)] += batch.count
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def is_right(record: logging.LogRecord) -> bool:
    """Whether a line of the CDK's log is right: its "Read 3 records" counts batches. The states have the numbers."""
    return record.funcName != "_on_stream_is_done" or not str(record.msg).startswith("Read ")


def print_lines(lines: bytes) -> None:
    """Prints lines after the content of the CDK's buffer, which contains its logs."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.flush()
        stdout = cast("io.TextIOWrapper", sys.__stdout__)
        stdout.flush()
        stdout.buffer.write(lines)
        stdout.buffer.flush()


def check_environment() -> None:
    """Raises config_error for environment variables that requests would not name in its error."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name) and not Path(os.environ[name]).exists():
            raise _config_error(f"The file {os.environ[name]} ({name}) does not exist.")
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
                f"The proxy in {name.upper()}_PROXY has the scheme {scheme}, which is not supported. "
                "Set it to http://host:port."
            )


def run() -> None:
    """Runs the command with its arguments."""
    init_uncaught_exception_handler(init_logger("airbyte"))
    try:
        tempfile.gettempdir()  # the CDK creates a folder there
    except FileNotFoundError as error:
        raise AirbyteTracedException(
            message="There is no writable folder for temporary files: the disk is full or read-only. "
            "Free some space, or set TMPDIR to a writable folder.",
            failure_type=FailureType.transient_error,
        ) from error
    check_environment()
    args = sys.argv[1:]
    source = create_source(args)
    entrypoint = Entrypoint(source, print_lines)
    try:
        with PRINT_BUFFER:
            for message in entrypoint.run(entrypoint.parse_args(args)):
                if message.startswith('{"type":"RECORD"'):
                    print(f"{message}\n", end="")  # goes to the CDK's buffer
                else:  # printed at once, because of states
                    print_lines(f"{message}\n".encode())
    finally:
        source.room.close()
