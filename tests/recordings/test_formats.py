"""Recordings in the formats that people have: found out or named, joined, matched by their prompts, and listed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.recordings import read
from rtbench.recordings.matching import match
from rtbench.recordings.scoring import FileScore, score_recording
from rtbench.schema.recordings import Recording
from tests.helpers.cli import ROOT, Cli
from tests.helpers.recordings import formats
from tests.helpers.runs import rewrite_segment
from tests.helpers.tasks import MINE, write

COUNT = 4
QUESTIONS = [f"Ann has {i} pens and gets 2. How many pens?" for i in range(COUNT)]
REPLIES = [f"{i} + 2 = {i + 2}. The answer is {i + 2}." for i in range(COUNT)]
PAIRS = list(zip(QUESTIONS, REPLIES, strict=True))
FEW_SHOT = "Q: Ann has 3 pens and gets 2. How many pens?\nA: 5\n\n"


def pens(folder: Path) -> Path:
    return write(folder, MINE, [{"question": q, "answer": i + 2} for i, q in enumerate(QUESTIONS)])


def score(folder: Path, path: Path, **options: Any) -> FileScore:
    task = load_task(pens(folder))
    recording = read.read_recording(path, formats(), task="mine", **options)
    return score_recording(recording, task, "flexible", DataFiles(offline=True))


def as_json(records: list[Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "m.json").write_text(json.dumps(records))
        return folder / "m.json"

    return make


def as_csv(folder: Path) -> Path:
    with (folder / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "response"], *PAIRS])
    return folder / "m.csv"


def as_parquet(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(
        pa.Table.from_pylist([{"question": q, "completion": r} for q, r in PAIRS]), folder / "m.parquet"
    )
    return folder / "m.parquet"


FILES = {
    "sharegpt": as_json([{"conversations": [{"from": "human", "value": f"Q: {q}\nA:"}, {"from": "gpt", "value": r}]} for q, r in PAIRS]),
    "messages": as_json([{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": q}, {"role": "assistant", "content": r}]} for q, r in PAIRS]),
    "content-parts": as_json([{"messages": [{"role": "user", "content": [{"type": "text", "text": q}]}, {"role": "assistant", "content": [{"type": "text", "text": r}]}]} for q, r in PAIRS]),
    "alpaca": as_json([{"instruction": "Solve the problem.", "input": q, "output": r} for q, r in PAIRS]),
    "prompt-response": as_json([{"prompt": f"{FEW_SHOT}Q: {q}\nA: Let's think.", "response": r} for q, r in PAIRS]),
    "prompt-completion": as_json([{"prompt": q, "completion": r} for q, r in PAIRS]),
    "csv": as_csv,
    "parquet": as_parquet,
}  # fmt: skip


@pytest.mark.parametrize("form", FILES)
def test_formats_are_found_out_and_score(tmp_path: Path, form: str) -> None:
    result = score(tmp_path, FILES[form](tmp_path))
    assert (result.summary.correct, result.summary.n, result.unmatched) == (COUNT, COUNT, ())


def test_format_may_be_named(tmp_path: Path) -> None:
    path = FILES["alpaca"](tmp_path)
    assert score(tmp_path, path, format_name="alpaca").summary.correct == COUNT
    with pytest.raises(UnknownNameError, match="Did you mean 'alpaca'"):
        score(tmp_path, path, format_name="alpacca")
    with pytest.raises(BadInputError, match="none of its records holds a question and a reply"):
        score(tmp_path, path, format_name="sharegpt")


def test_registered_names_of_formats_are_their_own_names() -> None:
    from rtbench.schema.environment import Environment
    from rtbench.session import Session

    session = Session(Environment(workspace="none", offline=True))
    names = {recording_format.name for recording_format in read.formats_of(session)}
    assert {"json-lines", "completion-data", "batch", "sharegpt", "messages", "alpaca", "prompt-response"} <= names


def test_what_is_no_exchange_is_listed_with_its_reason(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": QUESTIONS[0]}, {"role": "assistant", "content": REPLIES[0]}]
    records = [
        {"messages": turns},
        {"messages": turns[:1]},
        {"messages": turns * 2},
        {"messages": [{"role": "assistant", "content": "5"}]},
        {"messages": [{"role": "user", "content": "Ann has 9 pens and gets 3. How many pens?"}, turns[1]]},
    ]
    result = score(tmp_path, as_json(records)(tmp_path))
    reasons = {one.where.rpartition(", ")[2]: (one.reason, one.nearest) for one in result.unmatched}
    assert (result.summary.n, set(reasons)) == (1, {f"record {i}" for i in (2, 3, 4, 5)})
    assert reasons["record 2"][0] == "a conversation without a reply"
    assert "2 replies" in reasons["record 3"][0]
    assert reasons["record 4"][0] == "it has no prompt"
    assert reasons["record 5"][0] == "its prompt contains no question of the task"
    assert (reasons["record 5"][1] or "").endswith("pens and gets 2. How many pens?")


# ---------------------------------------------------------------------------------------------------------- batches


def batch(folder: Path) -> tuple[Path, Path]:
    requests = [
        {"custom_id": f"r{i}", "method": "POST", "body": {"model": "m", "messages": [{"role": "user", "content": q}]}}
        for i, q in enumerate(QUESTIONS)
    ]
    responses: list[dict[str, Any]] = [
        {
            "custom_id": f"r{i}",
            "response": {"status_code": 200, "body": {"choices": [{"index": 0, "message": {"content": r}, "finish_reason": "stop"}]}},
        }
        for i, r in reversed(list(enumerate(REPLIES)))
    ]  # fmt: skip
    responses[-1] = {"custom_id": "r0", "response": None, "error": {"message": "too busy"}}
    for name, records in (("in.jsonl", requests), ("out.jsonl", responses)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / "in.jsonl", folder / "out.jsonl"


def test_output_of_a_batch_is_joined_with_its_input(tmp_path: Path) -> None:
    asked, answered = batch(tmp_path)
    for paths in ([asked, answered], [answered, asked]):
        assert read.joined(paths, formats()) == [(answered, (asked,))]
    result = score(tmp_path, answered, others=(asked,))
    assert (result.summary.correct, result.summary.n, result.summary.complete) == (COUNT - 1, COUNT - 1, 1.0)
    assert [one.reason for one in result.unmatched] == ["the request failed (too busy)"]


def test_half_of_a_batch_says_what_is_missing(tmp_path: Path) -> None:
    asked, answered = batch(tmp_path)
    with pytest.raises(BadInputError, match="requests without answers"):
        read.joined([asked], formats())
    with pytest.raises(BadInputError, match="rtbench import input.jsonl output.jsonl"):
        score(tmp_path, answered)


def test_batches_of_anthropic_are_read(tmp_path: Path) -> None:
    asked, answered = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    asked.write_text(
        json.dumps({"custom_id": "a", "params": {"messages": [{"role": "user", "content": QUESTIONS[0]}]}})
    )
    message = {"content": [{"type": "text", "text": REPLIES[0]}], "stop_reason": "max_tokens"}
    answered.write_text(json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": message}}))
    result = score(tmp_path, answered, others=(asked,))
    assert (result.summary.correct, result.summary.complete) == (1, 0.0)


# ---------------------------------------------------------------------------------------------- thinking and run-on


def lines(folder: Path, *texts: str) -> Path:
    path = folder / "m__k__mine.jsonl"
    path.write_text("".join(json.dumps({"sample_index": i, "completion": text}) + "\n" for i, text in enumerate(texts)))
    return path


def test_thinking_and_further_questions_are_parted_and_counted(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        "<think>The answer is 99, I guess.</think>It is 2.",
        "The answer is 3.\n\nQ: How many cats?\nA: The answer is 8.",
        "The answer is 4.<|im_end|>\n<|im_start|>user\nAnd 7?",
        "<think>The answer is 5, but",
    )
    result = score(tmp_path, path)
    assert [one.correct for one in result.scores] == [True, True, True, False]
    assert (result.thinking, result.run_on) == (2, 2)


def test_thinking_is_kept_apart_and_students_learn_from_the_text(tmp_path: Path) -> None:
    (entry,) = read.read_recording(lines(tmp_path, "<think>Hm.</think>\nSo it is 2."), formats()).entries
    assert (entry.reasoning, entry.text, entry.thinking) == (None, "So it is 2.", "Hm.")


def test_recording_that_was_imported_with_its_tags_is_imported_again(cli: Cli, tmp_path: Path) -> None:
    """Ledgers of earlier versions hold the texts with their tags."""
    pens(tmp_path)
    path = lines(tmp_path, "It is 2.")
    cli("import", path, "--task", tmp_path / "mine.yaml")
    (segment,) = (cli.workspace / "ledger").rglob("*.jsonl")
    rewrite_segment(segment, "It is 2.", "<think>Hm.</think>\\nIt is 2.")
    lines(tmp_path, "<think>Hm.</think>\nIt is 2.")
    assert "1 already imported" in cli("import", path, "--task", tmp_path / "mine.yaml").stdout


# ------------------------------------------------------------------------------------------- files of other projects


def completion_data(folder: Path, name: str = "c.json", **metadata: Any) -> Path:
    record = {"question": QUESTIONS[0], "answer": "2", "completion": "7 - 5 --> 2", "completion_index": 0}
    unfinished = {"question": QUESTIONS[1], "answer": "3", "reasoning_prompt": "Q", "reasoning_completion": "Hm"}
    known = {
        "base_model": "ada",
        "dataset_key": "mine",
        "completion_key": "ft_cot",
        "prediction_template": "ft_cot_token",
    }
    data = {"0": [record], "1": [unfinished], "2": []}
    (folder / name).write_text(json.dumps({"metadata": known | metadata, "data": data}))
    return folder / name


def read_one(path: Path) -> Recording:
    return read.read_recording(path, formats())


def test_outputs_of_two_students_are_two_recordings(tmp_path: Path) -> None:
    keys = [
        read_one(completion_data(tmp_path, train_key=train, epoch=epoch)).key
        for train, epoch in ((None, None), ("D1", 10), ("D1", 20), ("D8", 10))
    ]
    assert keys == ["ft_cot", "ft_cot-D1-epoch10", "ft_cot-D1-epoch20", "ft_cot-D8-epoch10"]


def test_set_without_a_template_has_no_prefix(tmp_path: Path) -> None:
    """As ``PREDICTION_PREFIXES`` of the original says: the first candidate counts."""
    path = completion_data(tmp_path, prediction_template=None)
    recording = read_one(path)
    assert recording.answer_prefix is None
    task = load_task(pens(tmp_path))
    result = score_recording(recording, task, "paper", DataFiles(offline=True))
    assert [one.extracted for one in result.scores] == ["7"]


def test_unfinished_records_are_listed_and_the_others_read(tmp_path: Path) -> None:
    recording = read_one(completion_data(tmp_path))
    assert len(recording.entries) == 1
    assert [one.reason for one in recording.skipped] == [
        "it is unfinished after the rationale: it has no `completion`",
        "it has no completion",
    ]
    task = load_task(pens(tmp_path))
    matched = match(recording, {"original": task.load(DataFiles(offline=True), "original")})
    assert len(matched.unmatched) == 2


def test_files_that_contradict_each_other_are_both_named(cli: Cli, tmp_path: Path) -> None:
    pens(tmp_path)
    first, second = tmp_path / "a__k__mine.jsonl", tmp_path / "b__k__mine.jsonl"
    first.write_text(json.dumps({"sample_index": 0, "completion": "It is 2."}))
    second.write_text(json.dumps({"sample_index": 0, "completion": "It is 3."}))
    said = cli("import", first, second, "--model", "m", "--task", tmp_path / "mine.yaml", code=2).stderr
    assert "has another text in" in said
    assert first.name in said
    assert second.name in said
    assert "delete" not in said


def lm_eval_samples(folder: Path, name: str, *, named: bool) -> Path:
    target = "work\n#### {:,}"
    rows: list[dict[str, Any]] = []
    for i, question in enumerate(QUESTIONS):
        for filter_ in ("strict-match", "flexible-extract"):
            row: dict[str, Any] = {
                "doc_id": i, "doc": {"question": question, "answer": target.format(i + 2)}, "target": target.format(i + 2),
                "resps": [[f"So.\n#### {i + 2}"]], "filtered_resps": [str(i + 2)], "exact_match": 1.0,
            }  # fmt: skip
            new = {"arguments": {"gen_args_0": {"arg_0": f"Question: {question}", "arg_1": {}}}, "filter": filter_}
            old = {"arguments": [[f"Question: {question}", {"until": ["x"]}]]}
            rows.append(row | (new if named else old))
    path = folder / f"samples_{name}_2025-02-03T10-11-12.123456.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("named", [True, False], ids=["2025", "2024"])
def test_samples_of_lm_evals_own_tasks_score(tmp_path: Path, named: bool) -> None:
    path = lm_eval_samples(tmp_path, "gsm8k", named=named)
    recording = read.read_recording(path, formats(), task="mine")
    assert {entry.prompt for entry in recording.entries} == {f"Question: {question}" for question in QUESTIONS}
    result = score(tmp_path, path)
    assert (result.summary.correct, result.summary.n, result.questions) == (COUNT, COUNT, COUNT)


def test_samples_state_the_prefix_of_their_format(tmp_path: Path) -> None:
    doc = {"question": QUESTIONS[0], "answer_prefix": None, "sample_index": 0}
    row = {"doc_id": 0, "doc": doc, "target": "2", "resps": [["2, not 7"]], "filter": "strict"}
    path = tmp_path / "samples_rtbench_mine__zero_shot_2025-02-03T10-11-12.123456.jsonl"
    path.write_text(json.dumps(row))
    recording = read_one(path)
    assert (recording.answer_prefix, recording.task) == (None, "mine")
    assert read.read_recording(path, formats(), answer_prefix="-->").answer_prefix == "-->"


INFO_LOG = """INFO:root:*****************************
INFO:root:Namespace(cot_trigger="Let's think step by step.", dataset='mine', direct_answer_trigger='\\nTherefore, the answer (arabic numerals) is', direct_answer_trigger_for_zeroshot='The answer (arabic numerals) is', method='METHOD', model='chatgpt')
INFO:root:*****************************
INFO:root:*************************
INFO:root:1st data
INFO:openai:error_code=content_filter message='x'
INFO:root:Q: Ann has 0 pens and gets 2. How many pens?
A: BODY
INFO:root:pred : 2
INFO:root:GT : 2
INFO:root:*************************
INFO:root:*************************
INFO:root:2st data
INFO:root:pred : 5
INFO:root:GT : 5
INFO:root:*************************
INFO:root:accuracy : 100
"""


@pytest.mark.parametrize(
    ("method", "body", "key", "reasoning"),
    [
        ("zero_shot_cot", "Let's think step by step.0 + 2.\n3 no. \nTherefore, the answer (arabic numerals) is 2, not 3.", "zs_cot", "0 + 2.\n3 no."),
        ("zero_shot", "The answer (arabic numerals) is 2, not 3.", "zs", None),
    ],
)  # fmt: skip
def test_logs_of_the_logging_module_are_read(
    tmp_path: Path, method: str, body: str, key: str, reasoning: str | None
) -> None:
    path = tmp_path / "mine.log"
    path.write_text(INFO_LOG.replace("METHOD", method).replace("BODY", body))
    recording = read_one(path)
    (entry,) = recording.entries
    assert (recording.model, recording.key, entry.question) == ("gpt-3.5-turbo-0613", key, QUESTIONS[0])
    assert (entry.text, entry.reasoning, entry.answer) == (" 2, not 3.", reasoning, "2")
    assert [one.reason for one in recording.skipped] == ["the record is incomplete"]


# ------------------------------------------------------------------------------------------------------------ golds


@pytest.mark.parametrize(
    ("task", "question", "good", "bad", "said"),
    [
        ("commonsense_qa", "Where? Answer choices: (A) desk, (B) box.", "B", "(B)", "Write B"),
        ("commonsense_qa", "Where? Answer choices: (A) desk, (B) box.", "B", "C", "'C' is not of type choice (AB)"),
        ("strategy_qa", "Is it so?", "yes", "True", "Write yes"),
        ("strategy_qa", "Is it so?", "Yes", "", "the gold answer is empty"),
        ("gsm8k", "How many?", "1,800", "nan", "'nan' is not of type number"),
        ("gsm8k", "How many?", "18", "18 apples", "'18 apples' is not of type number"),
        ("gsm8k", "How many?", "18", "1,5", "Write 1.5"),
        ("last_letter_concatenation", "Which?", "ab", " ", "the gold answer is empty"),
    ],
)
def test_golds_of_a_scored_file_are_checked(
    tmp_path: Path, task: str, question: str, good: str, bad: str, said: str
) -> None:
    path = tmp_path / "own.jsonl"
    records = [{"question": question, "answer": gold, "completion": "The answer is 5."} for gold in (good, bad)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    recording = read.read_recording(path, formats(), task=task)
    with pytest.raises(BadInputError) as raised:
        score_recording(recording, load_task(ROOT / "tasks" / task / "task.yaml"), "flexible", DataFiles(offline=True))
    assert said in str(raised.value)
    assert "own.jsonl, line 2" in str(raised.value)


@pytest.mark.parametrize("gold", [["B"], {"text": "B"}])
def test_gold_that_is_no_text_is_named(tmp_path: Path, gold: Any) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"question": "Which?", "answer": gold, "completion": "B"}))
    with pytest.raises(BadInputError, match=r"own\.jsonl, line 1: .*`\$\.answer`"):
        read.read_recording(path, formats(), task="mine")


@pytest.mark.slow
@pytest.mark.parametrize("form", [*FILES, "batch", "log", "completion_data"])
def test_every_format_is_imported_by_the_command(cli: Cli, tmp_path: Path, form: str) -> None:
    pens(tmp_path)
    if form == "batch":
        paths: tuple[Path, ...] = batch(tmp_path)
    elif form == "log":
        paths = (tmp_path / "mine.log",)
        text = INFO_LOG.replace("METHOD", "zero_shot").replace("BODY", "The answer (arabic numerals) is 2")
        paths[0].write_text(text)
    elif form == "completion_data":
        paths = (completion_data(tmp_path),)
        paths[0].write_text(json.dumps(json.loads(paths[0].read_text()), indent=2))
    else:
        paths = (FILES[form](tmp_path),)
    (report,) = cli.json("import", *paths, "--task", tmp_path / "mine.yaml")  # type: ignore[misc, attr-defined]
    assert sum(report["imported"].values()) == {"batch": COUNT - 1, "log": 1, "completion_data": 1}.get(form, COUNT)


def test_two_batches_with_the_same_ids_are_not_mixed(tmp_path: Path) -> None:
    asked, answered = batch(tmp_path)
    other = tmp_path / "other.jsonl"
    other.write_text(asked.read_text())
    with pytest.raises(BadInputError, match=r"the custom_id 'r0' is in .*in\.jsonl as well"):
        score(tmp_path, answered, others=(asked, other))


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 200, "body": {"choices": ["x"]}},
        {"status_code": 200, "body": {"choices": [None]}},
        {"status_code": 200, "body": {"choices": [{"message": "x"}]}},
        {"status_code": 200, "body": {"choices": []}},
        {"status_code": 200, "body": "x"},
        {"status_code": 429, "body": {}},
        "x",
        None,
    ],
)
def test_odd_responses_of_a_batch_are_listed(tmp_path: Path, response: Any) -> None:
    asked, answered = batch(tmp_path)
    rows = answered.read_text().splitlines()
    rows[0] = json.dumps({"custom_id": "r3", "response": response})
    answered.write_text("\n".join(rows))
    result = score(tmp_path, answered, others=(asked,))
    assert (result.summary.n, len(result.unmatched)) == (COUNT - 2, 2)


def test_one_empty_choice_of_several_is_left_out(tmp_path: Path) -> None:
    asked, answered = batch(tmp_path)
    choices = [{"index": 0, "message": {"content": ""}}, {"index": 1, "message": {"content": REPLIES[0]}}]
    answered.write_text(json.dumps({"custom_id": "r0", "response": {"status_code": 200, "body": {"choices": choices}}}))
    recording = read.read_recording(answered, formats(), task="mine", others=(asked,))
    assert [(entry.completion_index, entry.text) for entry in recording.entries] == [(1, REPLIES[0])]


def test_choice_question_matches_without_its_choices(tmp_path: Path) -> None:
    text = MINE.replace("number", "choice") + "    options: {choices: options}\n"
    rows = [{"question": f"Which ({i})?", "options": ["red", "blue"], "answer": "B"} for i in range(4)]
    task = load_task(write(tmp_path, text, rows))
    path = as_json([{"prompt": f"Which ({i})?\nA. red\nB. blue", "response": "B"} for i in range(4)])(tmp_path)
    recording = read.read_recording(path, formats(), task="mine")
    assert score_recording(recording, task, "flexible", DataFiles(offline=True)).summary.correct == 4


@pytest.mark.parametrize("prompt", ["Q:{}", "<q>{}</q>", '"{}"', "({})", "1.{}"])
def test_questions_are_found_after_any_mark(tmp_path: Path, prompt: str) -> None:
    path = as_json([{"prompt": prompt.format(q), "response": r} for q, r in PAIRS])(tmp_path)
    assert score(tmp_path, path).summary.n == COUNT


def test_log_without_an_end_is_read_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "mine.log"
    text = INFO_LOG.replace("METHOD", "zero_shot").replace("BODY", "The answer (arabic numerals) is 2")
    path.write_text(text.replace("INFO:root:pred : 2\n", "pred_before : a\npred_after : \n" * 20_000))
    assert len(read_one(path).skipped) <= 2
