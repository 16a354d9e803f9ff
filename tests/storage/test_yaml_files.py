"""YAML is read as its author means it, and what nobody means is one error with the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtbench.errors import BadInputError
from rtbench.storage.yaml_files import MOST_DEPTH, MOST_VALUES, parse_yaml, read_yaml

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, MOST_DEPTH + 5))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000 + "x",
        "? " * 100_000,
        "".join(f"{' ' * i}a:\n" for i in range(2_000)),
        '{"a": [' * 50_000,
        "x: !!seq " + "[" * 60_000,
    ],
)
def test_deep_nesting_is_an_error(text: str) -> None:
    with pytest.raises(BadInputError, match=f"more than {MOST_DEPTH}|not valid YAML"):
        parse_yaml(text, where="f.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "aliases stand for too many"),
        (MERGED, "aliases stand for too many"),
        (CHAIN, "aliases stand for too many"),
        ("a: &a [*a]", "contains it"),
        ("a: &a {b: [1, *a]}", "contains it"),
        ("&a [*a]", "contains it"),
        ("a: *b", "undefined alias"),
        ("[" + "1," * (MOST_VALUES + 1) + "]", "more than 100,000 values"),
        ("a: 1\nb: 2\na: 3", "'a' is already in line 1"),
        ("x: {a: 1, b: 2, 'a': 3}", "'a' is already in line 1"),
        ("yes: 1\ntrue: 2", "already in line 1"),
        ("1: a\n1.0: b", "already in line 1"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a", "'<<' is already"),
        ("b: {<<: 5}", "expected a mapping"),
        ("? [a, b]\n: 1", "a key is a list"),
        ("? {a: b}\n: 1", "a key is a list"),
        ("a: .inf", "not a finite"),
        ("a: [1, -.INF]", "not a finite"),
        ("a: {b: .nan}", "not a finite"),
        ("a: 1e999", "not a finite"),
        (f"a: {'9' * 5000}", "not a finite"),
        ("a: !!timestamp 2020-01-01", "'!!timestamp' is not allowed"),
        ("a: !!binary aGk=", "'!!binary' is not allowed"),
        ("a: !!set {b}", "'!!set' is not allowed"),
        ("a: !!omap [b: 1]", "'!!omap' is not allowed"),
        ("a: !!python/object/apply:os.abort []", "is not allowed"),
        ("a: !function x.y", "'!function' is not allowed"),
        ("a: !!int 0x_", "not of the type int"),
        ("a: !!int abc", "not of the type int"),
        ("a: !!float abc", "not of the type float"),
        ("a: !!bool maybe", "not of the type bool"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a:\n\t- b", "not valid YAML"),
        ("a: b\0c", "not allowed"),
        ('a: "b\\0c"', "NUL"),
        ("a: 'b", "not valid YAML"),
        ("%YAML 9\n---\na", "not valid YAML"),
    ],
)
def test_what_nobody_means_is_an_error_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=said) as error:
        read_yaml(path)
    assert error.value.where is not None
    assert error.value.where.startswith(f"{path}, line ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-13-45", "2020-13-45"),
        ("2020-01-02", "2020-01-02"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("0x_", "0x_"),
        ("0x1F", "0x1F"),
        ("0b_", "0b_"),
        ("017", "017"),
        ("12:30:45", "12:30:45"),
        ("1:30.5", "1:30.5"),
        ("=", "="),
        ("1_000", 1000),
        ("1__0", "1__0"),
        ("1_", "1_"),
        ("-7", -7),
        ("+3", 3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("3.", 3.0),
        ("no", False),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 3", 3.0),
        ("{a: {b: 1}, <<: {c: 2}}", {"a": {"b": 1}, "c": 2}),
    ],
)
def test_scalars_are_what_a_reader_expects(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}", where="f")["a"]
    assert (found, type(found)) == (value, type(value))


def test_aliases_and_merges_are_read() -> None:
    text = "base: &b {x: 1, y: 2}\nmine: {<<: *b, x: 5}\nagain: [*b, *b]\n"
    data = parse_yaml(text, where="f")
    assert data["mine"] == {"x": 5, "y": 2}
    assert data["again"] == [{"x": 1, "y": 2}] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_and_windows_line_ends_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "f.yaml").write_bytes("a: ä\r\nb: [1]\r\n".encode(encoding))
    assert read_yaml(tmp_path / "f.yaml") == {"a": "ä", "b": [1]}


def test_other_encodings_are_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(BadInputError, match=r"f\.yaml, line 2: not UTF-8 text"):
        read_yaml(tmp_path / "f.yaml")


def test_tags_that_are_asked_for_are_made(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: !function x.y\n")
    assert read_yaml(tmp_path / "f.yaml", tags={"!function": str.upper}) == {"a": "X.Y"}
