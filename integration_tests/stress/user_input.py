"""What may be typed into the settings: addresses, texts that look like code, and mistakes."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest import mock

import yaml

from integration_tests.helpers.connector import Json, run
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.row import Row
from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import NOT_EXPORTABLE

# ---------------------------------------------------------------- addresses

HOMES = ("127.0.0.1", "localhost", "::1", "api.clevertap.com")
TRIES = (
    # userinfo
    *("https://api.clevertap.com@evil.example", "https://api.clevertap.com:x@evil.example"),
    *("http://127.0.0.1@evil.example", "http://localhost:80@evil.example", "https://a:b@api.clevertap.com"),
    *("https://evil.example\\@api.clevertap.com", "https://evil.example/@api.clevertap.com"),
    *("https://evil.example#@api.clevertap.com", "https://evil.example?@api.clevertap.com"),
    # other hosts
    *("https://evil.example", "https://api.clevertap.com.evil.example", "https://evilapi.clevertap.com"),
    *("https://clevertap.com", "https://api-clevertap.com", "https://api.clevertap.co"),
    *("https://api.clevertap.com.", "https://a.b.api.clevertap.com", "https://-.evil.api.clevertap.com"),
    *("http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://localhost.localdomain"),
    *("http://127.0.0.2", "http://127.1", "http://0x7f000001", "http://2130706433", "http://[::]"),
    *("http://[::ffff:10.0.0.1]", "http://10.0.0.1", "http://169.254.169.254", "http://metadata"),
    # letters that look like others
    *("https://api.clevert\u0430p.com", "https://api\u3002clevertap\u3002com", "https://\u24d0pi.clevertap.com"),
    *("https://xn--pi-7kc.clevertap.com", "https://api.clevertap.com\u2044evil", "http://\u217ecalhost"),
    # ports
    *("https://api.clevertap.com:8443", "https://api.clevertap.com:443@evil.example", "http://localhost:x"),
    *("http://localhost:", "http://localhost:000080", "http://localhost:999999", "http://localhost:-1"),
    # schemes
    *("http://api.clevertap.com", "ftp://api.clevertap.com", "file:///etc/passwd"),
    *("//api.clevertap.com", "HTTPS://api.clevertap.com", "https:api.clevertap.com"),
    *("https:///api.clevertap.com", "api.clevertap.com"),
    *("javascript:alert(1)", "https+unix://%2Frun%2Fsock", "data:,x"),
    # paths, lines, templates
    *("https://api.clevertap.com/../evil", "https://api.clevertap.com/?x=", "https://api.clevertap.com\n"),
    *("https://api.clevertap.com\r\nHost: evil.example", "https://api.clevertap.com\t.evil.example"),
    *("https://{{ config['passcode'] }}.api.clevertap.com", "{{ 'https://evil.example' }}"),
    " https://api.clevertap.com",
    *("https://api.clevertap.com%2eevil.example", "https://api.clevertap.com%00.evil.example"),
)  # fmt: skip
PIECES = (
    *("https://in1.api.clevertap.com", "http://localhost", "https://", "http://", "//"),
    *("api.clevertap.com", "in1.", "evil.example", "127.0.0.1", "@", ":", "/", "?", "#", "\\", "."),
    *("%2e", "\n", "\t", " ", "80", "[::1]", "\u3002", "{{ 1 }}", "-"),
)


def addresses(count: int, recipe: str) -> Row:
    """Settings `base_url`: the table, and `count` more put together from pieces.

    Each is used by a check if the connector accepts it; connections are noted, and refused.
    """
    row, random = Row("addresses"), Random(recipe)  # noqa: S311
    spec = yaml.safe_load(definition_file("manifest.yaml").read_text())["spec"]["connection_specification"]
    pattern = spec["properties"]["base_url"]["pattern"]
    made = ("".join(random.choices(PIECES, k=random.randint(1, 6))) for _ in range(count))
    for url in (*TRIES, *made):
        row.tried["addresses"] += 1
        config = Sandbox().config(base_url=url, end_date=20220101, max_wait_minutes=0.01)
        if not re.search(pattern, url):  # as the CDK's validator does
            continue
        row.tried["accepted"] += 1
        with _connections() as asked:
            sync(Clock(Sandbox()), config, ("profiles",))
        for host in asked:
            if host not in HOMES and not (host == "api.clevertap.com" or host.endswith(".api.clevertap.com")):
                row.wrong.append(("leaked", f"base_url {url!r} connects to {host}"))
        if not asked:
            row.wrong.append(("unclear", f"base_url {url!r} is accepted, and connects to nothing"))
    return row


@contextmanager
def _connections() -> Iterator[list[str]]:
    asked: list[str] = []

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host.decode() if isinstance(host, bytes) else str(host))
        raise socket.gaierror("no connection is made here")

    with mock.patch("socket.getaddrinfo", refuse):
        yield asked


# ---------------------------------------------------------------- texts that look like code

CODE = (
    *("{{ config['passcode'] }}", "{{ 7 * 7 }}", "{% for x in [1] %}", "{# gone #}", "{{", "}}"),
    *("{{ ''.__class__.__mro__ }}", "{{ config | tojson }}", "${PATH}", "$(id)", "`id`", "%s", "'%r'"),
    *("!!python/object/apply:os.system ['true']", "$ref: '#/spec'", "&a", "*a", "<<: *x", "- x", "? x"),
    *("a: b", "# x", "|", ">-", "yes", "null", "~", "None", "True", "1e5", "0x1F", "1_000"),
    *("2024-01-01", "(1,2)", "[1]", "{'a': 1}", "'", '"', "\\", "\\n", "\u00e9", "\U0001f600"),
    *("\u2028", "a\tb", "  a  ", "__import__('os')", "lambda: 0"),
)  # fmt: skip


PART = "Sesame"  # of each passcode


def data(count: int, recipe: str) -> Row:
    """Event names, credentials and filters that look like code reach CleverTap as they were typed."""
    row, random = Row("data"), Random(recipe)  # noqa: S311

    def text() -> str:
        return "".join(random.choices(CODE, k=random.randint(1, 3)))

    for _ in range(count):
        event, condition = text(), text()
        account_id, passcode, *_ = filter(_is_header, (text().strip() for _ in range(40)))
        passcode += PART
        account = Account(profiles=3, events=3, account_id=account_id, passcode=passcode)
        filters = {"event_properties": [{"name": condition, "operator": "equals", "value": event}]}
        with Sandbox(account) as sandbox:
            config = sandbox.config(event_name=event, event_filters=json.dumps(filters))
            output = sync(Clock(sandbox), {**config, "slice_days": 36500}, ("events",))
            sent = [json.loads(r["body"]) for r in sandbox.requests if r["method"] == "POST"]
        row.tried.update(texts=4, syncs=1)
        expected = {"event_name": event, "from": 20220101, "to": 20260212, **filters}
        what = f"event {event!r}, property {condition!r}, {account_id!r}, {passcode!r}:"
        if not sent or any(body != expected for body in sent):
            row.wrong.append(("unclear", f"{what} sent {sent[:1]}, {output.error}"))
        elif not account.knows(event) and "(invalid event)" not in output.error[1]:
            row.wrong.append(("unclear", f"{what} {output.error}"))
        if PART in output.all_but_records:
            row.wrong.append(("leaked", f"{what} the passcode was printed"))
    return row


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and bool(text)


# ---------------------------------------------------------------- mistakes

# A change, and the words that must be told: the field, and the cure.
MISTAKES: tuple[tuple[Json, tuple[str, ...]], ...] = (
    ({"account_id": None}, ("account_id", "required")),
    ({"account_id": "SBX 123-4567"}, ("account_id", "Settings > Project")),
    ({"account_id": "TEST-123-4567"}, ("account_id", "Settings > Project")),
    ({"passcode": None}, ("passcode", "required")),
    ({"passcode": "sandbox-passcode "}, ("passcode", "without a space")),
    ({"passcode": "wrong"}, ("passcode", "Settings > Passcode", "expire")),
    ({"passcode": 12345}, ("is not of type 'string'",)),
    ({"region": "India"}, ("'India' is not one of", "in1")),
    ({"event_name": None}, ("event_name", "required")),
    ({"event_name": "app launched"}, ("event 'app launched'", "case-sensitive", "Settings > Schema")),
    ({"event_name": NOT_EXPORTABLE[0]}, (f"event '{NOT_EXPORTABLE[0]}'", "Choose another event")),
    ({"additional_event_names": "Charged"}, ("'Charged' is not of type 'array'",)),
    ({"excluded_event_names": "Charged"}, ("'Charged' is not of type 'array'",)),
    ({"start_date": None}, ("start_date", "required")),
    ({"start_date": "2022-01-01"}, ("is not of type 'integer'",)),
    ({"start_date": 20220230}, ("start_date", "YYYYMMDD")),
    ({"start_date": 99990101, "end_date": None}, ("start_date", "after today")),
    ({"end_date": "tomorrow"}, ("'tomorrow' is not of type 'integer'",)),
    ({"end_date": 20211231}, ("start_date", "end_date")),
    ({"timezone": "IST"}, ("timezone", "Asia/Kolkata")),
    ({"timezone": "Pacific/Kiritimati", "end_date": None}, ("timezone", "Settings > Project")),
    ({"slice_days": 0}, ("less than the minimum of 2",)),
    ({"lookback_days": -1}, ("less than the minimum of 1",)),
    ({"max_wait_minutes": 0}, ("less than or equal to the minimum of 0",)),
    ({"all_events": "yes"}, ("'yes' is not of type 'boolean'",)),
    ({"include_event_summary": "yes"}, ("'yes' is not of type 'boolean'",)),
    ({"profile_filters": "{"}, ("profile_filters", "JSON object")),
    ({"event_filters": '{"did_not": []}'}, ("event_filters", "advanced_query")),
    ({"pii_mode": "delete"}, ("'delete' is not one of", "hash")),
    ({"pii_mode": "hash"}, ("pii_salt", "any long text")),
    ({"pii_fields": "email"}, ("'email' is not of type 'array'",)),
    ({"pii_fields": ["object_id"]}, ("'object_id' does not match",)),
    ({"base_url": "https://in1.dashboard.clevertap.com"}, ("dashboard.clevertap.com' does not match",)),
)  # fmt: skip


def mistakes(number: int) -> Row:
    """A mistake, as a new user meets it: at the connection check, and again in a sync."""
    changes, words = MISTAKES[number]
    row = Row("mistakes", wrong=[])
    row.tried["mistakes"] = 1
    # An account west of all others, for a zone ahead of its own asks for tomorrow: the check, which
    # asks for the first day, cannot know.
    with Sandbox(Account(profiles=1, timezone="Pacific/Midway")) as sandbox:
        config = sandbox.config(**{"timezone": "Pacific/Midway", **changes})
        checked = run("check", config)
        read = run("read", config)
    only_in_sync = changes.get("timezone") == "Pacific/Kiritimati"
    told = read.error[1] if only_in_sync else checked.status.get("message", "")
    passed = checked.status.get("status") == "SUCCEEDED"
    if passed != only_in_sync or read.error[0] != "config_error":
        row.wrong.append(("unclear", f"{changes}: check says {checked.status}, a sync {read.error}"))
    for word in words:
        if word not in told or word not in read.error[1]:
            row.wrong.append(("unclear", f"{changes}: no '{word}' in {told!r} or {read.error[1]!r}"))
    return row
