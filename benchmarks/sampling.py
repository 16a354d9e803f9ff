"""Useful tokens per CPU-second of writing texts, beside the original's way, lm-eval's ``hf`` model and transformers' engine.

    python benchmarks/sampling.py --data-dir DIR [--family decoder] [--rounds 3] > docs/benchmarks/sampling.md

A small model is first fine-tuned on recorded rationales of gsm8k, so that its texts end where texts do, and some never. Then
each way writes the greedy answers to other questions, in a process of its own with one thread; rounds are interleaved and
medians are shown. Useful tokens are those up to a text's end mark, counted once for all ways, as their texts must be the same;
how many are is shown. The original's way (its ``data/completion_dataset.py``): batches in the order of the data, every prompt
padded to the longest of all; here with an attention mask, which the original leaves out.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import head, measured, tell
from training import CONFIGS, options, recorded

EPOCHS, PROMPTS, LIMIT, BATCH = 20, 128, 256, 16


class Setup:
    """What all ways share: a folder's model and its questions."""

    def __init__(self, folder: Path, family: str) -> None:
        import torch
        from rtbench_plugins.hf.loading import pretrained
        from rtbench_plugins.hf.options import Access
        from rtbench_plugins.hf.places import Place

        torch.set_num_threads(1)
        self.folder = folder
        self.family: Any = family
        self.prompts: list[str] = json.loads((folder / "prompts.json").read_text())
        self.base = pretrained(
            Place(str(folder / "checkpoint")),
            family=self.family,
            dtype="float32",
            device=torch.device("cpu"),
            access=Access(),
        )

    def generate(self, batches: Sequence[Sequence[int]], width: int | None = None) -> list[str]:
        """The library's ``generate`` over batches of question numbers, padded to their own longest or to ``width``."""
        import torch

        tokenizer, model = self.base.tokenizer, self.base.model
        tokenizer.padding_side = "left" if self.family == "decoder" else "right"
        out = [""] * len(self.prompts)
        for batch in batches:
            texts = [self.prompts[at] for at in batch]
            padding: Any = {"padding": True} if width is None else {"padding": "max_length", "max_length": width}
            given = tokenizer(texts, return_tensors="pt", **padding)
            with torch.inference_mode():
                written = model.generate(
                    input_ids=given["input_ids"], attention_mask=given["attention_mask"], max_new_tokens=LIMIT,
                    do_sample=False,
                )  # fmt: skip
            new = written[:, given["input_ids"].shape[1] :] if self.family == "decoder" else written
            for at, text in zip(batch, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
                out[at] = text
        return out

    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.base.tokenizer(self.prompts)["input_ids"]]


def ours(setup: Setup, size: int) -> list[str]:
    from rtbench_plugins.hf.models import HfModel

    from rtbench.schema.completions import Request, Sampling

    model = HfModel(setup.base, "f", name="benchmark", chat=False, thinking=None, most_rows=size)
    sampling = Sampling(max_new_tokens=LIMIT)
    requests = [
        Request(
            task="gsm8k", sample_index=at, completion_index=0, prompt=prompt, sampling=sampling, key=str(at), seed=at
        )
        for at, prompt in enumerate(setup.prompts)
    ]
    found = {one.sample_index: one for one in model.generate(requests)}
    (setup.folder / "useful.json").write_text(
        json.dumps(sum(one.usage.completion_tokens for one in found.values() if one.usage is not None))
    )
    return [found[at].text for at in range(len(requests))]


def original(setup: Setup) -> list[str]:
    order = range(len(setup.prompts))
    return setup.generate([order[at : at + BATCH] for at in order[::BATCH]], max(setup.lengths()))


def by_length(setup: Setup) -> list[str]:
    lengths = setup.lengths()
    order = sorted(range(len(setup.prompts)), key=lambda at: -lengths[at])
    return setup.generate([order[at : at + BATCH] for at in range(0, len(order), BATCH)])


def lm_eval(setup: Setup, size: int) -> list[str]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backend: Any = "causal" if setup.family == "decoder" else "seq2seq"
    model = HFLM(pretrained=setup.base.model, tokenizer=setup.base.tokenizer, backend=backend, batch_size=size)
    asked = [
        Instance("generate_until", {}, (prompt, {"until": [], "max_gen_toks": LIMIT, "do_sample": False}), at)
        for at, prompt in enumerate(setup.prompts)
    ]
    return model.generate_until(asked, disable_tqdm=True)


