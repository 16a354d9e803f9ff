"""Read YAML files as plain data: text, numbers, true or false, nothing, lists and mappings.

Only values that a reader of the file would expect are made of plain scalars. Dates, octal and sexagesimal numbers of
YAML 1.1 stay text, and ``1e-3`` is a number, as in YAML 1.2. What could take unlimited time or memory is an error: deep
nesting, and aliases that stand for too many values or for themselves.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rtbench.errors import BadInputError
from rtbench.storage.reading import read_text

MOST_DEPTH = 50
"""Levels of lists and mappings inside each other."""
MOST_VALUES = 100_000
"""Values of a document, those that aliases stand for included."""
Tags = Mapping[str, Callable[[str], Any]]
_CORE = "tag:yaml.org,2002:"
_FLOAT = (
    r"[-+]?(?:[0-9]+(?:_[0-9]+)*\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_SCALARS: tuple[tuple[str, str, str], ...] = (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)", "-+0123456789"),
    (
        "float",
        _FLOAT,
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
)
"""Plain scalars that are no text: tag, pattern, and the first characters of what matches."""
_TRUE = frozenset({"yes", "true", "on"})


class _ProblemError(Exception):
    """Something in a document is not allowed; the line counts from 0."""

    def __init__(self, what: str, line: int, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what, self.line, self.next_step = what, line, next_step


def read_yaml(path: Path, tags: Tags | None = None) -> Any:
    """Return the YAML document in a file, as plain data.

    Args:
        path: the file.
        tags: what makes a value of the text after a tag such as ``!function``; other tags are errors.

    Raises:
        BadInputError: the document is invalid. The error names the file and the line.
    """
    text = read_text(path)
    if not text.strip():
        raise BadInputError("the file is empty", where=str(path), next_step="Write a YAML document.")
    return parse_yaml(text, tags, where=str(path))


def parse_yaml(text: str, tags: Tags | None = None, *, where: str, lines: bool = True) -> Any:
    """Return a YAML document as plain data; see :func:`read_yaml`.

    Args:
        text: the document.
        tags: as of :func:`read_yaml`.
        where: the file or option that it comes from.
        lines: whether errors name the line.

    Raises:
        BadInputError: the document is invalid.
    """
    import yaml

    def place(line: int | None) -> str:
        return where if line is None or not lines else f"{where}, line {line + 1}"

    try:
        return _parsed(text, tags or {})
    except _ProblemError as error:
        raise BadInputError(error.what, where=place(error.line), next_step=error.next_step) from None
    except yaml.MarkedYAMLError as error:
        raise BadInputError(
            f"not valid YAML: {error.problem}",
            where=place(error.problem_mark.line if error.problem_mark else None),
            next_step="Fix that line, or the one before it." if lines else None,
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) if isinstance(error.position, int) else None
        raise BadInputError(
            f"not valid YAML: the character {error.character!r} is not allowed"
            if isinstance(error.character, str)
            else f"not valid YAML: the character U+{error.character:04X} is not allowed",
            where=place(line),
            next_step="Remove it.",
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInputError(f"not valid YAML: {str(error).splitlines()[0]}", where=where) from None


def _parsed(text: str, tags: Tags) -> Any:
    loader_type = _loader_type(tuple(tags.items()))
    _check_nesting(text, loader_type)
    loader = loader_type(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _Checked(frozenset(tags)).check(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_nesting(text: str, loader_type: Any) -> None:
    """Raise an error where a document is nested too deeply or has too many values, before it is composed.

    The parser is not recursive, but composing a document is, in C: deep nesting would end the process.
    """
    import yaml

    depth = count = 0
    loader = loader_type(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MOST_DEPTH:
                    raise _ProblemError(
                        f"more than {MOST_DEPTH} lists or mappings inside each other",
                        _line(event),
                        "Nest less.",
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
                continue
            count += 1
            if count > MOST_VALUES:
                raise _ProblemError(f"more than {MOST_VALUES:,} values", _line(event), "Use several files.")
    finally:
        loader.dispose()


def _line(event: Any) -> int:
    return int(event.start_mark.line)


class _Checked:
    """Checks the nodes of a document that was composed.

    Args:
        tags: tags that are allowed in addition to those of plain data.
    """

    def __init__(self, tags: frozenset[str]) -> None:
        self._tags = tags | {f"{_CORE}{name}" for name in ("str", "seq", "map", *(name for name, *_ in _SCALARS))}
        self._sizes: dict[int, tuple[int, int]] = {}
        """Number of values and of levels of each node, its aliases included."""
        self._open: set[int] = set()

    def check(self, node: Any) -> tuple[int, int]:
        """Check a node and those inside; return the number of values and of levels.

        Raises:
            _ProblemError: an alias stands for itself or for too many values, a key occurs twice, or a value is of no plain type.
        """
        import yaml

        line = node.start_mark.line
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise _ProblemError("an alias stands for a value that contains it", line, "Write the value out.")
        if node.tag not in self._tags:
            tag = node.tag.replace(_CORE, "!!")
            raise _ProblemError(
                f"the tag {tag!r} is not allowed here", line, "Remove it, and quote the value if it is text."
            )
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
            return 1, 0
        self._open.add(id(node))
        inner = node.value
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [one for pair in node.value for one in pair]
        values, levels = 1, 1
        for one in inner:
            more, deeper = self.check(one)
            values, levels = values + more, max(levels, deeper + 1)
            if values > MOST_VALUES or levels > MOST_DEPTH:
                raise _ProblemError("aliases stand for too many values, or too deep ones", line, "Use fewer aliases.")
        self._open.discard(id(node))
        self._sizes[id(node)] = values, levels
        return values, levels


def _check_keys(node: Any) -> None:
    """Raise an error where a mapping has a key twice, or a key that is a list or a mapping."""
    import yaml

    lines: dict[Any, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line
        if not isinstance(key, yaml.ScalarNode):
            raise _ProblemError("a key is a list or a mapping", line, "Write text as the key.")
        _check_scalar(key)
        value = _identity(key)
        if value in lines:
            more = " Merge several mappings with `<<: [*a, *b]`." if key.value == "<<" else ""
            raise _ProblemError(
                f"the key {key.value!r} is already in line {lines[value] + 1}", line, f"Remove one of the two.{more}"
            )
        lines[value] = line


def _identity(key: Any) -> Any:
    """Return what two keys have in common that are one key of the mapping."""
    kind = key.tag.removeprefix(_CORE)
    if kind == "bool":
        return float(key.value.lower() in _TRUE)
    if kind in {"int", "float"}:
        return _number(kind, key.value)
    return kind, key.value


def _check_scalar(node: Any) -> None:
    """Raise an error where a scalar cannot be made into the type of its tag, or is no finite number."""
    kind, text, line = node.tag.removeprefix(_CORE), node.value, node.start_mark.line
    if "\0" in text:
        raise _ProblemError("a text contains the character NUL", line, "Remove it.")
    if kind not in {"bool", "int", "float"}:
        return
    pattern = next(pattern for name, pattern, _ in _SCALARS if name == kind)
    whole = kind == "float" and re.fullmatch(_SCALARS[1][1], text)  # `!!float 3`
    if not whole and not re.fullmatch(pattern, text):
        raise _ProblemError(f"{text[:60]!r} is not of the type {kind}", line, "Remove the tag, or fix the value.")
    if kind != "bool" and not math.isfinite(_number(kind, text)):
        raise _ProblemError(f"{text[:60]} is not a finite number", line, "Write a number.")


def _number(kind: str, text: str) -> float:
    """Return a number for a comparison, however many digits it has."""
    plain = text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    if kind == "int" and len(plain) < 300:
        return int(plain)
    return float(plain)


@functools.cache
def _loader_type(tags: tuple[tuple[str, Callable[[str], Any]], ...]) -> Any:
    """Return a loader of plain data, with the parser in C where it is installed."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {"yaml_implicit_resolvers": {}})
    for name, pattern, first in _SCALARS:
        characters = ["" if one == "\0" else one for one in first]
        loader.add_implicit_resolver(f"{_CORE}{name}", re.compile(f"(?:{pattern})$"), characters)
    for tag, make in tags:
        loader.add_constructor(tag, lambda parser, node, make=make: make(str(parser.construct_scalar(node))))
    return loader
