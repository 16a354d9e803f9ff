"""Accuracy on held-out *training* questions by learning rate and steps, for choosing the settings of the matrix ``real``.

    python benchmarks/real_settings.py --data-dir DIR --model FILE.gguf --out DIR/settings.jsonl

Every fifth training question (in a shuffled order) is held out. The student is trained on the recorded rationales of the
other training questions, and answers the held-out questions. Test questions are not used. Each trial is appended to the
file; trials that it has already are not repeated.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

TEACHERS = {
    "one": ("text-davinci-002__zs_cot",),
    "eight": (
        "text-davinci-002__zs_cot", "gpt-3.5-turbo-0613__zs_cot", "gpt-4-0613__zs_cot", "text-davinci-003__fs_cot",
        "gpt-3.5-turbo__fs_cot", "gpt-4__fs_cot", "code-davinci-002__fs_cot", "gpt-3.5__zs_cot_adapters",
    ),
}  # fmt: skip
TRIALS = [
    ("multiarith", "eight", 1e-4, 200), ("multiarith", "eight", 3e-4, 200),
    ("multiarith", "answer", 1e-4, 200), ("multiarith", "answer", 3e-4, 200),
    ("multiarith", "one", 1e-4, 200), ("multiarith", "one", 3e-4, 200),
]  # fmt: skip
"""Task, source of the labels (rationales of one or eight teachers, or the answers), learning rate and steps."""
ANSWER_TOKENS = 160


def rows_of(data: Path, task: str, source: str, kept: set[int]) -> list[tuple[int, str, str]]:
    """Return sample index, prompt and label of each training row, worded as in fine-tune and fine-tune-cot."""
    if source == "answer":
        records = {at: record for at, record in samples(data, task).items() if at in kept}
        return [(at, f"{one['question']} ###", f" {one['answer']}") for at, one in records.items()]
    rows = []
    for name in TEACHERS[source]:
        with gzip.open(data / "teacher" / f"{name}__{task}.jsonl.gz", "rt") as lines:
            for record in map(json.loads, lines):
                if record["correct"] and record["sample_index"] in kept:
                    label = f" {record['reasoning_completion'].strip()} --> {record['answer']}"
                    rows.append((record["sample_index"], f"{record['question'].strip()} ###", label))
    return rows


def samples(data: Path, task: str) -> dict[int, dict[str, Any]]:
    """Return a task's samples by index."""
    path = next((data / "datasets").glob(f"{task}.jsonl*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return {record["sample_index"]: record for record in map(json.loads, lines)}


def trial(data: Path, model: str, task: str, source: str, rate: float, steps: int) -> dict[str, Any]:
    """Train and test once."""
    from rtbench_plugins.hf.students import causal_student

    from rtbench.api import Environment, Recipe, Request, Sampling, TrainingRow, TrainJob, open_services

    fold = json.loads((data / "splits" / f"{task}__default.json").read_text())["train"]
    random.Random(0).shuffle(fold)
    held, kept = fold[::5], {at for place, at in enumerate(fold) if place % 5}
    student = causal_student(
        "student", {"model": model, "dtype": "auto"}, open_services(Environment(workspace=tempfile.mkdtemp()))
    )
    recipe = Recipe(
        learning_rate=rate,
        steps=steps,
        schedule="linear",
        warmup_steps=10,
        selection="last",
        max_new_tokens=ANSWER_TOKENS,
    )
    rows = [
        TrainingRow(sample_index=at, prompt=prompt, label=label)
        for at, prompt, label in rows_of(data, task, source, kept)
    ]
    asked = samples(data, task)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        job = TrainJob(rows=rows, validation=(), recipe=recipe, seed=0, workdir=Path(folder), corpus=())
        report = student.train(job)
        trained = time.monotonic() - began
        writer = student.load(Path(folder) / "checkpoint", (), "trial")
        requests = [
            Request(
                task=task, sample_index=at, completion_index=0, prompt=f"{asked[at]['question'].strip()} ###",
                sampling=Sampling(max_new_tokens=ANSWER_TOKENS), key=str(at), seed=at,
            )
            for at in held
        ]  # fmt: skip
        written = {one.sample_index: one.text for one in writer.generate(requests)}
        right = sum(answer_of(written[at]) == number(asked[at]["answer"]) for at in held)
    return {
        "task": task, "labels": source, "learning_rate": rate, "steps": steps, "rows": len(rows), "right": right,
        "questions": len(held), "last_loss": report.history[-1]["train_loss"], "training_s": round(trained),
        "test_s": round(time.monotonic() - began - trained), "texts": [written[at] for at in held[:3]],
    }  # fmt: skip


def answer_of(text: str) -> float | None:
    """Return the number after the last ``-->``, else the whole text as a number."""
    return number(text.rpartition("-->")[2])


def number(text: str) -> float | None:
    """Return a text as a number."""
    try:
        return float(text.strip().rstrip(".").replace(",", "").lstrip("$"))
    except ValueError:
        return None


def main() -> None:
    """Run the trials that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    done = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    for task, source, rate, steps in TRIALS:
        if any((d["task"], d["labels"], d["learning_rate"], d["steps"]) == (task, source, rate, steps) for d in done):
            continue
        result = trial(given.data_dir, given.model, task, source, rate, steps)
        with given.out.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(result, flush=True)


if __name__ == "__main__":
    main()
