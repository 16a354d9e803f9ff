"""Every record and every split of all twelve tasks, built from the upstream files, against the published ones."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.yaml_tasks import load_task
from rtbench_plugins.yaml_tasks.task import YamlTask

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, MissingDataError
from rtbench.schema.tasks import TaskData
from rtbench.scoring.text import choices_in
from tests.helpers.cli import ROOT

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
def test_every_published_split_is_reproduced(name: str, files: DataFiles, data_dir: Path) -> None:
    splits = loaded(name, "original", files).splits
    want = {path.stem.split("__")[1]: json.loads(path.read_bytes()) for path in data_dir.glob(f"splits/{name}__*.json")}
    assert want
    assert {k: {"train": list(splits[k].train), "test": list(splits[k].test)} for k in want} == want


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
def test_question_has_its_choices_in_letter_order(name: str, variant: str, files: DataFiles) -> None:
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
    assert not data.fold("default", "train")
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


def test_reading_the_twelve_yamls_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from rtbench_plugins.yaml_tasks import load_task\n"
        f"[load_task(p).info for p in Path({str(ROOT / 'tasks')!r}).glob('*/task.yaml')]\n"
        "print([m for m in ('torch', 'transformers', 'lm_eval', 'numpy', 'datasets', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
