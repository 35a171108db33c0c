"""Prints what `make stress` found: one row a part, a total, and the seed that makes it happen again.

docs/stress-tests.md says what each part does. --share: what CI runs.
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from integration_tests.stress.corrupted_responses import corrupted_responses
from integration_tests.stress.mutations import MUTATIONS, mutation
from integration_tests.stress.row import COUNTED, Row
from integration_tests.stress.sequences import BATCH, syncs

WORKERS = 4  # for two cores: some wait
FULL = {"sequences": 2000, "bodies": 5000, "mutations": 600}
SHARE = {"sequences": 250, "bodies": 1000, "mutations": 0}


def run(part: Callable[..., Row], units: list[tuple[Any, ...]]) -> Row:
    """A part, in processes beside each other; units, the arguments of each, do not know of workers."""
    context = multiprocessing.get_context("spawn")
    once = 1 if part is mutation else None  # the connector is loaded but once a process
    with context.Pool(WORKERS, maxtasksperchild=once) as pool:
        first, *others = pool.starmap(part, units, chunksize=1)
    return sum(others, first)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument("--share", action="store_true", help="less of it, in some minutes")
    for name, number in FULL.items():
        parser.add_argument(f"--{name}", type=int, help=f"{number:,}, of a share {SHARE[name]:,}")
    args = vars(parser.parse_args())
    seed, counts = args["seed"], SHARE if args["share"] else FULL
    count = {name: number if args[name] is None else args[name] for name, number in counts.items()}

    def units(name: str, size: int) -> list[tuple[Any, ...]]:
        return [(min(size, count[name] - start), f"{seed}/{name}/{start}") for start in range(0, count[name], size)]

    planted = [(name, count["mutations"], str(seed)) for name in MUTATIONS if count["mutations"]]
    print(f"seed {seed}\n{'':10}" + "".join(f"{kind:>11}" for kind in COUNTED), flush=True)
    started, total = time.monotonic(), Row("all")
    parts = (syncs, units("sequences", BATCH)), (corrupted_responses, units("bodies", 250)), (mutation, planted)
    for part, arguments in parts:
        if arguments:
            row = run(part, arguments)
            print(row, flush=True)
            total += row
    print(f"{total}, in {(time.monotonic() - started) / 60:.0f} minutes")
    for kind, words in total.wrong[:20]:
        print(f"{kind}: {words}")
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
