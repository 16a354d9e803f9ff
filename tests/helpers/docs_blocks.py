"""The code blocks of a Markdown page, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^( *)```(\w+)(?: \((.*)\))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\s*$")
SEPARATORS = {"&&", "||", "|", ";", ">", "&"}


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    language: str
    reason: str | None
    """Why the tests do not run it; None: they do."""
    text: str
    file: str | None
    """Name of the file that the page says it is (`<!-- file: NAME -->` on the line before)."""


def blocks_of(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        indent, language, reason, body = match.groups()
        named = FILE.search(text[: match.start()].rstrip() if not indent else text[: match.start()].rstrip())
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        found.append(Block(language, reason, "\n".join(lines) + "\n", named.group(1) if named else None))
    return found


def commands_in(shell: str) -> list[list[str]]:
    """The calls of rtbench in a shell script, as lists of arguments without the program."""
    found = []
    for line in shell.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "…:@{}[]$%,+"
        words = list(lexer)
        for start, word in enumerate(words):
            first = start == 0 or words[start - 1] in SEPARATORS
            if first and word.rpartition("/")[2] == "rtbench":
                rest = words[start + 1 :]
                end = next((at for at, one in enumerate(rest) if one in SEPARATORS), len(rest))
                found.append(rest[:end])
    return found
