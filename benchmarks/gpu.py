"""Fine-tuning and sampling on a GPU: tokens per second, model-FLOPs utilisation, beside plain Trainer and plain ``generate``.

    python benchmarks/gpu.py [--rows 2000] [--prompts 1000] > docs/benchmarks/gpu.md
    python benchmarks/gpu.py --tiny                # the same on a CPU with tiny models: that it runs, no speed

Random weights in the shapes of GPT-2 large, T5 large and Qwen2.5-1.5B serve for speed; rows and prompts are the gsm8k twin's,
explained by the scripted teacher, so that nothing is downloaded. Training: bfloat16, batch 32, one epoch, after a warm-up of 20 steps;
useful tokens are those of prompts and labels, not padding. Utilisation: 6 × parameters × useful tokens per second, of the chip's
dense bfloat16 peak (attention's own products left out, so it is a lower bound). Sampling: each prompt 8 times at temperature 0.7,
at most 256 new tokens; useful tokens are those up to a text's end. A random model ends next to no text: all run to the limit, alike
for all ways. Where vLLM is installed, decoders are sampled with it as well.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import head

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Dense bfloat16 operations per second, as the makers state them, by a part of the chip's name."""
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT-2 large": ("decoder", {"model_type": "gpt2", "n_layer": 36, "n_embd": 1280, "n_inner": 5120, "n_head": 20}),
    "T5 large": (
        "encoder_decoder",
        {
            "model_type": "t5", "num_layers": 24, "num_decoder_layers": 24, "d_model": 1024, "d_kv": 64, "d_ff": 4096,
            "num_heads": 16,
        },
    ),
    "Qwen2.5 1.5B": (
        "decoder",
        {
            "model_type": "qwen2", "num_hidden_layers": 28, "hidden_size": 1536, "intermediate_size": 8960,
            "num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True,
        },
    ),
}  # fmt: skip
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "tiny GPT-2": ("decoder", {}),
    "tiny T5": ("encoder_decoder", {}),
}
BATCH, WARM_UP, NEW, DRAWS = 32, 20, 256, 8


def rows_of(count: int) -> list[tuple[str, str]]:
    """Questions of the gsm8k twin and explanations, worded as in fine-tune-cot."""
    from rtbench.schema.environment import Environment
    from rtbench.session import Session
    from rtbench.twins import Narrator

    twin = Session(Environment(workspace="unused")).task("gsm8k").twin()
    assert twin is not None
    rows: list[tuple[str, str]] = []
    for at, problem in enumerate(itertools.islice(twin.problems(0), count)):
        narrator = Narrator(random.Random(at), fine=True)
        twin.explain(problem, narrator)
        rows.append((f"{problem.question} ###", f" {narrator.text} --> {problem.answer} END"))
    return rows


class Setup:
    """A model with random weights, its tokenizer and encoded rows."""

    def __init__(self, family: Any, config: dict[str, Any], found: Sequence[tuple[str, str]], device: str) -> None:
        import torch
        from rtbench_plugins.hf.encoding import Codec, encode_rows
        from rtbench_plugins.hf.loading import random_base
        from rtbench_plugins.hf.options import StudentOptions

        from rtbench.schema.training import Recipe, TrainingRow

        self.family = family
        self.rows = [
            TrainingRow(sample_index=at, prompt=prompt, label=label) for at, (prompt, label) in enumerate(found)
        ]
        self.corpus = [prompt + label for prompt, label in found]
        options = StudentOptions(config=config, vocab_size=5000)
        self.base = random_base(family, options, self.corpus, torch.device(device))
        self.codec = Codec(
            self.base.tokenizer, self.base.model.config, family, chat=False, thinking=None, name="benchmark"
        )
        self.recipe = Recipe(learning_rate=1e-4, batch_size=BATCH, epochs=1, selection="last")
        self.encoded = encode_rows(self.codec, self.rows, self.recipe)
        self.vllm: Any = None

    @property
    def parameters(self) -> int:
        return sum(one.numel() for one in self.base.model.parameters())

    def useful(self, rows: int) -> int:
        both = self.family == "encoder_decoder"
        return sum(len(row.input_ids) + (len(row.labels) if both else 0) for row in self.encoded[:rows])


