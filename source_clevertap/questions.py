"""`make questions`: makes the views of examples/views.sql, prints the answers of questions.sql."""

import sys
from pathlib import Path

import duckdb

from source_clevertap.run import definition_file

ROOT = definition_file("manifest.yaml").parent


def statements(name: str) -> list[str]:
    """The statements of a file in examples/."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def main() -> None:
    """Asks the database that is named, else the account's, else the sandbox's."""
    named = [Path(name) for name in sys.argv[1:2]]
    files = named or [ROOT / "clevertap.duckdb", ROOT / "sandbox.duckdb"]
    there = [path for path in files if path.exists()]
    if not there:
        sys.exit(f"There is no {files[-1]}. Type make sync first.")
    with duckdb.connect(str(there[0])) as connection:
        for view in statements("views.sql"):
            connection.execute(view)
        for question in statements("questions.sql"):
            print("\n".join(line for line in question.splitlines() if line.startswith("--")))
            print(connection.sql(question).limit(10))


if __name__ == "__main__":
    main()