def continuous(setup: Setup) -> list[str]:
    from transformers import GenerationConfig

    tokenizer = setup.base.tokenizer
    ids = tokenizer(setup.prompts)["input_ids"]
    config = GenerationConfig(
        max_new_tokens=LIMIT, do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    done = setup.base.model.generate_batch(inputs=ids, generation_config=config, progress_bar=False)
    ordered = sorted(done.values(), key=lambda one: int(one.request_id.rpartition("_")[2]))
    return tokenizer.batch_decode([one.generated_tokens for one in ordered], skip_special_tokens=True)  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[Setup], list[str]]] = {
    f"rtbench, {BATCH} at once": lambda setup: ours(setup, BATCH),
    "rtbench, 64 at once (its default)": lambda setup: ours(setup, 64),
    "original's way: all padded to the longest": original,
    "`generate`, sorted by length": by_length,
    f"lm-eval's `hf`, {BATCH} at once": lambda setup: lm_eval(setup, BATCH),
    "lm-eval's `hf`, 64 at once": lambda setup: lm_eval(setup, 64),
    "transformers' continuous batching": continuous,
}
DECODER_ONLY = {"transformers' continuous batching"}


def child(name: str, folder: str, family: str) -> None:
    setup = Setup(Path(folder), family)
    before = time.process_time()
    texts = WAYS[name](setup)
    seconds = time.process_time() - before
    tell({"seconds": seconds, "texts": [text.strip() for text in texts]})


def prepare(folder: Path, family: Any, data_dir: Path) -> None:
    """Fine-tunes the model and writes it down with the questions."""
    from rtbench_plugins.hf.students import causal_student, seq2seq_student

    from rtbench.api import Environment, Recipe, TrainingRow, TrainJob, open_services

    found = recorded(data_dir, 400 + PROMPTS)
    made = causal_student if family == "decoder" else seq2seq_student
    options = {"config": CONFIGS[family], "vocab_size": 5000, "device": "cpu"}
    services = open_services(Environment(workspace=str(folder / "workspace"), cache_dir=str(folder / "cache")))
    student = made("benchmark", options, services)
    rows = [TrainingRow(sample_index=at, prompt=prompt, label=label) for at, (prompt, label) in enumerate(found[:400])]
    recipe = Recipe(learning_rate=1e-3, batch_size=8, epochs=EPOCHS, selection="last")
    corpus = [prompt + label for prompt, label in found[:400]]
    student.train(TrainJob(rows=rows, validation=(), recipe=recipe, seed=0, workdir=folder, corpus=corpus))
    (folder / "prompts.json").write_text(json.dumps([prompt for prompt, _ in found[400:]]))


def table(folder: Path, family: str, rounds: int) -> None:
    ways = [name for name in WAYS if family == "decoder" or name not in DECODER_ONLY]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in ways:
            results[name].append(measured(__file__, name, folder, family))
    useful = json.loads((folder / "useful.json").read_text())
    rates = {name: useful / statistics.median(r["seconds"] for r in runs) for name, runs in results.items()}
    first, second, *_ = ways
    texts = results[first][0]["texts"]
    print(f"\n## {family} ({CONFIGS[family]['model_type']}), {useful / len(texts):.0f} tokens a text\n")
    print(f"| way | {first}: so many times faster | 64 at once | tokens per CPU-second | same texts |")
    print("|---|---:|---:|---:|---:|")
    for name, runs in results.items():
        same = sum(one == other for one, other in zip(runs[0]["texts"], texts, strict=True))
        print(
            f"| {name} | {rates[first] / rates[name]:.2f} | {rates[second] / rates[name]:.2f} | {rates[name]:.0f} | "
            f"{same} of {len(texts)} |"
        )


def main() -> None:
    given = options(__doc__)
    if given.child:
        child(*given.child)
        return
    head(
        "Writing texts: useful tokens per CPU-second",
        f"{PROMPTS} questions of gsm8k, at most {LIMIT} tokens, batches of {BATCH} where nothing else is said, one thread, "
        f"medians of {given.rounds} interleaved rounds",
    )
    for family in [given.family] if given.family else CONFIGS:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), family, given.data_dir)
            table(Path(folder), family, given.rounds)


if __name__ == "__main__":
    main()
