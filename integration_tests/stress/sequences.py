"""Lives of a connection, as hypothesis invents them, against invariants.

A sync that ends well has delivered, with those before it, what the account holds of the range, each record as
CleverTap sent it. One that does not says so by an error of the type that its faults call for, and the next sync, from
the last state, makes good for it. What a destination is sure to have of a sync that failed or was killed are the
records before its last state message. What a destination with Append + Deduped keeps of each key (the highest cursor,
and of equal ones the latest) is the newest copy that was read. Nothing secret or hidden is printed.

A sequence, as it is printed when it fails (what has its default left out):

    Sequence(zone='Asia/Kolkata', streams=('profiles', 'events'), all_events=True, slice_days=3, lookback_days=1,
             entry='manifest', steps=(
        Step(days=2, hours=7),                              a first sync, by the CDK's own entry point
        Step(faults=('dead_cursor:2:1', 'open-html:1')),    a day later: a cursor expires twice, a POST gets HTML
        Step(kept=0.4, earlier=2),                          start_date is two days earlier; killed after 40 %
        Step(only_refused=True),                            all events but refused ones are excluded: config_error
        Step(other=True, pii='hash'),                       another account's passcode; personal data is hashed now
        Step(excluded=True, zone='UTC', turned=1),          back; Charged is excluded, the time zone is wrong, and
    ))                                                      CleverTap returns the devices of users in another order

and after these one without a fault, which must complete the data.
"""

import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytz
from hypothesis import strategies as st

from integration_tests.helpers.connector import Json, Occurrences, Output, came, held, occurrences, true_occurrences
from integration_tests.helpers.destination import Destination, cut
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.row import Row, Wrong, explore
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import EVENTS, LATEST_DAYS

