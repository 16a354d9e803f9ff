"""A teacher's own prompt, written in the matrix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rtbench_plugins.methods.formats import format_of, learns_from, sees_answers
from rtbench_plugins.remote.options import remote_options

from rtbench.errors import BadInputError
from tests.helpers.cli import Cli
from tests.helpers.servers import MakeServer

PROMPT = "Write a short solution.\n\n{question}\n\nEnd with: So it is ANSWER."


def options(**more: object):
    return remote_options("mine", {"model": "m", "prompt": PROMPT, "answer_prefix": "So it is", **more})


def test_a_prompt_is_a_format_of_its_own() -> None:
    mine = options()
    assert format_of(mine).decoder.input == PROMPT
    assert format_of(mine).answer_prefix == "So it is"
    assert format_of(mine).name != format_of(options(answer_prefix="It is")).name, "the answers stand elsewhere"
    assert learns_from(options(rationale="thoughts")) == "thoughts", "it has one stage"
    assert not sees_answers(mine)
    assert sees_answers(options(prompt="{question} is {answer}. Why?"))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("Why?", "no {question}"),
        ("{question} {gold}", "unknown field {gold}"),
        ("{question} {question.index}", "unknown field {question.index}"),
        ("{question} {", "not a template"),
        ("{question} {}", "unknown field {}"),
    ],
)
def test_a_prompt_that_is_no_template_is_an_error(prompt: str, message: str) -> None:
    with pytest.raises(BadInputError) as error:
        options(prompt=prompt)
    assert message in str(error.value)
    assert "teacher 'mine'" in str(error.value)


MATRIX = """
name: own
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
limit: 3
curators: [distinct]
recipe: {{epochs: 1}}
teachers:
  - name: mine
    use: openai
    model: m
    base_url: {url}
    api_key_env: null
    prompt: "{prompt}"
"""


def test_a_teacher_that_is_told_the_answer_has_no_row_of_its_own(cli: Cli, server: MakeServer) -> None:
    endpoint = server()
    path = cli.folder / "m.yaml"
    path.write_text(MATRIX.format(url=endpoint.url, prompt="{question} is '{answer}': why?"))
    cli("run", "--matrix", path)
    lines = [
        json.loads(line)
        for file in Path(cli.workspace / "ledger").glob("openai-*/**/*.jsonl")
        for line in file.read_text().splitlines()
    ]
    prompts = {line["sample_index"]: line["prompt"] for line in lines}
    assert len(prompts) == 3
    assert all(prompt.endswith((" is 'yes': why?", " is 'no': why?")) for prompt in prompts.values())
    board = json.loads(cli("report", "--format", "json").stdout)
    assert "teacher" not in {row["kind"] for row in board["rows"]}


def test_a_teacher_with_a_prompt_of_its_own_is_measured(cli: Cli, server: MakeServer) -> None:
    endpoint = server()
    path = cli.folder / "m.yaml"
    path.write_text(MATRIX.format(url=endpoint.url, prompt="{question} Think."))
    cli("run", "--matrix", path)
    board = json.loads(cli("report", "--format", "json").stdout)
    assert "teacher" in {row["kind"] for row in board["rows"]}
