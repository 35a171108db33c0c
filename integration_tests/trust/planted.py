"""Losses planted in the connector, to see that the sequences find them: a test that cannot fail proves
nothing.

Each is a change of a line of components.py that a maintainer might make in good faith.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from integration_tests.trust.row import Row
from integration_tests.trust.syncs import BATCH, syncs
from source_clevertap import run

FILE = "components.py"
PLANTED = {  # what is planted -> the text that it replaces, and what with
    "an answer of {} ends an export": ('page.get("status") == "success" and', 'page.get("records") or'),
    "partial may be the last page": (
        'may_be_last = page.get("status") == "success" and',
        'may_be_last = page.get("status") in ("success", "partial") and',
    ),
    "an opening without a cursor is an end": (' and response.request.method != "POST"', ""),
    "a short page is the last": ("if not cursor or", "if not cursor or last_page_size < 23 or"),
    "an empty page is the last": ("if not cursor or", "if not cursor or not last_page_size or"),
    "a dead cursor is an end": (
        '                self._split_or_count_reopening(position, request["stream_slice"])\n',
        "                return None\n",
    ),
    "failed statuses pass": ("response.status_code != 200 or page is None", "page is None"),
    "no lookback": ("timedelta(int(lookback))", "timedelta(0)"),
    "complete before all is read": ('if read is None or not read["listed"]:', "if read is None:"),
    "start_date moved back is not noticed": ("since > start or not", "not"),
    "equal events are one": ('f"{digest.hexdigest()}-{before}" if before else', ""),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The connector with a loss in it, in a process that has not loaded it yet."""
    old, new = PLANTED[name]
    files = {file: run.definition_file(file).read_text() for file in (FILE, "manifest.yaml")}
    if files[FILE].count(old) != 1:
        raise ValueError(f"'{old}' stands {files[FILE].count(old)} times in {FILE}")
    files[FILE] = files[FILE].replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in files.items():
            Path(folder, file).write_text(text)
        with mock.patch.object(run, "definition_file", lambda file: Path(folder, file)):
            yield


def planted_loss(name: str, limit: int, recipe: str) -> Row:
    """Plants a loss; it must be found within `limit` sequences."""
    row = Row("planted", wrong=[("unclear", f"'{name}' was not found by {limit} sequences")])
    row.tried.update(planted=1)
    with planted(name):
        for start in range(0, limit, BATCH):
            found = syncs(BATCH, f"{recipe}/{name}/{start}", shrinks=False)
            row.tried.update(found.tried)
            if found.wrong:
                row.tried.update(found=1)
                row.wrong = []
                break
    return row
