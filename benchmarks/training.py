"""Useful tokens per CPU-second of fine-tuning, beside the original's way and transformers' Trainer.

    python benchmarks/training.py --data-dir DIR [--family decoder] [--rounds 3] > docs/benchmarks/training.md

The same small model with random weights, tokenizer and rows (recorded rationales of gsm8k), batch 8, one epoch, one thread,
AdamW at one rate. Each way is a process of its own; rounds are interleaved and medians are shown. Useful tokens are those of
prompts and labels, not padding; CPU-seconds are of the training alone. Two losses tell that the same is learned: the mean
over the epoch, and that of the trained model on all rows, computed alike for all ways. The original's way: every row padded to the longest of the data set, loss on the label (its ``data/dataset.py``).
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import head, measured, parser_of, tell

ROWS, BATCH, RATE = 400, 8, 5e-4
CONFIGS: dict[str, dict[str, Any]] = {
    "decoder": {
        "model_type": "gpt2", "n_layer": 4, "n_embd": 256, "n_inner": 1024, "n_head": 4, "n_positions": 1024,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
    },
    "encoder_decoder": {
        "model_type": "t5", "num_layers": 3, "num_decoder_layers": 3, "d_model": 256, "d_kv": 64, "d_ff": 1024,
        "num_heads": 4, "dropout_rate": 0.0,
    },
}  # fmt: skip


class Setup:
    """What all ways share: model, tokenizer and rows, made alike in each process."""

    def __init__(self, rows: Path, family: str) -> None:
        import torch
        from rtbench_plugins.hf.encoding import Codec, encode_rows
        from rtbench_plugins.hf.loading import random_base
        from rtbench_plugins.hf.options import StudentOptions

        from rtbench.schema.training import Recipe, TrainingRow

        torch.set_num_threads(1)
        found = json.loads(rows.read_text())
        self.rows = [TrainingRow(sample_index=i, prompt=prompt, label=label) for i, (prompt, label) in enumerate(found)]
        self.corpus = [prompt + label for prompt, label in found]
        self.family: Any = family
        options = StudentOptions(config=CONFIGS[family], vocab_size=5000)
        self.base = random_base(self.family, options, self.corpus, torch.device("cpu"))
        self.recipe = Recipe(learning_rate=RATE, batch_size=BATCH, epochs=1, selection="last")
        self.codec = Codec(
            self.base.tokenizer, self.base.model.config, self.family, chat=False, thinking=None, name="benchmark"
        )
        self.encoded = encode_rows(self.codec, self.rows, self.recipe)

    @property
    def useful(self) -> int:
        both = self.family == "encoder_decoder"
        return sum(len(row.input_ids) + (len(row.labels) if both else 0) for row in self.encoded)


def ours(setup: Setup, *, packing: bool = False) -> float:
    from rtbench_plugins.hf.training import Computing, fine_tune

    from rtbench.plugin.models import TrainJob

    with tempfile.TemporaryDirectory() as folder:
        job = TrainJob(
            rows=setup.rows, validation=(), recipe=setup.recipe, seed=0, workdir=Path(folder), corpus=setup.corpus
        )
        report = fine_tune(setup.base, setup.codec, job, Computing(packing=packing), identity="benchmark")
    return report.history[0]["train_loss"]


def original(setup: Setup) -> float:
    """Everything padded to the longest row of the data set, logits of all positions, torch's own AdamW."""
    import torch
    from rtbench_plugins.hf.encoding import IGNORED

    model, pad = setup.base.model.train(), setup.codec.pad
    width = max(len(row.input_ids) for row in setup.encoded)
    label_width = max(len(row.labels) for row in setup.encoded)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    order = torch.randperm(len(setup.encoded), generator=torch.Generator().manual_seed(0)).tolist()
    nats, tokens = 0.0, 0
    for at in range(0, len(order), BATCH):
        rows = [setup.encoded[i] for i in order[at : at + BATCH]]
        inputs = torch.tensor([row.input_ids + [pad] * (width - len(row.input_ids)) for row in rows])
        mask = torch.tensor([[1] * len(row.input_ids) + [0] * (width - len(row.input_ids)) for row in rows])
        labels = torch.tensor([row.labels + [IGNORED] * (label_width - len(row.labels)) for row in rows])
        loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        supervised = sum(row.supervised for row in rows)
        nats += float(loss.detach()) * supervised
        tokens += supervised
    return nats / tokens


