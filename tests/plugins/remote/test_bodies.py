"""Bodies of replies: bounded, and repaired where single characters are broken."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtbench_plugins.remote.bodies import CompressedCutError, decoded, read_up_to, whole

ANY = msgspec.json.Decoder(Any)


def read(body: bytes, most: int, encoding: str = "", step: int = 1000) -> tuple[bytes, bool]:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]

    return asyncio.run(read_up_to(chunks(), most, encoding))


@given(st.binary(max_size=3000), st.integers(0, 3000), st.integers(1, 700))
def test_body_is_read_up_to_its_limit_compressed_or_not(body: bytes, most: int, step: int) -> None:
    expected = (body[:most], len(body) > most)
    assert read(body, most, step=step) == expected
    assert read(gzip.compress(body), most, "gzip", step) == expected
    assert read(zlib.compress(body), most, "deflate", step) == expected


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 5000])
def test_other_compression_is_an_error(encoding: str) -> None:
    with pytest.raises(CompressedCutError) as error:
        read(b"abc", 10, encoding)
    assert len(str(error.value)) < 100


@given(
    st.recursive(
        st.text() | st.integers(-5, 5) | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_sound_json_is_not_changed(value: Any) -> None:
    for encoded in (msgspec.json.encode(value), json.dumps(value).encode()):
        assert whole(encoded) == encoded
        assert decoded(ANY, encoded) == value


@given(st.text(st.characters(categories=["Cs", "L"]) | st.sampled_from('\\"u/d8😀'), max_size=12))
def test_half_characters_are_replaced_and_nothing_else(text: str) -> None:
    """Halves that make a whole are one character, as everywhere in JSON."""
    read = decoded(ANY, json.dumps([text]).encode())
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert [read[0].replace("\ufffd", "")] == [joined.replace("\ufffd", "")]
    assert not any("\ud800" <= c <= "\udfff" for c in read[0])


@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_are_read_as_far_as_they_go(data: bytes) -> None:
    inner = bytes(b for b in data if b >= 32 and b not in b'"\\')
    assert isinstance(decoded(ANY, b'["' + inner + b'"]')[0], str)
