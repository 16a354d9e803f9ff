"""``rtbench curate`` and the judge, on a run as a user makes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli
from tests.helpers.servers import MakeServer

FLAWED = (
    DEMO.replace("teachers: [counter]", "teachers: [{name: flawed, use: counter, errors: 0.3}]")
    .replace("methods: [zero-shot, fine-tune, fine-tune-cot]", "methods: [fine-tune-cot]")
    .replace("degrees: [1, 4]", "degrees: [4]")
)


def test_what_each_curator_removed_is_shown_with_examples(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + "curators: [correct, distinct, {use: cap, most: 1}]\n")
    cli("run", "--matrix", path)
    shown = cli("curate").stdout
    assert "removed by correct: parity" in shown
    assert re.search(r"extracted: 'yes'   gold: 'no'   wrong|extracted: 'no'   gold: 'yes'   wrong", shown)
    found: Any = cli.json("curate", "flawed")
    stages = {stage["curator"]: stage for stage in found["curators"]}
    assert list(stages) == ["(all)", "correct", "distinct", "cap"]
    assert stages["(all)"]["left"] == 160
    assert all(not example["correct"] for example in stages["correct"]["examples"])
    assert stages["cap"]["left"] == stages["cap"]["covered"]
    left = 160
    for stage in found["curators"]:
        left -= stage["removed"]
        assert stage["left"] == left
    board: Any = cli.json("report")
    curation = next(r for r in board["rows"] if r["method"] == "fine-tune-cot")["results"]["parity"]["curation"]
    assert curation["kept"] == left
    assert curation["removed"] == {name: stage["removed"] for name, stage in stages.items() if name != "(all)"}


def test_other_curators_are_tried_on_what_is_stored(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    cli("run", "--matrix", path)
    before = sorted(str(p) for p in cli.workspace.rglob("*"))
    found: Any = cli.json("curate", "--with", "{use: length, least: 3}, length, {use: length, most: 2}, correct")
    assert [stage["curator"] for stage in found["curators"]] == ["(all)", "length", "length 2", "length 3", "correct"]
    assert found["curators"][3]["removed"] == 160
    assert sorted(str(p) for p in cli.workspace.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--with", "corect"), "Did you mean 'correct'"),
        (("--with", "{use: cap"), "is not a list of curators"),
        (("--with", "{use: cap, most: 0}"), "at least 1"),
        (("nowhere",), "unknown cell"),
    ],
)
def test_slips_are_one_clear_error(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    cli("run", "--matrix", path)
    assert said in cli("curate", *arguments, code=2).stderr


def test_judge_is_asked_once_about_each_and_its_money_is_counted(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    """The fault server praises in its first words and ends with the verdict of its settings."""
    strict = server(text="GOOD at first sight.", answer="BAD")
    judge = f"""{{use: judge, model: {{use: openai, model: m, base_url: "{strict.url}", api_key_env: null,
      price: {{input: 1000, output: 1000}}}}}}"""
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [correct, {judge}]\n")
    planned: Any = cli.json("plan", "--matrix", path)
    (estimate,) = (s["estimate"] for s in planned["steps"] if s["kind"] == "curate")
    assert estimate["work"] == 160
    assert estimate["money"] > 0
    done = cli("run", "--matrix", path, code=1)
    assert "no training examples: 160 completions for 40 questions, none kept" in done.stderr
    found: Any = cli.json("curate")
    stages = {stage["curator"]: stage for stage in found["curators"]}
    judged = stages["correct"]["left"]
    assert stages["judge"]["removed"] == judged > 0
    # Questions of one text and one rationale ask one thing, but are judged each for themselves.
    assert strict.stats()["calls"] == judged
    strict.set(answer="GOOD")
    assert cli.json("curate") == found, "from the ledger"


@pytest.mark.parametrize(
    ("answer", "settings", "kept"),
    [("GOOD", {}, True), ("**GOOD**.", {}, True), ("not GOOD", {}, False), ("NOT GOOD", {}, False),
     ("NOT A GOOD", {}, False), ("GOODNESS", {}, False), ("BAD", {}, False),
     ("GOOD", {"finish": "length"}, False)],
)  # fmt: skip
def test_verdict_is_the_very_last_word(
    cli: Cli, tmp_path: Path, server: MakeServer, answer: str, settings: dict[str, Any], kept: bool
) -> None:
    asked = server(text="I find it BAD or GOOD", answer=answer, **settings)
    judge = f"""{{use: judge, model: {{use: openai, model: m, base_url: "{asked.url}", api_key_env: null}}}}"""
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    cli("run", "--matrix", path)
    found: Any = cli.json("curate", "--with", f"correct, {judge}")
    stages = {stage["curator"]: stage for stage in found["curators"]}
    assert stages["judge"]["left"] == (stages["correct"]["left"] if kept else 0)


def test_judge_without_a_verdict_is_reported(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    mute = server(answer="perhaps")
    judge = f"""{{use: judge, model: {{use: openai, model: m, base_url: "{mute.url}", api_key_env: null}}}}"""
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [{judge}]\n")
    assert "gave no verdict on 160 of 160 rationales, which were dropped" in cli("run", "--matrix", path, code=1).stderr


def test_judge_may_leave_out_what_a_filter_stops(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    filtered = {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}
    strict = server(text="GOOD", bodies={"The right answer is no.": json.dumps(filtered)})
    model = {"use": "openai", "model": "m", "base_url": strict.url, "api_key_env": None}
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [{{use: judge, model: {json.dumps(model)}}}]\n")
    assert "stopped by a content filter" in cli("run", "--matrix", path, code=1).stderr
    path.write_text(FLAWED + f"curators: [{{use: judge, model: {json.dumps({**model, 'refused': 'missing'})}}}]\n")
    assert re.search(r"the judge 'judge m' refused \d+ of \d+ rationales", cli("run", "--matrix", path, code=1).stderr)


def test_judge_counts_by_what_it_is_not_by_its_price(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    """A new price, or fewer calls at once, trains nothing again."""
    kind = server(answer="GOOD")
    path = tmp_path / "m.yaml"

    def planned(**options: Any) -> int:
        model = {"use": "openai", "model": "m", "base_url": kind.url, "api_key_env": None, **options}
        path.write_text(FLAWED + f"curators: [correct, {{use: judge, model: {json.dumps(model)}}}]\n")
        found: Any = cli.json("plan", "--matrix", path)
        return int(found["to_do"])

    planned()
    cli("run", "--matrix", path)
    assert planned(concurrency=3, price={"input": 1, "output": 1}) == 0
    assert planned(model="another") > 0


def test_pilot_asks_the_judge_too_and_tells_what_it_will_cost(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    kind = server(answer="GOOD")
    model = {"use": "openai", "model": "m", "base_url": kind.url, "api_key_env": None}
    model |= {"price": {"input": 1000, "output": 1000}}
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [correct, {{use: judge, model: {json.dumps(model)}}}]\n")
    done = cli("plan", "--matrix", path, "--pilot", "8")
    assert "pilot: judge parity/judge m: 8 requests sent, 0 already in the ledger" in done.stderr
    assert "judges: 160 requests, at most" in done.stdout
    assert kind.stats()["calls"] == 8
    planned: Any = cli.json("plan", "--matrix", path)
    (estimate,) = (s["estimate"] for s in planned["steps"] if s["kind"] == "curate")
    spent = kind.stats()
    mean = (spent["prompt_tokens"] + spent["completion_tokens"]) / 1000 / 8
    assert estimate["expected"] == pytest.approx(160 * mean)
    assert estimate["low"] <= estimate["expected"] <= estimate["high"] < estimate["money"]
    cli("run", "--matrix", path)
    found: Any = cli.json("curate")
    stages = {stage["curator"]: stage for stage in found["curators"]}
    judged = stages["correct"]["left"]
    assert judged <= kind.stats()["calls"] <= judged + 8, "what the pilot asked is not asked again"


def test_paid_judge_is_not_tried_without_a_word_on_money(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    cli.environment["MY_KEY"] = "sk-planted"
    kind = server(answer="GOOD")
    model = {"use": "openai", "model": "m", "base_url": kind.url, "api_key_env": "MY_KEY"}
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED)
    cli("run", "--matrix", path)
    free = f"{{use: judge, model: {json.dumps(model)}}}"
    assert "costs money" in cli("curate", "--with", free, code=2).stderr
    assert "its price is unknown" in cli("curate", "--with", free, "--budget", "1usd", code=2).stderr
    priced = f"{{use: judge, model: {json.dumps({**model, 'price': {'input': 0, 'output': 1000}})}}}"
    assert "is used up" in cli("curate", "--with", priced, "--budget", "1usd", code=2).stderr
    assert 0 < kind.stats()["completion_tokens"] <= 1000


def test_decontamination_counts_for_gold_answers_too(cli: Cli, tmp_path: Path) -> None:
    """Methods are compared on the same questions: a test question's words leave both."""
    path = tmp_path / "m.yaml"
    methods = FLAWED.replace("methods: [fine-tune-cot]", "methods: [fine-tune, fine-tune-cot]")
    path.write_text(methods + "curators: [{use: decontaminated, words: 3, look_at: question}]\n")
    failed = cli("run", "--matrix", path, code=1).stderr
    assert "train parity/fine-tune/parrot/seed0: " in failed
    assert "0 completions for 40 questions, none kept" in failed
    assert "160 completions for 40 questions, none kept" in failed


def test_judge_that_says_good_keeps_all(cli: Cli, tmp_path: Path, server: MakeServer) -> None:
    kind = server(answer="GOOD")
    judge = f"""{{use: judge, model: {{name: wise, use: openai, model: m, base_url: "{kind.url}", api_key_env: null,
      price: {{input: 1000, output: 1000}}}}}}"""
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [correct, {judge}]\n")
    board: Any = cli.json("run", "--matrix", path)
    curation = next(r for r in board["rows"] if r["method"] == "fine-tune-cot")["results"]["parity"]["curation"]
    assert curation["removed"]["judge"] == 0
    stats = kind.stats()
    spent = (stats["prompt_tokens"] + stats["completion_tokens"]) / 1000
    assert curation["judged"]["wise"]["money"] == pytest.approx(spent)
    assert f"judge wise: {spent:.2f} USD" in " ".join(cli("report").stdout.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [("model: {model: m}", "needs `use`"), ("model: {use: openai, model: m}, prompt: hi", "lacks {question}")],
)
def test_judge_that_cannot_be_is_refused(cli: Cli, tmp_path: Path, options: str, said: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FLAWED + f"curators: [{{use: judge, {options}}}]\n")
    assert said in cli("plan", "--matrix", path, code=2).stderr
