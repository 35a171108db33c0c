"""Rules that the platforms force on manifest.yaml and components.py (see CONTRIBUTING.md)."""

import ast
import io
import re
import threading
import tokenize
import types

import pytest
import yaml

from source_clevertap.run import COMPONENTS_MODULE, definition_file

ROOT = definition_file("manifest.yaml").parent
MANIFEST_TEXT = definition_file("manifest.yaml").read_text(encoding="utf-8")
COMPONENTS_TEXT = definition_file("components.py").read_text(encoding="utf-8")
MANIFEST = yaml.safe_load(MANIFEST_TEXT)
ALWAYS_THERE = {
    "profiles": ("profile_id", "event_name", "active_through"),
    "events": ("event_id", "event_name", "date"),
    "event_schema": ("name",),
    "user_properties": ("name",),
    "message_reports": ("date",),
    "campaigns": ("id", "synced_on"),
    "campaign_reports": ("campaign_id",),
    "content_blocks": ("id",),
    "category_groups": ("key",),
    "daily_event_counts": ("event_name", "date"),
    "daily_event_users": ("event_name", "date"),
}
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
    shown = [s for s in SETTINGS.values() if not s.get("airbyte_hidden")]
    assert sorted(s["order"] for s in SETTINGS.values()) == list(range(len(SETTINGS)))
    for setting in shown:
        assert setting["title"] == setting["title"].title().replace("Id", "ID")
        assert len(setting["description"]) > 40
        array_of_text = setting["type"] == "array" and setting["items"]["type"] == "string"
        builder_has_a_form = setting["type"] in ("string", "integer", "number", "boolean")
        assert builder_has_a_form or array_of_text
        assert "examples" in setting or "default" in setting or setting.get("airbyte_secret")
    assert SETTINGS["passcode"]["airbyte_secret"] is True
    assert {name for name, setting in SETTINGS.items() if setting.get("always_show")} == {"region", "timezone"}


def test_every_field_of_every_schema_is_described_and_nullable() -> None:
    for name, schema in MANIFEST["schemas"].items():
        assert schema["additionalProperties"] is True, name
        for field, definition in schema["properties"].items():
            assert definition["description"], field
            if field not in ALWAYS_THERE[name]:
                assert "null" in definition["type"], field


def test_nothing_deprecated_and_no_enum_value_unknown_to_older_builders() -> None:
    for word in ("url_base:", "path:", "request_body_json:", "JsonFileSchemaLoader", "stream_slice"):
        assert not re.search(rf"(?<!field_){word}(?! \[)", MANIFEST_TEXT), word  # AddFields has a path
    hidden = ("CustomRetriever", "ConditionalStreams")  # by the Builder's forms
    for word in ("SPLIT_REQUEST_WINDOW", "REDUCE_PAGE_SIZE", "UnionPartitionRouter", "CombinedExtractor", *hidden):
        assert word not in MANIFEST_TEXT


# The limits of the design (../shared/design.md): not what a file has on some day.
LINES = {
    "components.py": (("components.py",), 600),
    "launcher and batches": (tuple(f"source_clevertap/{name}.py" for name in ("__main__", "run", "batches")), 330),
    "no_code": (("no_code/overlay.yaml", "no_code/derive.py"), 220),
}


@pytest.mark.parametrize("name", LINES)
def test_files_stay_small_enough_to_be_read(name: str) -> None:
    files, limit = LINES[name]

    assert sum(len((ROOT / file).read_text().splitlines()) for file in files) <= limit


def test_components_stay_within_the_limits_of_the_design() -> None:
    tree = ast.parse(COMPONENTS_TEXT)
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings: set[int] = set()
    for node in nodes:
        if ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(COMPONENTS_TEXT).readline)
    code = {n for t in tokens if t.type not in skipped for n in range(t.start[0], t.end[0] + 1)} - docstrings

    assert len(code) <= 450
    assert sum(isinstance(node, ast.ClassDef) for node in nodes) <= 11
    for function in (node for node in nodes if isinstance(node, ast.FunctionDef)):
        assert (function.end_lineno or 0) - function.lineno + 1 <= 35, function.name


def test_components_keep_nothing_outside_their_instances(components: types.ModuleType) -> None:
    constants = {"CLOCK", "FILTERS", "MINUTES", "RULES"}
    for name, value in vars(components).items():
        if not name.startswith("__") and name not in constants:
            assert not isinstance(value, (dict, list, set, threading.local)), name


def test_nothing_is_replaced_at_run_time() -> None:
    for file in (ROOT / "source_clevertap").rglob("*.py"):
        code = file.read_text()
        assert not re.search(r"setattr[(]|components[.]\w+ = |# type: ignore.method-assign", code), file


def test_the_streams_of_the_manifest_stay_short() -> None:
    text = MANIFEST_TEXT.partition("\n  streams:\n")[2].partition("\nstreams:\n")[0]
    for stream in re.split(r"^    \w+:\n", text, flags=re.MULTILINE)[1:]:
        assert len(re.findall(r"^ +[^ #]", stream, re.MULTILINE)) <= 25, stream


def test_no_private_attribute_of_a_library_is_used() -> None:
    private = {
        node.attr
        for node in ast.walk(ast.parse(COMPONENTS_TEXT))
        if isinstance(node, ast.Attribute)
        and re.match("_(?!_)", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }

    assert private == {"_content"}  # of a response: its body, which is let go of once it is decoded


def test_the_documents_name_every_setting_and_every_stream() -> None:
    def first_column(document: str) -> set[str]:
        cells = re.findall(r"^\|([^|]*)\|", (ROOT / document).read_text(), re.M)
        return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}

    streams = {stream["name"] for stream in MANIFEST["definitions"]["streams"].values()}
    assert first_column("docs/settings.md") == set(SETTINGS) - {"base_url", "checking"}
    assert first_column("docs/streams.md") == streams
    assert first_column("README.md") >= streams
