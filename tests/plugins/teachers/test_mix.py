"""Mixes of teachers: each question is asked of one source, in the stated ratio, and costs what its source costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtbench.schema.tasks import Questions, Sample, Split, TaskData
from rtbench.steps.selection import questions_of
from tests.helpers.cli import Cli

MIX = """
name: mix
extractor: last-word
tasks: [parity]
methods: [fine-tune-cot]
students: [parrot]
recipe: {epochs: 2}
teachers:
  - name: mixed
    use: mix
    sources:
      - {share: 1, use: counter}
      - {share: 3, use: counter, errors: 0.5}
"""


def asked(cli: Cli) -> dict[str, list[dict[str, Any]]]:
    """The ledger's lines about training questions, by folder of the model."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (cli.workspace / "ledger").glob("counter-*/**/*.jsonl"):
        lines = map(json.loads, path.read_text().splitlines())
        found.setdefault(path.relative_to(cli.workspace / "ledger").parts[0], []).extend(lines)
    return found


def written(cli: Cli, text: str = MIX) -> Path:
    path = cli.folder / "m.yaml"
    path.write_text(text)
    return path


def test_each_question_is_asked_of_one_source_in_the_ratio(cli: Cli) -> None:
    cli("run", "--matrix", written(cli))
    exact, sloppy = (asked(cli)[name] for name in ("counter-0.0", "counter-0.5"))
    assert (len(exact), len(sloppy)) == (10, 30)
    assert not {one["sample_index"] for one in exact} & {one["sample_index"] for one in sloppy}
    board = json.loads(cli("report", "--format", "json").stdout)
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["teacher"] == "mixed"
    assert [row["kind"] for row in board["rows"] if row["kind"] == "teacher"] == [], "a mix has no answers of its own"
    kept = row["results"]["parity"]["curation"]["kept"]
    assert 10 < kept < 40, "wrong ones are removed, so the ratio of the kept ones is another"


def test_a_higher_degree_asks_the_same_source_again(cli: Cli) -> None:
    cli("run", "--matrix", written(cli), "--degrees", "3")
    counts = {name: len(lines) for name, lines in asked(cli).items()}
    assert counts == {"counter-0.0": 30, "counter-0.5": 90}


def test_completions_are_shared_with_the_source_alone(cli: Cli) -> None:
    cli("run", "--matrix", written(cli))
    alone = MIX[: MIX.index("teachers:")] + "teachers: [{name: exact, use: counter}]\nteacher_rows: false\n"
    cli("run", "--matrix", written(cli, alone))
    lines = asked(cli)["counter-0.0"]
    assert len(lines) == 40 == len({one["key"] for one in lines})


def test_rationales_that_the_mix_does_not_use_are_not_counted_as_cut(cli: Cli) -> None:
    """Of degree 3 and two sources, each is asked twice, and the second completion of the second one is left over."""
    cut = "{use: scripted, error_rate: 1, mix: {slip: 0, malformed: 0, truncated: 1}}"
    text = f"""
name: mix
source: twin
tasks: [multiarith]
methods: [fine-tune-cot]
students: [parrot]
degrees: [3]
limit: 10
curators: []
teachers: [{{name: both, use: mix, questions: all, sources: [{{use: scripted, error_rate: 0}}, {cut}]}}]
"""
    cli("run", "--matrix", written(cli, text))
    board = json.loads(cli("report", "--format", "json").stdout)
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["results"]["multiarith"]["rationales"] == {"sent": 30, "cut": 10}
    assert row["results"]["multiarith"]["curation"]["completions"] == 30
    assert "both D=3 on multiarith 10 of 30 (33.3 %)" in cli("report", "--format", "md").stdout
    steps = cli.json("plan", "--matrix", written(cli, text), "--steps")
    assert isinstance(steps, dict)
    requests = [step["title"] for step in steps["steps"] if ": train" in step["title"]]
    assert [title.rpartition(" ")[2] for title in requests] == ["×2", "×2"]


def test_parts_have_no_question_in_common_and_leave_none_out() -> None:
    samples = {at: Sample(index=at, question=f"{at}?", answer="1") for at in range(101)}
    data = TaskData(samples=samples, splits={"default": Split(train=tuple(samples), test=())})
    ends = [0.0, 0.2, 0.25, 0.9, 1.0]
    parts = [
        [one.index for one in questions_of(data, "default", Questions(fold="train", part=(first, last)))]
        for first, last in zip(ends, ends[1:], strict=False)
    ]
    assert sorted(at for part in parts for at in part) == list(range(101))
    assert [len(part) for part in parts] == [20, 5, 66, 10]
    assert parts[0] != list(range(20)), "they are drawn at random"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      - {share: 3, use: counter, errors: 0.5}\n", "", "two sources or more"),
        ("errors: 0.5", "errors: 0.0", "the same model"),
        ("share: 3", "share: 0", "share"),
        ("use: counter, errors", "errors", "names no teacher"),
        ("{share: 1, use: counter}", "{share: 1, use: conter}", "Did you mean 'counter'"),
        (
            "{share: 1, use: counter}",
            "{use: mix, sources: [{use: counter}, {use: counter, errors: 1.0}]}",
            "part of a mix",
        ),
    ],
)
def test_a_wrong_mix_is_one_message(cli: Cli, old: str, new: str, message: str) -> None:
    said = cli("plan", "--matrix", written(cli, MIX.replace(old, new)), code=2).stderr
    assert message in said
    assert "mixed" in said


