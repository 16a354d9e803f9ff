"""lm-eval itself reads our configs, and finds the answers that we find."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.lm_eval.export import export_tasks, jinja
from rtbench_plugins.methods.formats import ZERO_SHOT
from rtbench_plugins.yaml_tasks import load_task

from rtbench.data.files import DataFiles
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.completions import Completion
from rtbench.schema.prompts import PromptFormat, Template
from rtbench.scoring.filters import INVALID
from tests.helpers.cli import DATA, ROOT, MakeCli
from tests.helpers.gguf_files import write_llama

NAMES = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/task.yaml"))
ONE_OF_EACH = ("multiarith", "date_understanding", "coin_flip", "last_letter_concatenation")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def task_named(name: str) -> Any:
    return load_task(ROOT / "tasks" / name / "task.yaml")


@pytest.fixture(scope="module")
def files(data_dir: Path) -> DataFiles:
    return DataFiles(data_dir, Path("/nonexistent"), offline=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, files: DataFiles) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_tasks([task_named(name) for name in ONE_OF_EACH], folder, "original", "default", files)
    return folder


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 with a byte-level tokenizer whose few merges make answers of every type likely."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"])
    raw.train_from_iterator([" yes no (A) (B) C 12 7 -->"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=1024, n_embd=32, n_layer=1, n_head=2, bos_token_id=end, eos_token_id=end
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_lm_eval_indexes_and_validates_all_twelve_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    from lm_eval.config.task import TaskConfig
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    manager = TaskManager(include_defaults=False, include_path=str(ROOT / "tasks"))
    assert sorted(manager.match_tasks(NAMES)) == NAMES
    assert [name for name in manager.all_tasks if name not in {*NAMES, "rtbench"}] == []
    for name in NAMES:
        config = load_yaml(ROOT / "tasks" / name / "task.yaml")
        config.pop("tag")
        assert TaskConfig(**config).task == name


def test_lm_eval_finds_the_answers_that_we_find(
    exported: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import lm_eval
    from lm_eval.tasks import TaskManager

    names = [f"rtbench_{name}" for name in ONE_OF_EACH]
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args=f"pretrained={tiny_model},device=cpu",
        tasks=names,
        task_manager=TaskManager(include_defaults=False, include_path=str(exported)),
        limit=8,
        gen_kwargs="max_gen_toks=48",
        bootstrap_iters=0,
        log_samples=True,
    )
    for name in ONE_OF_EACH:
        _check_same_answers(name, results["samples"][f"rtbench_{name}"], results["results"][f"rtbench_{name}"])


def _check_same_answers(name: str, samples: list[dict[str, Any]], results: dict[str, Any]) -> None:
    task = task_named(name)
    data = task.load(DataFiles(DATA), "original")
    first = data.splits["default"].test[:8]
    for extractor in task.info.extractors:
        theirs = sorted((s for s in samples if s["filter"] == extractor), key=lambda s: s["doc_id"])
        assert tuple(s["doc"]["sample_index"] for s in theirs) == first
        completions = [
            Completion(
                key="",
                task=name,
                sample_index=s["doc"]["sample_index"],
                completion_index=0,
                prompt="",
                text=s["resps"][0][0],
            )
            for s in theirs
        ]
        for s in theirs:
            question = data.samples[s["doc"]["sample_index"]].question.strip()
            assert s["arguments"][0][0] == f"Q: {question}\n\nA:"
        ours = task.extractor(extractor).score(completions, data.samples, None)
        assert [INVALID if o.extracted is None else o.extracted for o in ours] == [
            str(s["filtered_resps"][0]) for s in theirs
        ]
        assert results[f"exact_match,{extractor}"] == sum(o.correct for o in ours) / 8


@pytest.mark.parametrize("name", NAMES)
def test_recorded_completions_get_one_score_from_both(
    name: str, files: DataFiles, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random model seldom answers; on real completions lm-eval's own evaluation must come to our numbers as well."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    raw = gzip.decompress((data_dir / "teacher" / f"text-davinci-002__zs_cot__{name}.jsonl.gz").read_bytes())
    texts = {r["sample_index"]: r["completion"] for r in map(json.loads, raw.strip().split(b"\n"))}

    class Recorded(LM):
        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [texts[request.doc["sample_index"]] for request in requests]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    task = task_named(name)
    export_tasks([task], tmp_path / "out", "original", "default", files)
    manager = TaskManager(include_defaults=False, include_path=str(tmp_path / "out"))
    asked = f"rtbench_{name}"
    found = simple_evaluate(Recorded(), tasks=[asked], task_manager=manager, bootstrap_iters=0, log_samples=True)
    data = task.load(files, "original")
    test = data.fold("default", "test")
    completions = [
        Completion(key="", task=name, sample_index=one.index, completion_index=0, prompt="", text=texts[one.index])
        for one in test
    ]
    for extractor in task.info.extractors:
        ours = task.extractor(extractor).score(completions, data.samples, None)
        theirs = {s["doc"]["sample_index"]: s for s in found["samples"][asked] if s["filter"] == extractor}
        assert list(theirs) == [one.index for one in test]
        for one in ours:
            sample = theirs[one.sample_index]
            assert str(sample["filtered_resps"][0]) == (INVALID if one.extracted is None else one.extracted)
            assert sample["exact_match"] == one.correct
        share = sum(one.correct for one in ours) / len(ours)
        assert found["results"][asked][f"exact_match,{extractor}"] == pytest.approx(share)
        assert share > 0.2


STUDENTS = {
    "hf-causal": {"n_layer": 2, "n_embd": 64, "n_inner": 128, "n_head": 2},
    "hf-seq2seq": {"num_layers": 2, "num_decoder_layers": 2, "d_model": 64, "d_kv": 32, "d_ff": 128, "num_heads": 2},
}


@pytest.mark.parametrize(
    ("plugin", "method", "recipe"),
    [
        ("hf-causal", "fine-tune", {"epochs": 4, "max_new_tokens": 8, "selection": "best-test"}),
        ("hf-causal", "fine-tune-cot", {"epochs": 2, "max_new_tokens": 96}),
        # Of an encoder-decoder lm-eval lets a text become longer by the prompt's length: these end before.
        ("hf-seq2seq", "fine-tune", {"epochs": 4, "max_new_tokens": 8}),
        ("gguf", "fine-tune", {"epochs": 4, "max_new_tokens": 8}),
        # Its template ends turns with another token than the tokenizer's end mark.
        ("gguf-chat", "fine-tune-cot", {"epochs": 2, "max_new_tokens": 96}),
    ],
)
def test_a_trained_student_gets_the_same_score_from_lm_eval(
    plugin: str,
    method: str,
    recipe: dict[str, object],
    make_cli: MakeCli,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Trained by us, on gold answers or recorded rationales, then asked by lm-eval: the same texts, answers and accuracy."""
    cli = make_cli(data=data_dir)
    student = _student(plugin, tmp_path, data_dir)
    monkeypatch.setenv("RTBENCH_CACHE", str(tmp_path / "cache"))
    matrix = {
        "name": "one", "tasks": ["coin_flip"], "methods": [method], "students": [student],
        "recipe": {"learning_rate": 2e-3, "selection": "last"} | recipe,
        "teachers": ["text-davinci-002"], "variant": "kojima", "limit": 60,
    }  # fmt: skip
    (cli.folder / "one.yaml").write_text(json.dumps(matrix))
    cli("run", "--matrix", "one.yaml", "--name", "one")
    cli("report", "one", "--format", "lm-eval", "--out", "ours")
    said = cli("tasks", "export", "theirs", "--cell", f"coin_flip/{method}").stdout
    checkpoint = said.partition("pretrained=")[2].partition(" ")[0]

    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    import lm_eval
    from lm_eval.tasks import TaskManager

    theirs = lm_eval.simple_evaluate(
        model="hf",
        model_args=f"pretrained={checkpoint},device=cpu",
        tasks=["rtbench_coin_flip"],
        task_manager=TaskManager(include_defaults=False, include_path=str(cli.folder / "theirs")),
        apply_chat_template="--apply_chat_template" in said,
        bootstrap_iters=0,
        log_samples=True,
    )
    (results,) = (cli.folder / "ours").glob(f"{method}*/results_*.json")
    ours = json.loads(results.read_text())["results"]["rtbench_coin_flip"]
    (path,) = (cli.folder / "ours").glob(f"{method}*/samples_*.jsonl")
    mine = {(one["filter"], one["doc_id"]): one for one in map(json.loads, path.read_text().splitlines())}
    for one in theirs["samples"]["rtbench_coin_flip"]:
        expected = mine[one["filter"], one["doc_id"]]
        sent = expected["arguments"]["gen_args_0"]["arg_0"]
        assert (sent in one["arguments"][0][0]) if plugin == "gguf-chat" else (sent == one["arguments"][0][0])
        assert one["resps"][0][0].strip() == expected["resps"][0][0].strip()
        assert str(one["filtered_resps"][0]) == expected["filtered_resps"][0]
        assert one["exact_match"] == expected["exact_match"]
    assert len(theirs["samples"]["rtbench_coin_flip"]) == len(mine)
    scores = {name: value for name, value in ours.items() if name.startswith("exact_match,")}
    assert {name: theirs["results"]["rtbench_coin_flip"][name] for name in scores} == pytest.approx(scores)
    if recipe.get("selection") == "best-test":
        assert "/epoch-" in checkpoint
    assert method == "fine-tune-cot" or max(scores.values()) > 0


