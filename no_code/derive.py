"""Generates no_code/manifest.yaml from manifest.yaml and overlay.yaml."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
HEADER = """\
# CleverTap for Airbyte without custom code: for the Builder of Airbyte Cloud, and wherever components.py
# is not allowed. Generated from ../manifest.yaml by `make no-code`. Prefer the original: this one
#
# - has no stream daily_event_counts, no setting all_events, no pii_mode, no event_time, no start_time
#   and no details (fields that CleverTap does not document are at the top of a record);
# - creates exports by GET, which CleverTap's own downloader does but no document describes, and treats
#   a created export without a cursor as an export without data;
# - starts a new event, and another account, where the others are, and ignores an earlier start_date: clear the streams;
# - reads an event that nobody raises from start_date each time;
# - gives events that are equal in device, second and properties the same event_id;
# - does not detect a repeated cursor, or records and cursors under another name;
# - follows redirects, which receive the passcode;
# - fails in a test read while a page is "still in progress", because no stock component asks again there;
# - prints half a surrogate pair as it came, which strict JSON readers refuse; splits no windows;
# - retries a request for ten minutes, an export with an expired cursor once, and then returns system_error;
# - is several times slower.
"""


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Merges `overlay` into `base`, by the rules in overlay.yaml."""
    merged = dict(base)
    for key, value in overlay.items():
        name = key.removesuffix("!")
        if value is None:
            merged.pop(name, None)
        elif key == name and isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


def derive() -> str:
    """The text of no_code/manifest.yaml."""
    base = yaml.safe_load((FOLDER.parent / "manifest.yaml").read_text())
    manifest = merge(base, yaml.safe_load((FOLDER / "overlay.yaml").read_text()))
    definitions = manifest["definitions"]
    known = base["definitions"]["error_handler"]["response_filters"]
    # The faults of the network, all_events and positions are known to CleverTapErrorHandler alone.
    known = [f for f in known if not {"fault", "all_events", "position"} & set(f.get("predicate", "").split("'"))]
    for name, stream in definitions["streams"].items():  # without custom transformations
        steps = stream.get("transformations", ())
        stream["transformations"] = [t for t in steps if t.keys().isdisjoint(("$ref", "class_name"))]
        manifest["schemas"][name]["properties"].pop("details", None)
    manifest["streams"] = [{"$ref": f"#/definitions/streams/{name}"} for name in definitions["streams"]]
    passing, explaining = definitions["error_handler"]["error_handlers"]
    explaining["response_filters"] = known
    for requester in (definition for name, definition in definitions.items() if name.endswith("requester")):
        handler = requester.get("error_handler", {})
        if "first_filters" in handler:  # of one request alone
            filters = [*handler.pop("first_filters"), *known]
            handler["error_handlers"] = [passing, {**explaining, "response_filters": filters}]
    plain = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})  # no anchors
    return HEADER + yaml.dump(manifest, Dumper=plain, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    (FOLDER / "manifest.yaml").write_text(derive())
