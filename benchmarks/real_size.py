"""Training and sampling of a model of 135M parameters on a CPU, beside other ways, in one run.

    python benchmarks/real_size.py --data-dir DIR --model FILE.gguf [--rounds 3] > docs/benchmarks/real_size.md

Each way is a process of its own with all cores; rounds are interleaved, medians are shown. Training: recorded rationales of
MultiArith, batches of 8, AdamW at 1e-4, in bfloat16 (autocast) and float32; the second of two epochs is timed, without
the writing of a checkpoint; useful tokens are those of prompts and labels, not padding, per second. Sampling: greedy answers of a student that was trained so before, at most 192 tokens,
16 and 64 at once; useful tokens are those up to a text's end. The share of the peak is that of matrix products of 1,024 ×
1,024 on all cores, which are measured in each process right before. The share of the forward pass is that of a bare pass
of the model over one token of each row, with a cache of the usual width to which nothing is copied. llama.cpp (the package xllamacpp) samples from
the GGUF file itself, so rtbench samples from the untrained model there.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import head, measured, parser_of, tell

ROWS, BATCH, EPOCHS, RATE = 96, 8, 2, 1e-4
PROMPTS, LIMIT = 96, 192
DTYPES = ("bfloat16", "float32")
PARTS = ("training", "sampling")


def recorded(data: Path) -> list[tuple[str, str]]:
    """Return prompts and labels of right rationales, worded as in fine-tune-cot."""
    with gzip.open(data / "teacher" / "text-davinci-002__zs_cot__multiarith.jsonl.gz", "rt") as lines:
        found = [record for record in map(json.loads, lines) if record["correct"]]
    return [
        (f"{one['question'].strip()} ###", f" {one['reasoning_completion'].strip()} --> {one['answer']}")
        for one in found[: ROWS + PROMPTS]
    ]


def peak(dtype: str) -> float:
    """Return the speed of matrix products, in GFLOP/s."""
    import torch

    one = torch.ones((1024, 1024), dtype=getattr(torch, dtype))
    best = 0.0
    for _ in range(4):
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < 0.3:
            one @ one
            done += 1
        best = max(best, 2 * 1024**3 * done / (time.perf_counter() - began) / 1e9)
    return best


class Setup:
    """What all ways share: the model in a folder, its tokenizer, and rows."""

    def __init__(self, folder: Path, dtype: str, kind: str, *, ours: bool) -> None:
        import torch
        from rtbench_plugins.hf.encoding import Codec, encode_rows
        from rtbench_plugins.hf.loading import pick_device, pretrained
        from rtbench_plugins.hf.options import Access
        from rtbench_plugins.hf.places import Place

        from rtbench.api import Recipe, TrainingRow

        self.folder, self.dtype = folder, dtype
        self.torch_dtype = getattr(torch, dtype)
        self.pairs: list[tuple[str, str]] = json.loads((folder / "rows.json").read_text())
        self.base = pretrained(
            Place(str(folder / ("checkpoint" if kind == "sampling" else "base"))),
            family="decoder",
            dtype="float32" if kind == "training" else dtype,  # trained weights stay in float32
            device=pick_device("cpu") if ours else torch.device("cpu"),  # ours also sets the C library's memory
            access=Access(),
        )
        self.codec = Codec(
            self.base.tokenizer, self.base.model.config, "decoder", chat=False, thinking=None, name="benchmark"
        )
        self.recipe = Recipe(learning_rate=RATE, batch_size=BATCH, epochs=EPOCHS, selection="last")
        self.steps = 0
        self.ends: list[float] = []
        """Times at which epochs ended."""
        self.rows = [
            TrainingRow(sample_index=i, prompt=prompt, label=label)
            for i, (prompt, label) in enumerate(self.pairs[:ROWS])
        ]
        self.encoded = encode_rows(self.codec, self.rows, self.recipe)
        self.prompts = [prompt for prompt, _ in self.pairs[ROWS:]]

    def stepped(self) -> None:
        """Note the end of an optimiser step."""
        self.steps += 1
        if self.steps % (len(self.encoded) // BATCH) == 0:
            self.ends.append(time.perf_counter())

    @property
    def gguf(self) -> Path:
        return (self.folder / "model.gguf").resolve()

    @property
    def useful(self) -> int:
        return sum(row.length for row in self.encoded)

    @property
    def operations(self) -> float:
        """Return the floating-point operations of one epoch: 6 for each parameter and token that it multiplies."""
        table = self.base.model.get_input_embeddings().weight.numel()
        layers = sum(p.numel() for p in self.base.model.parameters()) - table
        return float(6 * (layers * self.useful + table * sum(row.supervised for row in self.encoded)))


# ---------------------------------------------------------------------------------------------------------- training


def train_ours(setup: Setup) -> float:
    from rtbench_plugins.hf.memory import tokens_at_once
    from rtbench_plugins.hf.places import Place
    from rtbench_plugins.hf.shapes import shape_of
    from rtbench_plugins.hf.training import Computing, fine_tune

    from rtbench.api import TrainJob

    shape = shape_of(Place(str(setup.folder / "base")))
    assert shape is not None
    computing = Computing(bf16=setup.dtype == "bfloat16", most_tokens=tokens_at_once(shape))
    with tempfile.TemporaryDirectory() as folder:
        job = TrainJob(
            rows=setup.rows, validation=(), recipe=setup.recipe, seed=0, workdir=Path(folder), corpus=(),
            progress=lambda *_: setup.stepped(),
        )  # fmt: skip
        report = fine_tune(setup.base, setup.codec, job, computing, identity="benchmark")
    return float(report.history[-1]["train_loss"])


def train_with_lora(setup: Setup) -> float:
    from rtbench_plugins.hf.lora import adapted
    from rtbench_plugins.hf.options import LoraOptions

    setup.base = adapted(setup.base, LoraOptions(), seed=0)
    return train_ours(setup)


def train_plainly(setup: Setup) -> float:
    """Padded batch by batch, in random order, with the library's own loss."""
    import torch

    model = setup.base.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(setup.encoded), generator=generator).tolist() for _ in range(EPOCHS)]
    order = [place for epoch in orders for place in epoch]
    nats = tokens = 0.0
    for at in range(0, len(order), BATCH):
        if at == len(order) - len(setup.encoded):
            nats = tokens = 0.0
        rows = [setup.encoded[i] for i in order[at : at + BATCH]]
        with torch.autocast("cpu", torch.bfloat16, enabled=setup.dtype == "bfloat16"):
            loss = model(**padded(setup, rows)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        supervised = sum(row.supervised for row in rows)
        nats, tokens = nats + float(loss.detach()) * supervised, tokens + supervised
        setup.stepped()
    return nats / tokens


def padded(setup: Setup, rows: Sequence[Any]) -> dict[str, Any]:
    """Return tensors of rows, padded to the longest."""
    import torch
    from rtbench_plugins.hf.encoding import IGNORED

    width = max(row.length for row in rows)
    fill = [(row, width - row.length) for row in rows]
    return {
        "input_ids": torch.tensor([row.input_ids + [setup.codec.pad] * more for row, more in fill]),
        "attention_mask": torch.tensor([[1] * row.length + [0] * more for row, more in fill]),
        "labels": torch.tensor([row.labels + [IGNORED] * more for row, more in fill]),
    }


def train_by_trainer(setup: Setup) -> float:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            setup.stepped()

    data: Any = [{"row": row, "input_ids": list(row.input_ids)} for row in setup.encoded]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS, learning_rate=RATE,
            lr_scheduler_type="constant", weight_decay=0.01, save_strategy="no", report_to=[], disable_tqdm=True,
            logging_strategy="epoch", use_cpu=True, seed=0, train_sampling_strategy="group_by_length",
            remove_unused_columns=False, bf16=setup.dtype == "bfloat16",
        )  # fmt: skip
        trainer = Trainer(
            model=setup.base.model, args=arguments, train_dataset=data,
            data_collator=lambda batch: padded(setup, [one["row"] for one in batch]), callbacks=[Watch()],
        )  # fmt: skip
        trainer.train()
        return float([entry["loss"] for entry in trainer.state.log_history if "loss" in entry][-1])