BATCH = 10  # hypothesis spends more and more of a long run on variations of what it has tried
ZONES = (
    *("Asia/Kolkata", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"),
    *("Australia/Lord_Howe", "America/Sao_Paulo", "UTC"),
)
FIRST_DAYS = (  # before both changes of the clock, a leap day, a new year, and one without anything
    *(date(2023, 3, 7), date(2023, 10, 24), date(2024, 2, 20), date(2023, 12, 25), date(2024, 6, 1)),
    *(date(2023, 3, 20), date(2023, 4, 1), date(2023, 10, 30)),
)
PASSCODES = ("sandbox-passcode", "Sesame {{ 7 * 7 }}", 'it\'s "quoted" \\ 1_000')
SALT = "a salt that nobody prints"
OTHER = "SBX-765-4321"  # another account
PERSONAL = ("@example.com", "token-", "+9198")  # of records; nowhere else

STREAMS = (
    *(("events",), ("profiles",), ("profiles", "events"), ("message_reports",)),
    ("profiles", "events", "message_reports", "campaigns", "daily_event_counts"),
)
TRANSIENT, CONFIG, SYSTEM = "transient_error", "config_error", "system_error"
PASSING = (  # with what CleverTap means by them, each may strike some times and be gone
    *("not_ready", "accepted", "throttled", "too_many", "error_500", "error_503", "reset", "truncated"),
    *("html", "empty_body", "empty_object", "no_status", "success_with_error", "page_as_500"),
    *("partial_without_cursor", "page_as_400"),
)
ENDING = {  # the export, or the sync
    "dead_cursor": TRANSIENT,
    "dead_long": TRANSIENT,
    "dead_second": TRANSIENT,
    "repeated_cursor": SYSTEM,
    "cycle": SYSTEM,
    "incorrect_usage": SYSTEM,
    "fail_with_records": SYSTEM,
    "not_exportable": CONFIG,
    "unauthorized": CONFIG,
}
ODD = ("empty_page", "partial")  # no faults at all
OF_PAGES = (*ENDING, *ODD, "partial_without_cursor", "no_status")


@dataclass(frozen=True)
class Step:
    """A sync: what happened since the one before, and what happens to it.

    days, hours: that have passed. faults: as the sandbox's command line takes them. kept: the share
    of its messages that came through before it was killed, None if it was not. events: those typed.
    earlier: days that start_date is moved back. other: whether it is another account's. turned: by how many its
    devices are turned. only_refused: whether all events but those that CleverTap refuses are excluded.
    excluded: whether Charged is. pii: pii_mode. zone: the time zone in the settings, the project's if "".
    pace: seconds between what may become states. ahead: hours that the machine's clock jumps, when it has
    been looked at ahead_after times.
    """

    days: int = 1
    hours: int = 0
    faults: tuple[str, ...] = ()
    kept: float | None = None
    events: tuple[str, ...] = ("App Launched",)
    earlier: int = 0
    other: bool = False
    turned: int = 0
    only_refused: bool = False
    excluded: bool = False
    pii: str = "keep"
    zone: str = ""
    pace: float = 700
    debug: bool = False
    ahead: int = 0
    ahead_after: int = 0

    @property
    def types(self) -> set[str]:
        """The failure types that what happens to it may end it with."""
        names = {Fault.parse(text).name for text in self.faults}
        types = {ENDING.get(name, TRANSIENT) for name in names if name not in ODD}
        return types | ({CONFIG} if self.asks_for_tomorrow or self.only_refused else set())

    @property
    def asks_for_tomorrow(self) -> bool:
        """Whether it may do so, which CleverTap refuses."""
        return self.ahead > 0 or bool(self.zone)

    @property
    def must_pass(self) -> bool:
        """Whether nothing happens to it that a sync does not get over."""
        faults = [Fault.parse(text) for text in self.faults]
        passing = all(f.name in ODD or (f.name in PASSING and f.times is not None) for f in faults)
        few = sum(f.times or 0 for f in faults if f.name not in ODD) <= 8
        return passing and few and not self.asks_for_tomorrow and not self.only_refused


@dataclass(frozen=True)
class Sequence:
    """An account, the settings of a connection, and its syncs. entry: "package", or "manifest" for the CDK's own."""

    seed: int = 1
    zone: str = "UTC"
    first_day: date = FIRST_DAYS[0]
    days: int = 10
    profiles: int = 20
    rows: int = 60
    page_rows: int = 46
    not_ready: int = 0
    passcode: str = PASSCODES[0]
    streams: tuple[str, ...] = ("events",)
    slice_days: int = 30
    lookback_days: int = 2
    all_events: bool = False
    start: int = 3
    entry: str = "package"
    steps: tuple[Step, ...] = ()

    @property
    def account(self) -> Account:
        """What CleverTap holds."""
        return Account(
            profiles=self.profiles,
            events=self.rows,
            seed=self.seed,
            timezone=self.zone,
            passcode=self.passcode,
            rare=int(self.all_events),
            first_day=self.first_day,
            days=self.days,
            late=min(self.lookback_days, LATEST_DAYS),
        )

    def account_of(self, step: Step) -> Account:
        """The account that a sync reads."""
        account = replace(self.account, turned=step.turned)
        return replace(account, account_id=OTHER, seed=self.seed + 1000) if step.other else account


def faults() -> st.SearchStrategy[str]:
    """One, as text."""
    pages = st.sampled_from(("", ":0", ":1", ":2"))
    some = st.sampled_from(("1", "1", "2", "4"))
    names = [name for name in PASSING if name not in OF_PAGES]
    passing = st.builds(lambda name, times, page: f"{name}:{times}{page}", st.sampled_from(names), some, pages)
    opening = st.builds(lambda name, times: f"open-{name}:{times}", st.sampled_from([*names, "lost_cursor"]), some)
    of_pages = st.builds(lambda name, times, page: f"{name}:{times}{page}", st.sampled_from(OF_PAGES), some, pages)
    lasting = st.builds(
        lambda name, page: f"{name}:always{page}",
        st.sampled_from([*PASSING, "dead_long", "dead_second", "dead_cursor", "partial"]),
        pages,
    )
    kinds = (of_pages, of_pages, passing, opening, lasting)
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


def steps() -> st.SearchStrategy[Step]:
    """A sync."""
    return st.builds(
        Step,
        days=st.sampled_from((0, 1, 1, 1, 2, 4)),
        hours=st.integers(0, 23),
        faults=st.one_of(st.just(()), st.lists(faults(), min_size=1, max_size=2).map(tuple)),
        kept=st.one_of(st.none(), st.none(), st.floats(0, 1).map(lambda share: round(share, 2))),
        events=st.lists(st.sampled_from(list(EVENTS)), max_size=2, unique=True).map(
            lambda names: tuple(dict.fromkeys(("App Launched", *names)))  # the only one of several pages
        ),
        earlier=st.sampled_from((0, 0, 0, 2)),
        other=st.sampled_from((False, False, False, True)),
        turned=st.integers(0, 2),
        only_refused=st.sampled_from((False, False, False, True)),
        excluded=st.booleans(),
        pii=st.sampled_from(("keep",) * 6 + ("drop", "hash")),
        zone=st.sampled_from(("",) * 7 + ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")),
        pace=st.sampled_from((0, 100, 700)),
        debug=st.booleans(),
        ahead=st.sampled_from((0, 0, 0, 0, -26, 24)),
        ahead_after=st.integers(0, 6),
    )


def sequences() -> st.SearchStrategy[Sequence]:
    """An account with settings and syncs, or what is seldom drawn and hard.

    For the state: windows of two days and a lookback of one, of which one fails, and those after it are read. For
    pages: exports of many, with what is no end of one. For threads: all events are refused while profiles are read.
    For cursors: message_reports in several windows, whose ends move with start_date.
    """
    ending = st.sampled_from([f"{name}:1:0" for name in ENDING if not name.startswith("dead")])
    failing = st.builds(
        Step, days=st.integers(1, 3), hours=st.integers(0, 23), faults=st.tuples(ending), pace=st.just(700)
    )

    def narrowed(sequence: Sequence, failing: tuple[Step, ...], calm: int) -> Sequence:
        steps = (Step(hours=12),) * calm + failing
        return replace(sequence, streams=("events",), slice_days=2, lookback_days=1, all_events=False, steps=steps)

    some = any_sequences()
    narrow = st.builds(narrowed, some, st.lists(failing, min_size=1, max_size=2).map(tuple), st.integers(0, 1))
    pages = [f"{name}:{times}:{page}" for name in OF_PAGES[-4:] for times in (1, 3) for page in (1, 2)]
    large: Any = {"page_rows": 23, "rows": 400, "profiles": 300, "days": 10, "slice_days": 9, "all_events": False}
    paged = st.builds(
        lambda sequence, fault: replace(sequence, steps=(Step(days=9, faults=(fault,)),), **large),
        *(some, st.sampled_from(pages)),
    )
    beside: Any = {
        "streams": ("profiles", "events"),
        "all_events": True,
        "profiles": 300,
        "page_rows": 23,
        "not_ready": 1,
    }
    refused = some.map(lambda sequence: replace(sequence, steps=(Step(days=5, only_refused=True),), **beside))
    of_months = st.integers(1, 9).map(lambda days: (Step(days=70), Step(earlier=days)))
    reports = st.builds(lambda s, steps: replace(s, streams=("message_reports",), steps=steps), some, of_months)
    parts = (some,) * 8 + (narrow, narrow, paged, paged, refused, refused, reports)
    return st.sampled_from(parts).flatmap(lambda part: part)


def any_sequences() -> st.SearchStrategy[Sequence]:
    """An account with settings and syncs."""

    def all_in_fewer_windows(sequence: Sequence) -> Sequence:
        # Fifteen events, by the day, are hundreds of requests a sync.
        least = 3 if sequence.all_events else 2
        return replace(sequence, slice_days=max(least, sequence.slice_days))

    return st.builds(
        Sequence,
        seed=st.integers(1, 1000),
        zone=st.sampled_from(ZONES),
        first_day=st.sampled_from(FIRST_DAYS),
        days=st.sampled_from((10, 14, 8, 10, 1)),  # so that most windows have several pages of 23
        profiles=st.sampled_from((150, 60, 150, 300, 0)),
        rows=st.sampled_from((300, 400, 240, 300, 9)),
        page_rows=st.sampled_from((23, 23, 23, 46, 4991)),
        not_ready=st.sampled_from((0, 0, 1)),
        passcode=st.sampled_from(PASSCODES),
        streams=st.sampled_from(STREAMS),
        slice_days=st.sampled_from((2, 2, 2, 3, 5, 9)),
        lookback_days=st.sampled_from((1, 1, 1, 2, 4)),  # what comes later than that cannot be found
        all_events=st.sampled_from((False, False, True)),
        start=st.integers(0, 2),
        entry=st.sampled_from(("package", "package", "manifest")),
        steps=st.lists(steps(), min_size=2, max_size=4).map(tuple),
    ).map(all_in_fewer_windows)


def syncs(count: int, recipe: str, shrinks: bool = True) -> Row:
    """`count` sequences."""
    row = Row("sequences")
    failed: list[bool] = []

    def checked(sequence: Sequence) -> Wrong:
        found = check(sequence)
        if not any(failed):  # what shrinking tries is not counted
            row.tried.update(sequences=1, **found.tried)
        failed.append(bool(found.wrong))
        return found.wrong

    row.wrong = explore(sequences(), checked, count, recipe, shrinks)
    return row


def check(sequence: Sequence) -> Row:
    """Runs a sequence. Stops at the first thing that is wrong."""
    found, destination = Row("sequences"), Destination()
    account = sequence.account
    start = account.first_day + timedelta(sequence.start)
    zone = pytz.timezone(sequence.zone)
    local = datetime(start.year, start.month, start.day) + timedelta(minutes=30)
    last = replace(sequence.steps[-1], days=1, faults=(), kept=None, only_refused=False, zone="")
    with Sandbox(account, not_ready=sequence.not_ready, page_rows=sequence.page_rows) as sandbox:
        for number, step in enumerate((*sequence.steps, last)):
            local += timedelta(step.days, hours=step.hours)
            since_yesterday = {zone.localize(local - timedelta(n)).utcoffset() for n in (0, 1)}
            found.tried["nights of a clock change"] += len(since_yesterday) > 1
            start -= timedelta(step.earlier)
            sandbox.account = sequence.account_of(step)
            sandbox.exports.encoded.clear()  # records of the account before
            sandbox.clock_offset = zone.localize(local).timestamp() - time.time()
            sandbox.faults = [Fault.parse(text) for text in step.faults]
            for kind, words in _step(sequence, step, sandbox, destination, start, found):
                found.wrong.append((kind, f"sync {number + 1}: {words}"))
            if found.wrong:
                break
    return found


def _step(
    sequence: Sequence, step: Step, sandbox: Sandbox, destination: Destination, start: date, found: Row
) -> Iterator[tuple[str, str]]:
    account, names = sandbox.account, sandbox.account.schema()
    excluded = ["Charged"] if step.excluded else []
    counted = {"events", "daily_event_counts"} & {*sequence.streams}
    only_refused = bool(step.only_refused and sequence.all_events and counted)
    config = sandbox.config(
        event_name=step.events[0],
        additional_event_names=list(step.events[1:]),
        profile_event_names=list(step.events),
        start_date=int(f"{start:%Y%m%d}"),
        end_date=None,
        slice_days=sequence.slice_days,
        lookback_days=sequence.lookback_days,
        all_events=sequence.all_events,
        excluded_event_names=[name for name in names if account.knows(name)] if only_refused else excluded,
        pii_mode=step.pii,
        pii_salt=SALT,
        timezone=step.zone or sequence.zone,
    )
    before = datetime.fromtimestamp(sandbox.now(), timezone.utc)
    clock = Clock(sandbox, step.ahead * 3600, step.ahead_after, step.pace)
    state = list(destination.state.values())
    output = sync(clock, config, sequence.streams, state, step.debug, entry=sequence.entry)
    after = datetime.fromtimestamp(sandbox.now(), timezone.utc) + timedelta(seconds=1)
    seen = before + timedelta(hours=min(step.ahead, 0))  # a clock that is behind ends the range sooner
    last = min(_day(seen, account.timezone), _day(seen, config["timezone"]))

    today = _day(before, config["timezone"])
    destination.today_went_back |= step.ahead != 0 or today < destination.today
    destination.today = max(today, destination.today)
    destination.wrong_zone |= config["timezone"] != account.timezone
    destination.modes.add(step.pii)
    found.tried.update(syncs=1, failed=bool(output.exit_code), records=len(output.records))
    yield from _leaks(sequence, step, account, output)
    if sandbox.max_in_flight > 3:
        yield "unclear", f"{sandbox.max_in_flight} requests were in flight"
    if step.kept is not None:
        found.tried["cut"] += 1
        output = cut(output, step.kept)
        destination.take(output, output.committed, account.account_id)
        return
    if output.exit_code:
        kind, message = output.error
        too_soon = kind == CONFIG and last < int(f"{start:%Y%m%d}")
        if not too_soon and not only_refused and (kind not in step.types or step.must_pass):
            yield "unclear", f"ended with {kind}: {message}"
        is_refused = only_refused and not step.faults and not step.asks_for_tomorrow and not too_soon
        if is_refused and "profiles" in sequence.streams:
            destination.take(output, len(output.records), account.account_id)  # of the other streams all came
            if "profiles" not in output.completed:
                yield "hung", f"profiles did not end, beside {message}"
            yield from _missing_profiles(account, step.events, start, last, destination)
            return
        destination.take(output, output.committed, account.account_id)
        return
    destination.take(output, len(output.records), account.account_id)
    if not destination.today_went_back:
        yield from destination.stale()
    if not step.faults:
        yield from _duplicates(output)
    if only_refused and "events" in sequence.streams and last >= int(f"{start:%Y%m%d}"):  # else there is no day to read
        yield "unclear", "all events are refused, and the sync is a success"
        return
    events = list(step.events)
    if sequence.all_events:
        events = [name for name in names if account.knows(name) and name not in excluded]
    if "events" in sequence.streams:
        moments = (last, before), (_day(after, account.timezone), after)
        yield from _missing_events(account, events, start, moments, destination)
    if "profiles" in sequence.streams:
        yield from _missing_profiles(account, step.events, start, last, destination)


def _leaks(sequence: Sequence, step: Step, account: Account, output: Output) -> Iterator[tuple[str, str]]:
    """Secrets and personal data outside records; and in records, what is hidden, or what it can be computed from."""
    for secret in (sequence.passcode, repr(sequence.passcode)[1:-1], SALT, *PERSONAL):
        if secret in output.all_but_records:
            yield "leaked", f"'{secret}' was printed"
    if step.pii == "keep":
        return
    for secret in PERSONAL:
        if secret in output.stdout:
            yield "leaked", f"'{secret}' was printed in a record"
    identities = (account.profile_id(n) for n in range(account.profiles) if account.logged_in(n))
    digests = {hashlib.new(name, i.encode()).hexdigest() for i in identities for name in ("md5", "sha1", "sha256")}
    if {r.get("profile_id") for r in output.records} & digests:
        yield "leaked", "a key is a digest of the identity alone"


def _day(moment: datetime, zone: str) -> int:
    return int(moment.astimezone(pytz.timezone(zone)).strftime("%Y%m%d"))


def _duplicates(output: Output) -> Iterator[tuple[str, str]]:
    """Of a sync without faults: no window is read twice."""
    keys: Counter[Any] = Counter(r["event_id"] for r in output.events)
    keys += Counter((r["profile_id"], r["event_name"]) for r in output.profiles)
    twice = [key for key, count in keys.items() if count > 1]
    if twice:
        yield "duplicated", f"{len(twice)} keys came twice in one sync, {twice[0]} among them"


def _missing_events(
    account: Account,
    events: list[str],
    start: date,
    moments: tuple[tuple[int, datetime], tuple[int, datetime]],
    destination: Destination,
) -> Iterator[tuple[str, str]]:
    """moments: the last day, and the time, of what must have come and of what may have."""
    first = int(f"{start:%Y%m%d}")
    there = occurrences(r for r in destination.rows("events", account.account_id) if r["event_name"] in events)
    least, most = (true_occurrences(account, events, first, *moment) for moment in moments)
    there, least, most = (_comparable(counted, destination) for counted in (there, least, most))
    if least - there:
        yield "lost", f"{(least - there).total()} events are missing of {least.total()}"
    # Rows of the days before start_date, and those that came under two keys, cannot be there.
    if there - most:
        yield "duplicated", f"{(there - most).total()} events that the account does not hold"


def _comparable(counted: Occurrences, destination: Destination) -> Occurrences:
    """Events by name, time and content: without times if one may be wrong, without users if some are hidden."""
    comparable: Occurrences = Counter()
    for (event, moment, content), count in counted.items():
        if destination.modes != {"keep"}:
            content = json.dumps({k: v for k, v in json.loads(content).items() if k != "profile"}, sort_keys=True)
        comparable[event, None if destination.wrong_zone else moment, content] += count
    return comparable


def _missing_profiles(
    account: Account, events: tuple[str, ...], start: date, last: int, destination: Destination
) -> Iterator[tuple[str, str]]:
    there = came("profiles", destination.rows("profiles", account.account_id))
    truth = held("profiles", account, events, int(f"{start:%Y%m%d}"), last)
    if destination.modes == {"keep"}:
        lost = [key for key, record in truth.items() if _in_any_order(there.get(key)) != _in_any_order(record)]
    else:  # each came in one of the modes
        lost = [key for key, record in truth.items() if not there.keys() & _keys(key, record, destination.modes)]
    if lost:
        yield "lost", f"{len(lost)} of {len(truth)} profiles are missing or changed, {lost[0]} among them"
    people = ((account.profile_id(n), account.profile(n)) for n in range(account.profiles))
    if there.keys() - {key for key_, person in people for key in _keys(key_, person, destination.modes)}:
        yield "duplicated", "a profile came that the account does not hold"


def _keys(key: str, person: Json, modes: set[str]) -> set[str]:
    """What may be the primary key of a user."""
    keys = {key} if "keep" in modes or "identity" not in person else set()
    if "identity" in person and "hash" in modes:
        keys.add(hmac.new(SALT.encode(), key.encode(), hashlib.sha256).hexdigest())
    if "identity" in person and "drop" in modes:
        devices = (device.get("objectId") for device in person["platformInfo"])
        keys |= {person["objectId"]} if "objectId" in person else {str(device) for device in devices if device}
    return keys


def _in_any_order(profile: Json | None) -> Json | None:
    """A profile whose devices are in an order of their own."""
    return profile and {**profile, "platformInfo": sorted(map(repr, profile["platformInfo"]))}
