"""Teachers that rewrite the rationales of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli
from tests.helpers.runs import step_meta, step_metas, write_matrix
from tests.helpers.servers import MakeServer

MATRIX = """
name: rewritten
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
limit: 3
degrees: [2]
temperature: 0.7
curators: [distinct]
recipe: {{epochs: 1}}
teachers:
  - name: shorter
    use: rewrite
    source: {{use: counter}}
    by: {{use: openai, model: m, base_url: {url}, api_key_env: null, prompt: "{prompt}", price: {{input: 1, output: 2}}}}
"""


def written(cli: Cli, url: str, prompt: str = "Q: {question} Shorter, please: {rationale} It is {answer}.") -> Path:
    return write_matrix(cli, MATRIX.format(url=url, prompt=prompt))


def lines(cli: Cli, pattern: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in Path(cli.workspace / "ledger").glob(pattern)
        for line in file.read_text().splitlines()
    ]


def test_each_rationale_is_rewritten_and_the_student_learns_the_new_ones(cli: Cli, server: MakeServer) -> None:
    endpoint = server()
    cli("run", "--matrix", written(cli, endpoint.url))
    source = {
        (line["sample_index"], line["completion_index"]): line["text"] for line in lines(cli, "counter-*/**/*.jsonl")
    }
    asked = {(line["sample_index"], line["completion_index"]): line for line in lines(cli, "openai-*/**/*.jsonl")}
    assert len(asked) == 6
    assert asked.keys() == {key for key in source if key[0] < 40}
    for key, line in asked.items():
        rationale = source[key].partition(" The answer is")[0]
        assert f"Shorter, please: {rationale} It is " in line["prompt"]
        assert line["prompt"].startswith("Q: Is the number of x in")
    (curated,) = step_metas(cli, "curate")
    (complete,) = [i["key"] for i in curated["inputs"]]
    assert [i["role"] for i in step_meta(cli, "complete", complete)["inputs"]] == ["rewritten"]
    examples = (cli.workspace / "store" / "curate" / curated["key"] / "examples.jsonl").read_text().splitlines()
    texts = {line["text"] for line in asked.values()}
    assert all(any(json.loads(one)["rationale"] in text for text in texts) for one in examples)
    board = json.loads(cli("report", "--format", "json").stdout)
    assert "teacher" not in {row["kind"] for row in board["rows"]}, "it is not measured"
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["results"]["parity"]["spending"]["money"] > 0
    again = cli.json("plan", "--matrix", written(cli, endpoint.url))
    assert isinstance(again, dict)
    assert {step["state"] for step in again["steps"]} == {"cached"}


def test_rationales_of_a_mix_are_rewritten(cli: Cli) -> None:
    path = written(cli, "http://localhost:1/v1")
    mix = "{use: mix, sources: [{use: counter}, {use: counter, errors: 0.5}]}"
    path.write_text(path.read_text().replace("{use: counter}\n", f"{mix}\n"))
    plan = cli.json("plan", "--matrix", path, "--limit", "4")
    assert isinstance(plan, dict)
    asked = [step for step in plan["steps"] if step["kind"] == "complete" and ": train" in step["title"]]
    assert [step["estimate"]["requests"] for step in asked] == [4, 4, 4, 4], "two parts, each asked and rewritten"


def test_the_plan_counts_both(cli: Cli) -> None:
    plan = cli.json("plan", "--matrix", written(cli, "http://localhost:1/v1"))
    assert isinstance(plan, dict)
    asked = [step for step in plan["steps"] if step["kind"] == "complete" and ": train" in step["title"]]
    assert [step["estimate"]["requests"] for step in asked] == [6, 6]
    assert asked[1]["title"].endswith("rewriting T0.7 ×2")
    assert asked[1]["estimate"]["money"] > 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{rationale}", "", "its prompt has no {rationale}"),
        ("use: rewrite", "use: rewritten", "rewritten"),
        ("source: {use: counter}", "source: {errors: 1}", "it names no teacher"),
        ("by: {use: openai, model: m,", "by: {use: counter, model: m,", "model"),
    ],
)
def test_what_cannot_rewrite_is_one_error(cli: Cli, old: str, new: str, said: str) -> None:
    path = written(cli, "http://localhost:1/v1")
    path.write_text(path.read_text().replace(old, new))
    assert said in cli("plan", "--matrix", path, code=2).stderr


def test_a_prompt_with_a_rationale_needs_one_to_rewrite(cli: Cli) -> None:
    path = written(cli, "http://localhost:1/v1")
    alone = path.read_text().replace(
        "    use: rewrite\n    source: {use: counter}\n    by: {use: openai", "    **{use: openai"
    )
    alone = alone.replace("  - name: shorter\n    **{use", "  - {name: shorter, use")
    path.write_text(alone)
    said = " ".join(cli("plan", "--matrix", path).stdout.split())
    assert "the prompt of shorter has {rationale}, and it has none to rewrite" in said
