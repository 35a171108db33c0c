"""The connector's command: runs spec, check, discover and read with manifest.yaml and components.py."""

import difflib
import importlib.util
import json
import logging
import os
import re
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from airbyte_cdk.models import AirbyteMessage, FailureType
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap import batches

COMPONENTS_MODULE = "source_declarative_manifest.components"  # the name in the Builder and the image, too


class SourceClevertap(YamlDeclarativeSource):
    """The source that manifest.yaml and components.py define. in_batches: its streams yield batches."""

    def __init__(self, config_path: str | None = None, in_batches: bool = False, **inputs: Any) -> None:
        register_components()
        requests.sessions.DEFAULT_REDIRECT_LIMIT = 0  # a redirect's target would get the passcode
        # The path is absolute, because a relative one is looked up in the working directory first.
        super().__init__(path_to_yaml=str(definition_file("manifest.yaml")), config_path=config_path, **inputs)
        self.room, self._in_batches = batches.Room(batches.IN_QUEUE), in_batches

    @staticmethod
    def write_config(config: Mapping[str, Any], config_path: str) -> None:
        """Does nothing: the CDK would write the passcode to a file that nobody reads."""

    def streams(self, config: Mapping[str, Any]) -> list[Any]:
        """Returns the streams."""
        streams: list[Any] = super().streams(config)
        return [batches.BatchStream(s, self.room) for s in streams] if self._in_batches else streams

    def read(self, logger: Any, config: Any, catalog: Any, state: Any = None) -> Iterator[AirbyteMessage]:
        """Reads. Raises config_error if a configured stream does not exist; the CDK would skip it."""
        yield from super().read(logger, config, catalog, state)
        offered = {stream["name"] for stream in self.resolved_manifest["streams"]}
        if missing := sorted({asked.stream.name for asked in catalog.streams} - offered):
            raise config_error(f"There is no stream {', '.join(missing)}. Refresh the schema of the connection.")


def definition_file(name: str) -> Path:
    """The path of manifest.yaml or components.py: in a wheel's package, or next to it in a checkout."""
    package = Path(__file__).resolve().parent
    return package / name if (package / name).exists() else package.parent / name


def register_components() -> None:
    """Loads components.py once, as the module to which `class_name` in the manifest refers."""
    if COMPONENTS_MODULE not in sys.modules:
        spec = importlib.util.spec_from_file_location(COMPONENTS_MODULE, definition_file("components.py"))
        assert spec and spec.loader  # noqa: S101
        module = importlib.util.module_from_spec(spec)
        sys.modules[COMPONENTS_MODULE] = module  # before it runs, because dataclasses look up their module
        spec.loader.exec_module(module)


def config_error(message: str) -> AirbyteTracedException:
    """An error that the user can mend."""
    return AirbyteTracedException(message=message, failure_type=FailureType.config_error)


def check_file(path: str, what: str) -> None:
    """Raises config_error if the file of an argument does not hold the JSON that it should."""
    try:
        is_right = isinstance(json.loads(Path(path).read_text(encoding="utf-8")), list if what == "state" else dict)
    except (OSError, ValueError):
        is_right = False
    if not is_right:
        raise config_error(f"The file {path} (--{what}) does not exist, or is not the JSON that it should be.")


