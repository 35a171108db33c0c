"""The source, with what the CDK makes of the manifest kept from test to test.

To resolve the references of the manifest and validate it takes the CDK a third of a second a source,
and it builds all streams to read one. Here the first is done once a process, and a source has only the
streams that it reads. All else is the connector's own.
"""

import functools
import pickle
from typing import Any
from unittest import mock

from airbyte_cdk.sources.declarative import concurrent_declarative_source as cdk
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

from source_clevertap.batches import IN_QUEUE, Room
from source_clevertap.run import SourceClevertap, definition_file

SCHEMA = next(name for name in dir(cdk) if name.endswith("get_declarative_component_schema"))
NO_CODE = definition_file("manifest.yaml").parent / "no_code" / "manifest.yaml"
component_schema = functools.cache(getattr(cdk, SCHEMA))
setattr(cdk, SCHEMA, component_schema)


class PreparedSource(SourceClevertap):
    """streams: the names of those to build. is_test_read: with limits and without retries, as the Builder reads."""

    streams_read: tuple[str, ...] = ()
    _resolved: dict[str, bytes] = {}  # noqa: RUF012 (shared on purpose)

    def __init__(self, *, streams: tuple[str, ...] | None = None, is_test_read: bool = False, **inputs: Any) -> None:
        self.streams_read = self.streams_read if streams is None else streams
        source, limits = cdk.ConcurrentDeclarativeSource, cdk.TestLimits() if is_test_read else None
        limited = functools.partialmethod(source.__init__, limits=limits)
        with mock.patch.object(source, "__init__", limited):
            super().__init__(**inputs)

    def _read_and_parse_yaml_file(self, path_to_yaml_file: str) -> dict[str, Any]:
        return {} if self._resolved else dict(super()._read_and_parse_yaml_file(path_to_yaml_file))

    def _pre_process_manifest(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if not self._resolved:
            whole = super()._pre_process_manifest(manifest)
            del whole["definitions"]
            self._source_config = whole
            super()._validate_source()
            self._resolved |= {stream["name"]: pickle.dumps(stream) for stream in whole.pop("streams")}
            self._resolved[""] = pickle.dumps(whole)  # the rest
        resolved: dict[str, Any] = pickle.loads(self._resolved[""])  # noqa: S301
        names = [name for name in self._resolved if name in self.streams_read]
        resolved["streams"] = [pickle.loads(self._resolved[name]) for name in names]  # noqa: S301
        return resolved

    def _validate_source(self) -> None:
        """Was done with the whole manifest."""


class PreparedNoCodeSource(PreparedSource):
    """The same of no_code/manifest.yaml."""

    _resolved: dict[str, bytes] = {}  # noqa: RUF012

    def __init__(self, in_batches: bool = False, **inputs: Any) -> None:
        YamlDeclarativeSource.__init__(self, path_to_yaml=str(NO_CODE), **inputs)
        self.room, self._in_batches = Room(IN_QUEUE), in_batches
