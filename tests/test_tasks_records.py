"""Every record and every split of all twelve tasks, built from the upstream files, against the published ones."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rtbench_plugins.yaml_tasks import load_task, splits
from rtbench_plugins.yaml_tasks.task import YamlTask

from rtbench.answer_text import choices_in
from rtbench.data import DataFiles
from rtbench.errors import BadInputError, MissingDataError, RtbenchError, UnknownNameError
from rtbench.interfaces import TaskData
from rtbench.records import Completion

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/task.yaml"))
DIFFERING = {"aqua", "commonsense_qa", "date_understanding", "strategy_qa", "tracking_shuffled_objects"}


def task_named(name: str) -> YamlTask:
    return load_task(ROOT / "tasks" / name / "task.yaml")


@pytest.fixture(scope="module")
def files(data_dir: Path) -> DataFiles:
    return DataFiles(data_dir / "raw", Path("/nonexistent"), offline=True)


_LOADED: dict[tuple[str, str], TaskData] = {}


def loaded(name: str, variant: str, files: DataFiles) -> TaskData:
    if (name, variant) not in _LOADED:
        _LOADED[name, variant] = task_named(name).load(files, variant)
    return _LOADED[name, variant]


def published(folder: Path, name: str) -> list[dict[str, Any]] | None:
    for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if path.is_file():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return [json.loads(line) for line in data.decode().split("\n") if line]
    return None


def test_all_twelve_tasks_are_there() -> None:
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["original", "kojima"])
def test_every_record_equals_the_published_one(name: str, variant: str, files: DataFiles, data_dir: Path) -> None:
    want = published(data_dir / "datasets_original_format", name) if variant == "original" else None
    want = want or published(data_dir / "datasets", name)
    got = [
        {"sample_index": s.index, "question": s.question, "answer": s.answer, "rationale": s.rationale}
        for s in loaded(name, variant, files).samples.values()
    ]
    assert got == want


@pytest.mark.parametrize("name", NAMES)
def test_every_split_equals_the_published_one(name: str, files: DataFiles, data_dir: Path) -> None:
    splits = loaded(name, "original", files).splits
    want = {path.stem.split("__")[1]: json.loads(path.read_bytes()) for path in data_dir.glob(f"splits/{name}__*.json")}
    assert {k: {"train": list(s.train), "test": list(s.test)} for k, s in splits.items()} == want


@pytest.mark.parametrize("name", NAMES)
def test_info_agrees_with_the_data(name: str, files: DataFiles) -> None:
    info, data = task_named(name).info, loaded(name, "original", files)
    split = data.splits["default"]
    assert (info.train_size, info.test_size) == (len(split.train), len(split.test))
    assert info.splits == tuple(data.splits)
    assert list(info.extractors) == ["paper", "kojima", "strict", "flexible"]
    if info.answer_type == "choice":
        shares = [1 / len(data.samples[i].choices) for i in split.test]
        assert info.random_accuracy == pytest.approx(sum(shares) / len(shares), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_variants_share_a_name_exactly_where_they_share_the_records(name: str, files: DataFiles) -> None:
    task = task_named(name)
    same = dict(loaded(name, "original", files).samples) == dict(loaded(name, "kojima", files).samples)
    assert same == (task.dataset_id("original") == task.dataset_id("kojima"))
    assert same == (task.fingerprint(files, "original") == task.fingerprint(files, "kojima"))
    assert same == (name not in DIFFERING)


@pytest.mark.parametrize("name", sorted(DIFFERING - {"strategy_qa"}))
@pytest.mark.parametrize("variant", ["original", "kojima"])
def test_choices_stand_in_the_question_in_letter_order(name: str, variant: str, files: DataFiles) -> None:
    for sample in loaded(name, variant, files).samples.values():
        assert "ABCDEF".index(sample.answer) < len(sample.choices)
        read = choices_in(sample.question)
        assert [_joined(text) for text in read] == [_joined(text) for text in sample.choices], sample.index


def _joined(text: str) -> str:
    return "".join(text.split()).strip(".,")


@pytest.mark.parametrize("name", ["multiarith", "date_understanding"])
def test_template_folds_share_no_group(name: str, files: DataFiles) -> None:
    data = loaded(name, "original", files)
    split = data.splits["template"]
    groups = {fold: {data.samples[i].group for i in split.fold(fold)} for fold in ("train", "test")}
    assert not groups["train"] & groups["test"]
    assert None not in groups["train"] | groups["test"]


def test_aqua_without_its_training_file_says_what_is_missing(files: DataFiles) -> None:
    data = loaded("aqua", "original", files)
    assert len(data.samples) == 254
    assert data.fold("default", "train") == []
    assert data.missing is not None
    assert "AQuA/train.json" in data.missing
    assert "97467" in data.missing


def test_aqua_reads_its_training_file_when_there_is_one(tmp_path: Path, files: DataFiles, data_dir: Path) -> None:
    line = (data_dir / "raw" / "AQuA" / "test.json").read_bytes().splitlines()[0]
    folder = tmp_path / "AQuA"
    folder.mkdir()
    (folder / "test.json").write_bytes((data_dir / "raw" / "AQuA" / "test.json").read_bytes())
    (folder / "train.json").write_bytes((line + b"\n") * 97467)
    task, own = task_named("aqua"), DataFiles(tmp_path, tmp_path / "cache", offline=True)
    data = task.load(own, "original")
    assert data.missing is None
    assert len(data.samples) == 97721
    assert len(data.fold("default", "train")) == 10000
    assert data.samples[97467] == loaded("aqua", "original", files).samples[97467]
    assert task.fingerprint(own, "original") != task.fingerprint(files, "original")
    (folder / "train.json").write_bytes(line + b"\n")
    with pytest.raises(BadInputError, match="1 records, not 97467"):
        task.load(own, "original")


# --------------------------------------------------------------------------------------------------- demonstrations


@pytest.mark.parametrize("name", NAMES)
def test_own_demonstrations_are_from_no_fold(name: str, files: DataFiles) -> None:
    shown = task_named(name).demonstrations(files)
    assert 4 <= len(shown) <= 8
    for variant in ("original", "kojima"):
        questions = {" ".join(s.question.split()) for s in loaded(name, variant, files).samples.values()}
        assert not questions & {" ".join(d.question.split()) for d in shown}


@pytest.mark.parametrize("name", NAMES)
def test_own_demonstrations_answer_in_the_tasks_form(name: str, files: DataFiles) -> None:
    task = task_named(name)
    for d in task.demonstrations(files):
        if task.info.answer_type == "choice":
            assert d.answer in "ABCDEF"[: len(choices_in(d.question))]
        elif task.info.answer_type == "yes_no":
            assert d.answer in {"yes", "no"}
        elif task.info.answer_type == "number":
            assert float(d.answer) == float(d.rationale.replace(",", "").split("=")[-1].split()[0].rstrip(".")) or (
                d.answer in d.rationale
            )
        else:
            assert d.answer == "".join(word[-1] for word in d.question.split('"')[1].split())


def test_coin_demonstrations_count_their_flips() -> None:
    for d in task_named("coin_flip").demonstrations(DataFiles(offline=True)):
        flips = d.question.count(" flips the coin.")
        assert d.answer == ("yes" if flips % 2 == 0 else "no")


def test_paper_demonstrations_leave_out_the_test_fold(files: DataFiles) -> None:
    task = task_named("date_understanding")
    assert set(task.paper_sample_indices(files)) == {106, 360, 237, 53, 143, 65}
    published, kept = task.paper_demonstrations(files, as_published=True), task.paper_demonstrations(files)
    assert len(published) == 6
    assert len(kept) == 4
    assert task.paper_prompt(files).count("Q: ") == 4
    assert len(task_named("strategy_qa").paper_demonstrations(files)) == 3


@pytest.mark.parametrize("name", ["date_understanding", "coin_flip", "last_letter_concatenation", "commonsense_qa"])
def test_paper_indices_name_the_demonstrations_in_order(name: str, files: DataFiles) -> None:
    task, data = task_named(name), loaded(name, "original", files)
    for index, shown in zip(
        task.paper_sample_indices(files), task.paper_demonstrations(files, as_published=True), strict=True
    ):
        ours, theirs = (
            set(text.split("Answer choices")[0].lower().replace("?", " ").split())
            for text in (data.samples[index].question, shown.question)
        )
        assert len(ours & theirs) / len(ours | theirs) > 0.6, (index, shown.question)


def test_paper_prompt_as_published_is_the_file_s_own(files: DataFiles, data_dir: Path) -> None:
    raw = json.loads((data_dir / "few_shot_cot_prompts.json").read_bytes())
    for name in raw:
        assert task_named(name).paper_prompt(files, as_published=True).split() == raw[name]["prompt"].split()


def test_task_without_a_paper_prompt_says_so(files: DataFiles) -> None:
    with pytest.raises(MissingDataError, match="no few-shot prompt"):
        task_named("tracking_shuffled_objects").paper_prompt(files)


# ------------------------------------------------------------------------------------------------------ own YAML tasks

MINE = """
task: mine
dataset_path: json
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
metadata:
  version: 1
  rtbench:
    answer_type: number
    files: [{name: mine.jsonl}]
