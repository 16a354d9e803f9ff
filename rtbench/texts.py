r"""Texts from outside, made safe for each kind of output: one function per output.

Questions, completions, messages of servers and plugins, names and paths may contain anything: control sequences of
terminals, markup, formulas or scripts. A reader sees such characters as signs (``\x1b``); nothing interprets them.
"""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, without the tab and the newline
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"  # without a width, or without a shape
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"  # separators, changes of direction, fillers
    "\ud800-\udfff"  # halves of characters
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # formats and tags
)
"""Characters that a terminal obeys, or that a reader cannot see."""
_UNSEEN = re.compile(f"[{_HIDDEN}]")
_UNSEEN_IN_LINE = re.compile(f"[{_HIDDEN}\t\n]")
MOST_ERROR = 1000
"""Highest number of characters of a message of an error that is not ours."""
_STYLE = re.compile(r"(\x1b\[[0-9;:]*m)")
_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

_MARKDOWN = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~]|$)      # a backslash that escapes
    | [`|*~$]                    # code, cells, emphasis, formulas
    | (?<![^\W_])_|_(?![^\W_])   # emphasis; not within a word
    | ](?=[(\[:])                # the middle of a link or an image, the end of a label
    | ^(?:>|(?:[-+]|\#+)(?=\s|$)|-(?=[\s-]*$))  # quotes, lists, headings and rules
    | ^=+$                       # a line that makes the one above a heading
    """,
    re.VERBOSE,
)
_ORDERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=\#?\w+;)")

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "—": "---", "×": r"$\times$", "≈": r"$\approx$",
    "½": r"$\frac12$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "→": r"$\to$", "−": "$-$",
}  # fmt: skip
_LATEX_SPECIALS = re.compile("|".join(map(re.escape, _LATEX)))
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/?#@]{1,500}@")
_SECRET = re.compile(
    r"""([?&;][\w.%~-]{0,60}(?:key|token|secret|passw|pwd|sig|signature|credential|auth|policy|session|code)[\w.%~-]{0,60}=)[^\s&;#'"<>)]+""",
    re.IGNORECASE,
)
_FORMULA = frozenset("=+-@＝＋－＠")
"""First characters of formulas in spreadsheets, also in full width."""


def shown(text: str) -> str:
    r"""Return a text of several lines for a terminal. Newlines and tabs stay, other control characters become signs.

    Signs (``\x1b``, ``\u202e``) also stand for characters that change the direction of text, that have no width, or that
    are half a character.
    """
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_sign, text)


def shown_in_line(text: str) -> str:
    r"""Return a text for one line of a terminal, such as a cell of a table: like :func:`shown`, with ``\n`` and ``\t``."""
    return text if text.isascii() and text.isprintable() else _UNSEEN_IN_LINE.sub(_sign, text)


def shown_with_styles(text: str) -> str:
    """Return a text that a console has rendered: like :func:`shown`, but colours and other styles stay."""
    pieces = _STYLE.split(text)
    return "".join(piece if place % 2 else shown(piece) for place, piece in enumerate(pieces))


def without_styles(text: str) -> str:
    """Return a text that a console has rendered, without its colours. Other control sequences stay, to be shown as signs."""
    return _STYLE.sub("", text)


def _sign(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def markdown_text(text: str) -> str:
    """Return a text for one line of Markdown, such as a cell of a table or an item of a list, without active markup.

    White space is collapsed. Tags, entities, links, images, code, emphasis and pipes are shown as they are written.
    """
    line = shown_in_line(" ".join(text.split()))
    line = _ORDERED.sub(r"\1\\\2", _MARKDOWN.sub(lambda match: "".join(f"\\{one}" for one in match[0]), line))
    return _TAG.sub("&lt;", _ENTITY.sub("&amp;", line))


def markdown_code(text: str) -> str:
    """Return a text as code in a line of Markdown, within more backticks than it has in a row."""
    line = shown_in_line(" ".join(text.split())).replace("|", "¦")
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if line.startswith("`") or line.endswith("`") else f"{fence}{line}{fence}"


def markdown_block(text: str) -> str:
    """Return a text of several lines as a block of code in Markdown."""
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    return f"{fence}\n{shown(text)}\n{fence}"


def latex_text(text: str) -> str:
    """Return a text for LaTeX: special characters are escaped, and white space is collapsed.

    A bracket or star at the beginning is put into braces, because the command before it could take it as an argument.
    """
    line = _LATEX_SPECIALS.sub(lambda match: _LATEX[match[0]], shown_in_line(" ".join(text.split())))
    return f"{{{line[0]}}}{line[1:]}" if line[:1] in {"[", "*"} else line


def csv_field(value: object) -> object:
    """Return a value for a field of a CSV or TSV file, which a spreadsheet does not take as a formula.

    Numbers stay, also negative ones in a text. Other texts that begin like a formula begin with an apostrophe instead, as
    OWASP recommends (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    if not isinstance(value, str):
        return value
    text = shown(value)
    starts_formula = text.lstrip(" \xa0\u3000")[:1] in _FORMULA or value[:1] in {"\t", "\r", "\n"}
    return f"'{text}" if starts_formula and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", text, re.ASCII) is not None


def json_text(text: str) -> str:
    r"""Return JSON with the same meaning that is safe in a terminal: hidden characters are escaped (``\u202e``)."""
    return text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_json_escape, text)


def script_json(value: Any) -> str:
    """Return a value as JSON that is safe inside of a script element of an HTML page.

    Escaped are ``<``, ``>`` and ``&``, which could end the script or begin a comment, and all hidden characters; among them
    are U+2028 and U+2029, which could end a line.
    """
    import msgspec  # not at the top: `rtbench --help` needs no such texts

    encoded = json_text(msgspec.json.encode(value).decode())
    return encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def without_secrets(text: str) -> str:
    """Return a text in which addresses have no user names, passwords, tokens or signatures.

    These are in front of the host (``https://user:password@host``), or in the query (``?token=…``, ``&X-Amz-Signature=…``).
    """
    return _SECRET.sub(r"\1[redacted]", _USER.sub(r"\1[redacted]@", text)) if "://" in text or "=" in text else text


def shortened_error(error: BaseException) -> str:
    """Return the type and the message of an error that is not ours, without secrets and at most :data:`MOST_ERROR` long."""
    text = shown(without_secrets(f"{type(error).__name__}: {str(error)[: 2 * MOST_ERROR]}"))
    return text if len(text) <= MOST_ERROR else f"{text[: MOST_ERROR - 1]}…"


def without_halves(text: str) -> str:
    """Return a text in which halves of characters (lone surrogates) are replaced by U+FFFD, so that it can be stored."""
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)