TRAINING: dict[str, Callable[[Setup], float]] = {
    "rtbench": train_ours,
    "rtbench, LoRA": train_with_lora,
    "Trainer, grouped by length": train_by_trainer,
    "plain loop, padded batch by batch": train_plainly,
}


# ---------------------------------------------------------------------------------------------------------- sampling


def sample_ours(setup: Setup, size: int) -> list[str]:
    from rtbench_plugins.hf.models import HfModel

    from rtbench.api import Request, Sampling

    model = HfModel(setup.base, "f", name="benchmark", chat=False, thinking=None, most_rows=size)
    requests = [
        Request(
            task="multiarith", sample_index=at, completion_index=0, prompt=prompt,
            sampling=Sampling(max_new_tokens=LIMIT), key=str(at), seed=at,
        )
        for at, prompt in enumerate(setup.prompts)
    ]  # fmt: skip
    found = {one.sample_index: one.text for one in model.generate(requests)}
    return [found[at] for at in range(len(requests))]


def sample_by_generate(setup: Setup, size: int) -> list[str]:
    import torch

    tokenizer, model = setup.base.tokenizer, setup.base.model
    tokenizer.padding_side = "left"
    order = sorted(range(len(setup.prompts)), key=lambda at: -len(setup.prompts[at]))
    out = [""] * len(order)
    for at in range(0, len(order), size):
        batch = order[at : at + size]
        given = tokenizer([setup.prompts[i] for i in batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            written = model.generate(**given, max_new_tokens=LIMIT, do_sample=False)
        texts = tokenizer.batch_decode(written[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(batch, texts, strict=True):
            out[i] = text
    return out


def sample_by_lm_eval(setup: Setup, size: int) -> list[str]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=setup.base.model, tokenizer=setup.base.tokenizer, backend="causal", batch_size=size)
    asked = [
        Instance("generate_until", {}, (prompt, {"until": [], "max_gen_toks": LIMIT, "do_sample": False}), at)
        for at, prompt in enumerate(setup.prompts)
    ]
    texts: list[str] = model.generate_until(asked, disable_tqdm=True)
    return texts


@functools.cache
def llama_cpp(path: Path, size: int) -> Any:
    """Return a server of llama.cpp in this process, with a slot for each of ``size`` texts."""
    import torch
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(path)
    given.n_parallel, given.n_ctx = size, size * 512
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = torch.get_num_threads()
    return xllamacpp.Server(given)


def sample_by_llama_cpp(setup: Setup, size: int) -> list[str]:
    from concurrent.futures import ThreadPoolExecutor

    server = llama_cpp(setup.gguf, size)

    def written(prompt: str) -> str:
        answer = server.handle_completions({"prompt": prompt, "max_tokens": LIMIT, "temperature": 0.0})
        return str(answer["choices"][0]["text"])

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(written, setup.prompts))


def bare_pass(setup: Setup, size: int) -> float:
    """Return the seconds of a forward pass over one token of ``size`` rows, with a cache as wide as a usual text."""
    import torch
    from rtbench_plugins.hf.growing_cache import grow

    model = setup.base.model
    wide = torch.ones(
        (size, sum(len(p) for p in setup.prompts) // len(setup.prompts) // 4 + LIMIT // 2), dtype=torch.long
    )
    taken = []
    with torch.inference_mode():
        cache = grow(model(input_ids=wide, use_cache=True, logits_to_keep=1).past_key_values)
        for _ in range(12):
            began = time.perf_counter()
            model(input_ids=wide[:, :1], past_key_values=cache, use_cache=True)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


SAMPLING: dict[str, Callable[[Setup, int], list[str]]] = {
    "rtbench": sample_ours,
    "lm-eval's `hf`": sample_by_lm_eval,
    "`generate`, sorted by length": sample_by_generate,
}
UNTRAINED: dict[str, Callable[[Setup, int], list[str]]] = {
    "rtbench": sample_ours,
    "llama.cpp": sample_by_llama_cpp,
}


# ---------------------------------------------------------------------------------------------------------- the page


def child(what: str, name: str, folder: str, dtype: str) -> None:
    import torch

    kind, _, size = what.partition(" ")
    setup = Setup(Path(folder), dtype, kind, ours=name.startswith("rtbench"))
    rate = peak(dtype)
    if kind == "training":
        loss = TRAINING[name](setup)
        seconds = setup.ends[-1] - setup.ends[-2]
        tell({
            "rate": setup.useful / seconds, "loss": loss, "share": setup.operations / seconds / rate / 1e9, "peak": rate
        })  # fmt: skip
        return
    if name == "llama.cpp":
        llama_cpp(setup.gguf, int(size))
    began = time.perf_counter()
    ways = SAMPLING if kind == "sampling" else UNTRAINED
    texts = [text.strip() for text in ways[name](setup, int(size))]
    seconds = time.perf_counter() - began
    tokens = sum(len(ids) + 1 for ids in setup.base.tokenizer(texts, add_special_tokens=False)["input_ids"])
    share = tokens / seconds / (int(size) / bare_pass(setup, int(size))) if name == "rtbench" else 0.0
    tell({"rate": tokens / seconds, "texts": texts, "share": share, "threads": torch.get_num_threads()})


def prepare(folder: Path, data: Path, model: Path, *, samples: bool) -> None:
    """Convert the model, write the rows, and train the student that samples are drawn from."""
    from rtbench_plugins.hf.gguf_conversion import converted
    from rtbench_plugins.hf.students import causal_student

    from rtbench.api import Environment, Recipe, TrainingRow, TrainJob, open_services

    (folder / "model.gguf").symlink_to(model.resolve())
    (folder / "base").symlink_to(converted(model, folder / "cache"))
    pairs = recorded(data)
    (folder / "rows.json").write_text(json.dumps(pairs))
    if not samples:
        return
    services = open_services(Environment(workspace=str(folder / "workspace"), cache_dir=str(folder / "cache")))
    student = causal_student("student", {"model": str(folder / "base"), "dtype": "auto"}, services)
    rows = [TrainingRow(sample_index=i, prompt=prompt, label=label) for i, (prompt, label) in enumerate(pairs)]
    recipe = Recipe(learning_rate=RATE, batch_size=BATCH, steps=60, schedule="linear", selection="last")
    student.train(TrainJob(rows=rows, validation=(), recipe=recipe, seed=0, workdir=folder, corpus=()))


def rounds_of(ways: Sequence[str], rounds: int, *arguments: object) -> dict[str, list[dict[str, Any]]]:
    """Return the results of each way; the ways take turns."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in ways:
            results[name].append(measured(__file__, arguments[0], name, *arguments[1:]))
    return results


def median(runs: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def training_table(folder: Path, dtype: str, rounds: int) -> None:
    results = rounds_of(list(TRAINING), rounds, "training", folder, dtype)
    ours = median(results["rtbench"], "rate")
    print(f"\n## Training in {dtype}\n")
    print("| way | rtbench is so many times as fast | useful tokens/s | loss of the second epoch | share of the peak |")
    print("|---|---:|---:|---:|---:|")
    for name, runs in results.items():
        rate, share = median(runs, "rate"), f"{100 * median(runs, 'share'):.0f} % of {median(runs, 'peak'):.0f} GFLOP/s"
        print(f"| {name} | {ours / rate:.2f} | {rate:.0f} | {runs[0]['loss']:.3f} | {share} |")


def sampling_table(folder: Path, dtype: str, size: int, rounds: int, kind: str = "sampling") -> None:
    results = rounds_of(list(SAMPLING if kind == "sampling" else UNTRAINED), rounds, f"{kind} {size}", folder, dtype)
    ours, texts = median(results["rtbench"], "rate"), results["rtbench"][0]["texts"]
    print(f"\n## Sampling {'' if kind == 'sampling' else 'from the untrained model '}in {dtype}, {size} at once\n")
    print("| way | rtbench is so many times as fast | useful tokens/s | same texts |")
    print("|---|---:|---:|---:|")
    for name, runs in results.items():
        same = sum(one == other for one, other in zip(runs[0]["texts"], texts, strict=True))
        print(f"| {name} | {ours / median(runs, 'rate'):.2f} | {median(runs, 'rate'):.0f} | {same} of {len(texts)} |")
    print(f"\nrtbench reaches {100 * median(results['rtbench'], 'share'):.0f} % of a bare forward pass.")


def main() -> None:
    """Print the page."""
    parser: argparse.ArgumentParser = parser_of(__doc__, 4)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    head(
        "A model of 135M parameters on a CPU",
        f"SmolLM2-135M-Instruct (Q4_1 GGUF), {ROWS} training rows, {PROMPTS} prompts, all cores, medians of "
        f"{given.rounds} interleaved rounds",
    )
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), given.data_dir, given.model, samples="sampling" in given.parts)
        for dtype in given.dtypes:
            if "training" in given.parts:
                training_table(Path(folder), dtype, given.rounds)
            if "sampling" not in given.parts:
                continue
            for size in (16, 64):
                sampling_table(Path(folder), dtype, size, given.rounds)
            sampling_table(Path(folder), dtype, 16, given.rounds, "untrained")


if __name__ == "__main__":
    main()
