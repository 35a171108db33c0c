"""The streams beside the exports: what the sandbox holds of each, and what came, by key."""

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import yaml

from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, tables

Json = dict[str, Any]
Rows = dict[tuple[Any, ...], Json]

FIRST, LAST = 20220101, 20260212  # as in Sandbox.config
KEYS = {
    "event_schema": ("name",),
    "user_properties": ("name",),
    "message_reports": ("message_id",),
    "campaigns": ("id",),
    "campaign_reports": ("campaign_id",),
    "content_blocks": ("id",),
    "category_groups": ("key",),
    "daily_event_counts": ("event_name", "date"),
    "daily_event_users": ("event_name", "date"),
}
STREAMS = tuple(KEYS)
SCHEMAS = yaml.safe_load(definition_file("manifest.yaml").read_text())["schemas"]


def truth(
    stream: str,
    account: Account,
    events: Iterable[str] = ("App Launched",),
    first: int = FIRST,
    last: int = LAST,
) -> Rows:
    """What a complete read of a stream must deliver."""
    now = datetime.now(timezone.utc)
    match stream:
        case "event_schema" | "user_properties" | "content_blocks" | "category_groups":
            rows = getattr(tables, stream)(account)
        case "campaigns" | "campaign_reports":
            rows = getattr(tables, stream)(account, first, last)
        case "message_reports":
            sent = tables.messages(account, first, last, now)
            times = tables.message_times(account, sent)
            rows = [{**row, "start_time": times[row["message id"]]} for row in sent]
            for row in rows:
                row["message_id"] = row.pop("message id")
                row["date"] = f"{datetime.strptime(row['start_date'], '%d %b, %Y %H:%M:%S'):%Y-%m-%d}"
        case "daily_event_counts" | "daily_event_users":
            kind = stream.rpartition("_")[2].replace("counts", "count")
            daily = tables.daily_counts if kind == "count" else tables.daily_users
            rows = [
                {"event_name": event, "date": f"{day[:4]}-{day[4:6]}-{day[6:]}", kind: number}
                for event in events
                for day, number in daily(account, event, first, last, now).items()
            ]
        case _:
            raise ValueError(stream)
    return keyed(stream, [as_declared(stream, row) for row in rows])


def as_declared(stream: str, row: Json) -> Json:
    """A row in the columns that the schema declares, each of one type; the rest in `details`."""
    declared = SCHEMAS[stream]["properties"]
    typed: Json = {}
    for name, value in row.items():
        types = declared.get(name, {}).get("type", ())
        typed[name] = value
        if value is not None and "string" in types:
            typed[name] = str(value)
        elif value is not None and "array" in types and not isinstance(value, list):
            typed[name] = [value]
    details = {name: value for name, value in typed.items() if name not in declared}
    typed = {name: value for name, value in typed.items() if name in declared}
    return {**typed, "details": details} if details else typed


def spread(rows: Rows) -> Rows:
    """Rows as no_code delivers them: their details stand beside the other fields, and a start_time is not added."""
    flat = {key: {**row, **row.get("details", {})} for key, row in rows.items()}
    return {
        key: {k: v for k, v in row.items() if k not in ("details", "start_time") and v is not None}
        for key, row in flat.items()
    }


def keyed(stream: str, rows: Iterable[Json]) -> Rows:
    """Rows by their key, the last one of each; without nulls, which the CDK does not print, and without
    the cursor that the connector adds.

    Days with a count of 0 are left out: CleverTap may tell them or not.
    """
    return {
        tuple(row[name] for name in KEYS[stream]): {k: v for k, v in row.items() if v is not None and k != "synced_on"}
        for row in rows
        if row.get("count", row.get("users")) != 0 or not stream.startswith("daily")
    }
