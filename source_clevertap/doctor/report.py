"""The doctor's output: a table and recommendations for the user, and a report that can be published.

The report contains structure only: the keys that CleverTap and the connector use, and the type and
length of everything else. It contains no event name, no ID, no value, and no host except the region.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from source_clevertap.doctor.assumptions import (
    ASSUMPTIONS,
    CONFIRMED,
    DIFFERS,
    LARGEST_PAGE,
    NOT_SEEN,
    set_offset,
    shown_offset,
)
from source_clevertap.doctor.examination import Examination, Seen

Json = dict[str, Any]

COLOURS = {CONFIRMED: "32", DIFFERS: "31", NOT_SEEN: "33"}
ENVELOPE = {
    "status", "error", "code", "cursor", "next_cursor", "previous_cursor", "records", "req_id", "daily",
    "targets", "messages", "total_results", "events", "userProperties", "contentBlocks", "total",
    "pageNumber", "pageSize", "list", "result", "message id",
}  # fmt: skip
WORDS = (  # CleverTap's own, for errors
    "invalid event",
    "export not allowed",
    "invalid credentials",
    "invalid date",
    "date range",
    "invalid cursor",
    "invalid request id",
    "incorrect usage",
    "too many concurrent requests",
    "still in progress",
    "not enabled",
    "iso format",
    "invalid campaign id",
    "no result",
    "unknown error",
    "invalid group",
)


def known_keys(schemas: Mapping[str, Any]) -> set[str]:
    """The keys that the connector's schemas declare, and those around the records of a response."""

    def declared(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            for value in schema.values():
                yield from declared(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from declared(value)

    return ENVELOPE.union(*(declared(schema) for schema in schemas.values()))


def shape(value: Any, known: set[str]) -> Any:
    """The structure of a value: `text(12)`, `integer(14)`, numbered keys, three entries of a list."""
    if isinstance(value, dict):
        names = [key if key in known or key.startswith("CT ") else f"key-{n}" for n, key in enumerate(value)]
        return {name: shape(inner, known) for name, inner in zip(names, value.values(), strict=True)}
    if isinstance(value, list):
        return {"list": len(value), "first": [shape(inner, known) for inner in value[:3]]}
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "boolean"
    if isinstance(value, str):
        said = next((word for word in WORDS if word in value.lower()), "")
        return f"text({len(value)}){f' with {said!r}' if said else ''}"
    return f"{'integer' if isinstance(value, int) else 'number'}({len(str(value))})"


def findings(seen: Seen) -> list[Json]:
    """All assumptions with their verdicts."""
    rows = []
    for row in ASSUMPTIONS:
        try:
            verdict, found = row.look(seen)
        except (AttributeError, TypeError, ValueError, KeyError) as odd:  # an unexpected structure
            verdict, found = DIFFERS, f"a response with an unexpected structure ({type(odd).__name__})"
        rows.append(
            {
                "number": row.number,
                "assumption": row.text,
                "fact": row.fact,
                "verdict": verdict,
                "seen": found,
            }
        )
    return rows


def report(examination: Examination, region: str, version: str) -> Json:
    """The report, which can be published in an issue."""
    seen, known = examination.seen, known_keys(examination.client.schemas)
    samples: list[tuple[str, list[Json]]] = [("event", seen.events[:3]), ("profile", seen.profiles[:3])]
    return {
        "source-clevertap": version,
        "region": region,
        "assumptions": findings(seen),
        "answers": [
            {
                "stream": answer.stream,
                "step": answer.part or "only",
                "http": answer.http,
                "seconds": round(answer.seconds, 1),
                "asked_again": answer.waited,
                "shape": shape(answer.page, known),
            }
            for answer in seen.answers
        ],
        "samples": {name: shape(rows, known) for name, rows in samples},
    }


def table(seen: Seen, colours: bool) -> Iterator[str]:
    """The lines of the table."""
    for row in findings(seen):
        verdict = f"{row['verdict']:9}"
        if colours:
            verdict = f"\033[{COLOURS[row['verdict']]}m{verdict}\033[0m"
        yield f"{row['number']:2} {verdict} {row['assumption']}: {row['seen']}"


def advice(examination: Examination) -> Iterator[str]:
    """The recommendations."""
    seen = examination.seen
    offset = shown_offset(seen)
    if offset is not None and abs(offset - set_offset(seen)) >= 0.75:
        yield f"Set timezone to the project's: the data is in UTC{offset:+g} hours, not in {seen.zone}."
    took = [page.seconds for page in seen.pages if page.ok]
    counts = {day: count for day, count in {**seen.history, **seen.daily}.items() if count}
    if counts:
        page_seconds = max(took) if took else 1.0
        dense = max(counts.values()) / LARGEST_PAGE * page_seconds
        days = max(2, min(30, int(3600 / max(dense, 1))))
        yield f"Set slice_days to {days}: an export of the event then takes less than an hour (of four)."
    if counts and seen.is_whole_history:
        rows, span = sum(counts.values()), (seen.today - examination.start).days + 1
        minutes = (rows / LARGEST_PAGE + span / days) * page_seconds / 3 / 60
        yield (
            f"The first sync of the event reads {rows:,} rows since {min(counts)}, the first day with "
            f"data. Expected time in minutes: {max(1, round(minutes))}."
        )
    elif not counts and seen.counts:
        event = examination.event
        yield f"The event '{event}' was not raised since start_date: choose another event_name."
    refused = [name for name, answer in seen.refused.items() if not answer.ok]
    if refused:
        yield (
            f"CleverTap does not export {', '.join(refused)}: all_events skips them, and "
            "counted_event_names reads their counts."
        )
    counted = seen.daily.get(seen.day.replace("-", ""))
    if counted is not None and seen.is_whole_day and counted > len(seen.events):
        yield (
            f"On {seen.day} the count has {counted - len(seen.events)} more events than the export. If "
            "the difference is smaller on an older day, raise lookback_days."
        )


def print_all(examination: Examination) -> None:
    """Prints the table and the recommendations."""
    for line in table(examination.seen, colours=sys.stdout.isatty()):
        print(line)
    print()
    for sentence in advice(examination):
        print(f"- {sentence}")
