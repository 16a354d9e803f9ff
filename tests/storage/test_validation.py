"""Every way that plain data can be no record is told by key, with what stands there and what could."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.base import Record
from rtbench.schema.matrix import MatrixFile
from rtbench.schema.training import Recipe
from rtbench.storage.plain_data import convert


class Inner(Record, frozen=True):
    rank: int = 1
    kind: Literal["nf4", "int8"] | None = None


class Options(Record, frozen=True):
    model: str
    form: Literal["one-stage", "two-stage"] = "one-stage"
    count: int = 1
    rate: float = 0.5
    inner: Inner | None = None
    names: tuple[str, ...] | None = None
    both: tuple[int, int] = (1, 2)
    several: list[Inner] = []
    by_name: dict[str, int] = {}
    on: bool = False
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    parts: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    some: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("a",)


@pytest.mark.parametrize(
    ("given", "said", "advice"),
    [
        ({"form": "two-stages"}, "here, form: unknown value 'two-stages'", "Did you mean 'two-stage'?"),
        ({"inner": {"rnak": 1}}, "here, inner: unknown key 'rnak'", "Did you mean 'rank'?"),
        ({"inner": {"kind": "nf5"}}, "here, inner.kind: unknown value 'nf5'", "Available: int8, nf4"),
        ({"inner": 3}, "here, inner: 3 is not a mapping", None),
        ({"count": "two"}, "here, count: 'two' is not a whole number", None),
        ({"count": 1.5}, "here, count: 1.5 is not a whole number", None),
        ({"rate": "fast"}, "here, rate: 'fast' is not a number", None),
        ({"names": "q_proj"}, "here, names: 'q_proj' is not a list", "Write [q_proj]."),
        ({"several": "q_proj"}, "here, several: 'q_proj' is not a list", None),
        ({"both": [1]}, "here, both: [1] is not a list of 2", None),
        ({"several": [{}, {"rank": "x"}]}, "here, several[1].rank: 'x' is not a whole number", None),
        ({"several": [{}, {"knid": 1}]}, "here, several[1]: unknown key 'knid'", "Did you mean 'kind'?"),
        ({"by_name": {"a": 1, "b": None}}, "here, by_name.b: None is not a whole number", None),
        ({"by_name": {3: 4}}, "here, by_name: the key 3 is not text", "quotes"),
        ({"share": 2}, "here, share: 2 must be at most 1", None),
        ({"parts": {"a": 0.5, "b": -0.5}}, "here, parts.b: -0.5 must be at least 0", None),
        ({"some": []}, "here, some: an empty list", None),
        ({"on": "yes"}, "here, on: 'yes' is not true or false", None),
        ({"model": 5}, "here, model: 5 is not text", None),
        ({"names": ["x" * 80, 1]}, "here, names[1]: 1 is not text", None),
    ],
)
def test_mistake_names_the_key(given: dict[str, Any], said: str, advice: str | None) -> None:
    with pytest.raises((BadInputError, UnknownNameError)) as caught:
        convert({"model": "m"} | given, Options, where="here")
    text = str(caught.value)
    assert text.startswith(said), text
    assert "`$" not in text
    assert "Expected" not in text
    if advice is not None:
        assert advice in text


def test_missing_key_is_named() -> None:
    with pytest.raises(BadInputError, match="here: `model` is missing"):
        convert({}, Options, where="here")


def test_what_is_right_is_taken() -> None:
    found = convert({"model": "m", "inner": {"kind": "nf4"}, "both": [3, 4]}, Options, where="here")
    assert found == Options(model="m", inner=Inner(kind="nf4"), both=(3, 4))
    assert msgspec.to_builtins(found)["both"] == (3, 4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"limit": 10**30}, "limit: the number is above 10^15"),
        ({"limit": -(10**30)}, "limit: the number is below -10^15"),
        ({"limit": 10**12}, "limit: 1000000000000 must be at most 1,000,000,000"),
        ({"seeds": [0, 2**32]}, r"seeds[1]: 4294967296 must be at most 4,294,967,295"),
        ({"degrees": [10**5]}, r"degrees[0]: 100000 must be at most 10,000"),
        ({"temperature": float("inf")}, "temperature: inf is not a finite number"),
        ({"temperature": float("nan")}, "temperature: nan is not a finite number"),
        ({"fractions": [float("nan")]}, "fractions[0]: nan is not a finite number"),
        ({"recipe": {"objectives": {"grpo": {"beta": float("inf")}}}}, "recipe.objectives.grpo.beta: inf"),
        ({"knobs": {"multiarith": {"steps": 10**40}}}, "knobs.multiarith.steps: the number is above"),
        ({"teachers": [{"name": "a", "price": {"input": float("-inf")}}]}, "teachers[0].price.input: -inf"),
    ],
)
def test_number_that_nobody_means_is_named_with_its_key(data: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError) as error:
        convert(data, MatrixFile, where="m.yaml")
    assert f"m.yaml, {said}" in str(error.value)


@pytest.mark.parametrize("key", ["epochs", "steps", "batch_size", "max_new_tokens", "warmup_steps", "patience"])
@pytest.mark.parametrize("value", [10**10, 10**20, -1])
def test_whole_numbers_of_a_recipe_have_bounds(key: str, value: int) -> None:
    with pytest.raises(BadInputError, match=key):
        convert({key: value}, Recipe, where="r")
