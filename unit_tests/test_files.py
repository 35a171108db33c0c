"""Rules that the platforms force on manifest.yaml and components.py (see CONTRIBUTING.md)."""

import re
import types

import yaml

from source_clevertap.run import COMPONENTS_MODULE, definition_file

MANIFEST_TEXT = definition_file("manifest.yaml").read_text(encoding="utf-8")
COMPONENTS_TEXT = definition_file("components.py").read_text(encoding="utf-8")
MANIFEST = yaml.safe_load(MANIFEST_TEXT)
ALWAYS_THERE = {
    "profiles": ("object_id", "event_name", "active_through"),
    "events": ("event_id", "event_name", "read_through"),
    "event_schema": ("name",),
    "user_properties": ("name",),
    "message_reports": (),
    "campaigns": ("id",),
    "campaign_reports": ("campaign_id",),
    "content_blocks": ("id",),
    "category_groups": ("key",),
    "daily_event_counts": ("event_name", "date"),
}
SETTINGS = MANIFEST["spec"]["connection_specification"]["properties"]


def test_components_are_ascii_without_a_backslash() -> None:
    assert COMPONENTS_TEXT.isascii()
    assert chr(92) not in COMPONENTS_TEXT


def test_components_do_without_what_breaks_when_they_are_injected() -> None:
    for forbidden in ("from __future__", "__file__", "from .", "source_clevertap"):
        assert forbidden not in COMPONENTS_TEXT


def test_every_class_in_the_manifest_exists_and_every_component_is_used(
    components: types.ModuleType,
) -> None:
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
    for word in (
        "SPLIT_REQUEST_WINDOW",
        "REDUCE_PAGE_SIZE",
        "UnionPartitionRouter",
        "CombinedExtractor",
    ):
        assert word not in MANIFEST_TEXT
