r"""Turn marked-up text into plain text: LaTeX, Markdown, HTML and Unicode variants.

Answers are read from the plain text, so that ``\(\boxed{\text{(B)}}\)``, ``**(B)**`` and ``（Ｂ）`` are all read as (B).
"""

from __future__ import annotations

import html
import re
import unicodedata

_MARKS = re.compile(r"[\\{<>&*_`~\u0080-\U0010ffff]|^[ \t]*[-+#]", re.MULTILINE)
"""Any character that plain text does not need. Without one of them, a text is plain."""
_RAISED = re.compile(r"<(su[pb])>([^<>\n]{1,20})</\1>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6}|#x[0-9A-Fa-f]{1,6});")
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")
_FRACTION = re.compile(r"(?:(\d)\s*)?\\[dtc]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[A-Za-z*]{1,20}\}(?:\{[^{}]{0,20}\})?")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_SIMPLE = re.compile(r"\s*-?[\d.]+\s*")
_THIN_SPACE = re.compile(r"(?<=\d)\\[,;: ](?=\d{3})")
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad\b|\\(?:left|right|big|Big|displaystyle|limits)\b")
_WRAPPERS = (
    r"text|textbf|textit|textrm|texttt|textsf|mathrm|mathbf|mathit|mathsf|mathtt|mbox|operatorname|emph|bm|boldsymbol"
)
_WRAPPED = re.compile(rf"\\(?:boxed|fbox|{_WRAPPERS})\s*\{{([^{{}}]*)\}}")
_COMMANDS = {
    "times": "×", "cdot": "×", "ast": "×", "div": "÷", "pm": "±", "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=",
    "neq": "!=", "ne": "!=", "approx": "≈", "sim": "≈", "dots": "…", "ldots": "…", "pounds": "£", "euro": "€",
    "textdollar": "$", "degree": "°", "circ": "°", "percent": "%", "to": "→", "rightarrow": "→", "Rightarrow": "→",
    "newline": "\n", "quad": " ", "qquad": " ", "sqrt": "√",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_ESCAPED = re.compile(r"\\([$%#&_{}~^])")
_BRACES = str.maketrans({"{": None, "}": None})
_DELIMITER = re.compile(r"\\[()\[\]]")
_EMPHASIS = (
    re.compile(r"(?<![\w*%)\]$])\*{1,3}(?=[^\s*])([^*\n]{1,200}?)(?<=[^\s*])\*{1,3}(?![\w*$(])"),
    re.compile(r"(?<![\w_])_{1,3}(?=[^\s_])([^_\n]{1,200}?)(?<=[^\s_])_{1,3}(?![\w_])"),
)
_STRUCK = re.compile(r"~~[^~\n]{1,300}~~")
_STRAY_MARKS = re.compile(r"\*\*|__|`+")
_LINE_START = re.compile(r"^[ \t]*(?:>[ \t]*)*(?:[-+*•–—][ \t]+|#{1,6}[ \t]+|>[ \t]*)", re.MULTILINE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_SUBSCRIPT = re.compile("[₀-₉]+")
_VULGAR = re.compile("(\\d?)([¼½¾⅐-⅞])")
_FRACTIONS = {
    mark: unicodedata.normalize("NFKC", mark) for mark in map(chr, (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F)))
}
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–−﹣－", "-"),
        **dict.fromkeys("‘’‛′＇", "'"),
        **dict.fromkeys("“”„‟″＂«»「」『』", '"'),
        "×": "×",
        "∗": "*",
        "∕": "/",
        "⁄": "/",
        "、": ",",
        "。": ".",
        "।": ".",
        "۔": ".",
        "٫": ".",
        "٬": ",",
    }
)


def plain(text: str) -> str:
    """Return a text without markup, with one spelling for signs, quotes, digits and full-width characters.

    Line breaks stay. Fractions become ``a/b``, mixed numbers ``n a/b``, powers ``a^b``.
    """
    if _MARKS.search(text) is None:
        return text
    if "<" in text:
        text = _RAISED.sub(lambda match: f"{'^' if match[1].lower() == 'sup' else '_'}{match[2]}", text)
        text = _TAG.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if not text.isascii():
        text = _unicode(text)
    if "~~" in text:
        text = _STRUCK.sub("", text)
    text = _LINE_START.sub("", text)
    if "\\" in text or "{" in text:
        text = _latex(text)
    if "*" in text:
        text = _EMPHASIS[0].sub(r"\1", text)
    if "_" in text:
        text = _EMPHASIS[1].sub(r"\1", text)
    return _STRAY_MARKS.sub("", text)


def _unicode(text: str) -> str:
    """Return the text with compatibility characters replaced (NFKC), and signs, quotes and digits in one spelling."""
    text = _INVISIBLE.sub("", text)
    text = _VULGAR.sub(lambda match: f"{match[1]} {_FRACTIONS[match[2]]}", text)
    text = _SUPERSCRIPT.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    text = _SUBSCRIPT.sub(lambda match: "_" + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return "".join(_digit(mark) if mark.isdigit() and not mark.isascii() else mark for mark in text)


def _digit(mark: str) -> str:
    return str(unicodedata.digit(mark, mark))


def _latex(text: str) -> str:
    """Return the text with LaTeX commands replaced by what they show."""
    text = text.replace("{,}", ",")
    text = _THIN_SPACE.sub(" ", text)
    text = _ENVIRONMENT.sub(" ", text)
    text = _SPACING.sub("", text)
    text = _ESCAPED.sub(r"\1", text) if "\\" in text else text
    for _ in range(4):  # wrappers are nested, but not deeply
        text, wrapped = _WRAPPED.subn(r"\1", text)
        text, roots = _ROOT.subn(_root, text)
        text, fractions = _FRACTION.subn(_fraction, text)
        if not wrapped and not roots and not fractions:
            break
    text = _DELIMITER.sub(" ", text)
    text = _COMMAND.sub(lambda match: _COMMANDS.get(match[1], " "), text)
    return text.replace("\\\\", "\n").translate(_BRACES)


def _fraction(match: re.Match[str]) -> str:
    whole, *parts = match.groups()
    above, below = parts[0] or parts[1] or "", parts[2] or parts[3] or ""
    simple = all(map(_SIMPLE.fullmatch, (above, below)))
    text = f"{above.strip()}/{below.strip()}" if simple else f"({above})/({below})"
    return f"{whole} {text}" if whole else text


def _root(match: re.Match[str]) -> str:
    return f"√{match[1].strip()}" if _SIMPLE.fullmatch(match[1]) else f"√({match[1]})"