def settled(device: str) -> float:
    """The clock, once the GPU has done what it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def train_ours(setup: Setup, rows: int, device: str) -> float:
    from rtbench_plugins.hf.training import Computing, fine_tune

    from rtbench.plugin.models import TrainJob

    with tempfile.TemporaryDirectory() as folder:
        job = TrainJob(
            rows=setup.rows[:rows],
            validation=(),
            recipe=setup.recipe,
            seed=0,
            workdir=Path(folder),
            corpus=setup.corpus,
        )
        before = settled(device)
        fine_tune(setup.base, setup.codec, job, Computing(bf16=device == "cuda"), identity="benchmark")
        return settled(device) - before


def train_trainer(setup: Setup, rows: int, device: str) -> float:
    """transformers' Trainer, each batch padded to its longest row."""
    import torch
    from rtbench_plugins.hf.encoding import IGNORED
    from transformers import Trainer, TrainingArguments

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        fills = {"input_ids": setup.codec.pad, "attention_mask": 0, "labels": IGNORED}
        widths = {name: max(len(row[name]) for row in batch) for name in fills}
        return {
            name: torch.tensor([row[name] + [fill] * (widths[name] - len(row[name])) for row in batch])
            for name, fill in fills.items()
        }

    data: Any = [
        {"input_ids": list(row.input_ids), "attention_mask": [1] * len(row.input_ids), "labels": list(row.labels)}
        for row in setup.encoded[:rows]
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=1e-4,
            save_strategy="no", report_to=[], disable_tqdm=True, logging_steps=10_000, bf16=device == "cuda",
            use_cpu=device == "cpu", remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(model=setup.base.model, args=arguments, train_dataset=data, data_collator=collate)
        before = settled(device)
        trainer.train()
        return settled(device) - before


def asked(setup: Setup, prompts: int) -> list[Any]:
    """Each prompt several times, with seeds of their own."""
    from rtbench.schema.completions import Request, Sampling

    sampling = Sampling(max_new_tokens=NEW, temperature=0.7)
    return [
        Request(
            task="t", sample_index=at, completion_index=n, prompt=row.prompt, sampling=sampling, key=f"{at}-{n}",
            seed=at * DRAWS + n,
        )
        for at, row in enumerate(setup.rows[:prompts])
        for n in range(DRAWS)
    ]  # fmt: skip


def sample_ours(setup: Setup, prompts: int, device: str) -> tuple[float, int]:
    from rtbench_plugins.hf.models import HfModel

    model = HfModel(setup.base, "f", name="benchmark", chat=False, thinking=None, most_rows=256)
    return timed(model, asked(setup, prompts), device)


def sample_vllm(setup: Setup, prompts: int, device: str) -> tuple[float, int]:
    """vLLM's engine as rtbench drives it, opened at the first call, on the same weights."""
    from rtbench_plugins.hf.loaded import save
    from rtbench_plugins.hf.vllm_engine import VllmModel, VllmOptions

    if setup.vllm is None:
        with tempfile.TemporaryDirectory() as folder:
            save(setup.base, Path(folder))
            engine = {"dtype": "bfloat16", "gpu_memory_utilization": 0.7}
            options = VllmOptions(model=folder, chat_template=False, thinking=None, engine=engine)
            setup.vllm = VllmModel("f", options, where="benchmark")
    return timed(setup.vllm, asked(setup, prompts), device)


def timed(model: Any, requests: Sequence[Any], device: str) -> tuple[float, int]:
    before = settled(device)
    found = list(model.generate(requests))
    return settled(device) - before, sum(one.usage.completion_tokens for one in found if one.usage is not None)


def sample_plain(setup: Setup, prompts: int, device: str) -> tuple[float, int]:
    """The library's ``generate`` in batches of 32 prompts × 8, in the order of the data."""
    import torch

    tokenizer, model = setup.base.tokenizer, setup.base.model.eval()
    tokenizer.padding_side = "left" if setup.family == "decoder" else "right"
    tokens = 0
    before = settled(device)
    for at in range(0, prompts, BATCH):
        given = tokenizer(
            [row.prompt for row in setup.rows[at : min(at + BATCH, prompts)]], return_tensors="pt", padding=True
        )
        with torch.inference_mode():
            written = model.generate(
                input_ids=given["input_ids"].to(device), attention_mask=given["attention_mask"].to(device),
                max_new_tokens=NEW, do_sample=True, temperature=0.7, top_k=0, num_return_sequences=DRAWS,
            )  # fmt: skip
        new = written[:, given["input_ids"].shape[1] :] if setup.family == "decoder" else written[:, 1:]
        ended = (new == tokenizer.eos_token_id).int()
        first = ended.argmax(dim=1)
        tokens += int(torch.where(ended.any(dim=1), first + 1, torch.full_like(first, new.shape[1])).sum())
    return settled(device) - before, tokens


def peak_of(device: str) -> tuple[str, float | None]:
    import torch

    if device == "cpu":
        return "CPU", None
    name = torch.cuda.get_device_name()
    return name, next((flops for part, flops in PEAK.items() if part in name), None)


def measure(
    name: str, family: str, config: dict[str, Any], found: Sequence[tuple[str, str]], prompts: int, device: str
) -> None:
    _, peak = peak_of(device)
    rates: dict[str, float] = {}
    trainings: dict[str, Callable[[Setup, int, str], float]] = {
        "rtbench": train_ours, "Trainer, padded batch by batch": train_trainer,
    }  # fmt: skip
    print(
        f"\n## {name}\n\n| training | rtbench is so many times faster | useful tokens/s | utilisation |\n|---|---:|---:|---:|"
    )
    for way, train in trainings.items():
        setup = Setup(family, config, found, device)
        train(setup, min(WARM_UP * BATCH, len(found)), device)
        rates[way] = setup.useful(len(found)) / train(setup, len(found), device)
        used = "not known" if peak is None else f"{6 * setup.parameters * rates[way] / peak:.1%}"
        print(f"| {way} | {rates['rtbench'] / rates[way]:.2f} | {rates[way]:,.0f} | {used} |", flush=True)
        del setup
    samplings: dict[str, Callable[[Setup, int, str], tuple[float, int]]] = {
        "rtbench": sample_ours, "`generate`, in order": sample_plain,
    }  # fmt: skip
    if device == "cuda" and family == "decoder" and find_spec("vllm") is not None:
        samplings["vLLM, as rtbench drives it"] = sample_vllm
    print(
        f"\n| sampling {prompts} prompts × {DRAWS} | rtbench is so many times faster | useful tokens/s |\n|---|---:|---:|"
    )
    for way, sample in samplings.items():
        setup = Setup(family, config, found, device)
        if device == "cuda":
            setup.base.model.bfloat16()
        sample(setup, min(BATCH, prompts), device)
        seconds, tokens = sample(setup, prompts, device)
        rates[way] = tokens / seconds
        print(f"| {way} | {rates['rtbench'] / rates[way]:.2f} | {rates[way]:,.0f} |", flush=True)
        del setup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--only", choices=list(SHAPES))
    parser.add_argument("--tiny", action="store_true", help="On a CPU: that it runs.")
    given = parser.parse_args()
    if given.prompts > given.rows:
        sys.exit("there are no more prompts than rows")
    import torch

    device = "cpu" if given.tiny else "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --tiny runs the same on a CPU, to see that it works")
    chip, _ = peak_of(device)
    head(
        "On a GPU",
        f"{chip}, torch {torch.__version__}; {given.rows} rows, {given.prompts} prompts, one run of each after a warm-up",
    )
    found = rows_of(given.rows)
    for name, (family, config) in (TINY if given.tiny else SHAPES).items():
        if given.only in {None, name}:
            measure(name, family, config, found, given.prompts, device)


if __name__ == "__main__":
    main()
