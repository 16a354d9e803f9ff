"""The curator that ranks rationales by a student's likelihood of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from rtbench_plugins.curation.likely import likely

from rtbench.errors import RtbenchError
from rtbench.schema.training import Likelihood
from tests.helpers.cli import Cli
from tests.helpers.runs import step_metas, write_matrix
from tests.plugins.curation.test_curators import candidate, context

NATS = [2.0, 1.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1]),
        ({"most": 2}, [0, 1]),
        ({"prefer": "unlikely", "most": 2}, [2, 3]),
        ({"prefer": "median", "most": 2}, [0, 2]),
        ({"most": 9}, [0, 1, 2, 3]),
    ],
)
def test_ranks_within_each_question_by_the_mean_of_a_token(options, expected) -> None:
    found, likelihoods = [], {}
    for question in range(2):
        for at, nats in enumerate(NATS):
            one = candidate(f"{question}{at}", question=question, index=at)
            one = replace(one, completion=replace(one.completion, key=f"{question}/{at}"))
            found.append(one)
            tokens = 3 + at  # sums alone would rank otherwise
            likelihoods[f"{question}/{at}"] = Likelihood(
                key=f"{question}/{at}", sample_index=question, completion_index=at, tokens=tokens, nats=tokens * nats
            )
    given = context()
    given.likelihoods.update(likelihoods)  # type: ignore[attr-defined]
    kept = likely(options).keep(found, given)
    assert [one.completion.completion_index for one in kept] == expected * 2


@pytest.mark.parametrize(
    ("options", "said"),
    [({"model": {"name": "x"}}, "`model` needs `use`"), ({"most": 0}, "most"), ({"prefer": "best"}, "prefer")],
)
def test_wrong_options_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RtbenchError, match=said):
        likely(options)


LIKELY = """
name: likely
source: twin
extractor: strict
tasks: [multiarith]
methods: [fine-tune-cot]
teachers: [scripted]
students: [pocket-0.5m]
degrees: [4]
limit: 12
curators: [correct, likely]
recipe: {steps: 2, selection: last, max_new_tokens: 8}
"""


@pytest.mark.slow
def test_the_likeliest_by_the_stored_likelihoods_are_kept(cli: Cli) -> None:
    cli("run", "--matrix", write_matrix(cli, LIKELY))
    (read,) = step_metas(cli, "likelihood")
    (curated,) = step_metas(cli, "curate")
    folder = cli.workspace / "store"
    lines = (folder / "likelihood" / read["key"] / "likelihoods.jsonl").read_text().splitlines()
    stored = [json.loads(line) for line in lines]
    assert len(stored) == read["result"]["completions"] == 48
    assert all(one["nats"] > 0 and one["tokens"] > 5 for one in stored)
    assert [(i["role"], i["key"]) for i in curated["inputs"]][1:] == [("likelihood", read["key"])]
    kept = [
        json.loads(line) for line in (folder / "curate" / curated["key"] / "examples.jsonl").read_text().splitlines()
    ]
    assert len({one["sample_index"] for one in kept}) == len(kept) == curated["result"]["covered"]
    stages = json.loads(cli("curate", "--run", "likely", "--format", "json", "--examples", "99").stdout)["curators"]
    wrong = {
        (one["sample_index"], one["completion_index"])
        for stage in stages
        if stage["curator"] == "correct"
        for one in stage["examples"]
    }
    (last,) = [stage for stage in stages if stage["curator"] == "likely"]
    assert last["removed"] == len(last["examples"]) > 0
    assert all(one["perplexity"] > 1 for one in last["examples"])
    for one in kept:
        rivals = [
            other["nats"] / other["tokens"]
            for other in stored
            if other["sample_index"] == one["sample_index"]
            and (other["sample_index"], other["completion_index"]) not in wrong
        ]
        (mine,) = [
            other["nats"] / other["tokens"]
            for other in stored
            if (other["sample_index"], other["completion_index"]) == (one["sample_index"], one["completion_index"])
        ]
        assert mine == min(rivals)


@pytest.mark.slow
def test_another_student_may_read_and_each_reads_once(cli: Cli) -> None:
    text = LIKELY.replace("[correct, likely]", "[correct, {use: likely, most: 2, model: {use: pocket-2m}}]")
    plan = cli.json("plan", "--matrix", write_matrix(cli, text), "--degrees", "2,4")
    assert isinstance(plan, dict)
    read = [step for step in plan["steps"] if step["kind"] == "likelihood"]
    assert [step["title"].rpartition(" ")[2] for step in read] == ["pocket-2m", "pocket-2m"]
    assert sorted(step["estimate"]["work"] for step in read) == [24, 48]
    own = cli.json("plan", "--matrix", write_matrix(cli, LIKELY), "--students", "pocket-0.5m,pocket-2m")
    assert isinstance(own, dict)
    assert sorted(step["title"].rpartition(" ")[2] for step in own["steps"] if step["kind"] == "likelihood") == [
        "pocket-0.5m",
        "pocket-2m",
    ]
    assert len([step for step in own["steps"] if step["kind"] == "curate"]) == 2, "each learns what it finds likely"


def test_a_student_without_probabilities_is_the_reason_of_the_cell(cli: Cli) -> None:
    text = """
name: likely
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
teachers: [counter]
students: [parrot]
curators: [likely]
"""
    said = cli("plan", "--matrix", write_matrix(cli, text)).stdout
    assert "parrot gives no probabilities of tokens, which curator likely needs" in " ".join(said.split())
