"""Logs of the zero-shot-CoT repository: read, refused where they are broken."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError
from rtbench.recordings.matching import match
from rtbench.schema.recordings import Matched, Recording
from rtbench.schema.tasks import Sample, TaskData
from tests.helpers.cli import ROOT
from tests.helpers.recordings import read_recording, score_file

STARS = "*" * 25
TRIGGER = "Therefore, the answer (arabic numerals) is"


def record(
    question: str, rationale: str, answer: str, gold: str = "7", *, before: str | None = None, trigger: str = TRIGGER
) -> str:
    """One record as the log prints it; the number is put in by :func:`log`."""
    return (
        f"{STARS}\n@st data\n1_th_sampling\nQ: {question}\nA: Let's think step by step.{rationale} \n{trigger}{answer}\n"
        f"pred_before : {answer.strip() if before is None else before}\npred_after : 7\npred_list : ['7']\n"
        f"pred_mode : 7\nGT : {gold}\n{STARS}\n"
    )


def log(
    *records: str,
    method: str = "zero_shot_cot",
    dataset: str = "multiarith",
    model: str = "gpt3-xl",
    trigger: str = TRIGGER,
    size: int | None = None,
) -> str:
    numbered = "".join(re.sub("^@", str(i), r, flags=re.MULTILINE) for i, r in enumerate(records, 1))
    return (
        f'{"*" * 29}\nNamespace(api_log_content=MyDict(), cot_trigger="Let\'s think step by step.", cot_trigger_no=1, '
        f"dataset='{dataset}', direct_answer_trigger='\\n{trigger}', limit_dataset_size=0, method='{method}', "
        f"model='{model}', random_seed=1)\n{'*' * 29}\nsetup data loader ...\nworker_seed : 1\n"
        f"dataset : {dataset}\ndata size : {len(records) if size is None else size}\n{numbered}accuracy : 50.0\n"
    )


def written(tmp_path: Path, text: str, name: str = "some.log") -> Path:
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


GOOD = (
    record("How many legs have a cat and a hen?", " \n\nA cat has 4, a hen 2.\n\nThat makes 6.", " 6.", "6"),
    record("What time is a quarter to four?", " Three and\nthree quarters.", " 3:45\n\n", "3:45", before="345"),
)


@pytest.mark.parametrize("name", ["some.log", "some.log.gz"])
def test_log_says_model_key_task_and_both_stages(tmp_path: Path, name: str) -> None:
    recording = read_recording(written(tmp_path, log(*GOOD), name))
    assert (recording.model, recording.key, recording.task) == ("text-davinci-002", "zs_cot", "multiarith")
    assert recording.answer_prefix is None
    first, second = recording.entries
    assert first.question == "How many legs have a cat and a hen?"
    assert first.reasoning == " \n\nA cat has 4, a hen 2.\n\nThat makes 6."
    assert (first.text, first.answer, first.prompt) == ("6.", "6", TRIGGER)
    assert (first.sample_index, first.finish_reason) == (None, None)


def test_answer_is_what_the_log_found_before_cleansing(tmp_path: Path) -> None:
    """Older runs print it without white space and colons; it is kept so."""
    entry = read_recording(written(tmp_path, log(*GOOD))).entries[1]
    assert entry.text == "345"
    newer = record("Which?", " B, I think.", " B. \n", "B", before=" B. \n")
    assert read_recording(written(tmp_path, log(newer))).entries[0].text == " B. \n"


def test_places_are_line_numbers(tmp_path: Path) -> None:
    text = log(*GOOD)
    lines = text.split("\n")
    for entry in read_recording(written(tmp_path, text)).entries:
        number = int(entry.place.removeprefix("line "))
        assert lines[number - 1] == STARS
        assert lines[number + 2] == f"Q: {entry.question}"


def test_names_given_go_before_those_of_the_log(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path, log(*GOOD)), model="m", key="k", task="t")
    assert (recording.model, recording.key, recording.task) == ("m", "k", "t")


@pytest.mark.parametrize(
    ("dataset", "task"),
    [
        ("singleeq", "single_eq"),
        ("commonsensqa", "commonsense_qa"),
        ("strategyqa", "strategy_qa"),
        ("bigbench_date", "date_understanding"),
        ("object_tracking", "tracking_shuffled_objects"),
        ("last_letters", "last_letter_concatenation"),
        ("coin_flip", "coin_flip"),
    ],
)
def test_data_sets_have_our_names(tmp_path: Path, dataset: str, task: str) -> None:
    assert read_recording(written(tmp_path, log(*GOOD, dataset=dataset))).task == task


def test_rationale_that_words_the_trigger_is_not_cut_there(tmp_path: Path) -> None:
    rationale = f" It is 3. \n{TRIGGER} 3. No, wait: it is 7."
    answer = f" 7.\n{TRIGGER} 7."
    recording = read_recording(written(tmp_path, log(record("Which?", rationale, answer))))
    assert (recording.entries[0].reasoning, recording.entries[0].text) == (rationale, answer.strip())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a log of zero-shot-CoT"),
        ("2024-01-01 INFO started\n", "not a log of zero-shot-CoT"),
        (log(*GOOD, method="few_shot_cot"), "few_shot_cot"),
        (log(), "0 records"),
        (log(*GOOD, size=3), "2 records of the 3"),
        (log(*GOOD)[:-80], "the record is incomplete"),
        (log(record("Which?", " Some.", " 7.", before="8.")), "no answer stage"),
    ],
)
def test_broken_log_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInputError, match=said) as raised:
        read_recording(path)
    assert str(path) in str(raised.value)
    assert raised.value.next_step


def test_broken_record_is_named_with_its_line(tmp_path: Path) -> None:
    text = log(*GOOD)[:-80]
    with pytest.raises(BadInputError, match=f"line {text[: text.rindex('2st data')].count(chr(10))}: the record"):
        read_recording(written(tmp_path, text))


def test_samples_with_one_text_are_served_in_turn(tmp_path: Path) -> None:
    twice = log(*(record("Same?", f" Try {i}.", " 7.") for i in range(3)))
    data = {"d": TaskData({i: Sample(index=i, question="Same?", answer="7") for i in (4, 9)}, {})}
    matched = match(read_recording(written(tmp_path, twice)), data)
    assert [(p.sample_index, p.completion_index, p.entry.reasoning) for p in matched.pairs] == [
        (4, 0, " Try 0."),
        (9, 0, " Try 1."),
        (4, 1, " Try 2."),
    ]


def as_log(path: Path) -> str:
    """A real recording in the layout of a log."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    trigger = rows[0]["prompt"]
    return log(
        *(
            record(
                r["question"],
                r["reasoning_completion"],
                r["completion_raw"],
                r["answer"],
                before=r["completion"],
                trigger=trigger,
            )
            for r in rows
        ),
        dataset=rows[0]["task"],
        trigger=trigger,
    )


