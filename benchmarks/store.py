"""Completions appended to the ledger and found again, beside the original's way (its file rewritten every 20 requests).

    python benchmarks/store.py --data-dir DIR [--rounds 3] > docs/benchmarks/store.md

Texts are recorded rationales of gsm8k under their questions, over and over; each amount is a process of its own on an empty
folder. Appending is the ledger's writer, which syncs every 256 completions; finding is every key (what a plan and a topping-up
need), and 1,000 completions with their texts by key. The files are in the page cache, as after writing. The original's way
keeps all in one dictionary and writes it as JSON after each batch of 20 (its ``data/completion_dataset.py``).
"""

from __future__ import annotations

import gzip
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness import head, measured, parser_of, peak_mb, tell

from rtbench.schema.completions import Completion, Sampling
from rtbench.storage.ledger import Ledger, make_request

AMOUNTS, REWRITTEN = (10_000, 100_000, 1_000_000), (1_000, 2_000, 4_000)
PER_QUESTION, LOADED = 64, 1000


def completions(data_dir: Path, count: int) -> Iterator[Completion]:
    with gzip.open(data_dir / "teacher" / "text-davinci-003__fs_cot__gsm8k.jsonl.gz", "rt") as lines:
        found = [json.loads(line) for line in lines]
    sampling = Sampling(max_new_tokens=512, temperature=0.7)
    for at, one in zip(range(count), itertools.cycle(found), strict=False):
        prompt = f"Q: {one['question']}\nA: Let's think step by step."
        asked = make_request("benchmark", "gsm8k", at // PER_QUESTION, at % PER_QUESTION, prompt, sampling)
        yield Completion(
            key=asked.key, task="gsm8k", sample_index=asked.sample_index, completion_index=asked.completion_index,
            prompt=prompt, text=one["reasoning_completion"], finish_reason="stop",
        )  # fmt: skip


def append(folder: Path, data_dir: Path, count: int) -> dict[str, Any]:
    """Making the requests, with their keys, is not counted: it is the model's side."""
    seconds = 0.0
    stream = completions(data_dir, count)
    with Ledger(folder).partition("f", "d", "p").writer() as writer:
        while some := list(itertools.islice(stream, 1000)):
            before = time.perf_counter()
            for one in some:
                writer.append(one)
            seconds += time.perf_counter() - before
    size = sum(path.stat().st_size for path in folder.rglob("*.jsonl"))
    return {"seconds": seconds, "bytes": size / count}


def keys(folder: Path, _data_dir: Path, count: int) -> dict[str, Any]:
    before = time.perf_counter()
    held = Ledger(folder).partition("f", "d", "p").keys()
    seconds = time.perf_counter() - before
    assert len(held) == count
    return {"seconds": seconds, "mb": peak_mb()}


def load(folder: Path, data_dir: Path, _count: int) -> dict[str, Any]:
    wanted = [one.key for one in completions(data_dir, LOADED)]
    before = time.perf_counter()
    held = Ledger(folder).partition("f", "d", "p").load(wanted)
    seconds = time.perf_counter() - before
    assert len(held) == LOADED
    return {"seconds": seconds, "mb": peak_mb()}


def rewrite(folder: Path, data_dir: Path, count: int) -> dict[str, Any]:
    """The original's way: one dictionary, all of it written after every 20."""
    held: dict[str, dict[str, dict[str, Any]]] = {}
    stream = completions(data_dir, count)
    seconds = 0.0
    while some := list(itertools.islice(stream, 20)):
        before = time.perf_counter()
        for one in some:
            held.setdefault(str(one.sample_index), {})[str(one.completion_index)] = {
                "question": one.prompt, "reasoning_completion": one.text, "sample_index": one.sample_index,
                "completion_index": one.completion_index,
            }  # fmt: skip
        with (folder / "completions.json").open("w") as file:
            json.dump({"metadata": {}, "data": held}, file)
        seconds += time.perf_counter() - before
    return {"seconds": seconds}


WAYS: dict[str, Callable[[Path, Path, int], dict[str, Any]]] = {
    "append": append,
    "keys": keys,
    "load": load,
    "rewrite": rewrite,
}


def main() -> None:
    given = parser_of(__doc__, 4).parse_args()
    if given.child:
        way, folder, data_dir, count = given.child
        tell(WAYS[way](Path(folder), Path(data_dir), int(count)))
        return
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for count in AMOUNTS:
            with tempfile.TemporaryDirectory() as folder:
                for way in ("append", "keys", "load"):
                    found.setdefault((way, count), []).append(measured(__file__, way, folder, given.data_dir, count))
    for count in REWRITTEN:  # once: it takes minutes, and its growth is what matters
        with tempfile.TemporaryDirectory() as folder:
            found["rewrite", count] = [measured(__file__, "rewrite", folder, given.data_dir, count)]

    def middle(way: str, count: int, what: str) -> float:
        return statistics.median(one[what] for one in found[way, count])

    head("Ledger: a million completions", f"wall seconds, medians of {given.rounds} rounds, peak memory of the process")
    print(f"\n{middle('append', AMOUNTS[-1], 'bytes'):.0f} bytes a completion.\n")
    print(f"| completions | appended s | µs each | all keys s | MB | {LOADED:,} by key, with texts, s | MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count in AMOUNTS:
        appended = middle("append", count, "seconds")
        cells = [f"{appended:.2f}", f"{appended / count * 1e6:.1f}"]
        for way in ("keys", "load"):
            cells += [f"{middle(way, count, 'seconds'):.2f}", f"{middle(way, count, 'mb'):.0f}"]
        print(f"| {count:,} | {' | '.join(cells)} |")
    print("\n## The original's way\n\n| completions | s | per completion, times rtbench's |\n|---:|---:|---:|")
    each = middle("append", AMOUNTS[0], "seconds") / AMOUNTS[0]
    for count in REWRITTEN:
        seconds = middle("rewrite", count, "seconds")
        print(f"| {count:,} | {seconds:.2f} | {seconds / count / each:,.0f} |")


if __name__ == "__main__":
    main()
