"""What is sent and how replies are read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from rtbench_plugins.remote.options import profile_of, remote_options
from rtbench_plugins.remote.wire import Body, completions, read_fault, read_reply

from rtbench.errors import BadInputError
from rtbench.schema.completions import Completion, Prefill
from tests.helpers.servers import asked

TAGS = ("<think>", "</think>")


def body(options: dict[str, Any] | None = None, **sampling: Any) -> dict[str, Any]:
    found = remote_options("t", {"model": "m", **(options or {})})
    (request,) = asked(1, **sampling)
    sent: dict[str, Any] = json.loads(Body(found, profile_of(found)).encoded(request, 1))
    return sent


def test_chat_and_the_older_endpoint() -> None:
    local = {"base_url": "http://localhost:8000/v1", "api_key_env": None}
    chat = body({**local, "system": "Be brief."})
    assert chat["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Question 0: how many?"},
    ]
    assert chat["max_tokens"] == 50
    assert 0 <= chat["seed"] < 2**31
    plain = body({**local, "endpoint": "completions"}, stop=("\nQ:",))
    assert plain["prompt"] == "Question 0: how many?"
    assert plain["stop"] == ["\nQ:"]
    assert "messages" not in plain


def test_greedy_request_has_no_seed_and_no_default_is_sent() -> None:
    assert body(temperature=0.0).keys() == {"model", "messages", "max_completion_tokens", "temperature"}


@pytest.mark.parametrize(
    ("model", "host", "there", "absent"),
    [
        ("gpt-4o", "api.openai.com", {"max_completion_tokens", "temperature", "stop"}, {"max_tokens"}),
        ("o4-mini", "api.openai.com", {"max_completion_tokens"}, {"max_tokens", "temperature", "stop"}),
        ("gpt-5-mini", "api.openai.com", {"max_completion_tokens"}, {"temperature"}),
        ("o4-mini", "my.host", {"max_tokens", "temperature", "seed"}, {"max_completion_tokens"}),
        ("mistral-small", "api.mistral.ai", {"random_seed"}, {"seed"}),
        ("qwen3:8b", "localhost:11434", {"max_tokens", "temperature", "seed", "stop"}, {"n", "max_completion_tokens"}),
        ("qwen/qwen3-8b", "192.168.0.7:1234", {"max_tokens", "temperature", "seed", "stop"}, {"n"}),
    ],
)
def test_profile_follows_host_and_model(model: str, host: str, there: set[str], absent: set[str]) -> None:
    sent = body({"model": model, "base_url": f"https://{host}/v1"}, stop=("Q:",)).keys()
    assert there <= sent
    assert not absent & sent


def test_profile_may_be_named_or_stated() -> None:
    assert "max_completion_tokens" not in body({"profile": "plain"})
    stated = body(
        {"profile": {"names": {"max_tokens": "limit"}, "without": ["seed"], "most_stops": 1}}, stop=("a", "b")
    )
    assert stated["limit"] == 50
    assert stated["stop"] == ["a"]
    assert "seed" not in stated


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"base_url": "http://localhost:11434/v1"}, "ollama"),
        ({"base_url": "https://ollama.com/v1"}, "ollama"),
        ({"base_url": "http://localhost:1234/v1"}, "lm-studio"),
        ({"base_url": "http://localhost:8080/v1"}, "plain"),
        ({"base_url": "http://localhost:8080/v1", "profile": "llama-cpp"}, "llama-cpp"),
    ],
)
def test_servers_on_this_machine_are_asked_for_one_completion_per_call(options: dict[str, Any], name: str) -> None:
    """Ollama, LM Studio and llama-server return one completion whatever ``n`` says, so the rest would be asked for again."""
    found = remote_options("t", {"model": "m", "api_key_env": None, "n": 4, **options})
    profile = profile_of(found)
    assert profile.name == name
    assert profile.most_n == (1 if name != "plain" else 128)


def test_further_fields_go_as_they_are_and_win() -> None:
    sent = body({"extra": {"reasoning_effort": "low", "temperature": 1}})
    assert (sent["reasoning_effort"], sent["temperature"]) == ("low", 1)


def read(message: dict[str, Any], **rest: Any) -> Completion:
    data = {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **rest}]}
    reply = read_reply(msgspec.json.encode(data))
    assert reply is not None
    (found,) = completions(asked(1, stop=("\nQ:",)), reply, TAGS)
    return found


@pytest.mark.parametrize(
    "message",
    [
        {"content": "It is 2.", "reasoning": "One and one."},
        {"content": "It is 2.", "reasoning_content": "One and one.", "reasoning": None},
        {"content": "It is 2.", "reasoning_details": [{"type": "a", "text": "One "}, {"summary": "and one."}]},
        {"content": "<think>One and one.</think>\n\nIt is 2."},
        {"content": "One and one.</think>It is 2."},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "One and one."}]},
                {"type": "text", "text": "It is 2."},
            ]
        },
        {"content": [{"type": "thinking", "thinking": "One and one."}, {"type": "text", "text": "It is 2."}]},
    ],
)
def test_thoughts_of_all_kinds_are_kept_apart(message: dict[str, Any]) -> None:
    found = read(message)
    assert (found.reasoning, found.text) == ("One and one.", "It is 2.")


def test_thoughts_without_an_end_are_no_answer() -> None:
    found = read({"content": "<think>One and one"}, finish_reason="length")
    assert (found.reasoning, found.text, found.finish_reason) == ("One and one", "", "length")


def test_text_is_cut_at_a_stop_string_whatever_the_server_did() -> None:
    """One that went on to its most tokens has ended well all the same."""
    found = read({"content": "It is 2.\nQ: and 3?"}, finish_reason="length")
    assert (found.text, found.finish_reason) == ("It is 2.", "stop")


def unanswered(choice: dict[str, Any]) -> str | None:
    """The kind of a choice without an answer; None for one that holds an answer."""
    reply = read_reply(msgspec.json.encode({"choices": [choice]}))
    assert reply is not None
    assert len(reply.choices) + len(reply.unanswered) == 1
    return reply.unanswered[0].kind if reply.unanswered else None


@pytest.mark.parametrize(
    ("message", "finish", "kind"),
    [
        ({"content": ""}, "content_filter", "filtered"),
        ({"content": "The first two of"}, "content_filter", "filtered"),
        ({"content": None}, "SAFETY", "filtered"),
        ({"content": None, "refusal": "I cannot."}, "stop", "refused"),
        ({"content": ""}, "refusal", "refused"),
        ({"content": "It is 2.", "refusal": "Not more."}, "stop", None),
        ({"content": ""}, "stop", "empty"),
        ({"content": " \n"}, "stop", "empty"),
        ({"content": []}, "stop", "empty"),
        ({}, None, "empty"),
        ({"content": None, "reasoning": "One and one."}, "stop", None),
        ({"content": "<think>One and one.</think>"}, "stop", None),
        ({"content": None, "tool_calls": [{"id": "a"}]}, "tool_calls", None),
        ({"content": None}, "length", None),
        ({"content": ""}, "max_tokens", None),
    ],
)
def test_choice_without_an_answer_is_none(message: dict[str, Any], finish: str | None, kind: str | None) -> None:
    assert unanswered({"message": message, "finish_reason": finish}) == kind


def test_model_that_ends_a_plain_completion_at_once_has_answered() -> None:
    assert unanswered({"text": "", "finish_reason": "stop"}) is None
    assert unanswered({"text": "", "finish_reason": "content_filter"}) == "filtered"
    assert unanswered({"text": "", "finish_reason": None}) == "empty"


def test_thinking_that_used_all_tokens_is_cut() -> None:
    found = read({"content": None, "reasoning": "One and"}, finish_reason="max_tokens")
    assert (found.text, found.reasoning, found.finish_reason) == ("", "One and", "length")


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b'{"choices": []}', b'{"choices": [{"mess', b"[]", b"\xff\xfe", b'{"choices": 3}']
)
def test_reply_that_is_none(data: bytes) -> None:
    assert read_reply(data) is None


@pytest.mark.parametrize(
    ("data", "message", "code"),
    [
        (b'{"error": {"message": "no", "code": "c"}}', "no", "c"),
        (b'{"error": {"message": "no", "type": "t", "param": null}}', "no", "t"),
        (b'{"error": {"message": "no", "code": 503}}', "no", "503"),
        (b'{"error": "no"}', "no", ""),
        (b'{"message": "no"}', "no", ""),
        (b'{"detail": [{"msg": "no"}]}', "[{'msg': 'no'}]", ""),
        (b'{"choices": [{"finish_reason": "error", "error": {"message": "no", "code": 502}}]}', "no", "502"),
    ],
)
def test_fault_is_read_whatever_its_form(data: bytes, message: str, code: str) -> None:
    found = read_fault(data)
    assert found is not None
    assert (found.message, found.code, found.stated) == (message, code, True)


@pytest.mark.parametrize("data", [b"Bad gateway", b"\xff", b"[]", b'{"error": {"mess', b'{"a": ' + b"[" * 100_000])
def test_body_without_a_fault(data: bytes) -> None:
    assert read_fault(data) is None


@pytest.mark.parametrize("total", [0, 1, 7, 1000])
@pytest.mark.parametrize("texts", [[".", "."], ["a", "bbbb", "cc"], ["x"]])
def test_tokens_of_a_call_are_divided_without_loss(total: int, texts: list[str]) -> None:
    choices = [{"message": {"content": text}} for text in texts]
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": total,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": total // 2},
    }
    reply = read_reply(msgspec.json.encode({"choices": choices, "usage": usage}))
    assert reply is not None
    found = [c.usage for c in completions(asked(1, each=len(texts)), reply, TAGS)]
    assert sum(u.completion_tokens for u in found if u) == total
    assert sum(u.thinking_tokens for u in found if u) == total // 2
    assert sum(u.prompt_tokens for u in found if u) == 11
    assert sum(u.cached_tokens for u in found if u) == 4


def test_server_that_counts_no_tokens_leaves_them_out() -> None:
    assert read({"content": "a"}).usage is None


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7)),
        ({"prompt_tokens": 5.0, "completion_tokens": 7.0}, (5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": None, "total_tokens": 12}, (5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 386}, (5, 381)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": None}, (5, 7)),
        ({"prompt_tokens": "many"}, None),
        ([], None),
    ],
)
def test_usage_is_read_in_any_form_and_never_makes_a_good_reply_a_bad_one(
    usage: Any, tokens: tuple[int, int] | None
) -> None:
    data = {"choices": [{"message": {"content": "a"}}], "usage": usage}
    reply = read_reply(msgspec.json.encode(data))
    assert reply is not None
    (found,) = completions(asked(1), reply, TAGS)
    assert (found.usage and (found.usage.prompt_tokens, found.usage.completion_tokens)) == tokens


@pytest.mark.parametrize(
    "choice", [{"index": 0}, {"finish_reason": "error", "message": {"content": ""}, "error": {"message": "upstream"}}]
)
def test_fault_in_the_place_of_a_completion_has_not_come(choice: dict[str, Any]) -> None:
    good = {"message": {"content": "It is 2."}, "finish_reason": "stop"}
    assert read_reply(msgspec.json.encode({"choices": [choice]})) is None
    reply = read_reply(msgspec.json.encode({"choices": [choice, good]}))
    assert reply is not None
    assert len(reply.choices) == 1


def test_an_answer_that_is_begun_is_the_assistants_last_message() -> None:
    prefill = Prefill(thinking=" one", text="So")
    sent = begun_body({"base_url": "http://localhost:8000/v1", "api_key_env": None}, prefill)
    assert sent["messages"][-1] == {"role": "assistant", "content": "<think> one\n</think>\n\nSo"}
    assert sent["messages"][-2]["role"] == "user"
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    plain = begun_body({"endpoint": "completions"}, prefill)
    assert plain["prompt"].endswith("<think> one\n</think>\n\nSo")
    assert "continue_final_message" not in plain


def begun_body(options: dict[str, Any], prefill: Prefill) -> dict[str, Any]:
    found = remote_options("t", {"model": "m", **options})
    (request,) = asked(1)
    encoded = Body(found, profile_of(found)).encoded(msgspec.structs.replace(request, prefill=prefill), 1)
    sent: dict[str, Any] = json.loads(encoded)
    return sent


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_thinking_tokens": 512}, "leaves|less than"),
        ({"max_thinking_tokens": 0}, "at least 1"),
        ({"max_thinking_tokens": 8, "thinking": None}, "needs the tags of thinking"),
        ({"max_thinking_tokens": 8, "base_url": "https://api.openai.com/v1"}, "profile openai has no `prefill`"),
        ({"max_thinking_tokens": 8, "profile": "transformers"}, "has no `prefill`"),
    ],
)
def test_a_thinking_budget_that_cannot_be_kept_is_one_error(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        remote_options("t", {"model": "m", **options})


def test_a_thinking_budget_of_servers_that_continue_is_taken() -> None:
    for more in ({"base_url": "http://localhost:11434/v1", "api_key_env": None}, {"endpoint": "completions"}):
        assert remote_options("t", {"model": "m", "max_thinking_tokens": 8, **more}).max_thinking_tokens == 8
