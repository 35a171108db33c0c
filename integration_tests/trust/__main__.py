"""Prints what `make trust` found: one row a part, and the seed that makes it happen again.

python -m integration_tests.trust [--seed N] [--sequences N] [--bodies N]
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from integration_tests.trust import bodies, sequences

WORKERS = 4
BATCH = 10
COUNTED = ("lost", "duplicated", "leaked", "hung", "unclear")


@dataclass
class Row:
    """A row of the table. tried: what, and how often. wrong: by kind, each in words."""

    part: str
    tried: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0

    def __add__(self, other: "Row") -> "Row":
        seconds = max(self.seconds, other.seconds)
        return Row(self.part, self.tried + other.tried, self.wrong + other.wrong, seconds)

    def __str__(self) -> str:
        counts = Counter(kind for kind, _ in self.wrong)
        tried = ", ".join(f"{count:,} {what}" for what, count in self.tried.items())
        told = "".join(f"{counts[kind]:>12}" for kind in COUNTED)
        return f"{self.part:12}{told}{self.seconds:>8.0f} s  {tried}"


def run_sequences(count: int, number: int) -> Row:
    """Syncs in a row; a failure is shrunk to the shortest that still fails.

    A few at a time: hypothesis spends more and more of a long run on variations of what it has tried.
    """
    row = Row("sequences")
    for batch in range(0, count, BATCH):
        _run_batch(min(BATCH, count - batch), f"{number}/{batch}", row)
    return row


def _run_batch(count: int, recipe: str, row: Row) -> None:
    failing: dict[str, str] = {}

    @seed(recipe)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(sequences.sequences())
    def run(sequence: sequences.Sequence) -> None:
        found = sequences.check(sequence)
        if not failing:  # what shrinking tries is not counted
            row.tried.update(
                sequences=1,
                syncs=found.syncs,
                failed=found.failed,
                killed=found.killed,
                rows=found.rows,
            )
        if found.wrong:
            failing.update({kind: f"{words}\n  {sequence}" for kind, words in found.wrong.items()})
            raise AssertionError(found.wrong)

    try:
        run()
    except AssertionError:
        row.wrong.extend(failing.items())


def run_bodies(count: int, number: int) -> Row:
    """Spoilt answers."""
    found = bodies.check(count, number)
    tried = Counter(bodies=found.bodies, errors=found.errors, rows=found.rows)
    return Row("bodies", tried, found.wrong)


def _timed(part: Callable[[int, int], Row], count: int, number: int) -> Row:
    started = time.monotonic()
    row = part(count, number)
    row.seconds = time.monotonic() - started
    return row


def run_all(number: int, counts: dict[Callable[[int, int], Row], int]) -> Iterator[Row]:
    """Each part, in processes beside each other."""
    with ProcessPoolExecutor(WORKERS) as pool:
        for part, count in counts.items():
            shares = [
                pool.submit(_timed, part, count // WORKERS, number * WORKERS + worker)
                for worker in range(WORKERS)
            ]
            first, *others = [share.result() for share in shares]
            yield sum(others, first)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--bodies", type=int, default=50_000)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    print(f"{'':12}" + "".join(f"{kind:>12}" for kind in COUNTED), flush=True)
    wrong = []
    for row in run_all(args.seed, {run_sequences: args.sequences, run_bodies: args.bodies}):
        print(row, flush=True)
        wrong += row.wrong
    for kind, words in wrong[:20]:
        print(f"{kind}: {words}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
