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
LEAST = 12  # letters: a shorter piece of a message tells nothing


def in_manifest(node: Any) -> Iterator[str]:
    """The messages that the manifest defines."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("error_message", "failure_message"):
                yield re.sub("{{.*?}}", GAP, value)
            elif key == "network_errors":
                yield from value.values()
            else:
                yield from in_manifest(value)
    elif isinstance(node, list):
        for value in node:
            yield from in_manifest(value)


def in_components() -> Iterator[str]:
    """The messages of errors, warnings and bad settings in components.py."""
    for node in ast.walk(ast.parse((ROOT / "components.py").read_text())):
        match node:
            case ast.keyword(arg="message"):
                yield text(node.value)
            case ast.Call(func=ast.Name(id="ErrorResolution"), args=[_, _, message]):
                yield text(message)
            case ast.Call(func=ast.Name(id="error") | ast.Attribute(attr="warning")):
                yield text(node.args[0])
            case ast.Assign(targets=[ast.Name(id="message" | "advice")]):
                yield text(node.value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="problems"))):
                yield text(node.args[0])


def text(node: ast.AST) -> str:
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(text(part) for part in node.values)
    return GAP


def pieces(message: str) -> list[str]:
    """What is fixed in a message."""
    parts = (" ".join(part.split()) for part in message.split(GAP))
    return [part for part in parts if len(part) >= LEAST]


MESSAGES = [
    *in_manifest(yaml.safe_load((ROOT / "manifest.yaml").read_text())),
    *in_components(),
]


def test_every_message_is_in_the_troubleshooting_word_for_word() -> None:
    found = [piece for message in MESSAGES for piece in pieces(message)]

    assert [piece for piece in found if piece.strip(" .:(") not in DOCS] == []
    assert len(found) > 40


def test_the_troubleshooting_has_no_message_that_is_no_more() -> None:
    section = DOCS.split("### Messages")[1].split("## Reference")[0]
    listed = re.findall(r"^\| (?!Message|-)(.*?) \| ", section, re.M)
    fixed = " ".join(" ".join(message.replace(GAP, " ... ").split()) for message in MESSAGES)

    assert len(listed) > 25
    for message in listed:
        for piece in re.split(r"\.\.\.|(?<=[.]) ", message):
            assert piece.strip(" .:(),'") in fixed, message
