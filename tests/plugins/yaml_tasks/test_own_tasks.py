"""Tasks of one's own in YAML: ten lines are enough, every mistake has one clear error, and the fingerprint sees all."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from rtbench_plugins.yaml_tasks import load_task, splits

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, RtbenchError, UnknownNameError
from rtbench.schema.completions import Completion
from tests.helpers.tasks import MINE, write

TEN = [{"question": f"How much is {i} and 1?", "answer": i + 1} for i in range(10)]


def test_ten_lines_make_a_task_of_ones_own(tmp_path: Path) -> None:
    task, files = load_task(write(tmp_path, MINE, TEN)), DataFiles(offline=True)
    data = task.load(files, "original")
    assert [s.answer for s in data.samples.values()] == [str(i + 1) for i in range(10)]
    assert (len(data.splits["default"].train), len(data.splits["default"].test)) == (7, 3)
    before = task.fingerprint(files, "original")
    write(tmp_path, MINE, [*TEN[:-1], {"question": "Changed?", "answer": 1}])
    assert task.fingerprint(files, "original") != before


def test_folds_may_come_from_a_field_or_from_files(tmp_path: Path) -> None:
    files = DataFiles(offline=True)
    by_field = MINE + "    options: {fold: part}\n"
    lines = [{**line, "part": "test" if i % 2 else "train"} for i, line in enumerate(TEN)]
    split = load_task(write(tmp_path, by_field, lines)).load(files, "original").splits["default"]
    assert split.test == (1, 3, 5, 7, 9)
    (tmp_path / "more.jsonl").write_text('{"question": "One?", "answer": "1"}\n')
    by_file = MINE.replace("[{name: mine.jsonl}]", "[{name: mine.jsonl, fold: train}, {name: more.jsonl, fold: test}]")
    split = load_task(write(tmp_path, by_file, TEN)).load(files, "original").splits["default"]
    assert (split.train, split.test) == (tuple(range(10)), (10,))


@pytest.mark.parametrize("gold", ["B", "b", 1, "green"])
def test_choice_golds_may_be_letter_place_or_text(tmp_path: Path, gold: str | int) -> None:
    text = MINE.replace("number", "choice") + "    options: {choices: options}\n"
    lines = [{"question": "Which?", "options": ["red", "green"], "answer": gold}] * 4
    sample = load_task(write(tmp_path, text, lines)).load(DataFiles(offline=True), "original").samples[0]
    assert (sample.question, sample.answer) == ("Which? Answer choices: (A) red, (B) green.", "B")


@pytest.mark.parametrize("letters", [None, "ABCDEF"])
def test_choice_gold_that_no_extractor_reads_is_refused(tmp_path: Path, letters: str | None) -> None:
    text = MINE.replace("number", "choice") + (f"    letters: {letters}\n" if letters else "")
    task = load_task(write(tmp_path, text, [{"question": "Which?", "answer": "F"}] * 4))
    if letters:
        assert task.load(DataFiles(offline=True), "original").samples[0].answer == "F"
        return
    with pytest.raises(BadInputError, match=r"'F' is not of type choice \(ABCDE\)") as raised:
        task.load(DataFiles(offline=True), "original")
    assert "`letters`" in str(raised.value)


@pytest.mark.parametrize(("gold", "good"), [("1,000", True), ("$ 5.5", True), ("-3", True), ("nan", False),
    ("inf", False), ("-Infinity", False), ("1_000", False), ("five", False)])  # fmt: skip
def test_number_gold_is_a_finite_number(tmp_path: Path, gold: str, *, good: bool) -> None:
    task, files = (
        load_task(write(tmp_path, MINE, [{"question": "How many?", "answer": gold}] * 4)),
        DataFiles(offline=True),
    )
    if good:
        assert task.load(files, "original").samples[0].answer == gold
        return
    with pytest.raises(BadInputError, match="is not of type number"):
        task.load(files, "original")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answer_type", "anser_type", "Did you mean 'answer_type'"),
        ("{name:", "{nme:", "Did you mean 'name'"),
        ("doc_to_text", "doc_to_txt", "Did you mean 'doc_to_text'"),
        ("number", "numbr", "answer_type: unknown value 'numbr'\nDid you mean 'number'"),
        ("    files: [{name: mine.jsonl}]", "    files: []", "`files` is empty"),
        ("task: mine", "tag: mine", "`task`"),
        ("  rtbench:", "  other:", "metadata.rtbench"),
        ("answer_type: number", "answer_type: number\n    loader: jsnl", "Did you mean 'jsonl'"),
    ],
)
def test_mistakes_in_a_yaml_are_named_with_the_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write(tmp_path, MINE.replace(old, new), TEN)
    with pytest.raises((BadInputError, UnknownNameError)) as raised:
        load_task(path)
    assert said in str(raised.value)
    assert "mine.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"question": "a", "answer": "1"}\n{"question": \n', "line 2"),
        ('{"question": "a"}\n', "'answer'"),
        ("\n", "empty"),
    ],
)
def test_mistakes_in_the_data_are_named_with_the_line(tmp_path: Path, lines: str, said: str) -> None:
    path = write(tmp_path, MINE, [])
    (tmp_path / "mine.jsonl").write_text(lines)
    with pytest.raises(RtbenchError) as raised:
        load_task(path).load(DataFiles(offline=True), "original")
    assert said in str(raised.value)
    assert "mine.jsonl" in str(raised.value)


def test_local_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, MINE.replace("mine.jsonl}", f"mine.jsonl, sha256: {'a' * 64}}}"), TEN)
    with pytest.raises(BadInputError, match="wrong SHA-256"):
        load_task(path).load(DataFiles(offline=True), "original")


# ------------------------------------------------------------------------------------------- mistakes of every type

FULL = """
task: mine
dataset_path: json
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Q:"]}
metric_list: [{metric: exact_match}]
filter_list:
  - name: strict
    filter: [{function: rtbench, rule: strict, answer_type: number}, {function: take_first}]
