"""`make dbt-test`: what `make report` shows in a browser, against the sandbox's truth."""

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import duckdb
import pytest

from integration_tests.dbt_package import PYTHON, raised, sync, write
from integration_tests.helpers import tables
from integration_tests.helpers.connector import ROOT
from source_clevertap.sandbox.demo import DemoAccount

ACCOUNT, DAYS = DemoAccount(), (20260701, 20260820)
DAY_COUNT = 50  # the newest one is not compared


def report(*options: str) -> subprocess.CompletedProcess[str]:
    print("\nreport", flush=True)
    return subprocess.run([PYTHON, "-m", "source_clevertap.report", *options], cwd=ROOT, capture_output=True, text=True)


def made(database: Path) -> Path:
    """The page of a file."""
    page = database.with_suffix(".html")
    done = report("--database", str(database), "--output", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Report: {page}"
    return page


def seen(page: Path, *options: str) -> str:
    """What is shown after its scripts have run, in a Chromium without a network."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
        command += ["--virtual-time-budget=8000", f"--user-data-dir={profile}", *options, "--dump-dom", page.as_uri()]
        document = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return re.sub(r"<(script|style).*?</\1>", "", document, flags=re.S)


def marks(document: str, chart: str) -> list[str]:
    """What the marks of a chart say to those who cannot see them."""
    section = document.split(f'id="{chart}"')[1].split("</section>")[0]
    labels = re.findall(r'<(?:path|text)[^>]*aria-label="([^"]*)"[^>]*role="graphics-symbol"', section)
    return [html.unescape(label) for label in labels]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the demo account, beside the file."""
    database = tmp_path_factory.mktemp("report") / "sandbox.duckdb"
    sync(database, DAYS[1])
    return made(database)


@pytest.fixture(scope="module")
def document(page: Path) -> str:
    return seen(page)


def test_each_chart_has_its_marks(document: str) -> None:
    reports = tables.truth("message_reports", ACCOUNT, first=DAYS[0], last=DAYS[1]).values()
    messages = len([report for report in reports if report["sent"] > 0])
    weeks = 7  # whole ones, from 29 June to 16 August

    assert len(marks(document, "daily")) == 3
    assert len(marks(document, "calendar")) == DAY_COUNT * len(ACCOUNT.event_shares)
    assert len([label for label in marks(document, "funnel") if "users: " in label]) >= 3
    assert len(marks(document, "messages")) == 2 * messages
    assert len(marks(document, "retention")) == 2 * sum(range(weeks + 1))
    assert document.split('id="newest"')[1].count("<tr") == 11


def test_the_numbers_account_days_and_zone_are_those_of_the_account_and_formatted(document: str) -> None:
    assert f"<h1>CleverTap account {ACCOUNT.account_id}</h1>" in document
    days = r"1 July 2026 to 20 August 2026, days of UTC\+05:30. Made \d+ \w+ 20\d\d, \d\d:\d\d UTC from sandbox"
    assert re.search(days, document)
    events = [e for name in ACCOUNT.event_shares for e in ACCOUNT.event_truth(name, *DAYS)]
    records = [event["record"] for event in events]
    people = {record["profile"].get("identity", record["profile"]["objectId"]) for record in records}
    revenue = sum(record["event_props"].get("Amount", 0) for record in records)
    tiles = re.findall(r"<b[^>]*>([^<]*)</b><span>([^<]*)</span>", document)

    assert {name: value for value, name in tiles} == {
        "events": f"{len(events):,}",
        "users": f"{len(people):,}",
        "sessions": f"{len({(r['profile']['objectId'], r['event_props']['CT Session Id']) for r in records}):,}",
        "revenue (INR)": f"{int(revenue + 0.5):,}",
        "no day differs from CleverTap's count": "complete",
    }


def test_given_a_dark_browser_when_opened_then_the_charts_are_dark(page: Path, document: str) -> None:
    dark = seen(page, "--blink-settings=preferredColorScheme=0")

    labels = ("#5d6878", "#9aa6b5")
    assert [label in document.lower() for label in labels] == [True, False]
    assert [label in dark.lower() for label in labels] == [False, True]


def test_given_a_phone_when_opened_then_nothing_is_wider_than_it(page: Path) -> None:
    probe = page.with_name("probe.html")
    script = "setTimeout(() => document.title = document.documentElement.scrollWidth + '/' + innerWidth, 3000)"
    probe.write_text(f"{page.read_text()}<script>{script}</script>")
    found = re.search(r"<title>(\d+)/(\d+)</title>", seen(probe, "--window-size=500,900"))

    assert found
    assert int(found[1]) <= int(found[2]) <= 500


def test_the_page_loads_nothing(page: Path) -> None:
    without_scripts = re.sub("<script>.*?</script>", "", page.read_text(), flags=re.S)

    assert re.findall(r"<script|<link|@import|url\(", without_scripts) == []


def test_given_a_day_without_rows_when_built_then_it_stands_out(page: Path, tmp_path: Path) -> None:
    shutil.copy(page.with_suffix(".duckdb"), tmp_path / "lost.duckdb")
    with duckdb.connect(str(tmp_path / "lost.duckdb")) as connection:
        connection.execute("DELETE FROM main.events WHERE event_name = 'Charged' AND date = '2026-07-20'")
    document = seen(made(tmp_path / "lost.duckdb"))

    off = [label for label in marks(document, "calendar") if "as counted" not in label]
    told = "event: Charged; verdict: no rows; day: 20 July 2026; rows: 0; CleverTap's count: 6"
    assert [label.endswith(told) for label in off] == [True]
    assert '<b class="bad">1</b>' in document


def test_given_events_alone_with_hostile_names_when_built_then_the_page_shows_them_and_says_what_was_not_read(
    tmp_path: Path,
) -> None:
    name = "</script><script>document.title = 'lost'</script>"
    write(tmp_path / "it.duckdb", "events", "event_id", [raised(0, name)])
    document = seen(made(tmp_path / "it.duckdb"))

    assert "<title>CleverTap account unknown</title>" in document
    assert f"<td>{html.escape(name, quote=False)}</td>" in document
    for chart in ("calendar", "messages"):
        assert "The stream was not read." in document.split(f'id="{chart}"')[1][:80]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "Type make sync first."), (b"no database", "cannot be opened")],
)
def test_given_a_file_that_cannot_be_used_then_one_line_says_so(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "it.duckdb").write_bytes(content)
    done = report("--database", str(tmp_path / "it.duckdb"))

    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
