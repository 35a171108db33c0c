"""docs/clevertap.md lists every message that a user can meet, and no other."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import yaml

from source_clevertap.run import definition_file

ROOT = definition_file("manifest.yaml").parent
DOCS = (ROOT / "docs/clevertap.md").read_text().partition("## Changelog")[0]
GAP = "\0"  # where a name or a number stands
LEAST = 12  # letters: a shorter piece of a message says nothing


def in_manifest(node: Any) -> Iterator[str]:
    """The messages that the manifest defines."""
    items: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key in ("error_message", "failure_message", "cursor_expired", "cursor_repeated"):
            yield re.sub("{{.*?}}", GAP, value)
        else:
            yield from in_manifest(value)


def in_code(node: ast.AST, names: dict[str, ast.AST]) -> Iterator[str]:
    """All strings of four words or more that are no docstrings: in these two files every one is a message."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Constant() | ast.JoinedStr():
            if len((message := text(node, names)).split()) >= 4:
                yield message
            return
        case ast.FunctionDef():
            values = [each for each in ast.walk(node) if isinstance(each, ast.Assign)]
            names = {each.targets[0].id: each.value for each in values if isinstance(each.targets[0], ast.Name)}
    for child in ast.iter_child_nodes(node):
        yield from in_code(child, names)


def text(node: ast.AST, names: dict[str, ast.AST]) -> str:
    """A string with gaps, and with the strings that its names stand for."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr():
            return "".join(text(part, names) for part in node.values)
        case ast.FormattedValue(value=ast.Name(id=name)) if name in names:
            return text(names[name], {})
    return GAP


MESSAGES = [*in_manifest(yaml.safe_load((ROOT / "manifest.yaml").read_text()))]
for file in ("components.py", "source_clevertap/run.py"):
    MESSAGES += in_code(ast.parse((ROOT / file).read_text()), {})


def test_every_message_is_in_the_troubleshooting_word_for_word() -> None:
    pieces = [" ".join(part.split()) for message in MESSAGES for part in message.split(GAP)]
    fixed = [piece for piece in pieces if len(piece) >= LEAST]

    assert [piece for piece in fixed if piece.strip(" .:(") not in DOCS] == []
    assert len(fixed) > 40


def test_the_troubleshooting_has_no_message_that_is_no_more() -> None:
    listed = re.findall(r"^\| (?!Message|-)(.*?) \| ", DOCS.split("### Messages")[1].split("## Reference")[0], re.M)
    fixed = " ".join(" ".join(message.replace(GAP, " ... ").split()) for message in MESSAGES)

    assert len(listed) > 25
    for message in listed:
        for piece in re.split(r"\.\.\.|(?<=[.]) ", message):
            assert piece.strip(" .:(),'") in fixed, message
