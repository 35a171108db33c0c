"""Draws sequences of syncs, and shrinks one that fails to the shortest that still does."""

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from integration_tests.stress import sequences
from integration_tests.stress.row import Row

BATCH = 10  # hypothesis spends more and more of a long run on variations of what it has tried


def syncs(count: int, recipe: str, shrinks: bool = True) -> Row:
    """`count` sequences."""
    row = Row("sequences")
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
    @given(sequences.sequences())
    def run(sequence: sequences.Sequence) -> None:
        found = sequences.check(sequence)
        if not failing:  # what shrinking tries is not counted
            row.tried.update(
                sequences=1,
                syncs=found.syncs,
                failed=found.failed,
                cut=found.killed,
                rows=found.rows,
                **{"nights of a clock change": found.clock_changes},
            )
        if found.wrong:
            failing.update({kind: f"{words}\n  {sequence}" for kind, words in found.wrong.items()})
            raise AssertionError(found.wrong)

    try:
        run()
    except (AssertionError, Flaky):  # threads race: what failed once may pass when it is tried again
        row.wrong.extend(failing.items())
    return row
