"""The command `source-clevertap-sandbox`: serves a fake CleverTap until Ctrl-C."""

import argparse
import asyncio
import json
import sys

from source_clevertap.sandbox.account import DAYS, Account, Flags
from source_clevertap.sandbox.exports import LARGEST_BATCH
from source_clevertap.sandbox.faults import FAULTS, Fault
from source_clevertap.sandbox.server import Sandbox

COMMANDS = """Save them as config.json. In another terminal:
  source-clevertap check --config config.json
  source-clevertap discover --config config.json
  make sync SYNC="--config config.json"
Press Ctrl-C to stop."""


def main() -> None:
    """Entry point of `source-clevertap-sandbox`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8023)
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--events", type=int, default=2000, help="occurrences of an event")
    parser.add_argument("--rare", type=int, default=0, help="further events with almost no records")
    parser.add_argument("--days", type=int, default=DAYS, help="days of activity, from 2022-01-01")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timezone", default="Asia/Kolkata")
    parser.add_argument("--padding", type=int, default=0, help="extra bytes on each profile")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per response")
    parser.add_argument("--page-rows", type=int, default=LARGEST_BATCH, help="the maximum of a page")
    parser.add_argument("--not-ready", type=int, default=1, help="how often each page is not ready")
    parser.add_argument("--prebuild", action="store_true", help="encode all records before serving")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=Fault.parse,
        metavar="NAME[:TIMES[:PAGE]]",
        help=f"TIMES is a number or always; open-NAME is on the POST. {', '.join(FAULTS)}",
    )
    args = parser.parse_args()
    account = Account(
        args.profiles,
        args.events,
        args.seed,
        args.timezone,
        padding=args.padding,
        rare=args.rare,
        days=args.days,
    )
    sandbox = Sandbox(account, args.port, args.not_ready, args.latency, tuple(args.fault), args.page_rows)

    def started() -> None:
        config = json.dumps(sandbox.config(end_date=None), indent=2)
        print(f"A fake CleverTap of {account.profiles} profiles at {sandbox.url}. Its settings:\n{config}\n{COMMANDS}")
        sys.stdout.flush()

    try:
        if args.prebuild:
            sandbox.prebuild()
            sandbox.prebuild_events("App Launched", Flags(events=False))
        asyncio.run(sandbox.serve(started))
    except KeyboardInterrupt:
        print("\nStopped.")
    except (OSError, OverflowError) as error:
        sys.exit(f"Port {args.port} cannot be used ({error}). Choose another one with --port.")
