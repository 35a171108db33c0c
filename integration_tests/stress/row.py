"""A row of the table that `make stress` prints, and how hypothesis tries and shrinks what is counted in it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

COUNTED = ("lost", "stale", "duplicated", "leaked", "hung", "unclear")
Wrong = list[tuple[str, str]]


@dataclass
class Row:
    """A part. tried: what, and how often. wrong: what was found, by kind (docs/stress-tests.md), each in words."""

    part: str
    tried: Counter[str] = field(default_factory=Counter)
    wrong: Wrong = field(default_factory=list)

    def __add__(self, other: "Row") -> "Row":
        return Row(self.part, self.tried + other.tried, self.wrong + other.wrong)

    def __str__(self) -> str:
        counts = Counter(kind for kind, _ in self.wrong)
        told = "".join(f"{counts[kind]:>11}" for kind in COUNTED)
        return f"{self.part:10}{told}  " + ", ".join(f"{count:,} {what}" for what, count in self.tried.items())


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
