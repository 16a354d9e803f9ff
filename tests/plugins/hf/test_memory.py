"""What a plan says of memory, and what it refuses."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rtbench_plugins.hf import causal_plugin, loaded, loading, memory, seq2seq_plugin, shapes, students
from rtbench_plugins.hf.options import RANDOM_CONFIGS, LoraOptions, StudentOptions
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.students import causal_student, seq2seq_student
from rtbench_plugins.pocket.students import MODELS

from rtbench import machine
from rtbench.schema.environment import Environment
from rtbench.schema.training import Recipe
from rtbench.session import Session
from tests.helpers.cli import Cli
from tests.helpers.matrices import plan_of
from tests.helpers.sessions import session

both_families = pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])
MATRIX = """
name: large
source: twin
tasks: [multiarith]
methods: [fine-tune]
students: [{{name: mine, use: hf-causal, model: {model}{more}}}]
limit: 20
recipe: {{epochs: 1, max_new_tokens: 5}}
"""


@both_families
def test_shape_is_read_from_headers_and_config(tiny: Any, tmp_path: Path, family: str) -> None:
    base = loading.random_base(family, tiny.student(family).options, tiny.corpus, torch.device("cpu"))
    loaded.save(base, tmp_path / "model")
    found = shapes.shape_of(Place(str(tmp_path / "model")))
    assert found is not None
    stored = {id(p): p.numel() for p in base.model.parameters()}
    assert found.parameters == sum(stored.values())
    assert (found.layers, found.width, found.heads) == (1 if family == "decoder" else 2, 32, 2)
    assert found.vocabulary == len(base.tokenizer)


def test_what_is_not_on_this_machine_or_unheard_of_has_no_shape(tmp_path: Path) -> None:
    assert shapes.shape_of(Place("nobody/nothing", "0" * 40)) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "odd", "depth": 3}))
    (tmp_path / "model.safetensors").write_bytes((MODELS / "pocket-0.5m" / "model.safetensors").read_bytes())
    assert shapes.shape_of(Place(str(tmp_path))) is None


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("decoder", {}),
        ("decoder", {"n_embd": 96, "n_inner": 200, "n_positions": 64}),
        ("encoder_decoder", {}),
        ("encoder_decoder", {"d_model": 96, "d_ff": 200, "d_kv": 16, "num_decoder_layers": 5}),
    ],
)
def test_shape_of_random_weights_is_about_that_of_the_model(tiny: Any, family: str, config: dict[str, int]) -> None:
    stated = RANDOM_CONFIGS[family] | config
    options = StudentOptions(config=stated, vocab_size=300)
    base = loading.random_base(family, options, tiny.corpus, torch.device("cpu"))
    found = shapes.shape_of_config(stated, len(base.tokenizer))
    assert found is not None
    assert found.parameters == pytest.approx(base.model.num_parameters(), rel=0.03)
    assert random_student(family, config, len(base.tokenizer))._shape == found


def random_student(family: str, config: dict[str, Any], vocabulary: int = 300) -> Any:
    make = causal_student if family == "decoder" else seq2seq_student
    return make("mine", {"config": config, "vocab_size": vocabulary}, session())


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma"])
@pytest.mark.parametrize("tied", [{}, {"tie_word_embeddings": True}])
def test_shape_of_another_type_goes_by_its_own_numbers(tiny: Any, kind: str, tied: dict[str, bool]) -> None:
    config = {
        "model_type": kind, "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 24, **tied,
    }  # fmt: skip
    base = loading.random_base(
        "decoder", StudentOptions(config=config, vocab_size=300), tiny.corpus, torch.device("cpu")
    )
    found = random_student("decoder", config, len(base.tokenizer))._shape
    assert found is not None
    assert found.parameters == pytest.approx(base.model.num_parameters(), rel=0.02)
    del config["intermediate_size"]
    assert random_student("decoder", config)._shape is None, "what is left to the type is not guessed"
    assert random_student("decoder", config | {"model_type": "bart", "d_ff": 9})._shape is None


def test_built_in_students_have_a_shape_before_their_weights_are_here() -> None:
    for plugin, family in ((causal_plugin, "decoder"), (seq2seq_plugin, "encoder_decoder")):
        for model, *_ in [*plugin._PINNED.values(), *getattr(plugin, "_MODERN", {}).values()]:
            assert shapes.shape_of(Place(model, "0" * 40)) == shapes.KNOWN[model], family
    small, large = shapes.KNOWN["openai-community/gpt2"], shapes.KNOWN["google-t5/t5-large"]
    stated: dict[str, Any] = {
        "model_type": "gpt2",
        "n_layer": 12,
        "n_embd": 768,
        "n_inner": 3072,
        "n_head": 12,
        "n_positions": 1024,
    }
    assert shapes.shape_of_config(stated, 50257).parameters == pytest.approx(small.parameters, rel=0.01)  # type: ignore[union-attr]
    stated = {
        "model_type": "t5",
        "num_layers": 24,
        "num_decoder_layers": 24,
        "d_model": 1024,
        "num_heads": 16,
        "d_ff": 4096,
        "d_kv": 64,
    }
    assert shapes.shape_of_config(stated, 32128).parameters == pytest.approx(large.parameters, rel=0.01)  # type: ignore[union-attr]


def test_training_needs_four_numbers_a_weight_and_adapters_one() -> None:
    shape = shapes.ModelShape(parameters=10**9, layers=16, width=2048, heads=32, vocabulary=128_000)
    recipe = Recipe(selection="last")
    need = partial(memory.training_need, recomputes=False, on_gpu=True)
    whole = need(shape, StudentOptions(model="m"), recipe)
    assert whole.least == pytest.approx(1 + 16e9 / 2**30)
    assert whole.expected > whole.least
    adapters = need(shape, StudentOptions(model="m", lora=LoraOptions()), recipe)
    assert adapters.least == pytest.approx(1 + 4e9 / 2**30)
    muon = need(shape, StudentOptions(model="m"), Recipe(selection="last", optimizer="muon"))
    assert muon.least == pytest.approx(1 + 12e9 / 2**30)
    quantized = need(shape, StudentOptions(model="m", lora=LoraOptions(quantize="nf4")), recipe)
    assert quantized.least == pytest.approx(1 + 0.53e9 / 2**30)
    parts = need(shape, StudentOptions(model="m", micro_batch=1), recipe)
    again = need(shape, StudentOptions(model="m"), recipe, recomputes=True)
    assert whole.least < again.expected < whole.expected
    assert whole.least < parts.expected < whole.expected


def test_a_cpu_computes_as_many_rows_at_once_as_take_two_gigabytes() -> None:
    shape = shapes.ModelShape(parameters=135 * 10**6, layers=30, width=576, heads=9, vocabulary=49_152)
    recipe = Recipe(selection="last", batch_size=32)
    on_cpu = memory.training_need(shape, StudentOptions(model="m"), recipe, recomputes=False, on_gpu=False)
    on_gpu = memory.training_need(shape, StudentOptions(model="m"), recipe, recomputes=False, on_gpu=True)
    assert on_cpu.activations <= 2 < on_gpu.activations
    assert 256 < memory.tokens_at_once(shape) < 2048
    tiny = shapes.ModelShape(parameters=10**6, layers=4, width=128, heads=4, vocabulary=2000)
    assert memory.tokens_at_once(tiny) > 10_000, "small models are computed as before"


def test_each_process_needs_memory_for_its_own_rows() -> None:
    shape = shapes.ModelShape(parameters=10**9, layers=16, width=2048, heads=32, vocabulary=128_000)

    def activations(**options: Any) -> float:
        recipe = Recipe(selection="last", batch_size=10)
        return memory.training_need(
            shape, StudentOptions(model="m", **options), recipe, recomputes=False, on_gpu=True
        ).activations

    assert activations(processes=4) == pytest.approx(activations() * 3 / 10), "3, 3, 2 and 2 rows"
    assert activations(processes=4, micro_batch=5) == activations(processes=4)
    assert activations(processes=4, micro_batch=2) == pytest.approx(activations() * 2 / 10)


@pytest.mark.parametrize(("gpus", "stated", "recomputed"), [(1, None, True), (1, False, False), (0, None, False)])
def test_large_models_recompute_activations_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, *, stated: bool | None, recomputed: bool
) -> None:
    monkeypatch.setattr("rtbench.machine.gpu_count", lambda: gpus)

    def expected(gradient_checkpointing: bool | None) -> float:
        config = {"n_embd": 2048, "n_inner": 8192, "n_layer": 24, "n_head": 16}
        options = {"config": config, "gradient_checkpointing": gradient_checkpointing}
        student = causal_student("mine", options, session())
        assert student._shape is not None
        assert student._shape.parameters >= students.LARGE
        return student.resources("train", Recipe(selection="last")).memory_gb

    assert expected(stated) == expected(recomputed)
    assert expected(True) < expected(False)


def test_sharded_processes_share_the_weights_but_not_the_activations() -> None:
    recipe = Recipe(selection="last", batch_size=8)

    def expected(processes: int, **options: Any) -> float:
        large = {"n_embd": 1024, "n_inner": 4096, "n_layer": 24, "n_head": 16}
        options |= {"config": large, "processes": processes, "sharded": processes > 1, "device": "cuda"}
        return causal_student("mine", options, session()).resources("train", recipe).memory_gb

    assert expected(8) == pytest.approx(expected(1) + 7 * memory.PROCESS, abs=0.2), "the rows are divided"
    assert expected(8, micro_batch=1) > expected(1, micro_batch=1) + 7 * memory.PROCESS + 1
    assert expected(8, memory_gb=20) == 20 + 7 * memory.PROCESS


def grown(folder: Path, numbers: int) -> Path:
    """A model folder whose weights claim to be so many: a header, and a file of holes."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (folder / name).write_bytes((MODELS / "pocket-0.5m" / name).read_bytes())
    entry = {"dtype": "F16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}
    header = json.dumps({"huge": entry}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def test_plan_states_the_peak_and_a_run_refuses_what_cannot_fit(cli: Cli, tmp_path: Path) -> None:
    huge = grown(tmp_path / "huge", 10**13)
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX.format(model=huge, more=""))
    found: Any = cli.json("plan", "--matrix", path)
    (cell,) = found["cells"]
    assert "needs at least 149,0" in cell["reason"]
    assert "this machine has" in cell["reason"]
    assert "lora" in cell["reason"]
    assert "needs at least" in cli("run", "--matrix", path, code=2).stderr
    path.write_text(MATRIX.format(model=huge, more=", memory_gb: 1"))
    found = cli.json("plan", "--matrix", path)
    assert found["cells"][0]["reason"] is None, "who states it knows better"


def test_what_a_gpu_cannot_hold_is_refused(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU, and the command that says what it has, are stand-ins."""
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX.format(model=grown(tmp_path / "large", 10**9), more=", device: cuda"))
    (tmp_path / "nvidia-smi").write_text('#!/bin/sh\ncase "$*" in *--id=0*) ;; *) echo 8192 ;; esac\necho 16384\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "gpu_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def reason() -> str | None:
        machine._asked.cache_clear()
        session = Session(Environment(workspace=str(cli.workspace), offline=True))
        (found,) = {cell.reason for cell in plan_of(session, path).cells}
        return found

    assert "needs at least 14.9 GiB of memory to train it, and its smallest GPU has 8.0" in (reason() or "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert reason() is None, "the small one is not to be seen"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert reason() is None, "who cannot be asked refuses nothing"
    machine._asked.cache_clear()


def test_plan_shows_what_steps_need(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX.format(model=MODELS / "pocket-2m", more=""))
    shown = cli("plan", "--matrix", path).stdout
    assert "memory ≈" in shown
    found: Any = cli.json("plan", "--matrix", path)
    needs = {s["kind"]: s["resources"]["memory_gb"] for s in found["steps"] if s["kind"] in {"train", "complete"}}
    assert 1.0 < needs["train"] < 2.5
    assert 1.0 < needs["complete"] < 2.5