@pytest.mark.parametrize("name", ["multiarith", "aqua", "date_understanding", "strategy_qa", "coin_flip"])
def test_real_recording_is_the_same_from_a_log(tmp_path: Path, data_dir: Path, name: str) -> None:
    """multiarith and strategy_qa hold questions that occur twice."""
    path = data_dir / "teacher" / f"text-davinci-002__zs_cot__{name}.jsonl.gz"
    task = load_task(ROOT / "tasks" / name / "task.yaml")
    files = DataFiles(data_dir, tmp_path / "cache", offline=True)
    data = {task.dataset_id(v): task.load(files, v) for v in task.info.variants}

    def found(recording: Recording) -> dict[tuple[str, int, int], tuple[str | None, str]]:
        matched: Matched = match(recording, data)
        assert matched.unmatched == ()
        return {
            (dataset, pair.sample_index, pair.completion_index): (pair.entry.reasoning, pair.entry.text)
            for pair in matched.pairs
            for dataset in pair.datasets
        }

    assert found(read_recording(written(tmp_path, as_log(path)))) == found(read_recording(path))


def test_log_is_scored_like_its_recording(tmp_path: Path, data_dir: Path) -> None:
    path = data_dir / "teacher" / "text-davinci-002__zs_cot__coin_flip.jsonl.gz"
    task = load_task(ROOT / "tasks" / "coin_flip" / "task.yaml")
    files = DataFiles(data_dir, tmp_path / "cache", offline=True)
    of_log = score_file(written(tmp_path, as_log(path)), task, "kojima", files)
    assert of_log.summary == score_file(path, task, "kojima", files).summary
    assert of_log.summary.accuracy == 0.914
