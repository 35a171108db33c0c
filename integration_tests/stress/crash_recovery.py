"""Real processes, killed at random moments, until one is let through.

What a destination is sure to have of a killed sync are the rows before its last state message; the
next sync goes on from there. In the end all must be there, by key and content.
"""

import signal
import subprocess
from random import Random
from typing import Any

from integration_tests.helpers.connector import Output, by_key, occurrences, run, true_occurrences
from integration_tests.helpers.destination import Destination
from integration_tests.stress.row import Row
from integration_tests.stress.sequences import PERSONAL, ZONES
from source_clevertap.sandbox import Account, Sandbox

STREAMS = ("profiles", "events")
EVENTS = ("App Launched", "Charged")
LAST_DAY = 20220701
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
HUNG_SECONDS = 60
FEW = 4  # kills of one account


def kills(count: int, recipe: str) -> Row:
    """`count` kills, of as many accounts as it takes."""
    row = Row("kills")
    random = Random(recipe)  # noqa: S311
    while row.tried["kills"] < count:
        _one_account(random, min(FEW, count - row.tried["kills"]), row)
    return row


def _one_account(random: Random, count: int, row: Row) -> None:
    account = Account(
        profiles=600,
        events=2400,
        seed=random.randrange(1000),
        timezone=random.choice(ZONES),
        passcode="Sesame {{ 7 * 7 }}",
        days=181,
    )
    what = f"account {account.seed} {account.timezone}"
    destination = Destination()
    with Sandbox(account, latency=0.04, page_rows=46, not_ready=1) as sandbox:
        config = sandbox.config(
            additional_event_names=list(EVENTS[1:]),
            profile_event_names=list(EVENTS),
            end_date=LAST_DAY,
            slice_days=random.randint(5, 30),
        )
        for _ in range(count):
            by = random.choice(SIGNALS)
            moments = ("", 0), ("LOG", 3), ("STATE", random.randint(1, 9)), ("RECORD", random.randint(1, 3000))
            kind, number = random.choice(moments)
            what += f", {by.name} at {kind} {number}"
            try:
                output = _killed(config, destination, by, (kind, number))
            except subprocess.TimeoutExpired:
                row.wrong.append(("hung", what))
                return
            row.tried.update(kills=1, syncs=1, records=len(output.records))
            if output.exit_code == 0:  # it was done before
                row.wrong += _missing(account, destination, what)
            row.wrong += [
                ("leaked", f"{what}: '{secret}' was printed")
                for secret in (account.passcode, *PERSONAL)
                if secret in output.all_but_records
            ]
        state = list(destination.state.values()) or None
        output = run("read", config, streams=STREAMS, state=state)
        row.tried.update(syncs=1, records=len(output.records))
        destination.take(output, len(output.records))
        if output.exit_code:
            row.wrong.append(("unclear", f"{what}: then {output.error}"))
        row.wrong += _missing(account, destination, what)


def _killed(config: dict[str, Any], destination: Destination, by: signal.Signals, moment: tuple[str, int]) -> Output:
    output = run(
        "read", config, streams=STREAMS, state=list(destination.state.values()) or None, debug=True,
        every_state=True, kill_at=moment, by=by, timeout=HUNG_SECONDS,
    )  # fmt: skip
    destination.take(output, output.committed if output.exit_code else len(output.records))
    return output


def _missing(account: Account, destination: Destination, what: str) -> list[tuple[str, str]]:
    wrong = []
    came = occurrences(destination.rows("events"))
    truth = true_occurrences(account, EVENTS, last=LAST_DAY)
    if truth - came:
        wrong.append(("lost", f"{what}: {(truth - came).total()} events of {truth.total()}"))
    if came - truth:
        wrong.append(("duplicated", f"{what}: {(came - truth).total()} events"))
    people = {row["key"]: row["record"] for e in EVENTS for row in account.truth(e, 20220101, LAST_DAY)}
    if by_key(destination.rows("profiles")) != people:
        wrong.append(("lost", f"{what}: profiles are missing or changed"))
    return wrong