def _student(plugin: str, folder: Path, data_dir: Path) -> dict[str, object]:
    if plugin in STUDENTS:
        return {"name": "small", "use": plugin, "vocab_size": 500, "config": STUDENTS[plugin]}
    lines = (data_dir / "datasets" / "coin_flip.jsonl").read_text().splitlines()
    corpus = [json.loads(line)["question"] for line in lines]
    write_llama(folder / "small.gguf", [*corpus, "yes no -->"] * 3, end=0 if plugin == "gguf-chat" else 2)
    model = str(folder / "small.gguf")
    return {"name": "small", "use": "hf-causal", "model": model, "chat_template": plugin == "gguf-chat"}


def test_a_cell_that_lm_eval_cannot_ask_is_refused(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    cli("run", "--matrix", "recorded", "--tasks", "coin_flip", "--methods", "teacher", "--limit", 20)
    done = cli("tasks", "export", "out", "--cell", "coin_flip", code=2)
    assert "recordings, whose prompts were not kept" in done.stderr
    assert not (cli.folder / "out").exists()
    assert "--split" in cli("tasks", "export", "out", "--cell", "coin_flip", "--split", "default", code=2).stderr
    assert "only used with --cell" in cli("tasks", "export", "out", "--run", "r", code=2).stderr


def test_folds_are_exactly_ours(exported: Path, files: DataFiles) -> None:
    data = task_named("multiarith").load(files, "original")
    for fold in ("train", "test"):
        lines = (exported / "rtbench_multiarith" / f"{fold}.jsonl").read_bytes().strip().split(b"\n")
        assert tuple(json.loads(line)["sample_index"] for line in lines) == data.splits["default"].fold(fold)


def test_task_without_training_text_is_exported_with_its_test_fold(tmp_path: Path, files: DataFiles) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    (path,) = export_tasks([task_named("aqua")], tmp_path, "original", "default", files)
    config = load_yaml(path)
    assert "training_split" not in config
    assert list(config["dataset_kwargs"]["data_files"]) == ["test"]


def test_few_shot_format_carries_demonstrations_and_prefix(tmp_path: Path, files: DataFiles) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    few = PromptFormat(
        name="few-shot-cot",
        decoder=Template(input="{demonstrations}\nQ: {question}\nA:", stop=("\nQ:",)),
        encoder_decoder=Template(input="{question}"),
        answer_prefix="The answer is",
        demonstrations="cot",
    )
    paths = export_tasks([task_named("svamp")], tmp_path, "original", "default", files, formats=[ZERO_SHOT, few])
    assert [path.name for path in paths] == ["rtbench_svamp.yaml", "rtbench_svamp__few_shot_cot.yaml"]
    config = load_yaml(paths[1])
    assert config["doc_to_text"].count("The answer is") == 4
    assert config["doc_to_text"].endswith("\nQ: {{question}}\nA:")
    assert config["generation_kwargs"]["until"] == ["\nQ:"]
    assert config["filter_list"][0]["filter"][0]["answer_prefix"] == "The answer is"


def test_text_that_looks_like_jinja_stays_text() -> None:
    import jinja2

    made = jinja("{demonstrations} {question}", {"demonstrations": "{{ 1 }} {% if %} {# x #}"})
    assert jinja2.Template(made).render(question="{{ 2 }}") == "{{ 1 }} {% if %} {# x #} {{ 2 }}"


def test_unknown_split_and_empty_test_fold_are_named(tmp_path: Path, files: DataFiles) -> None:
    with pytest.raises(UnknownNameError, match="split of task svamp"):
        export_tasks([task_named("svamp")], tmp_path, "original", "defautl", files)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises((UnknownNameError, BadInputError)):
        export_tasks([task_named("svamp")], tmp_path, "nonsense", "default", files)
