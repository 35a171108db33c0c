"""Rules that the platforms force on manifest.yaml and components.py (see CONTRIBUTING.md)."""

import ast
import re
import threading
import types

import yaml

from source_clevertap.run import COMPONENTS_MODULE, definition_file

ROOT = definition_file("manifest.yaml").parent
MANIFEST_TEXT = definition_file("manifest.yaml").read_text(encoding="utf-8")
COMPONENTS_TEXT = definition_file("components.py").read_text(encoding="utf-8")
MANIFEST = yaml.safe_load(MANIFEST_TEXT)
SETTINGS = MANIFEST["spec"]["connection_specification"]["properties"]


def test_components_do_without_what_breaks_when_they_are_injected() -> None:
    assert COMPONENTS_TEXT.isascii()
    for forbidden in (chr(92), "from __future__", "__file__", "from .", "source_clevertap"):
        assert forbidden not in COMPONENTS_TEXT


def test_every_class_in_the_manifest_exists_and_every_component_is_used(components: types.ModuleType) -> None:
    names = set(re.findall(rf"class_name: {re.escape(COMPONENTS_MODULE)}[.](\w+)", MANIFEST_TEXT))
    classes = set(re.findall(r"^@dataclass\nclass (\w+)", COMPONENTS_TEXT, re.MULTILINE))

    assert names == classes
    assert MANIFEST_TEXT.count("class_name:") == MANIFEST_TEXT.count(COMPONENTS_MODULE)
    for name in names:
        assert getattr(components, name).__doc__


def test_the_spec_has_what_the_ui_shows() -> None:
    assert sorted(setting["order"] for setting in SETTINGS.values()) == list(range(len(SETTINGS)))
    for setting in (each for each in SETTINGS.values() if not each.get("airbyte_hidden")):
        assert setting["title"] == setting["title"].title().replace("Id", "ID")
        assert len(setting["description"]) > 40
        assert setting["type"] in ("string", "integer", "number", "boolean", "array")  # for which the Builder has forms
        assert "examples" in setting or "default" in setting or setting.get("airbyte_secret")
    assert SETTINGS["passcode"]["airbyte_secret"] is True


def test_every_field_of_every_schema_is_described_and_those_of_no_key_are_nullable() -> None:
    for stream in MANIFEST["definitions"]["streams"].values():
        schema = MANIFEST["schemas"][stream["name"]]
        keys = {"event_name", "date", "active_through", "synced_on", *stream.get("primary_key", [])}
        assert schema["additionalProperties"] is True, stream["name"]
        for field, definition in schema["properties"].items():
            assert definition["description"], field
            assert field in keys or "null" in definition["type"], field


def test_nothing_deprecated_and_no_enum_value_unknown_to_older_builders() -> None:
    for word in ("url_base:", "path:", "request_body_json:", "JsonFileSchemaLoader", "stream_slice"):
        assert not re.search(rf"(?<!field_){word}(?! \[)", MANIFEST_TEXT), word  # AddFields has a path
    hidden = ("CustomRetriever", "ConditionalStreams")  # by the Builder's forms
    for word in ("SPLIT_REQUEST_WINDOW", "REDUCE_PAGE_SIZE", "UnionPartitionRouter", "CombinedExtractor", *hidden):
        assert word not in MANIFEST_TEXT


def test_files_stay_within_the_limits_of_the_design() -> None:
    def lines_of(*files: str) -> int:
        return sum(len((ROOT / file).read_text().splitlines()) for file in files)

    assert lines_of("components.py") <= 600
    assert lines_of(*(f"source_clevertap/{name}.py" for name in ("__main__", "run", "batches"))) <= 330
    assert lines_of("no_code/overlay.yaml", "no_code/derive.py") <= 220
    without_docstrings = re.sub('""".*?"""', "", COMPONENTS_TEXT, flags=re.S)
    assert len(re.findall("^ *[^ #\n]", without_docstrings, re.M)) <= 450
    assert COMPONENTS_TEXT.count("@dataclass") <= 11
    for node in ast.walk(ast.parse(COMPONENTS_TEXT)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 35, node.name
    for file in (ROOT / "source_clevertap").rglob("*.py"):
        assert not re.search(r"setattr\(|(components|COMPONENTS_MODULE\])[.]\w+ = ", file.read_text()), file


def test_components_keep_nothing_outside_their_instances(components: types.ModuleType) -> None:
    constants = {"CLOCK", "FILTERS", "MINUTES", "RULES"}
    for name, value in vars(components).items():
        if not name.startswith("__") and name not in constants:
            assert not isinstance(value, (dict, list, set, threading.local)), name


def test_no_private_attribute_of_a_library_is_used() -> None:
    private = set(re.findall("(?<!self)[.](_(?!_)[a-z]+)", COMPONENTS_TEXT))

    assert private == {"_content"}  # of a response: its body, which is let go of once it is decoded


def test_the_documents_name_every_setting_and_every_stream() -> None:
    def first_column(document: str) -> set[str]:
        cells = re.findall(r"^\|([^|]*)\|", (ROOT / document).read_text(), re.M)
        return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}

    streams = {stream["name"] for stream in MANIFEST["definitions"]["streams"].values()}
    assert first_column("docs/settings.md") == set(SETTINGS) - {"base_url", "checking"}
    assert first_column("docs/streams.md") == streams
    assert first_column("README.md") >= streams
