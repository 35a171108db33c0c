"""Writes no_code/manifest.yaml: manifest.yaml with overlay.yaml laid over it."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
HEADER = """\
# CleverTap for Airbyte, without custom code: for Airbyte Cloud's Builder, and wherever components.py may
# not run. Made from ../manifest.yaml, which is the better one, by `make no-code`. This one
#
# - has no stream daily_event_counts (days are the keys of an object), no setting all_events (a refused
#   event cannot be told from a refused page), no pii_mode, no event_time and no start_time;
# - opens exports by GET (a form that CleverTap's own downloader uses, but no page documents), and treats
#   an opening without a cursor as an export without data;
# - starts an added event where the others stand, and goes on if start_date moves back: refresh then;
# - gives duplicate events (same device, second and properties) one event_id;
# - does not notice a cursor that comes twice, nor rows or a cursor under another name;
# - follows a redirect, and sends the passcode there, too;
# - waits ten minutes at most for one request, opens an export whose cursor died once more, splits no
#   window, and says system_error where it gives up, or where a feature (content blocks) is off;
# - is several times slower, and has no details: other keys of the streams without export stand beside.
"""


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """`base` with `overlay` laid over it, as overlay.yaml says."""
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
    for refusal in known:  # what is throttled waits like all else: the CDK would wait for ever
        refusal["action"] = refusal["action"].replace("RATE_LIMITED", "RETRY")
    for name, stream in definitions["streams"].items():  # without custom transformations
        steps = stream.get("transformations", ())
        stream["transformations"] = [t for t in steps if t.keys().isdisjoint(("$ref", "class_name"))]
        manifest["schemas"][name]["properties"].pop("details", None)
    manifest["streams"] = [{"$ref": f"#/definitions/streams/{name}"} for name in definitions["streams"]]
    passing, explaining = definitions["error_handler"]["error_handlers"]
    explaining["response_filters"] = known
    dead_cursor = base["definitions"]["page_requester"]["error_handler"]["first_filters"]
    definitions["two_step_requester"]["error_handler"]["first_filters"] = dead_cursor
    for requester in definitions.values():
        handler = requester.get("error_handler", {})
        if "first_filters" in handler:  # of one request alone
            filters = [*handler.pop("first_filters"), *known]
            handler["error_handlers"] = [passing, {**explaining, "response_filters": filters}]
    plain = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})  # no anchors
    return HEADER + yaml.dump(manifest, Dumper=plain, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    (FOLDER / "manifest.yaml").write_text(derive())
