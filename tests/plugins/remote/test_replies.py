"""Replies with status 200 that hold no answer: what the user reads, and what is kept, paid and asked again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.remote import booking
from rtbench_plugins.remote.engine import EndpointError
from rtbench_plugins.remote.messages import shortened

from rtbench.errors import NotYetError, StepFailedError
from rtbench.schema.completions import Completion
from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget
from tests.helpers.cli import Cli
from tests.helpers.servers import MakeServer, Server, asked, completions, matrix

USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


def body(message: dict[str, Any], finish: str | None, **more: Any) -> str:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    return json.dumps({"choices": [choice], "usage": USAGE})


def error(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, **more}})


FILTERED = body({"content": ""}, "content_filter")
REFUSED = body({"content": None, "refusal": "I cannot\x1b[31m help with 1 of those."}, "stop")
EMPTY = body({"content": None}, "stop")
STREAM = 'data: {"choices": [{"delta": {"content": "The"}}]}\n\ndata: [DONE]\n\n'
PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title><script>let a = 1</script></head><body>Your <b>login</b></body>"
)
KIND = {"page": "text/html", "stream": "text/event-stream"}


@pytest.mark.parametrize(
    ("said", "kind", "message", "calls"),
    [
        (FILTERED, "", "stopped by a content filter (finish reason content_filter) (1)", 1),
        (REFUSED, "", "refused by the model (finish reason stop), such as 'I cannot help with 1 of those.' (1)", 1),
        (EMPTY, "", "answered with no text (finish reason stop) (1)", 1),
        (body({}, None), "", "answered with no text (no finish reason) (1)", 1),
        (error("model overloaded", code=503), "", "200 with the error 503: model overloaded (1)", 3),
        (error("slow down", type="overloaded_error"), "", "200 with the error overloaded_error: slow down (1)", 3),
        (error("try again later"), "", "200 with the error: try again later (1)", 3),
        (error("something broke"), "", "200 with the error: something broke (1)", 3),
        (
            error("too long", code="context_length_exceeded"),
            "",
            "200 with the error context_length_exceeded: too long (1)",
            1,
        ),
        (error("no", code=422), "", "200 with the error 422: no (1)", 1),
        (error("flagged", code="content_filter"), "", "200 with the error content_filter: flagged (1)", 1),
        ('{"detail": "no route"}', "", "200 with the error: no route (1)", 3),
        (body({}, "error", error={"message": "upstream", "code": 502}), "", "answered with no text", 1),
        (PAGE, "page", "200, but the reply is an HTML page, not JSON: Sign in Your login (asked http", 3),
        (STREAM, "stream", "200, but the reply is an event stream, which was not asked for", 1),
        (f"data: {error('no credit')}\n\n", "stream", "which was not asked for: no credit (1)", 1),
        ("Service\x1b[2J is \x07up", "text", "200, but the reply is not JSON: Service is up (asked http", 3),
        ("", "", "200, but the reply is empty (1)", 3),
        ('{"choices": [], "usage": {}}', "", "200, but the reply has no choice (1)", 3),
        ('{"choices": [{"mess', "", "200, but the reply is truncated or not valid JSON (1)", 3),
        ("[1, 2]", "", "200, but the reply has no choice (1)", 3),
        (error("A" * 50_000), "", "AAAA… (1)", 3),
    ],
)
def test_what_a_server_said_is_in_the_failure(
    server: MakeServer, said: str, kind: str, message: str, calls: int
) -> None:
    """One of five questions gets this reply; the answers to the others are kept."""
    odd = server(bodies={"Question 1:": said}, content_type=KIND.get(kind, "application/json"))
    found: list[Completion] = []
    if '"finish_reason": "error"' in said:  # as if this choice had not come, and the reply has no other
        message, calls = "200 with the error 502: upstream (1)", 3
    busy = "503" in said or "overloaded" in said or "try again" in said
    teacher = odd.teacher(retries=2, concurrency=1, patience=1 if busy else 600)
    with pytest.raises(StepFailedError) as failed:
        found.extend(teacher.open(teacher.members()[0]).generate(asked(5)))
    assert len(found) == 4
    if busy:  # as with the status 503, the server is only asked more slowly, until patience ends
        assert failed.value.what.endswith(f"last error: {message.removesuffix(' (1)')}")
        return
    assert failed.value.what.startswith("1 of 5 requests got no completion: ")
    assert message in failed.value.what
    assert len(failed.value.what) < 400
    assert failed.value.what.isprintable()
    assert odd.stats()["calls"] == 4 + calls


def pending_or_direct(
    odd: Server, workspace: Path, *, batch: bool, budget: Budget | None = None, **options: Any
) -> Any:
    """All completions of five questions; the model; asked directly or in batches."""
    found: dict[str, Completion] = {}
    for _ in range(200):
        teacher = odd.teacher(budget, workspace, batch=batch, **options)
        model = teacher.open(teacher.members()[0])
        try:
            for completion in model.generate([r for r in asked(5) if r.key not in found]):
                found[completion.key] = completion
        except NotYetError:
            time.sleep(0.02)
            continue
        return list(found.values()), model
    raise AssertionError("it never ends")


@pytest.mark.parametrize("batch", [False, True])
def test_refused_requests_may_be_missing_and_are_counted_by_kind(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: bool
) -> None:
    monkeypatch.setattr(booking, "LOOK_AFTER", 0.0)
    odd = server(bodies={"Question 1:": FILTERED, "Question 2:": REFUSED, "Question 3:": EMPTY})
    with pytest.raises(StepFailedError, match="3 of . requests got no completion") as failed:
        pending_or_direct(odd, tmp_path / "strict", batch=batch)
    for reason in ("content_filter", "I cannot help", "answered with no text", "`refused: missing`"):
        assert reason in str(failed.value)
    found, model = pending_or_direct(odd, tmp_path / "lenient", batch=batch, refused="missing")
    assert {c.sample_index for c in found} == {0, 4}
    assert model.refused == {"filtered": 1, "refused": 1, "empty": 1}


@pytest.mark.parametrize("batch", [False, True])
def test_reply_without_an_answer_is_paid(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: bool
) -> None:
    monkeypatch.setattr(booking, "LOOK_AFTER", 0.0)
    odd = server(bodies={"Question": FILTERED})
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10 * 10**9))
    budget.begin()
    price = {"input": 0.0, "output": 1000.0, "batch": 1.0}
    found, _ = pending_or_direct(odd, tmp_path, batch=batch, budget=budget, refused="missing", price=price)
    assert found == []
    assert (budget.account().spent, budget.account().reserved) == (5 * 20 * 10**6, 0)


def test_one_of_several_choices_may_be_missing(server: MakeServer) -> None:
    choices = [
        {"message": {"content": None}, "finish_reason": "content_filter"},
        {"message": {"content": "It is 2."}, "finish_reason": "stop"},
    ]
    odd = server(bodies={"Question 0:": json.dumps({"choices": choices, "usage": USAGE})})
    (found,) = odd.ask(asked(1, each=2), n=2, refused="missing")
    assert found.text == "It is 2."
    assert found.usage is not None
    assert found.usage.completion_tokens == 20, "the whole call is paid"
    assert odd.stats()["calls"] == 1, "the filtered one is not asked again"


@pytest.mark.parametrize(
    ("kind", "said", "base", "hint"),
    [("page", PAGE, "", True), ("page", PAGE, "/v1", False), ("text", "Server is running", "", True)],
)
def test_wrong_address_is_named_after_a_few_calls(
    server: MakeServer, kind: str, said: str, base: str, hint: bool
) -> None:
    odd = server(bodies={"Question": said}, content_type=KIND.get(kind, "text/plain"))
    address = f"http://127.0.0.1:{odd.port}{base}"
    with pytest.raises(EndpointError, match="not that of an OpenAI-compatible endpoint") as failed:
        odd.ask(asked(50), base_url=address, concurrency=2)
    assert f"asked {address}/chat/completions" in failed.value.what
    assert ("does `base_url` lack /v1?" in failed.value.what) is hint
    assert odd.stats()["calls"] < 12


def test_address_is_named_at_404(server: MakeServer) -> None:
    odd = server(status=404, message="404 page not found")
    with pytest.raises(EndpointError) as failed:
        odd.ask(asked(5), base_url=f"http://127.0.0.1:{odd.port}")
    address = f"asked http://127.0.0.1:{odd.port}/chat/completions; does `base_url` lack /v1?"
    assert failed.value.what == f"the endpoint refuses: 404 page not found ({address})"


def test_key_at_the_end_of_a_shortened_message_is_removed(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "planted0123456789")
    odd = server(status=422, message="x" * 190 + " planted0123456789")
    with pytest.raises(StepFailedError) as failed:
        odd.ask(asked(1), api_key_env="MY_KEY")
    assert "planted" not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b]0;title\x07a\x1b[31mb\x1b[0m\n\tc", "a b c"),
        ("a\u202eb\x00", "a b"),
        ("a" * 300, "a" * 199 + "…"),
        ("\x1b", ""),
    ],
)
def test_message_is_one_readable_line(text: str, line: str) -> None:
    assert shortened(text) == line


def refused_of_last_questions(cli: Cli, server: MakeServer, **options: Any) -> tuple[Server, Path]:
    """A matrix whose teacher is refused two of the questions, once each."""
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=1, **options)
    cli("run", "--matrix", path, "--name", "probe", "--workspace", cli.folder / "probe")
    prompts = sorted({c.prompt for c in completions(cli.folder / "probe")})
    fine.set(bodies={prompts[0]: FILTERED, prompts[-1]: REFUSED})
    return fine, path


def test_filtered_question_is_asked_again_by_the_next_run(cli: Cli, server: MakeServer) -> None:
    odd, path = refused_of_last_questions(cli, server)
    said = cli("run", "--matrix", path, code=1).stderr
    assert "stopped by a content filter (finish reason content_filter)" in said
    kept = completions(cli.workspace)
    assert kept
    assert all(c.text for c in kept)
    odd.set(bodies={})
    cli("run", "--matrix", path)
    assert len(completions(cli.workspace)) == 60


def test_board_errors_and_claims_tell_refused_and_cut_answers_apart(cli: Cli, server: MakeServer) -> None:
    odd, path = refused_of_last_questions(cli, server, refused="missing")
    odd.set(finish="length")
    board: Any = cli.json("run", "--matrix", path)
    results = {row["method"]: row["results"]["parity"] for row in board["rows"] if row["kind"] != "random"}
    counted = [results["teacher"]["answers"], results["fine-tune-cot"]["rationales"]]
    assert sum(one.get("refused", {}).get(kind, 0) for one in counted for kind in ("filtered", "refused")) >= 2
    assert all(one["cut"] == one["sent"] - sum(one.get("refused", {}).values()) for one in counted)
    assert "Warning: answers cut by the token limit" in cli("report").stdout
    text = cli("report", "--verbose").stdout
    assert "Warning: answers cut by the token limit: teacher far on parity" in text
    assert "1 stopped by a content filter" in text
    table: Any = cli.json("errors")
    of_teacher = next(cell for cell in table["cells"] if "teacher" in cell["cell"])
    assert of_teacher["cut"] == of_teacher["wrong"] == results["teacher"]["wrong_cut"]
    assert "wrong answers whose text was cut by the token limit" in cli("errors").stdout
    assert "were cut by the token limit" in cli("claims").stdout
