"""Writes no_code/manifest.yaml: manifest.yaml with overlay.yaml laid over it, for where no code may run.

`make no-code` runs it; a test compares what it would write with what is there.
"""

import importlib
from pathlib import Path
from typing import Any

import yaml

from source_clevertap.run import COMPONENTS_MODULE, register_components

FOLDER = Path(__file__).resolve().parent
HEADER = """\
# CleverTap for Airbyte, without custom code: for Airbyte Cloud's Builder, and wherever components.py may
# not run. Made from ../manifest.yaml by `make no-code`: change that file, or overlay.yaml. Use the
# other manifest where you can. Every row is delivered here too, or the sync fails, but this one
#
# - has no stream daily_event_counts: CleverTap sends days as the keys of an object, which no stock
#   component makes rows of, and a count by POST that is then asked for by GET;
# - has no setting all_events: events that CleverTap refuses would have to be passed over, and a stock
#   component that passes over a refused opening passes over a refused page, and ends the export;
# - opens exports by GET (a form that CleverTap's own downloader uses, but no page documents);
# - begins an event that is added to the list where the others stand, and goes on after start_date is
#   moved back: refresh profiles and events with all their data then;
# - gives equal events (same device, second and properties) one event_id: a mode that dedupes keeps
#   one of them;
# - has no event_time and no start_time (the time zone of a past day cannot be looked up), and cannot
#   hide personal data (pii_mode);
# - does not notice a cursor that comes twice for ever, nor a key that stands twice, or under another
#   name;
# - follows a redirect, and sends the passcode there too;
# - waits ten minutes at most for one request, opens an export whose cursor died once more, halves no
#   window, and where it gives up says system_error for what may pass by itself;
# - fails where a feature (content blocks) is off, instead of skipping the stream;
# - is several times slower.
"""


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">" if len(text) > 90 else None)


_Dumper.add_representer(str, _text)


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
    overlay = yaml.safe_load((FOLDER / "overlay.yaml").read_text())
    manifest: dict[str, Any] = merge(base, overlay)
    definitions = manifest["definitions"]
    # Only an export follows cursors, and it does so in its own URL.
    requester = definitions["base_requester"]
    requester["url"] = requester["url"].partition("{{ '?' ~ parameters['walked_by']")[0]
    export = definitions["export_requester"]
    export["url"] = export["url"].replace("{base_url}", requester["url"])
    # What is throttled waits like all else, for the CDK would wait for ever.
    refusals = base["definitions"]["error_handler"]["response_filters"]
    for refusal in refusals:
        if refusal["action"] == "RATE_LIMITED":
            refusal["action"] = "RETRY"
    passing, explaining = definitions["error_handler"]["error_handlers"]
    explaining["response_filters"] += refusals
    rules = manifest["spec"]["config_normalization_rules"]
    kept = base["spec"]["config_normalization_rules"]["transformations"]
    rules["transformations"] = [*kept, *rules["transformations"][1:]]
    resolved: dict[str, Any] = _without_ours(manifest, passing, explaining)
    return HEADER + yaml.dump(resolved, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


def _without_ours(node: Any, passing: dict[str, Any], explaining: dict[str, Any]) -> Any:
    """`node` with what is left of our components in it made stock, the two error handlers given."""
    if isinstance(node, list):
        return [_without_ours(entry, passing, explaining) for entry in node]
    if node == "$filters":
        register_components()
        return importlib.import_module(COMPONENTS_MODULE).FILTERS
    if not isinstance(node, dict):
        return node
    if "open" in node:  # a requester of ours becomes the one that it holds
        return _without_ours(node["open"], passing, explaining)
    node = {key: _without_ours(value, passing, explaining) for key, value in node.items()}
    if "skips" in node:  # they are asked before all others
        filters = [*node.pop("skips"), *explaining["response_filters"]]
        node["error_handlers"] = [passing, {**explaining, "response_filters": filters}]
    return node


if __name__ == "__main__":
    (FOLDER / "manifest.yaml").write_text(derive())
