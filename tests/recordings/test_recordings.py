"""Recordings: reading, matching, scoring files."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.recordings.matching import match
from rtbench.schema.tasks import Sample, TaskData
from tests.helpers.cli import ROOT
from tests.helpers.recordings import read_recording, score_file


def task_named(name: str) -> Any:
    return load_task(ROOT / "tasks" / name / "task.yaml")


def jsonl(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_names_come_from_the_file_name(data_dir: Path) -> None:
    recording = read_recording(data_dir / "teacher" / "text-davinci-002__zs_cot__addsub.jsonl.gz")
    assert (recording.model, recording.key, recording.task) == ("text-davinci-002", "zs_cot", "addsub")
    assert len(recording.entries) == 395


def test_two_stages_keep_rationale_and_answer_apart(data_dir: Path) -> None:
    path = data_dir / "teacher" / "text-davinci-002__zs_cot__multiarith.jsonl.gz"
    raw = json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])
    recording = read_recording(path)
    assert recording.entries[0].reasoning == raw["reasoning_completion"]
    assert recording.entries[0].text == raw["completion"]
    assert recording.answer_prefix is None


def test_one_text_is_kept_verbatim(data_dir: Path) -> None:
    path = data_dir / "teacher" / "gpt-4__fs_cot__svamp.jsonl.gz"
    raw = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    recording = read_recording(path)
    assert [e.text for e in recording.entries] == [r["reasoning_completion"] + r["completion"] for r in raw]
    assert all(e.reasoning is None for e in recording.entries)
    assert recording.answer_prefix == "The answer is"


def test_every_recording_is_matched_or_listed(data_dir: Path) -> None:
    files = DataFiles(data_dir, Path("/nonexistent"), offline=True)
    data: dict[str, dict[str, TaskData]] = {}
    for path in sorted((data_dir / "teacher").glob("*__date_understanding.jsonl.gz")):
        recording = read_recording(path)
        if recording.task not in data:
            task = task_named(recording.task)
            data[recording.task] = {v: task.load(files, v) for v in task.info.variants}
        matched = match(recording, data[recording.task])
        assert len(matched.pairs) + len(matched.unmatched) == len(recording.entries)
        assert matched.unmatched == ()
        wording = "original" if recording.key == "gold_cot_n6" else "kojima"
        assert matched.datasets == {wording: len(recording.entries)}
        assert all(pair.sample_index == pair.entry.sample_index for pair in matched.pairs)


def pool() -> dict[str, TaskData]:
    samples = [("One?", "1"), ("Two?", "2"), ("Same?", "3"), ("Same?", "3"), ("Torn?", "4"), ("Torn?", "5")]
    return {"original": TaskData({i: Sample(index=i, question=q, answer=a) for i, (q, a) in enumerate(samples)}, {})}


def test_matching_is_by_text_and_says_why_not(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "m__k__t.jsonl",
        {"question": " One? ", "completion": "1", "sample_index": 1},
        {"question": "Same?", "completion": "3", "sample_index": 3},
        {"question": "Same?", "completion": "3"},
        {"question": "Torn?", "completion": "4"},
        {"question": "Torn?", "completion": "5", "sample_index": 5},
        {"question": "Nowhere?", "text": "5"},
        {"sample_index": 1, "text": "2"},
        {"sample_index": 99, "text": "2"},
    )
    matched = match(read_recording(path), pool())
    assert [pair.sample_index for pair in matched.pairs] == [0, 3, 2, 5, 1]
    reasons = {one.where.split(", ")[-1]: one.reason for one in matched.unmatched}
    assert set(reasons) == {"line 4", "line 6", "line 8"}
    assert "different gold answers" in reasons["line 4"]
    assert "no sample has this question" in reasons["line 6"]
    assert "99" in reasons["line 8"]


def test_completions_of_one_question_are_numbered(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "m__k__t.jsonl", *[{"question": "One?", "text": str(i)} for i in range(3)])
    matched = match(read_recording(path), pool())
    assert [(pair.sample_index, pair.completion_index) for pair in matched.pairs] == [(0, 0), (0, 1), (0, 2)]


COMPLETION_DATA = {
    "metadata": {
        "base_model": "text-davinci-002",
        "dataset_key": "multiarith",
        "completion_key": "zs_cot",
        "finetune_key": None,
        "train_key": None,
        "epoch": None,
        "prediction_template": "zs_cot",
    },
    "data": {
        "3": [
            {
                "sample_index": 3,
                "completion_index": 0,
                "question": "How many?",
                "answer": "8",
                "reasoning_prompt": "Q: How many?\nA: Let's think step by step.",
                "reasoning_completion": " 4 and 4.",
                "reasoning_finish_reason": "stop",
                "prompt": "Q: …\nTherefore, the answer is",
                "completion": " 8.",
                "finish_reason": "stop",
            }
        ]
    },
}


def test_completion_data_of_the_original_project_is_read(tmp_path: Path) -> None:
    path = tmp_path / "B_text-davinci-002__C_zs_cot__D_multiarith.json"
    path.write_text(json.dumps(COMPLETION_DATA))
    recording = read_recording(path)
    assert (recording.model, recording.key, recording.task) == ("text-davinci-002", "zs_cot", "multiarith")
    entry = recording.entries[0]
    assert (entry.sample_index, entry.reasoning, entry.text, entry.answer) == (3, " 4 and 4.", " 8.", "8")
    assert entry.finish_reason == "stop"
    assert recording.answer_prefix is None


def test_completion_data_of_a_student_is_searched_behind_its_arrow(tmp_path: Path) -> None:
    raw = json.loads(json.dumps(COMPLETION_DATA))
    raw["metadata"]["prediction_template"] = "ft_cot_token"
    record = raw["data"]["3"][0]
    for name in ("reasoning_prompt", "reasoning_completion", "reasoning_finish_reason"):
        del record[name]
    record["completion"] = " 4 and 4 are 9 --> 8"
    path = tmp_path / "c.json"
    path.write_text(json.dumps(raw))
    assert read_recording(path).answer_prefix == "-->"
    scored = score_file(path, task_named("multiarith"), "paper", DataFiles(offline=True))
    assert (scored.summary.correct, scored.summary.complete) == (1, 1.0)
    raw["metadata"]["prediction_template"] = "ft_cot_tokn"
    path.write_text(json.dumps(raw))
    with pytest.raises(UnknownNameError, match="ft_cot_token"):
        read_recording(path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m__k__addsub.jsonl", "", "empty"),
        ("m__k__addsub.jsonl", '{"question": "a", "text": "b"}\n{"question": "a", ', "line 2"),
        ("m__k__addsub.jsonl", '{"question": "a"}\n', "neither `completion` nor `text`"),
        ("m__k__addsub.jsonl", '{"text": "a"}\n', "neither `question` nor `sample_index`"),
        ("m__k__addsub.jsonl", '{"question": 7, "text": "a"}\n', "line 1"),
        ("c.json", '{"metadata": {}}', "data"),
        ("c.json", '{"metadata": {},\n "data": {"0": [}', "line 2"),
        ("c.json", '{"metadata": {"dataset_key": "addsub"}, "data": {}}', "no finished completions"),
        ("unnamed.jsonl", '{"question": "a", "text": "b"}\n', "--task"),
    ],
)
def test_broken_files_are_named_with_the_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInputError) as raised:
        read_recording(path)
    assert said in str(raised.value)
    assert name in str(raised.value)


def test_file_with_its_own_golds_is_scored_without_data(data_dir: Path) -> None:
    path = data_dir / "teacher" / "text-davinci-002__zs_cot__addsub.jsonl.gz"
    scored = score_file(path, task_named("addsub"), "kojima", DataFiles(None, Path("/nonexistent"), offline=True))
    assert scored.gold == "file"
    assert scored.summary.n == 395
    assert 100 * scored.summary.accuracy == 69.62025316455697


def test_file_without_golds_is_scored_against_the_data(tmp_path: Path, data_dir: Path) -> None:
    task, files = task_named("multiarith"), DataFiles(data_dir, Path("/nonexistent"), offline=True)
    samples = task.load(files, "original").samples
    path = jsonl(
        tmp_path / "out.jsonl",
        {"question": samples[0].question, "text": f"So it is {samples[0].answer}."},
        {"question": samples[1].question, "text": "So it is minus a lot."},
        {"question": "Who asked this?", "text": "1"},
    )
    scored = score_file(path, task, "flexible", files)
    assert (scored.gold, scored.summary.n, scored.summary.correct) == ("data", 2, 1)
    assert [score.sample_index for score in scored.scores] == [0, 1]
    assert len(scored.unmatched) == 1


def test_records_of_one_question_all_count(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "out.jsonl",
        {"question": "How many?", "answer": "4", "text": "The answer is 4."},
        {"question": "How many?", "answer": "4", "text": "The answer is 5."},
        {"question": "How many?", "answer": "4", "text": "The answer is 4 pens."},
        {"question": "How old?", "answer": "9", "text": "The answer is 9."},
    )
    scored = score_file(path, task_named("multiarith"), "flexible", DataFiles(None, Path("/nonexistent"), offline=True))
    assert (scored.summary.correct, scored.summary.n, scored.questions) == (3, 4, 2)
    assert scored.summary.accuracy == 0.75
    assert [score.sample_index for score in scored.scores] == [0, 0, 0, 1]


def test_result_does_not_depend_on_whether_the_data_are_local(tmp_path: Path, data_dir: Path) -> None:
    path, task = data_dir / "teacher" / "gpt-4__fs_cot__date_understanding.jsonl.gz", task_named("date_understanding")
    stripped = tmp_path / path.name.removesuffix(".gz")
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    jsonl(stripped, *[{k: v for k, v in line.items() if k != "answer"} for line in lines])
    files = DataFiles(data_dir, Path("/nonexistent"), offline=True)
    for extractor in task.info.extractors:
        with_golds, without = (score_file(p, task, extractor, files) for p in (path, stripped))
        assert with_golds.scores == without.scores
        assert (with_golds.gold, without.gold) == ("file", "data")


@pytest.mark.parametrize(
    ("key", "prefix"),
    [("zs", None), ("ft_token", None), ("ft_cot_token", "-->"), ("fs_cot", "The answer is"), ("own", "The answer is")],
)
def test_key_that_is_a_template_of_the_original_says_the_prefix(tmp_path: Path, key: str, prefix: str | None) -> None:
    path = jsonl(tmp_path / f"m__{key}__t.jsonl", {"question": "One?", "text": "1"})
    assert read_recording(path).answer_prefix == prefix
