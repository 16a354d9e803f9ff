"""Log-probabilities in requests and replies of endpoints."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from rtbench_plugins.remote.options import profile_of, remote_options
from rtbench_plugins.remote.wire import Body, completions, read_reply

from rtbench.errors import BadInputError
from rtbench.schema.logprobs import TokenLogprobs
from tests.helpers.servers import asked

LOCAL = {"model": "m", "base_url": "http://localhost:8000/v1", "api_key_env": None}


def stored(choice: dict[str, Any], most: int = 2) -> TokenLogprobs | None:
    reply = read_reply(json.dumps({"choices": [choice]}).encode())
    assert reply is not None
    (found,) = completions(asked(1, top_logprobs=most), reply, None)
    return found.logprobs


def plain(tokens: list[str], tops: list[dict[str, float] | None]) -> dict[str, Any]:
    return {"text": "".join(tokens), "finish_reason": "stop", "logprobs": {"tokens": tokens, "top_logprobs": tops}}


@pytest.mark.parametrize(
    ("endpoint", "sent"),
    [("chat", {"logprobs": True, "top_logprobs": 5}), ("completions", {"logprobs": 5})],
)
def test_each_endpoint_is_asked_in_its_own_way(endpoint: str, sent: dict[str, Any]) -> None:
    options = remote_options("t", LOCAL | {"endpoint": endpoint})
    (with_them,), (without,) = asked(1, top_logprobs=5), asked(1)
    body = Body(options, profile_of(options))
    found = json.loads(body.encoded(with_them))
    assert {name: found[name] for name in sent} == sent
    assert not sent.keys() & json.loads(body.encoded(without)).keys()


def test_tokens_of_a_plain_completion() -> None:
    found = stored(plain([" so", " 3"], [{" so": -0.1, " then": -2.5}, {" 4": -0.2, " 5": -2.0, " 3": -4.0}]))
    assert found is not None
    tokens, alternatives, logprobs = found.arrays()
    assert [found.texts[at] for at in tokens] == [" so", " 3"]
    assert [[found.texts[at] for at in row] for row in alternatives] == [[" so", " then"], [" 4", " 5"]]
    assert logprobs.tolist() == [pytest.approx([-0.1, -2.5], rel=1e-3), pytest.approx([-0.2, -2.0], rel=1e-3)]
    assert found.vocabulary == ""


def test_tokens_of_a_chat_are_read_from_their_bytes() -> None:
    place = {
        "token": "\\xc3\\xa9", "logprob": -0.5, "bytes": [195, 169],
        "top_logprobs": [{"token": "é", "logprob": -0.5, "bytes": [195, 169]}, {"token": "\\xc3", "logprob": -1.5, "bytes": [195]}],
    }  # fmt: skip
    found = stored({"message": {"content": "é"}, "finish_reason": "stop", "logprobs": {"content": [place]}})
    assert found is not None
    assert found.texts == ("é", "\\xc3")


def test_numbers_of_tokens_are_kept_as_numbers() -> None:
    found = stored(plain(["token_id:5"], [{"token_id:5": -0.1, "token_id:70000": -3.0}]))
    assert found is not None
    assert (found.arrays()[1].tolist(), found.texts) == ([[5, 70_000]], ())


def test_a_place_without_alternatives_has_none() -> None:
    """As the first token of a prompt that is echoed."""
    found = stored(plain([" a", " b"], [None, {" b": -0.5}]))
    assert found is not None
    assert found.arrays()[2].tolist() == [[-math.inf], [-0.5]]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        7,
        {"content": 5},
        {"tokens": [" a"], "top_logprobs": [{" a": 3.5}]},
        {"tokens": [" a"], "top_logprobs": [{" a": "low"}]},
        {"tokens": [" a"], "top_logprobs": [{"token_id:99999999999999999999": -1.0}]},
        {"content": [{"token": "a", "logprob": -1, "bytes": [300], "top_logprobs": []}]},
    ],
)
def test_what_cannot_be_read_is_left_out_and_the_text_stays(logprobs: Any) -> None:
    reply = read_reply(
        json.dumps({"choices": [{"text": "so 3", "finish_reason": "stop", "logprobs": logprobs}]}).encode()
    )
    assert reply is not None
    (found,) = completions(asked(1, top_logprobs=2), reply, None)
    assert found.text == "so 3"
    assert found.logprobs is None or found.logprobs.texts


def test_more_than_can_be_stored_is_refused() -> None:
    with pytest.raises(BadInputError, match="top_logprobs"):
        remote_options("t", LOCAL | {"top_logprobs": 500})
