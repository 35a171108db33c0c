"""`make questions`: makes the views of examples/views.sql, prints the answers of questions.sql."""

import sys
from pathlib import Path

import duckdb

from source_clevertap.landing import SyncError, connected, ended_in_one_line

ROOT = Path(__file__).resolve().parent.parent


def statements(name: str) -> list[str]:
    """The statements of a file in examples/."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def main() -> None:
    """Asks the database that is named, else the account's, else the sandbox's."""
    named = [Path(name) for name in sys.argv[1:2]]
    files = named or [ROOT / "clevertap.duckdb", ROOT / "sandbox.duckdb"]
    there = [path for path in files if path.exists()]
    with ended_in_one_line("There are no answers.", "Interrupted."):
        if not there:
            raise SyncError(f"There is no {files[-1]}. Type make sync first.")
        with connected(there[0]) as connection:
            try:
                for view in statements("views.sql"):
                    connection.execute(view)
                for question in statements("questions.sql"):
                    print("\n".join(line for line in question.splitlines() if line.startswith("--")))
                    print(connection.sql(question).limit(10))
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                raise SyncError(f"{there[0]} does not have all tables. Type make sync first.") from error


if __name__ == "__main__":
    main()
