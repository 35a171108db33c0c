"""Draws sequences of syncs, and shrinks one that fails to the shortest that still does."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from integration_tests.stress import sequences
from integration_tests.stress.row import Row

BATCH = 10  # hypothesis spends more and more of a long run on variations of what it has tried
Wrong = list[tuple[str, str]]


def explore(
    examples: SearchStrategy[Any],
    check: Callable[[Any], Iterable[tuple[str, str]]],
    count: int,
    recipe: str,
    shrinks: bool = True,
) -> Wrong:
    """Checks `count` examples. Returns what is wrong with the shortest that fails, and that example."""
    failing: dict[str, str] = {}

    @seed(recipe)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
    )
    @given(examples)
    def run(example: Any) -> None:
        wrong = dict(check(example))
        if wrong:
            failing.update({kind: f"{words}\n  {example}" for kind, words in wrong.items()})
            raise AssertionError(wrong)

    try:
        run()
    except (AssertionError, Flaky):  # threads race: what failed once may pass when it is tried again
        return list(failing.items())
    return []


def syncs(count: int, recipe: str, shrinks: bool = True) -> Row:
    """`count` sequences."""
    row = Row("sequences")
    failed: list[bool] = []

    def check(sequence: sequences.Sequence) -> Wrong:
        found = sequences.check(sequence)
        if not any(failed):  # what shrinking tries is not counted
            counts = {"syncs": found.syncs, "failed": found.failed, "cut": found.killed, "records": found.records}
            row.tried.update(sequences=1, **counts, **{"nights of a clock change": found.clock_changes})
        failed.append(bool(found.wrong))
        return list(found.wrong.items())

    row.wrong = explore(sequences.sequences(), check, count, recipe, shrinks)
    return row
