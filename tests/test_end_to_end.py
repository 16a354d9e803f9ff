"""The whole way on real data with real models, made on the spot: small, random, through the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Cli, MakeCli, undated
from tests.helpers.runs import LONG, ledger, store, wait_for
from tests.helpers.training import held_in_the_middle

ONE_OF_EACH = ("multiarith", "date_understanding", "coin_flip", "last_letter_concatenation")

SMALL = """
name: small
tasks: [multiarith]
variant: kojima
methods: [fine-tune, fine-tune-cot]
teachers: [text-davinci-002]
students:
  - {name: small-causal, use: hf-causal, config: {n_layer: 1, n_embd: 32, n_head: 2, n_positions: 512}, vocab_size: 400}
recipe: {epochs: 6, max_new_tokens: 8, learning_rate: 1.0e-3}
limit: 30
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 with a byte-level tokenizer whose few merges make answers of every type likely."""
    folder = tmp_path_factory.mktemp("tiny-model")
    code = f"""
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
raw = Tokenizer(models.BPE())
raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
raw.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"])
raw.train_from_iterator([" yes no (A) (B) C 12 7 -->"] * 9, trainer)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|end|>")
tokenizer.save_pretrained({str(folder)!r})
torch.manual_seed(0)
end = tokenizer.eos_token_id
config = GPT2Config(vocab_size=len(tokenizer), n_positions=1024, n_embd=32, n_layer=1, n_head=2,
                    bos_token_id=end, eos_token_id=end)