def trainer(setup: Setup, sampling: str) -> float:
    import torch
    from rtbench_plugins.hf.encoding import IGNORED
    from transformers import Trainer, TrainingArguments

    pad = setup.codec.pad

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width, label_width = (max(len(row[name]) for row in rows) for name in ("input_ids", "labels"))
        padded = {
            "input_ids": [row["input_ids"] + [pad] * (width - len(row["input_ids"])) for row in rows],
            "attention_mask": [[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows],
            "labels": [row["labels"] + [IGNORED] * (label_width - len(row["labels"])) for row in rows],
        }
        return {name: torch.tensor(value) for name, value in padded.items()}

    data: Any = [{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in setup.encoded]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=RATE,
            lr_scheduler_type="constant", weight_decay=0.01, save_strategy="no", report_to=[], disable_tqdm=True,
            logging_steps=10_000, use_cpu=True, seed=0, train_sampling_strategy=sampling, remove_unused_columns=False,
        )  # fmt: skip
        done = Trainer(model=setup.base.model, args=arguments, train_dataset=data, data_collator=collate).train()
    return float(done.training_loss)


WAYS: dict[str, Callable[[Setup], float]] = {
    "rtbench": ours,
    "original's way: all padded to the longest": original,
    "Trainer, padded batch by batch": lambda setup: trainer(setup, "random"),
    "Trainer, grouped by length": lambda setup: trainer(setup, "group_by_length"),
    "rtbench, packed": lambda setup: ours(setup, packing=True),
}


def loss_after(setup: Setup) -> float:
    """Mean loss per supervised token of the trained model, in nats."""
    import torch
    from rtbench_plugins.hf.batches import collate, forward

    setup.base.model.eval()
    nats = 0.0
    with torch.no_grad():
        for row in setup.encoded:
            batch = collate([row], setup.codec.pad, setup.base.device, causal=setup.family == "decoder")
            logits = forward(setup.base, setup.base.model, batch, picks=False)
            nats += float(torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum"))
    return nats / sum(row.supervised for row in setup.encoded)


def child(name: str, rows: str, family: str) -> None:
    setup = Setup(Path(rows), family)
    before = time.process_time()
    loss = WAYS[name](setup)
    seconds = time.process_time() - before
    tell({"rate": setup.useful / seconds, "loss": loss, "after": loss_after(setup)})


def recorded(data_dir: Path, count: int) -> list[tuple[str, str]]:
    """Questions of gsm8k and rationales that text-davinci-003 wrote for them, worded as in fine-tune-cot."""
    with gzip.open(data_dir / "teacher" / "text-davinci-003__fs_cot__gsm8k.jsonl.gz", "rt") as lines:
        found = [json.loads(line) for line, _ in zip(lines, range(count), strict=False)]
    return [(f"{one['question']} ###", f"{one['reasoning_completion']} --> {one['answer']}") for one in found]


def options(described: str | None) -> argparse.Namespace:
    """Of this benchmark, and of others of a small model."""
    parser = parser_of(described, 3)
    parser.add_argument("--family", choices=list(CONFIGS), help="Only this one.")
    return parser.parse_args()


def main() -> None:
    given = options(__doc__)
    if given.child:
        child(*given.child)
        return
    rows = recorded(given.data_dir, ROWS)
    head(
        "Training: useful tokens per CPU-second",
        f"{len(rows)} recorded rationales of gsm8k, batch {BATCH}, one epoch, one thread, "
        f"medians of {given.rounds} interleaved rounds",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(json.dumps(rows))
        for family in [given.family] if given.family else CONFIGS:
            ways = [name for name in WAYS if family == "decoder" or not name.endswith("packed")]
            results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
            for _ in range(given.rounds):
                for name in ways:
                    results[name].append(measured(__file__, name, path, family))
            rates = {name: statistics.median(r["rate"] for r in rounds) for name, rounds in results.items()}
            mine = rates["rtbench"]
            print(f"\n## {family} ({CONFIGS[family]['model_type']})\n")
            print("| way | rtbench is so many times faster | tokens per CPU-second | mean loss | loss afterwards |")
            print("|---|---:|---:|---:|---:|")
            for name, rounds in results.items():
                one = rounds[0]
                ratio = f"{mine / rates[name]:.2f} | {rates[name]:.0f}"
                print(f"| {name} | {ratio} | {one['loss']:.3f} | {one['after']:.3f} |")


if __name__ == "__main__":
    main()