def create_source(args: list[str]) -> SourceClevertap:
    """Creates the source by the command's arguments. Raises config_error for a missing command or file."""
    if not args:
        raise config_error("The command is missing. Use source-clevertap spec, check, discover, read or --help.")
    parsed = AirbyteEntrypoint.parse_args(args)
    paths = {name: getattr(parsed, name, None) for name in ("config", "catalog", "state")}
    for name in filter(paths.get, paths):
        check_file(str(paths[name]), name)
    config = SourceClevertap.read_config(paths["config"]) if paths["config"] else {}
    catalog = SourceClevertap.read_catalog(paths["catalog"]) if paths["catalog"] else None
    state = SourceClevertap.read_state(paths["state"]) if paths["state"] else None
    if catalog and state:  # the CDK builds all streams, and would fail for the state of one that is not read
        names = {configured.stream.name for configured in catalog.streams}
        state = [s for s in state if s.stream and s.stream.stream_descriptor.name in names]
    in_batches = parsed.command == "read" and os.environ.get("CLEVERTAP_BATCHES") != "false"
    inputs: dict[str, Any] = {"config_path": paths["config"], "config": config, "catalog": catalog, "state": state}
    return SourceClevertap(in_batches=in_batches, **inputs)


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entry point with support for batches, whose lines it passes to `write`."""

    def __init__(self, source: SourceClevertap, write: Callable[[bytearray], Any]) -> None:
        super().__init__(source)
        self._write, self._room = write, source.room
        # "Read 3 records" in the CDK's log counts batches. States hold the numbers.
        self.logger.addFilter(lambda line: line.funcName != "_on_stream_is_done" or "Read " not in str(line.msg))
        self._memory_monitor: Any = batches.BatchMemoryMonitor(getattr(self, "_memory_monitor", None))

    def read(self, *args: Any) -> Iterable[AirbyteMessage]:
        """Yields the messages of a read that are not batches, and writes the batches."""
        for message in super().read(*args):
            if batch := batches.batch_of(message):
                self._memory_monitor.records = batch.count
                self._write(batch.lines)
                self._room.release()
            else:
                yield message

    @staticmethod
    def validate_connection(source_spec: Any, config: Any) -> None:
        """Warns of unknown settings. Raises config_error for a wrong one, and names it, which the CDK does not."""
        spec = source_spec.connectionSpecification
        for name in sorted(config.keys() - spec["properties"].keys() - {"api_url"}):  # which the manifest adds
            (nearest,) = difflib.get_close_matches(name, spec["properties"], 1, 0)
            logging.getLogger("airbyte").warning(f"There is no setting {name}: it has no effect. Is it {nearest}?")
        if wrong := jsonschema.exceptions.best_match(jsonschema.Draft7Validator(spec).iter_errors(config)):
            where = "".join(f"{step}: " for step in wrong.path)
            raise config_error(f"Config validation error: {where}{wrong.message}")

    @staticmethod
    def handle_record_counts(message: AirbyteMessage, stream_message_count: Any) -> AirbyteMessage:
        """Counts the records of a batch, and leaves other messages to the CDK."""
        if (batch := batches.batch_of(message)) and message.record:
            stream_message_count[HashableStreamDescriptor(name=message.record.stream)] += batch.count
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def print_lines(lines: bytes | bytearray) -> None:
    """Prints lines after the content of the CDK's buffer, which contains its logs."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.flush()
        stdout: Any = sys.__stdout__
        stdout.flush()
        stdout.buffer.write(lines)
        stdout.buffer.flush()


def check_environment() -> None:
    """Raises an error for what requests and the CDK would not explain."""
    try:
        tempfile.gettempdir()  # the CDK creates a folder there
    except FileNotFoundError as error:
        message = "No folder for temporary files is writable. Free some space, or set TMPDIR to a writable folder."
        raise AirbyteTracedException(message=message, failure_type=FailureType.transient_error) from error
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name) and not Path(os.environ[name]).exists():
            raise config_error(f"The file {os.environ[name]} ({name}) does not exist.")
    for name, proxy in urllib.request.getproxies().items():
        scheme, separator, _ = proxy.partition("://")
        if name in ("http", "https", "all") and separator and not re.fullmatch("(?i)https?|socks[45][ah]?", scheme):
            where = f"The proxy in {name.upper()}_PROXY has the scheme {scheme}, which is not supported"
            raise config_error(f"{where}. Set it to http://host:port.")


def run() -> None:
    """Runs the command with its arguments."""
    init_uncaught_exception_handler(init_logger("airbyte"))
    check_environment()
    source = create_source(sys.argv[1:])
    entrypoint = Entrypoint(source, print_lines)
    try:
        with PRINT_BUFFER:
            for message in entrypoint.run(entrypoint.parse_args(sys.argv[1:])):
                print_lines(f"{message}\n".encode())
    finally:
        source.room.close()
