"""Prints what `make stress` found: one row a part, a total, and the seed that makes it happen again.

docs/stress-tests.md says what each part does. --share: what CI runs.
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator
from itertools import starmap

from integration_tests.stress.corrupted_responses import corrupted_responses
from integration_tests.stress.crash_recovery import FEW, kills
from integration_tests.stress.environment import FAULTS, machine
from integration_tests.stress.mutations import MUTATIONS, mutation
from integration_tests.stress.row import COUNTED, Part, Row, Unit, timed
from integration_tests.stress.soak import days, millions
from integration_tests.stress.syncs import BATCH, syncs

IN_PROCESS, OF_PROCESSES = 4, 2  # workers, for two cores: some of the first wait
FULL = {**{"sequences": 2000, "bodies": 5000, "kills": 100}, **{"days": 365, "events": 5_000_000, "mutations": 600}}
SHARE = {**{"sequences": 700, "bodies": 1000, "kills": 8}, **{"days": 60, "events": 100_000, "mutations": 0}}


def parts(count: dict[str, int], seed: int) -> Iterator[tuple[Part, int, list[Unit]]]:
    """Each part, how many run beside each other, and the units of it. Units do not know of workers."""

    def units(name: str, size: int) -> list[Unit]:
        return [(min(size, count[name] - start), f"{seed}/{name}/{start}") for start in range(0, count[name], size)]

    yield syncs, IN_PROCESS, units("sequences", BATCH)
    yield corrupted_responses, IN_PROCESS, units("bodies", 1000)
    yield machine, OF_PROCESSES, [(number,) for number in range(len(FAULTS))]
    yield kills, OF_PROCESSES, units("kills", FEW)
    yield days, 1, units("days", count["days"] or 1)
    yield millions, 1, units("events", count["events"] or 1)
    if count["mutations"]:
        yield mutation, 2, [(name, count["mutations"], str(seed)) for name in MUTATIONS]


def run(part: Part, workers: int, units: list[Unit]) -> Row:
    """A part, in processes beside each other."""
    if workers == 1:  # it starts others itself
        rows = list(starmap(timed, [(part, unit) for unit in units]))
    else:
        context = multiprocessing.get_context("spawn")
        once = 1 if part is mutation else None  # the connector is loaded but once a process
        with context.Pool(workers, maxtasksperchild=once) as pool:
            rows = pool.starmap(timed, [(part, unit) for unit in units], chunksize=1)
    first, *others = rows
    return sum(others, first)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument("--share", action="store_true", help="less of it, in less than a quarter hour")
    for name, count in FULL.items():
        parser.add_argument(f"--{name}", type=int, help=f"{count:,}, of a share {SHARE[name]:,}")
    args = vars(parser.parse_args())
    counts = SHARE if args["share"] else FULL
    counts = {name: count if args[name] is None else args[name] for name, count in counts.items()}
    print(f"seed {args['seed']}\n{'':10}" + "".join(f"{kind:>11}" for kind in COUNTED), flush=True)
    started, total = time.monotonic(), Row("all")
    for part, workers, units in parts(counts, args["seed"]):
        if units:
            row = run(part, workers, units)
            print(row, flush=True)
            total += row
    total.note = f"in {(time.monotonic() - started) / 60:.0f} minutes"
    print(f"{total}")
    for kind, words in total.wrong[:20]:
        print(f"{kind}: {words}")
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
