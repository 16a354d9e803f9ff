"""Tiny models, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rtbench_plugins.hf.students import HfStudent, causal_student, seq2seq_student

from rtbench.plugin.models import TrainJob
from rtbench.schema.completions import Request, Sampling
from rtbench.schema.training import Recipe, TrainingRow
from tests.helpers.cli import DATA
from tests.helpers.sessions import session

TINY = {
    "decoder": {"n_layer": 1, "n_embd": 32, "n_inner": 64, "n_head": 2, "resid_pdrop": 0.1, "embd_pdrop": 0.1},
    "encoder_decoder": {
        "num_layers": 1,
        "num_decoder_layers": 1,
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_heads": 2,
        "dropout_rate": 0.1,
    },
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("RTBENCH_THREADS", "1")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Tiny:
    """Builds what the tests need: students, jobs and requests on real questions."""

    def __init__(self) -> None:
        lines = (DATA / "datasets" / "multiarith.jsonl").read_text(encoding="utf-8").splitlines()[:48]
        found = [json.loads(line) for line in lines]
        self.rows = [
            TrainingRow(
                sample_index=one["sample_index"], prompt=f"{one['question']} ###", label=f" so --> {one['answer']}"
            )
            for one in found
        ]
        self.corpus = [row.prompt + row.label for row in self.rows]

    def student(self, family: str, **options: Any) -> HfStudent:
        make = causal_student if family == "decoder" else seq2seq_student
        if "model" not in options:
            options["config"] = TINY[family] | options.get("config", {})
            options.setdefault("vocab_size", 400)
        return make("tiny", options, session(offline=True))

    def job(self, workdir: Path, **more: Any) -> TrainJob:
        fields: dict[str, Any] = {"rows": self.rows, "validation": (), "seed": 1, "corpus": self.corpus} | more
        recipe = Recipe(**({"epochs": 2, "selection": "last"} | fields.pop("recipe", {})))
        workdir.mkdir(parents=True, exist_ok=True)
        return TrainJob(recipe=recipe, workdir=workdir, **fields)

    def request(self, index: int, prompt: str, *, seed: int = 0, **sampling: Any) -> Request:
        return Request(
            task="multiarith",
            sample_index=index,
            completion_index=0,
            prompt=prompt,
            sampling=Sampling(**({"max_new_tokens": 12} | sampling)),
            key=f"{index}",
            seed=seed + 100 + index,
        )

    def requests(self, count: int, **sampling: Any) -> list[Request]:
        return [self.request(at, row.prompt, **sampling) for at, row in enumerate(self.rows[:count])]

    def other(self, family: str, path: Path, config: Any, model: Any, **fields: Any) -> Callable[[int], Any]:
        """A model of another architecture in a folder, with weights that make texts differ; loads it for so many rows at
        once."""
        from rtbench_plugins.hf.tokenizer import train_tokenizer

        tokenizer = train_tokenizer(self.corpus, 400, family)  # type: ignore[arg-type]
        end = tokenizer.eos_token_id
        fields |= {"vocab_size": len(tokenizer), "eos_token_id": end, "bos_token_id": end}
        fields |= {"pad_token_id": tokenizer.pad_token_id}
        fields |= {"decoder_start_token_id": end} if family == "encoder_decoder" else {}
        torch.manual_seed(0)
        made = model(config(**fields))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        made.save_pretrained(path)
        tokenizer.save_pretrained(path)
        return lambda size: self.student(family, model=str(path), generation_batch=size).load(None, (), "f")

    def folder(self, family: str, path: Path, **config: object) -> Path:
        """A model folder as a user would have one: a base saved with save_pretrained; ``config``: what is otherwise."""
        from rtbench_plugins.hf.loaded import save
        from rtbench_plugins.hf.loading import pick_device, random_base
        from rtbench_plugins.hf.options import StudentOptions

        options = StudentOptions(config=TINY[family] | config, vocab_size=400)
        save(random_base(family, options, self.corpus, pick_device("cpu")), path)  # type: ignore[arg-type]
        return path


@pytest.fixture(scope="session")
def tiny(data_dir: Path) -> Tiny:
    return Tiny()