"""


def write(folder: Path, text: str, lines: list[dict[str, Any]]) -> Path:
    (folder / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.yaml"


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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answer_type", "anser_type", "Did you mean 'answer_type'"),
        ("{name:", "{nme:", "Did you mean 'name'"),
        ("doc_to_text", "doc_to_txt", "Did you mean 'doc_to_text'"),
        ("number", "numbr", "Invalid enum value 'numbr'"),
        ("    files: [{name: mine.jsonl}]", "    files: []", "names no file"),
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


def test_reading_the_twelve_yamls_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from rtbench_plugins.yaml_tasks import load_task\n"
        f"[load_task(p).info for p in Path({str(ROOT / 'tasks')!r}).glob('*/task.yaml')]\n"
        "print([m for m in ('torch', 'transformers', 'lm_eval', 'numpy', 'datasets', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
        ("mask: '\\d+'", "mask: '('", "groups.mask: '(' is no regular expression"),
        ("files: [{name: mine.jsonl}]", "files: 5", "`$.files`"),
        ("splits: {default: {by: group}}", "splits: [a]", "`$.splits`"),
        ("{by: group}", "{by: group, seed: -1}", "`$.seed`"),
        ("{by: group}", "{by: random, train_fraction: 5}", "`$.train_fraction`"),
        ("letters: ABC", "letters: ']'", "letters"),
        ("aliases: {kojima: original}", "aliases: {kojima: orignal}", "Did you mean 'original'"),
        ("rule: strict", "rule: strct", "Did you mean 'strict'"),
        ("answer_type: number}", "answer_tpe: number}", "Did you mean 'answer_type'"),
        ("variants: [original]", "variants: []", "`$.variants`"),
        ("version: 1", "version: .inf", "metadata.version"),
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
