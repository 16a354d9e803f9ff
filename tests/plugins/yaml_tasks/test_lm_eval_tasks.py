"""Tasks of lm-eval run as they stand, on data that `datasets` loads; what needs Python functions is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, MissingDataError
from rtbench.schema.completions import Completion

FILES = DataFiles(offline=True)
CONFIG = """
task: crates
dataset_path: json
dataset_kwargs: {data_files: {train: TRAIN, test: TEST}}
output_type: generate_until
training_split: train
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: exact_match, regexes_to_ignore: [",", "(?s).*#### "]}
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}, {function: take_first}]
metadata: {version: 3.0}
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    yield


def crates(folder: Path, config: str = CONFIG, target: str = "200 each.\n#### {:,}") -> Path:
    for fold, n in (("train", 6), ("test", 4)):
        lines = [
            {"question": f"A {fold} crate holds {i}; 200 crates?", "answer": target.format(i * 200)} for i in range(n)
        ]
        (folder / f"{fold}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        config = config.replace(fold.upper(), str(folder / f"{fold}.jsonl"))
    (folder / "crates.yaml").write_text(config)
    return folder / "crates.yaml"


def test_generating_task_runs_as_it_stands(tmp_path: Path) -> None:
    task = load_task(crates(tmp_path), offline=True)
    data = task.load(FILES, "original")
    split = data.splits["default"]
    assert (len(split.train), len(split.test), task.info.answer_type) == (6, 4, "number")
    last = data.samples[9]
    assert (last.question, last.answer, last.rationale) == ("A test crate holds 3; 200 crates?", "600", "200 each.")
    assert set(task.info.extractors) == {"paper", "kojima", "strict", "flexible", "strict-match"}
    answers = [Completion("", "", i, 0, "", f"It is.\n#### {data.samples[i].answer}") for i in split.test]
    for name in ("flexible", "strict-match"):
        assert all(score.correct for score in task.extractor(name).score(answers, data.samples, None))


@pytest.mark.parametrize("end", ["", "\\nA: Let's think step by step.", "\\nAnswer:"])
def test_words_around_the_question_are_left_out(tmp_path: Path, end: str) -> None:
    config = CONFIG.replace("Question: {{question}}\\nAnswer:", f"Q: {{{{question}}}}{end}")
    task = load_task(crates(tmp_path, config), offline=True)
    assert task.load(FILES, "original").samples[0].question == "A train crate holds 0; 200 crates?"


def test_changed_data_change_the_fingerprint(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return load_task(crates(tmp_path, target=target), offline=True).fingerprint(FILES, "original")

    target = "#### {}"
    before = fingerprint()
    assert fingerprint() == before
    target = "Work. #### {}"
    assert fingerprint() != before


@pytest.mark.parametrize(
    ("target", "kind"),
    [("{}", "number"), ("yes", "yes_no"), ("crate {}", "string"), ("${:,}", "number")],
)
def test_type_of_answers_is_that_of_all_golds(tmp_path: Path, target: str, kind: str) -> None:
    assert load_task(crates(tmp_path, target=target), offline=True).info.answer_type == kind


def test_lm_evals_own_gsm8k_runs_on_a_copy_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "openai" / "gsm8k"
    (folder / "main").mkdir(parents=True)
    crates(folder / "main")
    files = "".join(f"\n  - split: {fold}\n    path: main/{fold}.jsonl" for fold in ("train", "test"))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: main\n  data_files:{files}\n---\n")
    monkeypatch.chdir(tmp_path)
    spec = find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    task = load_task(Path(spec.origin).parent / "tasks" / "gsm8k" / "gsm8k.yaml", offline=True)
    data = task.load(FILES, "original")
    assert [sample.answer for sample in data.fold("default", "test")] == ["0", "200", "400", "600"]
    assert "flexible-extract" in task.info.extractors


def test_fields_of_a_data_set_may_be_named(tmp_path: Path) -> None:
    settings = "metadata: {version: 1, rtbench: {answer_type: string, options: {question: question, answer: answer}}}"
    task = load_task(crates(tmp_path, CONFIG.replace("metadata: {version: 3.0}", settings), "no {}"), offline=True)
    assert task.load(FILES, "original").samples[0].answer == "no 0"


def test_configs_may_include_others(tmp_path: Path) -> None:
    crates(tmp_path)
    (tmp_path / "more.yaml").write_text("include: crates.yaml\ntask: more\n")
    assert load_task(tmp_path / "more.yaml", offline=True).info.name == "more"
    (tmp_path / "crates.yaml").write_text("include: more.yaml\n")
    with pytest.raises(BadInputError, match="includes itself"):
        load_task(tmp_path / "more.yaml", offline=True)


def replaced(old: str, new: str) -> str:
    assert old in CONFIG
    return CONFIG.replace(old, new)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG + "process_docs: !function utils.process_docs\n", "`process_docs` needs the Python function utils.process_docs"),
        (replaced('"{{answer}}"', "!function utils.gold"), "`doc_to_target` needs the Python function utils.gold"),
        (replaced("generate_until", "multiple_choice"), "`output_type: multiple_choice` compares likelihoods"),
        (replaced('"{{answer}}"', '"{{gold}}"'), "`doc_to_target` fails on this record"),
        (replaced('"{{answer}}"', '"{{answer"'), "`doc_to_target` is not a valid template"),
        (replaced('"{{answer}}"', "solution"), "the record has no field 'solution'"),
        (replaced("test_split: test", "test_split: dev"), "split 'dev' of json cannot be loaded"),
        (replaced("training_split: train\ntest_split: test", ""), "neither `training_split` nor `test_split`"),
        (replaced("task: crates", "task: [a, b]"), "this is a group of tasks"),
        (replaced('",", ', '"(", '), "`regexes_to_ignore`"),
        (CONFIG + "doc_to_image: image\n", "only questions in text can be asked"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_by_name(tmp_path: Path, config: str, said: str) -> None:
    with pytest.raises(BadInputError) as raised:
        load_task(crates(tmp_path, config), offline=True)
    assert said in str(raised.value)


def test_data_set_that_is_not_there_is_missing_data(tmp_path: Path) -> None:
    text = CONFIG.replace("dataset_path: json", "dataset_path: nobody/nothing").replace("dataset_kwargs", "# ")
    with pytest.raises(MissingDataError, match="the data set nobody/nothing is not found"):
        load_task(crates(tmp_path, text), offline=True)


def test_code_of_a_template_cannot_reach_the_machine(tmp_path: Path) -> None:
    text: Any = CONFIG.replace('"{{answer}}"', "\"{{ ''.__class__.__mro__[1].__subclasses__() }}\"")
    with pytest.raises(BadInputError, match="`doc_to_target` fails on this record: SecurityError"):
        load_task(crates(tmp_path, text), offline=True)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'a' * 10000000000 }}", "the repeated value is too long"),
        ("{{ 9 ** 999999999 }}", "the power is too large"),
        ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "finds no end"),
        ("{% for i in range(999999999) %}{% endfor %}", "fails on this record"),
        ("{{ " + "(" * 5000 + " }}", "not a valid template"),
    ],
)
def test_template_without_an_end_is_stopped(tmp_path: Path, template: str, said: str) -> None:
    with pytest.raises(BadInputError, match=f"`doc_to_target`.*{said}"):
        load_task(crates(tmp_path, CONFIG.replace('"{{answer}}"', json.dumps(template))), offline=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("include: loop.yaml\ntask: x\n", "loop of symbolic links|too many|Too many"),
        ('include: "~nosuchuser/x.yaml"\n', "is not a path"),
        ("include: nowhere.yaml\n", "no such file"),
        ("include: 5\n", "not the name of a file"),
    ],
)
def test_include_that_is_no_file_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(BadInputError, match=said):
        load_task(tmp_path / "mine.yaml", offline=True)