HUMAN = """
name: people
tasks: [{task}]
methods: [fine-tune-cot]
students: [{{name: parrot, use: parrot}}]
teachers:
  - human
  - {{name: half, use: mix, sources: [{{name: human}}, {{name: gold}}]}}
limit: 10
recipe: {{epochs: 1}}
"""


@pytest.mark.parametrize("task", ["gsm8k", "strategy_qa"])
def test_people_and_bare_answers_teach(cli: Cli, data_dir: Path, task: str) -> None:
    path = written(cli, HUMAN.format(task=task))
    cli("run", "--matrix", path, "--data-dir", data_dir)
    board = json.loads(cli("report", "--format", "json", "--data-dir", data_dir).stdout)
    rows = {row["teacher"]: row["results"][task] for row in board["rows"] if row["kind"] == "measured"}
    assert rows["human"]["curation"]["kept"] == 10 == rows["half"]["curation"]["kept"]
    assert not [row for row in board["rows"] if row["kind"] == "teacher"], "they saw the answers"
    cli("export", "rationales", "--data-dir", data_dir, "--cell", rows["half"]["cells"][0])
    lines = (cli.folder / "rationales" / "rationales.jsonl").read_text().splitlines()
    texts = [json.loads(line)["rationale"] for line in lines]
    assert [bool(text) for text in texts].count(True) == 5
    assert not any("<<" in text for text in texts), "marks of a calculator are no text"


def test_a_task_without_human_rationales_says_so(cli: Cli, data_dir: Path) -> None:
    said = cli("plan", "--matrix", written(cli, HUMAN.format(task="svamp")), "--data-dir", data_dir).stdout
    assert "the data of svamp have no rationales" in said


def test_each_source_costs_its_own_price(cli: Cli) -> None:
    """Completions of a source without a price are counted as completions of unknown cost."""
    from msgspec.structs import replace

    from rtbench.schema.money import Price
    from tests.reporting.test_spending import books_of, record_of

    cli("run", "--matrix", written(cli))
    tokens = {
        name: (
            sum(one["usage"]["prompt_tokens"] for one in lines),
            sum(one["usage"]["completion_tokens"] for one in lines),
        )
        for name, lines in asked(cli).items()
    }
    prices = {"counter-0.0": Price(input=1.0, output=2.0), "counter-0.5": Price(input=10.0, output=0.0)}
    record = replace(record_of(cli), source_prices=prices)
    spent = books_of(cli).by_teacher(record)["mixed"]
    first, second = tokens["counter-0.0"], tokens["counter-0.5"]
    assert spent.money == pytest.approx((first[0] + 2 * first[1] + 10 * second[0]) / 1e6)
    assert (spent.completions, spent.uncounted) == (40, 0)
    half = replace(record, source_prices={"counter-0.0": prices["counter-0.0"]})
    known = books_of(cli).by_teacher(half)["mixed"]
    assert known.money == pytest.approx((first[0] + 2 * first[1]) / 1e6)
    assert (known.completions, known.uncounted) == (40, 30)


def test_all_sources_are_asked_all_questions_and_share_the_degree(cli: Cli) -> None:
    pooled = (
        MIX.replace("    use: mix\n", "    use: mix\n    questions: all\n")
        .replace("share: 1, ", "")
        .replace("share: 3, ", "")
    )
    cli("run", "--matrix", written(cli, pooled), "--degrees", "3")
    exact, sloppy = (asked(cli)[name] for name in ("counter-0.0", "counter-0.5"))
    assert (len(exact), len(sloppy)) == (80, 80)
    board = json.loads(cli("report", "--format", "json").stdout)
    (row,) = [row for row in board["rows"] if row["kind"] == "measured"]
    assert row["results"]["parity"]["curation"]["completions"] == 120, "two of the first source, one of the second"


def test_sources_of_all_questions_have_no_shares(cli: Cli) -> None:
    pooled = MIX.replace("    use: mix\n", "    use: mix\n    questions: all\n")
    assert "different shares" in cli("plan", "--matrix", written(cli, pooled), code=2).stderr