metadata:
  version: 1
  rtbench:
    answer_type: number
    files: [{name: mine.jsonl}]
    title: Mine
    loader: jsonl
    options: {question: question}
    variants: [original]
    aliases: {kojima: original}
    splits: {default: {by: group}}
    groups: {mask: '\\d+', until: '?'}
    random_accuracy: 0.1
    train_size: 7
    test_size: 3
    answer_trigger: The answer is
    letters: ABC
    source: here
    licence: MIT
    paper_prompt: {key: a, file: {name: b.json, repository: a/b, commit: c, path: b.json}}
"""
WRONG = [5, "x", [1], {"a": 1}, None]
WRONG_PLACES = [
    *((key,) for key in yaml.safe_load(FULL)),
    *(("filter_list", 0, key) for key in ("name", "filter")),
    *(("filter_list", 0, "filter", 0, key) for key in ("function", "rule", "answer_type")),
    *(("metadata", key) for key in ("version", "rtbench")),
    *(("metadata", "rtbench", key) for key in yaml.safe_load(FULL)["metadata"]["rtbench"]),
    *(("metadata", "rtbench", "paper_prompt", key) for key in ("file", "key")),
    *(("metadata", "rtbench", "groups", key) for key in ("mask", "until")),
    *(("metadata", "rtbench", "splits", key) for key in ("default", "other")),
    *(("metadata", "rtbench", "splits", "default", key) for key in ("by", "seed", "train_fraction", "subsample_train")),
    ("metadata", "rtbench", "options", "question"),
    *(("metadata", "rtbench", "files", 0, key) for key in ("name", "fold", "records", "first_index", "optional")),
]


def use(path: Path) -> None:
    """All that a run does with a task."""
    task, files = load_task(path), DataFiles(offline=True)
    for variant in task.info.variants:
        task.fingerprint(files, variant)
        samples = task.load(files, variant).samples
    for name in task.info.extractors:
        judge = task.extractor(name)
        task.extractor_key(name)
        first = min(samples)
        done = Completion(key="", task="mine", sample_index=first, completion_index=0, prompt="", text="It is 5")
        for score in judge.score([done], samples, None):
            judge.canonical(score.extracted or "")


LETTERED = [{"question": f"{'abcdefghij'[i]} {i}? {i}", "answer": i} for i in range(10)]


def test_yaml_with_every_key_works(tmp_path: Path) -> None:
    use(write(tmp_path, FULL, LETTERED))


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("place", WRONG_PLACES, ids=lambda place: ".".join(map(str, place)))
def test_wrong_type_anywhere_is_one_clear_error_or_harmless(tmp_path: Path, place: tuple[Any, ...], wrong: Any) -> None:
    path = write(tmp_path, FULL, LETTERED)
    data: Any = yaml.safe_load(FULL)
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = wrong
    path.write_text(yaml.safe_dump(data))
    try:
        use(path)
    except RtbenchError as error:
        assert str(tmp_path) in str(error), "the file is named"
        named = [key for key in place if isinstance(key, str)][-2:]
        assert any(key in str(error) for key in named), "the key is named, or what it is part of"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mask: '\\d+'", "mask: '('", "groups.mask: '(' is not a regular expression"),
        ("files: [{name: mine.jsonl}]", "files: 5", "metadata.rtbench, files: 5 is not a list"),
        ("splits: {default: {by: group}}", "splits: [a]", "metadata.rtbench, splits: ['a'] is not a mapping"),
        ("{by: group}", "{by: group, seed: -1}", "seed: -1 must be at least 0"),
        ("{by: group}", "{by: random, train_fraction: 5}", "train_fraction: 5 must be at most 1"),
        ("letters: ABC", "letters: ']'", "letters"),
        ("aliases: {kojima: original}", "aliases: {kojima: orignal}", "Did you mean 'original'"),
        ("rule: strict", "rule: strct", "Did you mean 'strict'"),
        ("answer_type: number}", "answer_tpe: number}", "Did you mean 'answer_type'"),
        ("variants: [original]", "variants: []", "metadata.rtbench, variants: an empty list"),
        ("version: 1", "version: .inf", "not a finite number"),
        ("{function: take_first}", "{function: map, mapping_dict: {yes: 1}}", "Quote it"),
        ("loader: jsonl", "loader: gsm8k", "metadata.rtbench.options: unknown key 'question'"),
        ("[{name: mine.jsonl}]", "[{name: mine.jsonl}, {name: mine.jsonl, first_index: 0}]", "first_index"),
    ],
)
def test_wrong_values_are_named_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in FULL
    path = write(tmp_path, FULL.replace(old, new), TEN)
    with pytest.raises(RtbenchError) as raised:
        use(path)
    assert said in str(raised.value)
    assert "mine.yaml" in str(raised.value)


def test_filter_that_fails_is_one_clear_error(tmp_path: Path) -> None:
    for step in (
        "{function: regex, regex_pattern: '('}",
        "{function: take_first_k}",
        "{function: map, mapping_dict: 5}",
    ):
        text = FULL.replace("{function: take_first}", step)
        with pytest.raises(BadInputError, match=r"mine\.yaml: filter_list, 'strict'"):
            use(write(tmp_path, text.replace("{by: group}", "{by: random}"), TEN))


def test_file_that_is_not_in_the_loaders_format_is_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path, MINE.replace("answer_type: number", "answer_type: number\n    loader: math_word_json"), [])
    (tmp_path / "mine.jsonl").write_text('[{"sQuestion": "Why?", "lSolutions": []}]')
    with pytest.raises(BadInputError, match="not in the format of loader 'math_word_json'"):
        load_task(path).load(DataFiles(offline=True), "original")


# -------------------------------------------------------------------------------------------------------- fingerprints


def test_fingerprint_changes_with_all_that_changes_samples_or_folds(tmp_path: Path) -> None:
    def fingerprint(file: str = "", rest: str = "") -> str:
        text = MINE.replace("{name: mine.jsonl}", f"{{name: mine.jsonl{file}}}") + rest
        return load_task(write(tmp_path, text, TEN)).fingerprint(DataFiles(offline=True), "original")

    changes = [
        ("", ""),
        (", fold: train", ""),
        (", fold: test", ""),
        (", first_index: 5", ""),
        (", records: 10", ""),
        ("", "    splits: {default: {by: random, seed: 1}}\n"),
        ("", "    groups: {until: '?'}\n"),
        ("", "    options: {fold: part}\n"),
    ]
    found = [fingerprint(*change) for change in changes]
    assert len(set(found)) == len(found)
    assert fingerprint("", "    title: Another\n    licence: MIT\n") == found[0], "what is only shown does not count"
    text = MINE.replace("answer_type: number", "answer_type: string")
    other = load_task(write(tmp_path, text, TEN)).fingerprint(DataFiles(offline=True), "original")
    assert other not in found


def test_fingerprint_counts_the_version_of_the_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, files = load_task(write(tmp_path, MINE, TEN)), DataFiles(offline=True)
    before = task.fingerprint(files, "original")
    monkeypatch.setattr(splits, "VERSION", splits.VERSION + 1)
    assert task.fingerprint(files, "original") != before


def test_optional_file_counts_only_where_it_is_present(tmp_path: Path) -> None:
    more = tmp_path / "raw" / "more.jsonl"
    content = b'{"question": "One?", "answer": "1"}\n'
    digest = hashlib.sha256(content).hexdigest()
    pin = f"name: more.jsonl, repository: a/b, commit: c, path: d, sha256: {digest}, optional: true, records: 1"
    path = write(tmp_path, MINE.replace("mine.jsonl}", f"mine.jsonl}}, {{{pin}}}"), TEN)
    more.parent.mkdir()
    files = DataFiles(more.parent, tmp_path / "cache", offline=True)
    task = load_task(path)
    absent = task.fingerprint(files, "original")
    assert 10 not in task.load(files, "original").samples
    more.write_bytes(content)
    assert 10 in task.load(files, "original").samples
    assert task.fingerprint(files, "original") != absent