GPT2LMHeadModel(config).save_pretrained({str(folder)!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return folder


def test_lm_eval_and_rtbench_extract_the_same_answers_from_the_same_model(
    make_cli: MakeCli, data_dir: Path, tiny_model: Path
) -> None:
    """``lm_eval run`` on exported tasks and ``rtbench run``: same samples, same model, one task per answer type."""
    cli = make_cli(data=data_dir, site=None)
    matrix = cli.folder / "m.yaml"
    matrix.write_text(
        f"name: m\ntasks: [{', '.join(ONE_OF_EACH)}]\nmethods: [zero-shot]\n"
        f"students: [{{name: tiny, use: hf-causal, model: {tiny_model}}}]\nrecipe: {{max_new_tokens: 48}}\n"
    )
    cli("run", "--matrix", matrix, "--limit", 8)
    cli("tasks", "export", "exported", "--tasks", ",".join(ONE_OF_EACH))
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
    subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", "--model", "hf"]
        + ["--model_args", f"pretrained={tiny_model}", "--device", "cpu", "--include_path", "exported"]
        + ["--tasks", ",".join(f"rtbench_{name}" for name in ONE_OF_EACH), "--limit", "8"]
        + ["--gen_kwargs", "max_gen_toks=48", "--output_path", "out", "--log_samples"],
        cwd=cli.folder,
        env={**cli.environment, **offline, "HF_DATASETS_CACHE": str(cli.folder / "hf")},
        check=True,
        capture_output=True,
    )
    answered = 0
    for name in ONE_OF_EACH:
        lines = next((cli.folder / "out").rglob(f"samples_rtbench_{name}_*.jsonl")).read_text().splitlines()
        theirs = [json.loads(line) for line in lines]
        for extractor in ("paper", "kojima", "strict", "flexible"):
            shown: Any = cli.json("show", f"{name}/zero-shot", "--extractor", extractor, "--limit", 8)
            found = {s["doc"]["sample_index"]: s for s in theirs if s["filter"] == extractor}
            assert [row["sample_index"] for row in shown] == list(found)
            for row in shown:
                other = found[row["sample_index"]]
                assert row["prompt"] == other["arguments"]["gen_args_0"]["arg_0"]
                assert row["completion"] == other["resps"][0][0]
                said = other["filtered_resps"][0]
                assert (row["extracted"], row["correct"]) == (
                    None if said == "[invalid]" else said,
                    bool(other["exact_match"]),
                )
                answered += row["extracted"] not in {None, ""}
    assert answered > 20


def checkpoints(cli: Cli) -> dict[str, bytes]:
    return {name: data for name, data in store(cli.workspace).items() if name.endswith(".safetensors")}


def test_killed_training_goes_on_to_the_same_weights(make_cli: MakeCli, data_dir: Path) -> None:
    """kill -9 in the middle of a real training: ledger, store (weights included) and leaderboard equal an undisturbed
    run's."""
    undisturbed, killed = make_cli("undisturbed", data=data_dir), make_cli("killed", data=data_dir)
    for cli in (undisturbed, killed):
        (cli.folder / "m.yaml").write_text(SMALL.replace("vocab_size: 400", "vocab_size: 400, resume_seconds: 0"))
    expected = undisturbed("run", "--matrix", "m.yaml", "--format", "json").stdout
    process = killed.start("run", "--matrix", "m.yaml", *held_in_the_middle(killed))
    wait_for(lambda: list((killed.workspace / "store" / ".work").glob("train-*/resume/state-*.pt")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONG)
    assert not checkpoints(killed), "it was killed in the middle"
    (killed.folder / "hold").unlink()
    assert undated(killed("run", "--matrix", "m.yaml", "--format", "json").stdout) == undated(expected)
    assert len(checkpoints(killed)) == 2
    assert checkpoints(killed) == checkpoints(undisturbed)
    assert store(killed.workspace) == store(undisturbed.workspace)
    assert ledger(killed.workspace) == ledger(undisturbed.workspace)


def test_same_seed_same_leaderboard_whatever_the_workers(make_cli: MakeCli, data_dir: Path) -> None:
    boards = []
    for name, workers in (("one", 1), ("two", 2)):
        cli = make_cli(name, data=data_dir)
        (cli.folder / "m.yaml").write_text(SMALL)
        cli("run", "--matrix", "m.yaml", "--workers", workers)
        boards.append(cli("report", "--format", "csv").stdout)
    assert boards[0] == boards[1]


def test_local_model_as_teacher_writes_rationales_in_two_stages(
    make_cli: MakeCli, data_dir: Path, tiny_model: Path
) -> None:
    cli = make_cli(data=data_dir)
    matrix = cli.folder / "m.yaml"
    matrix.write_text(
        "name: m\ntasks: [coin_flip]\nmethods: [fine-tune-cot]\ncurators: [non-empty]\n"
        f"teachers: [{{name: local, use: hf, model: {tiny_model}}}]\n"
        "students: [parrot]\ndegrees: [1, 2]\nlimit: 4\nrecipe: {epochs: 1}\n"
    )
    board: Any = cli.json("run", "--matrix", matrix)
    lines = [json.loads(line) for line in ledger(cli.workspace)]
    answers = [line for line in lines if line.get("reasoning")]
    assert answers
    for line in answers:
        assert line["prompt"].startswith("Q: ")
        assert "Let's think step by step." + line["reasoning"] in line["prompt"]
        assert line["prompt"].endswith("Therefore, the answer (Yes or No) is")
        assert line["usage"]["completion_tokens"] > 0
    sampled = {line["text"] for line in lines if line["completion_index"] == 1 and not line.get("reasoning")}
    assert len(sampled) > 1
    assert {row["method"] for row in board["rows"]} == {"random", "teacher", "fine-tune-cot"}


def test_missing_hub_model_is_reported_before_anything_begins(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    narrowed = (
        "--matrix", "quickstart", "--tasks", "coin_flip", "--methods", "zero-shot,fine-tune", "--students", "gpt2",
        "--limit", "2", "--offline",
    )  # fmt: skip
    cli = Cli(cli.folder, cli.environment | {"HF_HOME": str(cli.folder / "hf")})
    told = "student 'gpt2': the safetensors of openai-community/gpt2 are not all on this machine (this run is offline)"
    assert cli("run", *narrowed, code=2).stderr.count(told) == 1
    assert not (cli.workspace / "runs").exists()
    assert f"needed before the run: {told}" in cli("plan", *narrowed).stdout


TWINS = """
name: twins
source: twin
tasks: [multiarith]
methods: [zero-shot-cot, few-shot-cot, fine-tune, fine-tune-cot, self-consistency]
teachers: [scripted]
students:
  - {name: small-causal, use: hf-causal, config: {n_layer: 1, n_embd: 32, n_head: 2, n_positions: 1024}, vocab_size: 400}
degrees: [2]
seeds: [0, 1]
folds: [test, ood]
recipe: {epochs: 1, max_new_tokens: 4, learning_rate: 1.0e-3}
limit: 10
"""


def test_every_method_runs_on_a_twin_without_data(make_cli: MakeCli) -> None:
    """Prompted, trained on gold answers and on the scripted teacher's rationales, voted: each on questions that every
    seed draws anew, in distribution and out of it; a second run finds all of it done."""
    cli = make_cli(site=None)
    (cli.folder / "m.yaml").write_text(TWINS)
    first = cli("run", "--matrix", "m.yaml", "--offline", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    cells = [row for row in rows if row["task"] == "multiarith" and row["kind"] != "random"]
    assert {row["n"] for row in cells} == {"20"}
    assert {row["reason"] for row in cells} == {""}
    methods = ("teacher", "zero-shot-cot", "few-shot-cot", "fine-tune", "fine-tune-cot", "self-consistency")
    assert sorted((row["method"], row["fold"]) for row in cells) == sorted(
        (method, fold) for method in methods for fold in ("test", "ood")
    )
    asked: dict[str, set[str]] = {"test": set(), "ood": set()}
    for fold, questions in asked.items():
        shown: Any = cli.json("show", f"fine-tune/small-causal{'' if fold == 'test' else '/ood'}/seed0", "--limit", 99)
        questions |= {row["question"] for row in shown}
    assert len(asked["test"]) == len(asked["ood"]) == 10
    assert not asked["test"] & asked["ood"]
    second = cli("run", "--matrix", "m.yaml", "--offline", "--format", "csv")
    assert second.stdout == first.stdout
    assert "done" not in second.stderr
