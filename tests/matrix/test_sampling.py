"""Sampled answers of students: several per question, of any method, each question one cluster."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli

SAMPLED = DEMO + "sampling: {n: 8, temperature: 0.7}\n"


def row_of(cli: Cli, method: str, run: str | None = None) -> dict[str, Any]:
    board = json.loads(cli("report", *([run] if run else []), "--format", "json").stdout)
    return next(row for row in board["rows"] if row["method"] == method and row.get("degree") in {None, 4})


def answers(cli: Cli, cell: str) -> dict[int, list[tuple[str, bool]]]:
    """The answers that the ledger has to each question of a cell, read anew."""
    record = json.loads(next(cli.workspace.glob("runs/*.json")).read_text())
    found = next(one for one in record["cells"] if one["name"] == cell)
    (key,) = found["completions"]
    index = (cli.workspace / "store" / "complete" / key / "index.jsonl").read_text().splitlines()
    wanted = {json.loads(line)["key"] for line in index}
    by_question: dict[int, list[tuple[str, bool]]] = {}
    for path in cli.workspace.glob("ledger/**/*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            if line["key"] in wanted:
                letters = line["prompt"].split(" in ")[1].split(" even")[0]
                gold = "yes" if letters.count("x") % 2 == 0 else "no"
                word = line["text"].strip(" .?").split()[-1].lower()
                by_question.setdefault(line["sample_index"], []).append((word, word == gold))
    return by_question


@pytest.fixture
def sampled(cli: Cli) -> Cli:
    path = cli.folder / "m.yaml"
    path.write_text(SAMPLED)
    cli("run", "--matrix", path)
    return cli


def test_pass_at_k_and_the_mean_are_those_of_the_stored_texts(sampled: Cli) -> None:
    row = row_of(sampled, "fine-tune-cot")
    result = row["results"]["parity"]
    (name,) = result["cells"]
    assert "/n8t0.7/" in name
    assert row["sampling"] == "n=8 T=0.7"
    right = {at: [one for _, one in found] for at, found in answers(sampled, name).items()}
    assert {len(found) for found in right.values()} == {8}
    assert result["n"] == len(right) == 20, "questions, not answers"
    assert result["accuracy"] == pytest.approx(sum(map(sum, right.values())) / 160)
    assert 0.05 < result["accuracy"] < 0.95, "draws differ"
    for at in result["metrics"]["at_k"]:
        draws = [list(itertools.combinations(found, at["k"])) for found in right.values()]
        brute = sum(sum(map(any, of_one)) / len(of_one) for of_one in draws) / len(draws)
        assert at["pass_at_k"] == pytest.approx(brute), at["k"]
    assert [at["k"] for at in result["metrics"]["at_k"]] == [1, 2, 4, 8]


def test_a_questions_answers_are_one_cluster(sampled: Cli) -> None:
    """The interval is about as wide as that of the questions' means, and wider than that of 160 independent answers."""
    result = row_of(sampled, "fine-tune-cot")["results"]["parity"]
    (name,) = result["cells"]
    means = [sum(one for _, one in found) / 8 for found in answers(sampled, name).values()]
    centre = sum(means) / len(means)
    spread = (sum((mean - centre) ** 2 for mean in means) / len(means) / len(means)) ** 0.5
    width = result["interval"]["high"] - result["interval"]["low"]
    assert result["interval"]["method"] == "bootstrap"
    assert width == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_every_method_is_sampled_and_the_teacher_is_not(sampled: Cli) -> None:
    board = json.loads(sampled("report", "--format", "json").stdout)
    drawn = Counter(row.get("sampling") for row in board["rows"] if row["kind"] == "measured")
    assert set(drawn) == {"n=8 T=0.7"}
    assert {row.get("sampling") for row in board["rows"] if row["kind"] == "teacher"} == {None}
    said = sampled("report", "--verbose").stdout
    assert "fine-tune (n=8 T=0.7)" in said
    assert "pass@k and maj@k in percent" in said


def test_greedy_and_sampled_rows_stand_on_one_board_and_share_the_training(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    blocks = "blocks:\n  - {methods: [fine-tune]}\n  - {methods: [fine-tune], sampling: {temperature: 0.7, n: 2}}\n"
    path.write_text(
        "name: both\nextractor: last-word\ntasks: [parity]\nstudents: [parrot]\nrecipe: {epochs: 2}\n" + blocks
    )
    cli("run", "--matrix", path)
    rows = json.loads(cli("report", "--format", "json").stdout)["rows"]
    assert [row.get("sampling") for row in rows if row["kind"] == "measured"] == [None, "n=2 T=0.7"]
    assert len(list(cli.workspace.glob("store/train/*"))) == 1


def test_more_answers_ask_only_for_the_new_ones(sampled: Cli) -> None:
    path = sampled.folder / "m.yaml"
    plan = sampled.json("plan", "--matrix", path, "--sampling", "n=12,temperature=0.7", "--steps")
    asked = [step for step in plan["steps"] if step["kind"] == "complete" and step["state"] == "to do"]  # type: ignore[index]
    assert asked
    assert {step["estimate"]["work"] for step in asked} == {20 * 4}


def test_untrained_students_differ_between_seeds_where_they_are_sampled(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(SAMPLED.replace("[zero-shot, fine-tune, fine-tune-cot]", "[zero-shot]") + "seeds: [0, 1]\n")
    names = [cell["name"] for cell in cli.json("plan", "--matrix", path)["cells"]]  # type: ignore[index]
    assert names == [f"parity/zero-shot/parrot/n8t0.7/seed{seed}" for seed in (0, 1)]


def test_self_consistency_draws_as_the_matrix_states(cli: Cli) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(SAMPLED.replace("[zero-shot, fine-tune, fine-tune-cot]", "[self-consistency]"))
    cli("run", "--matrix", path, "--sampling", "n=4,temperature=0.9", "--degrees", "4")
    row = row_of(cli, "self-consistency")
    assert row["sampling"] == "n=4 T=0.9"
    assert row["results"]["parity"]["metrics"]["at_k"][-1]["k"] == 4


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ("{n: 4}", "needs a `temperature` above 0"),
        ("{temperature: 0.7, n: 0}", "n"),
        ("{temperature: 0.7, top_p: 2}", "top_p"),
        ("{temp: 0.7}", "temperature"),
    ],
)
def test_a_wrong_sampling_is_one_message(cli: Cli, sampling: str, message: str) -> None:
    path = cli.folder / "m.yaml"
    path.write_text(f"{DEMO}sampling: {sampling}\n")
    assert message in cli("plan", "--matrix", path, code=2).stderr


def test_a_wrong_option_is_one_message(cli: Cli, demo: Path) -> None:
    assert "--sampling" in cli("plan", "--matrix", demo, "--sampling", "n=4", code=2).stderr
    assert "n=8,temperature=0.7" in cli("plan", "--matrix", demo, "--sampling", "4", code=2).stderr


def test_sampled_runs_are_compared_without_a_test_for_single_answers(sampled: Cli) -> None:
    path = sampled.folder / "m.yaml"
    sampled("run", "--matrix", path, "--name", "other", "--degrees", "1")
    found = sampled.json("compare", "demo", "other")
    assert [row["p"] for row in found["rows"] if "/fine-tune/" in row["name"]] == [None]  # type: ignore[index]
